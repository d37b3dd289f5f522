# SPDX-License-Identifier: Apache-2.0
"""What is shown of a broker: the text that scrapers get, as promtool judges it, and the dashboard
of deploy/grafana: every metric and label that it and the alerts use exists, every query can be read
and shows something of a broker that is used, and no panel lies on another. Prints TAP.

Usage: dashboard_test.py KAFSCALED
"""
import json
import os
import re
import socket
import subprocess
import sys
import urllib.parse

import daemon
from daemon import kcat, numbers, request
from scrape import expect, fetch, is_there, port_of, promtool, scrape

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DASHBOARD = os.path.join(ROOT, "deploy", "grafana", "kafscale.json")
RULES = os.path.join(ROOT, "deploy", "prometheus", "kafscale.rules.yml")
TABLE = os.path.join(ROOT, "lib", "broker", "metrics.def")

# Those of KafScale's that have a unit in their name; they must stay as they are.
NAMES_WITH_MS = {"kafscale_admin_request_latency_ms_avg", "kafscale_produce_latency_ms",
                 "kafscale_s3_latency_ms_avg", "kafscale_s3_upload_duration_ms"}
TARGET_LABELS = {"job", "instance"}
COLUMNS = 24
LIST_GROUPS = 16

# Panels that are empty as long as all is well.
EMPTY = {"Failing since"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def metrics():
    """(type, labels) by name, as queries may use it."""
    found = {"up": ("GAUGE", TARGET_LABELS)}
    for name, kind, *labels in re.findall(r'METRIC\((\w+), (\w+), "(\w*)", "(\w*)"', read(TABLE)):
        its = {label for label in labels if label} | TARGET_LABELS
        found["kafscale_" + name] = (kind, its)
        if kind == "HISTOGRAM":
            for suffix, more in (("_bucket", {"le"}), ("_sum", set()), ("_count", set())):
                found["kafscale_" + name + suffix] = ("COUNTER", its | more)
    return found


def panels():
    return json.loads(read(DASHBOARD))["panels"]


def shown():
    """(title, query) of all targets, with the variables that Grafana fills in."""
    filled = {"$__rate_interval": "5m", "$__interval": "5m", "$job": "kafscale", "$instance": ".*"}
    queries = [(panel["title"], target["expr"])
               for panel in panels() for target in panel.get("targets", ())]
    queries += [("annotation", note["expr"])
                for note in json.loads(read(DASHBOARD))["annotations"]["list"] if "expr" in note]
    for name, text in filled.items():
        queries = [(title, query.replace(name, text)) for title, query in queries]
    assert not [query for _, query in queries if "$" in query], queries
    return queries


def alerts():
    """Queries of the rules, which are on one line or folded."""
    found = re.findall(r"^ +expr: (?:>-\n)?((?:.+\n)(?: {10}[^ ].*\n)*)", read(RULES), re.M)
    assert len(found) == read(RULES).count("- alert:")
    return [("alert", " ".join(query.split())) for query in found]


def use(broker):
    kcat(broker.address, "-P", "-t", "numbers", text=numbers(1000))
    kcat(broker.address, "-G", "readers", "-X", "auto.offset.reset=earliest", "-c", "500", "-q",
         "numbers")
    subprocess.run(["kcat", "-b", broker.address, "-P", "-t", "numbers"], input="." * 500000,
                   capture_output=True, text=True, timeout=60, check=False)
    host, port = broker.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        assert request(connection, LIST_GROUPS, 0)[4:6] == b"\0\0"


def used(broker):
    """A scrape after it was used, with all that comes later."""
    def look():
        scraped = scrape(broker)
        return scraped if any("kafscale_consumer_group_lag{" in name for name in scraped) else None
    use(broker)
    return daemon.wait_until(look, "lag")


def start(root):
    return daemon.start(root, "metrics.addr=127.0.0.1:0", "message.max.bytes=100000",
                        "group.initial.rebalance.delay.ms=0", "lag.sample.interval.sec=1")


# --- Tests: each gets a directory of its own ------------------------------------------------------

def promtool_finds_kafscales_own_units_only(root):
    broker = start(root)
    used(broker)
    done = promtool("check", "metrics", text=fetch(port_of(broker)))
    said = (done.stdout + done.stderr).strip().splitlines()
    named = {line.split()[0] for line in said}
    assert named == NAMES_WITH_MS, said
    assert all("abbreviated units" in line for line in said), said


def every_metric_of_the_table_is_told(root):
    broker = start(root)
    used(broker)
    told = set(re.findall(r"^# TYPE (\w+)", fetch(port_of(broker)), re.M))
    table = {"kafscale_" + name for name in re.findall(r"^METRIC\((\w+)", read(TABLE), re.M)}
    assert told == table, told ^ table


def ask_prometheus(port, path):
    try:
        return json.loads(fetch(port, "/api/v1/" + path))["data"]
    except (OSError, ValueError, KeyError):
        return None


def prometheus_takes_it_all(root):
    """The program itself, with the rules, and a group whose name is no text."""
    broker = start(root)
    used(broker)
    kcat(broker.address, "-G", "a\"b\\c\x01d" + "e" * 500, "-X", "auto.offset.reset=earliest", "-c",
         "1", "-q", "numbers")
    daemon.wait_until(lambda: scrape(broker).get("kafscale_committed_offsets") == "2", "lag")
    address = daemon.free_address()
    config = os.path.join(root, "prometheus.yml")
    with open(config, "w", encoding="utf-8") as file:
        json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                   "rule_files": [os.path.abspath(RULES)],
                   "scrape_configs": [{"job_name": "kafscale", "static_configs": [
                       {"targets": ["127.0.0.1:%d" % port_of(broker)]}]}]}, file)
    with open(os.path.join(root, "prometheus.log"), "w", encoding="utf-8") as log, \
            subprocess.Popen(["prometheus", "--config.file=" + config, "--storage.tsdb.path=" +
                              os.path.join(root, "tsdb"), "--web.listen-address=" + address],
                             stdout=log, stderr=log) as process:
        try:
            port = int(address.rsplit(":", 1)[1])

            def query(text):
                found = ask_prometheus(port, "query?query=" + urllib.parse.quote(text))
                return found["result"] if found else []

            daemon.wait_until(lambda: query("kafscale_build_info"), "a scrape")
            daemon.wait_until(lambda: ask_prometheus(port, "rules")["groups"][0]["evaluationTime"],
                              "rules")
            target = ask_prometheus(port, "targets")["activeTargets"][0]
            assert (target["health"], target["lastError"]) == ("up", ""), target
            assert len(query("kafscale_consumer_group_lag")) == 2
            rules = ask_prometheus(port, "rules")["groups"][0]["rules"]
            assert {rule["health"] for rule in rules} == {"ok"}, rules
            assert not query("ALERTS")
            told = len([name for name in scrape(broker) if name != "up"])
            assert query("scrape_samples_post_metric_relabeling")[0]["value"][1] == str(told)
            said = read(os.path.join(root, "prometheus.log"))
            assert "level=warn" not in said and "level=error" not in said, said
        finally:
            process.terminate()


def what_is_asked_for_exists(_root):
    known = metrics()
    for title, query in shown() + alerts():
        plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', query)
        names = set(re.findall(r"\b(?:kafscale_\w+|up)\b", plain))
        assert names, (title, query)
        assert names <= set(known), (title, names - set(known))
        labels = set().union(*(known[name][1] for name in names))
        for asked in re.findall(r"\{([^}]*)\}", plain):
            used = set(re.findall(r"(\w+) *(?:=~|!~|!=|=)", asked))
            assert used <= labels, (title, used - labels)
        for asked in re.findall(r"\b(?:by|without|on) *\(([^)]*)\)", plain):
            used = {label.strip() for label in asked.split(",")}
            assert used <= labels, (title, used - labels)


def rates_are_of_what_only_grows(_root):
    known = metrics()
    for title, query in shown() + alerts():
        for name in re.findall(r"\b(?:rate|increase|irate)\((\w+)", query):
            assert known[name][0] == "COUNTER", (title, name)
        for name in re.findall(r"(?<!rate\()(?<!increase\()\b(kafscale_\w+_total)", query):
            panel = [panel for panel in panels() if panel["title"] == title]
            assert panel and panel[0]["type"] == "table", (title, name)


def every_query_shows_something_of_a_broker_that_is_used(root):
    """Recorded as rules, which promtool has to understand first."""
    broker = start(root)
    idle = scrape(broker)
    busy = used(broker)
    queries = shown()
    rules = os.path.join(root, "rules.yml")
    with open(rules, "w", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "shown", "rules": [
            {"record": "shown:%d" % i, "expr": query} for i, (_, query) in enumerate(queries)]}]},
            file)
    done = promtool("check", "rules", rules)
    assert done.returncode == 0, done.stdout + done.stderr
    expect(root, rules, [(idle, 10), (busy, 10)],
           [("count(count_over_time(shown:%d[20m]))" % i + " > bool 0", 19,
             [] if title in EMPTY or title == "annotation" else [("{}", 1)])
            for i, (title, _) in enumerate(queries)])


def panels_say_what_they_show(_root):
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len(set(titles)), titles
    for panel in panels():
        if panel["type"] == "row":
            continue
        assert panel["type"] in ("timeseries", "stat", "table"), panel["type"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters and len(letters) == len(set(letters)), panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]


def no_panel_lies_on_another(_root):
    taken = {}
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["x"] + place["w"] <= COLUMNS, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]


def variables_are_asked_of_a_metric_that_is_there(_root):
    asked = {variable["name"]: variable for variable in
             json.loads(read(DASHBOARD))["templating"]["list"]}
    assert set(asked) == {"datasource", "job", "instance"}, asked
    for name in ("job", "instance"):
        metric = re.match(r"label_values\((\w+)", asked[name]["query"]["query"]).group(1)
        assert metric in metrics(), metric


TESTS = (
    promtool_finds_kafscales_own_units_only, every_metric_of_the_table_is_told,
    prometheus_takes_it_all,
    what_is_asked_for_exists, rates_are_of_what_only_grows,
    every_query_shows_something_of_a_broker_that_is_used, panels_say_what_they_show,
    no_panel_lies_on_another, variables_are_asked_of_a_metric_that_is_there)


if __name__ == "__main__":
    if not is_there():
        print("1..0 # SKIP no promtool: Debian has it in package prometheus")
        sys.exit(0)
    sys.exit(daemon.main(TESTS))
