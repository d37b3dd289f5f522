# SPDX-License-Identifier: Apache-2.0
"""librdkafka's own tests against the broker, one case for each number. They come, with all of
librdkafka, inside a package of npm, and are built once into the cache, which takes some minutes:
only the long tier does that.

A test that ends within 5 ms has asked the broker nothing and counts as skipped.
"""
import glob
import json
import os
import re

import install
import versions
from suite import Case, Client, Skip, tail

BUILD_LIMIT_S = 1200
# 0110 is built where this is there.
JSON = " with RapidJSON" if os.path.exists("/usr/include/rapidjson/document.h") else ""
NOTHING_S = 0.005
PATIENCE = 3  # the machine is shared with other cases
QUICK = ("0001 0002 0005 0008 0012 0013 0016 0017 0021 0036 0040 0041 0055 0057 0060 0070 "
         "0073 0083 0085 0086").split()
CORE = ("0001 0002 0003 0005 0007 0008 0012 0013 0016 0017 0018 0019 0020 0021 0022 0026 0033 0035 "
        "0036 0038 0039 0040 0041 0042 0045 0050 0051 0055 0056 0057 0060 0061 0063 0065 0067 0070 "
        "0073 0076 0083 0084 0085 0086 0089 0090 0102 0113 0114 0122 0123 0125 0127 0132 0137 "
        "0150").split()
SECOND = ("0011 0014 0015 0029 0030 0031 0034 0044 0054 0059 0069 0081 0082 0091 0092 0093 0099 "
          "0103 0107 0110 0111 0112 0118 0129 0130 0140").split()
# Quick mode leaves nothing of these.
FULL = "0018 0019 0022 0026 0039 0045 0050 0061 0082 0089 0102 0122 0132".split()
NEEDS = {
    "0061": ("transactions",),
    "0103": ("transactions",),
    "0129": ("transactions",),
}
# Parts of a test that are cases of their own, so that one of them does not hide the others.
PARTS = {
    "0081": ("CreateTopics", "DeleteTopics", "CreatePartitions", "AlterConfigs",
             "IncrementalAlterConfigs", "DescribeConfigs", "DeleteRecords", "ListConsumerGroups",
             "DescribeConsumerGroups", "DescribeTopics", "DescribeCluster", "DeleteGroups",
             "DeleteConsumerGroupOffsets", "ListOffsets", "AlterConsumerGroupOffsets",
             "ListConsumerGroupOffsets"),
}
MOCKS = "0076 0127 0150".split()  # talk to a broker that librdkafka plays itself
# Two members that come at once are one generation, if the group waits for them as in Kafka.
SETTINGS = {
    "0089": ("group.initial.rebalance.delay.ms=3000",),
    "0102": ("group.initial.rebalance.delay.ms=3000",),
    "0107": ("auto.create.topics.enable=false",),
    "0111": ("auto.create.topics.enable=false",),
}
SCENARIO = {"0107": "noautocreate", "0111": "noautocreate"}
KAFKA = {
    "0092": "4.x fails it, it has no message format 1",
}
LIMIT_S = 300
LIMITS_S = {"0045": 1200}


def build(may_build):
    """librdkafka with its test runner, in the cache. Returns its tests' directory."""
    package, version = versions.LIBRDKAFKA
    name = "librdkafka-" + version
    with install.fresh(name, package + JSON, may_build) as (directory, empty):
        source = os.path.join(directory, "package", "deps", "librdkafka")
        if empty:
            install.run(name, "npm", "pack", "--silent", package, cwd=directory)
            (archive,) = glob.glob(os.path.join(directory, "*.tgz"))
            install.run(name, "tar", "xzf", archive, cwd=directory)
            for command in (("bash", "configure", "--disable-curl", "--disable-gssapi"),
                            ("make", "-j2", "libs"), ("make", "-j2", "-C", "tests", "build")):
                install.run(name, *command, cwd=source, limit_s=BUILD_LIMIT_S)
    return os.path.join(source, "tests")


def find(may_build):
    return build(may_build), versions.LIBRDKAFKA[1]


def running(number, part=None):
    def run(arena, tests):
        if number in MOCKS:
            raise Skip("talks to a broker that librdkafka plays itself")
        report = os.path.join(arena.root, "report.json")
        with open(os.path.join(arena.root, "test.conf"), "w", encoding="utf-8") as file:
            file.write("bootstrap.servers=%s\ntest.timeout.multiplier=%d\n" % (
                arena.address, PATIENCE))
        source = os.path.dirname(tests)
        environment = {
            "LD_LIBRARY_PATH": ":".join(os.path.join(source, name) for name in ("src", "src-cpp")),
            "RDKAFKA_TEST_CONF": os.path.join(arena.root, "test.conf"), "TEST_REPORT": report,
            "TEST_KAFKA_VERSION": "3.9.0", "TESTS": number, "CI": ""}
        if part:
            environment["SUBTESTS"] = "do_test_%s:" % part
        if number in SCENARIO:
            environment["TEST_SCENARIO"] = SCENARIO[number]
        mode = () if number in FULL else ("-Q",)
        process = arena.start(os.path.join(tests, "test-runner"), "-p1", "-E", *mode,
                              environment=environment)
        arena.wait(process, code=None)
        judge(report, process)
    return run


def plain(text):
    """Without colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def judge(report, process):
    """The one test of the report that ran."""
    said = plain(process.said())
    assert os.path.exists(report), tail(said)
    with open(report, encoding="utf-8") as file:
        ran = [test for test in json.load(file)["tests"].values() if test["state"] != "DID NOT RUN"]
    tests = [test for test in ran if test["name"] != "<MAIN>"]
    assert tests, tail(said)
    for test in tests:
        assert test["state"] in ("PASSED", "SKIPPED"), "%s: %s\n%s" % (
            test["state"], test["extra"], tail(said, 60))
    assert process.process.returncode == 0, tail(said)
    if all(test["state"] == "SKIPPED" for test in tests):
        reasons = re.findall(r"SKIPPING TEST: (.*)", said)
        raise Skip("skips itself: %s" % ("; ".join(reasons) or tail(said, 1)))
    if sum(test["duration"] for test in tests) < NOTHING_S:
        raise Skip("asks the broker nothing in this mode")


def cases_of(number):
    names = [(number, None)] if number not in PARTS else [
        ("%s %s" % (number, part), part) for part in PARTS[number]]
    return [Case("librdkafka's own tests", name, running(number, part),
                 tier="quick" if number in QUICK else "long", needs=NEEDS.get(name, ()),
                 settings=SETTINGS.get(number, ()), limit_s=LIMITS_S.get(number, LIMIT_S),
                 kafka=KAFKA.get(number, "")) for name, part in names]


CLIENTS = (Client("librdkafka", find, [
    case for number in CORE + SECOND for case in cases_of(number)]),)
