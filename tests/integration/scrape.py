# SPDX-License-Identifier: Apache-2.0
"""What a broker tells scrapers, as tests read it, and as promtool takes it: a test that has several
scrapes lays them out along a clock of its own, a minute apart, so that nobody waits for minutes.
"""
import http.client
import json
import os
import re
import subprocess

PROMTOOL = "promtool"
LIMIT_S = 60
LABELS = 'instance="broker",job="kafscale"'


def port_of(broker):
    """The newest: a log may be that of several runs."""
    return int(re.findall(r"metrics and health .*address=127\.0\.0\.1:(\d+)", broker.said())[-1])


def fetch(port, path="/metrics"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def parse(text):
    """Values, as they are written, by series."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def scrape(broker):
    """One scrape with what Prometheus adds to it; of a broker that doesn't answer, that alone."""
    try:
        return {**parse(fetch(port_of(broker))), "up": "1"}
    except OSError:
        return {"up": "0"}


def value(scraped, series):
    return float(scraped.get(series, "nan"))


def labelled(series):
    """With the labels of the target."""
    name, _, labels = series.partition("{")
    return "%s{%s%s}" % (name, labels.rstrip("}") + "," if labels else "", LABELS)


def series_of(scrapes):
    """promtool's input of (scrape, how many minutes it holds)."""
    names = dict.fromkeys(name for scraped, _ in scrapes for name in scraped)
    return [{"series": labelled(name),
             "values": " ".join("%s+0x%d" % (scraped[name], minutes - 1) if name in scraped
                                else "_x%d" % minutes for scraped, minutes in scrapes)}
            for name in names]


def promtool(*arguments, text=None):
    return subprocess.run([PROMTOOL, *arguments], input=text, capture_output=True, text=True,
                          timeout=LIMIT_S, check=False)


def is_there():
    try:
        return promtool("--version").returncode == 0
    except FileNotFoundError:
        return False


def expect(root, rules, scrapes, expected):
    """What queries give at a minute: (query, minute, [(labels, value)]), over these rules."""
    test = {"rule_files": [os.path.abspath(rules)], "evaluation_interval": "1m", "tests": [{
        "interval": "1m", "input_series": series_of(scrapes), "promql_expr_test": [
            {"expr": query, "eval_time": "%dm" % minute,
             "exp_samples": [{"labels": labels, "value": number} for labels, number in samples]}
            for query, minute, samples in expected]}]}
    path = os.path.join(root, "test.yml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(test, file)  # JSON is YAML
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
