# SPDX-License-Identifier: Apache-2.0
"""docs/compatibility.md, made of the results that runs of run.py left behind."""
import json
import os

from suite import CAPABILITIES

HEAD = """# Compatibility

What clients, tools and frameworks do with `kafscaled`, unchanged and with default settings. This
page is made of a run of `tests/compat/run.py --tier long --write`; a line changes only with it.
Each case has a broker of its own, with `num.partitions=4` and
`group.initial.rebalance.delay.ms=0`.

```
run="python3 -B tests/compat/run.py build/gcc/daemon/kafscaled"
$run                                       # the quick ones, as in tests/run
$run --tier long                           # all, as in tests/run --long
$run --tier long --only kcat --only 0012   # those with one of these words in their line
$run --tier long --list                    # what there is
$run --tier long --write                   # and write this page
$run --tier long --kafka                   # against Apache Kafka itself
```

Clients come from Debian or, in the versions of `tests/compat/versions.py`, from their registries
into `~/.cache/kafscale-tests` (`$XDG_CACHE_HOME/kafscale-tests`), once. What the machine lacks is
skipped, with the reason. What takes long to build, such as librdkafka with its tests, is built
with `--tier long` alone; once it is there, the quick tier uses it too.

How records of each client look in the broker, in every codec: [Clients](clients.md).

A case that needs what the broker does not serve yet is not run. With `--kafka` the cases run on a
broker of Apache Kafka 4.3, which is how what they expect of the tools' output was found.
"""

RESULTS = {"passed": "passes", "failed": "**fails**", "skipped": "not run"}


def key_of(client, case):
    return "%s: %s: %s" % (client.name, case.capability, case.name)


def cases_of(families):
    return [(client, case) for family in families for client in family.CLIENTS
            for case in client.cases]


def load(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def remember(path, results, families):
    """Adds what a run has found to what earlier ones have; cases that are no more are forgotten."""
    known = {key_of(client, case) for client, case in cases_of(families)}
    kept = {key: value for key, value in load(path).items() if key in known}
    for result in results:
        kept[key_of(result.client, result.case)] = {
            "version": result.version, "state": result.state,
            "text": result.text if result.state == "skipped" else ""}
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1, sort_keys=True)


def version_of(client, results):
    found = [results[key_of(client, case)]["version"] for case in client.cases
             if key_of(client, case) in results]
    return next((version for version in found if version), "not here")


def tally(client, capability, results):
    """Passed of how many, or nothing where a client has no such case."""
    states = [results.get(key_of(client, case), {}).get("state") for case in client.cases
              if case.capability == capability]
    return "%d of %d" % (states.count("passed"), len(states)) if states else ""


def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def summary(families, results):
    clients = [client for family in families for client in family.CLIENTS]
    capabilities = [capability for capability in CAPABILITIES
                    if any(tally(client, capability, results) for client in clients)]
    text = "\n## Clients\n\nCases that pass, of how many there are.\n\n"
    text += row(["client", "version", *capabilities]) + "|---" * (2 + len(capabilities)) + "|\n"
    for client in clients:
        text += row([client.name, version_of(client, results)] +
                    [tally(client, capability, results) for capability in capabilities])
    return text


def told(result):
    if not result:
        return "not run"
    return RESULTS[result["state"]] + (": " + result["text"] if result["text"] else "")


def section(capability, families, results):
    rows = ""
    for client, case in cases_of(families):
        if case.capability == capability:
            result = results.get(key_of(client, case))
            rows += row([client.name, case.name, told(result).replace("|", "\\|"), case.kafka])
    if not rows:
        return ""
    return ("\n## Cases: %s\n\n" % capability + row(
        ["client", "case", "result", "Apache Kafka, where it differs"]) + "|---|---|---|---|\n" +
        rows)


def write(path, results_path, families):
    results = load(results_path)
    text = HEAD + summary(families, results)
    text += "".join(section(capability, families, results) for capability in CAPABILITIES)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
