# SPDX-License-Identifier: Apache-2.0
"""The command-line tools of Apache Kafka, as its shell scripts start them, in two versions. What
they print is compared with what they print about Apache Kafka (run.py --kafka), where a user would
read it.
"""
import json
import os
import re

import install
import versions
from suite import HERE, Case, Client

LOG4J = os.path.join(HERE, "..", "integration", "clients", "java")
TOOLS = "org.apache.kafka.tools."
# Where the classes are; those of a version that differ.
CLASSES = {
    "kafka-topics": TOOLS + "TopicCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-consumer-groups": TOOLS + "consumer.group.ConsumerGroupCommand",
    "kafka-groups": TOOLS + "GroupsCommand",
    "kafka-console-producer": TOOLS + "ConsoleProducer",
    "kafka-console-consumer": TOOLS + "consumer.ConsoleConsumer",
    "kafka-get-offsets": TOOLS + "GetOffsetShell",
    "kafka-delete-records": TOOLS + "DeleteRecordsCommand",
    "kafka-log-dirs": TOOLS + "LogDirsCommand",
    "kafka-broker-api-versions": TOOLS + "BrokerApiVersionsCommand",
    "kafka-cluster": TOOLS + "ClusterTool",
    "kafka-acls": TOOLS + "AclCommand",
    "kafka-features": TOOLS + "FeatureCommand",
    "kafka-leader-election": TOOLS + "LeaderElectionCommand",
    "kafka-reassign-partitions": TOOLS + "reassign.ReassignPartitionsCommand",
    "kafka-transactions": TOOLS + "TransactionsCommand",
    "kafka-producer-perf-test": TOOLS + "ProducerPerformance",
    "kafka-consumer-perf-test": TOOLS + "ConsumerPerformance",
    "kafka-e2e-latency": TOOLS + "EndToEndLatency",
    "kafka-verifiable-producer": TOOLS + "VerifiableProducer",
    "kafka-verifiable-consumer": TOOLS + "VerifiableConsumer",
    "client-compatibility-test": TOOLS + "ClientCompatibilityTest",
}
CLASSES_3 = {
    "kafka-console-producer": "kafka.tools.ConsoleProducer",
    "kafka-broker-api-versions": "kafka.admin.BrokerApiVersionsCommand",
    "kafka-acls": "kafka.admin.AclCommand",
}


class Tools:
    """The tools of one version."""

    def __init__(self, kafka):
        self.version, *coordinates = kafka
        self.path = install.java("apache-kafka-" + self.version, *coordinates)
        self.classes = {**CLASSES, **(CLASSES_3 if self.version.startswith("3.") else {})}

    def command(self, name, *arguments):
        return ("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
                self.path + ":" + LOG4J, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                self.classes[name], *map(str, arguments))

    def run(self, arena, name, *arguments, **more):
        """What a tool prints on stdout."""
        return arena.run(*self.command(name, "--bootstrap-server", arena.address, *arguments),
                         **more)

    def fail(self, arena, name, *arguments):
        """All that a tool prints that fails."""
        out, err = arena.run_both(
            *self.command(name, "--bootstrap-server", arena.address, *arguments), code=None)
        return out + err

    def start(self, arena, name, *arguments):
        return arena.start(*self.command(name, "--bootstrap-server", arena.address, *arguments))


def numbers(first, count):
    return "".join("%d\n" % i for i in range(first, first + count))


def sorted_numbers(text):
    return sorted(int(word) for word in text.split())


def create(arena, tools, topic, partitions=4):
    tools.run(arena, "kafka-topics", "--create", "--topic", topic, "--partitions", partitions,
              "--replication-factor", 1)


def fill(arena, topic="t", count=100):
    """100 records on four partitions in turn."""
    for partition in range(4):
        arena.kcat("-P", "-t", topic, "-p", partition,
                   text="".join("%d\n" % i for i in range(partition, count, 4)))


def read_in_group(arena, tools, group="g", count=100):
    return tools.run(arena, "kafka-console-consumer", "--topic", "t", "--group", group,
                     "--from-beginning", "--max-messages", count)


# --- Records ---------------------------------------------------------------------------------

def console(arena, tools):
    tools.run(arena, "kafka-console-producer", "--topic", "t", text=numbers(0, 1000))
    got = tools.run(arena, "kafka-console-consumer", "--topic", "t", "--from-beginning",
                    "--max-messages", 1000)
    assert sorted_numbers(got) == list(range(1000)), got[:200]


def console_partition(arena, tools):
    fill(arena)
    got = tools.run(arena, "kafka-console-consumer", "--topic", "t", "--partition", 1,
                    "--offset", 5, "--max-messages", 3)
    assert got == "21\n25\n29\n", got


def compatibility(arena, tools):
    said = tools.run(
        arena, "client-compatibility-test", "--topic", "t", "--offsets-for-times-supported",
        "True", "--cluster-id-supported", "True", "--expect-record-too-large-exception", "False",
        "--num-cluster-nodes", 1, "--create-topics-supported", "True",
        "--describe-acls-supported", "True", "--describe-configs-supported", "True",
        "--idempotent-producer-supported", "True")
    assert "SUCCESS" in said or not said.strip(), said


def performance(arena, tools):
    create(arena, tools, "t")
    said = arena.run(*tools.command(
        "kafka-producer-perf-test", "--topic", "t", "--num-records", 20000, "--record-size", 200,
        "--throughput", -1, "--producer-props", "bootstrap.servers=" + arena.address))
    assert re.search(r"^20000 records sent, .* 99.9th\.$", said, re.M), said


def consumer_performance(arena, tools):
    fill(arena, count=20000)
    said = tools.run(arena, "kafka-consumer-perf-test", "--topic", "t", "--messages", 20000,
                     "--timeout", 30000)
    last = said.strip().splitlines()[-1].split(", ")
    assert int(last[4]) == 20000, said


def latency(arena, tools):
    create(arena, tools, "t", 1)
    if tools.version.startswith("3."):
        said = arena.run(*tools.command("kafka-e2e-latency", arena.address, "t", 50, 1, 100))
    else:
        said = tools.run(arena, "kafka-e2e-latency", "--topic", "t", "--num-records", 50,
                         "--producer-acks", 1, "--record-size", 100)
    assert re.search(r"Avg latency: [\d.]+ ms", said), said


# --- Groups ----------------------------------------------------------------------------------

def events(process):
    """What a verifiable client has said."""
    return [json.loads(line) for line in process.said().splitlines() if line.startswith("{")]


def consumed(*processes):
    return sum(event["count"] for process in processes for event in events(process)
               if event["name"] == "records_consumed")


def assigned(process):
    """How many partitions it has now."""
    count = 0
    for event in events(process):
        count += len(event.get("partitions", ())) * {
            "partitions_assigned": 1, "partitions_revoked": -1}.get(event["name"], 0)
    return count


def verifiable(arena, tools):
    """Three members; one is stopped in order, one is killed; all is acknowledged and consumed."""
    create(arena, tools, "t", 6)
    members = [tools.start(arena, "kafka-verifiable-consumer", "--topic", "t", "--group-id", "g",
                           "--session-timeout", 6000, "--reset-policy", "earliest")
               for _ in range(3)]
    arena.wait_until(lambda: [assigned(member) for member in members] == [2, 2, 2],
                     "two partitions each")
    said = tools.run(arena, "kafka-verifiable-producer", "--topic", "t", "--max-messages", 5000)
    assert sum('"name":"producer_send_success"' in line for line in said.splitlines()) == 5000
    arena.wait_until(lambda: consumed(*members) == 5000, "all records")
    members[0].kill(15)
    arena.wait_until(lambda: assigned(members[1]) + assigned(members[2]) == 6, "all partitions")
    members[1].kill(9)
    arena.wait_until(lambda: assigned(members[2]) == 6, "all partitions for the last")
    tools.run(arena, "kafka-verifiable-producer", "--topic", "t", "--max-messages", 1000)
    arena.wait_until(lambda: consumed(*members) >= 6000, "the late records")


def assignor(name):
    def run(arena, tools):
        create(arena, tools, "t", 6)
        members = [tools.start(arena, "kafka-verifiable-consumer", "--topic", "t", "--group-id",
                               "g", "--reset-policy", "earliest", "--assignment-strategy",
                               "org.apache.kafka.clients.consumer." + name) for _ in range(2)]
        arena.wait_until(lambda: [assigned(member) for member in members] == [3, 3],
                         "three partitions each")
        tools.run(arena, "kafka-verifiable-producer", "--topic", "t", "--max-messages", 1000)
        arena.wait_until(lambda: consumed(*members) == 1000, "all records")
    return run


def static(arena, tools):
    """A static member that is killed and comes back within its session disturbs nobody."""
    create(arena, tools, "t", 6)

    def member(name):
        return tools.start(arena, "kafka-verifiable-consumer", "--topic", "t", "--group-id", "g",
                           "--group-instance-id", name, "--session-timeout", 30000,
                           "--reset-policy", "earliest")
    first, second = member("a"), member("b")
    arena.wait_until(lambda: (assigned(first), assigned(second)) == (3, 3), "three each")
    noticed = len([e for e in events(second) if "partitions" in e["name"]])
    first.kill()
    again = member("a")
    arena.wait_until(lambda: assigned(again) == 3, "its partitions")
    assert len([e for e in events(second) if "partitions" in e["name"]]) == noticed


# --- Offsets of groups -----------------------------------------------------------------------

def table(text):
    """The rows of a printed table, as dictionaries by heading."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    heads = next(i for i, line in enumerate(lines) if line[0] in ("GROUP", "TOPIC"))
    return [dict(zip(lines[heads], line)) for line in lines[heads + 1:]
            if len(line) >= len(lines[heads]) - 1]


def described(arena, tools, *more):
    return table(tools.run(arena, "kafka-consumer-groups", "--describe", "--group", "g", *more))


def groups_listed(arena, tools):
    fill(arena)
    read_in_group(arena, tools)
    assert tools.run(arena, "kafka-consumer-groups", "--list").split() == ["g"]
    said = tools.run(arena, "kafka-consumer-groups", "--list", "--state")
    assert table(said)[0]["STATE"] == "Empty", said
    rows = described(arena, tools)
    assert sorted((row["TOPIC"], row["PARTITION"], row["CURRENT-OFFSET"], row["LOG-END-OFFSET"],
                   row["LAG"]) for row in rows) == [
        ("t", str(i), "25", "25", "0") for i in range(4)], rows
    said = tools.run(arena, "kafka-consumer-groups", "--describe", "--group", "g", "--state")
    assert re.search(r"^g +\S+:\d+ *\(0\) .*\bEmpty +0 *$", said, re.M), said


def members_described(arena, tools):
    fill(arena)
    member = tools.start(arena, "kafka-console-consumer", "--topic", "t", "--group", "g",
                         "--from-beginning")
    arena.wait_until(lambda: len(member.said().split()) >= 100, "all records")
    said = tools.run(arena, "kafka-consumer-groups", "--describe", "--group", "g", "--members",
                     "--verbose")
    assert re.search(r"^g +console-consumer-\S+ +/127\.0\.0\.1 +console-consumer +4 +.*\b0,1,2,3\b",
                     said, re.M), said
    said = tools.run(arena, "kafka-consumer-groups", "--describe", "--group", "g", "--state")
    assert re.search(r"^g +\S+:\d+ *\(0\) +range +Stable +1 *$", said, re.M), said


def reset(arena, tools, *how):
    said = tools.run(arena, "kafka-consumer-groups", "--reset-offsets", "--group", "g", "--topic",
                     "t", *how, "--execute")
    return dict(re.findall(r"\bg +t +(\d+) +(\d+)", said))


def offsets_reset(arena, tools):
    fill(arena)
    read_in_group(arena, tools)
    every = ("0", "1", "2", "3")
    assert reset(arena, tools, "--to-earliest") == dict.fromkeys(every, "0")
    assert reset(arena, tools, "--shift-by", 5) == dict.fromkeys(every, "5")
    assert reset(arena, tools, "--to-datetime", "2020-01-01T00:00:00.000") == dict.fromkeys(
        every, "0")
    assert reset(arena, tools, "--to-latest") == dict.fromkeys(every, "25")
    assert reset(arena, tools, "--to-offset", 20) == dict.fromkeys(every, "20")
    got = read_in_group(arena, tools, count=20)
    assert sorted_numbers(got) == list(range(80, 100)), got


def reset_refused(arena, tools):
    """A group with members keeps its offsets."""
    fill(arena)
    member = tools.start(arena, "kafka-console-consumer", "--topic", "t", "--group", "g",
                         "--from-beginning")
    arena.wait_until(lambda: len(member.said().split()) >= 100, "all records")
    said = tools.fail(arena, "kafka-consumer-groups", "--reset-offsets", "--group", "g",
                      "--all-topics", "--to-earliest", "--execute")
    assert "Assignments can only be reset if the group 'g' is inactive" in said, said
    said = tools.fail(arena, "kafka-consumer-groups", "--delete", "--group", "g")
    assert "The group is not empty" in said, said


def groups_deleted(arena, tools):
    fill(arena)
    read_in_group(arena, tools)
    said = tools.run(arena, "kafka-consumer-groups", "--delete", "--group", "g")
    assert "Deletion of requested consumer groups ('g') was successful" in said, said
    assert tools.run(arena, "kafka-consumer-groups", "--list").strip() == ""
    said = tools.fail(arena, "kafka-consumer-groups", "--describe", "--group", "g")
    assert re.search("Consumer group 'g' does not exist|Group g not found", said), said


def offsets_deleted(arena, tools):
    fill(arena)
    read_in_group(arena, tools)
    said = tools.run(arena, "kafka-consumer-groups", "--delete-offsets", "--group", "g", "--topic",
                     "t")
    assert re.search(r"Request succeed(ed)? for deleting offsets .*group g", said), said
    said = tools.fail(arena, "kafka-consumer-groups", "--describe", "--group", "g")
    assert re.search(r"^g +t +0 ", said, re.M) is None, said


def new_groups_command(arena, tools):
    fill(arena)
    read_in_group(arena, tools)
    said = tools.run(arena, "kafka-groups", "--list")
    assert re.search(r"^g +Classic +consumer", said, re.M), said


# --- Administration --------------------------------------------------------------------------

def topics(arena, tools):
    tools.run(arena, "kafka-topics", "--create", "--topic", "a", "--partitions", 3,
              "--replication-factor", 1, "--config", "retention.ms=3600000")
    said = tools.run(arena, "kafka-topics", "--describe", "--topic", "a")
    first = re.search(r"^Topic: a\tTopicId: (\S{22})\tPartitionCount: 3\tReplicationFactor: 1\t"
                      r"Configs: (\S*)", said, re.M)
    assert first and "retention.ms=3600000" in first.group(2).split(","), said
    assert len(re.findall(r"^\tTopic: a\tPartition: \d\tLeader: 0\tReplicas: 0\tIsr: 0", said,
                          re.M)) == 3, said
    assert tools.run(arena, "kafka-topics", "--list").split() == ["a"]
    said = tools.fail(arena, "kafka-topics", "--create", "--topic", "a")
    assert "Topic 'a' already exists" in said, said
    tools.run(arena, "kafka-topics", "--delete", "--topic", "a")
    assert tools.run(arena, "kafka-topics", "--list").split() == []
    said = tools.fail(arena, "kafka-topics", "--describe", "--topic", "a")
    assert "does not exist as expected" in said, said


def default_topic(arena, tools):
    """Neither partitions nor replicas are named: the broker's defaults."""
    tools.run(arena, "kafka-topics", "--create", "--topic", "a")
    said = tools.run(arena, "kafka-topics", "--describe", "--topic", "a")
    assert "PartitionCount: 4\tReplicationFactor: 1\t" in said, said


def more_partitions(arena, tools):
    create(arena, tools, "a", 1)
    tools.run(arena, "kafka-topics", "--alter", "--topic", "a", "--partitions", 5)
    said = tools.run(arena, "kafka-topics", "--describe", "--topic", "a")
    assert "PartitionCount: 5\t" in said, said
    said = tools.fail(arena, "kafka-topics", "--alter", "--topic", "a", "--partitions", 2)
    assert re.search(r"currently has 5 partitions|2 would not be an increase", said), said


def configs(arena, tools):
    create(arena, tools, "a", 1)
    topic = ("--entity-type", "topics", "--entity-name", "a")
    said = tools.run(arena, "kafka-configs", "--alter", *topic, "--add-config",
                     "retention.ms=1000,cleanup.policy=[compact,delete]")
    assert "Completed updating config for topic a." in said, said
    said = tools.run(arena, "kafka-configs", "--describe", *topic)
    assert "Dynamic configs for topic a are:" in said and re.search(
        r"^  retention.ms=1000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:retention.ms=1000",
        said, re.M) and "cleanup.policy=compact,delete" in said, said
    tools.run(arena, "kafka-configs", "--alter", *topic, "--delete-config", "retention.ms")
    said = tools.run(arena, "kafka-configs", "--describe", *topic)
    assert "retention.ms" not in said and "cleanup.policy" in said, said
    said = tools.run(arena, "kafka-configs", "--describe", *topic, "--all")
    assert re.search(r"^  retention.ms=604800000 sensitive=false synonyms=\{", said, re.M), said
    said = tools.fail(arena, "kafka-configs", "--alter", *topic, "--add-config",
                      "no.such.config=1")
    assert "InvalidConfigurationException" in said, said


def broker_configs(arena, tools):
    said = tools.run(arena, "kafka-configs", "--describe", "--entity-type", "brokers",
                     "--entity-name", "0", "--all")
    assert "All configs for broker 0 are:" in said and "num.partitions=4 " in said, said


def offsets(arena, tools):
    fill(arena)
    assert tools.run(arena, "kafka-get-offsets", "--topic", "t").split() == [
        "t:%d:25" % i for i in range(4)]
    assert tools.run(arena, "kafka-get-offsets", "--topic-partitions", "t:1-2", "--time",
                     "earliest").split() == ["t:1:0"]
    assert tools.run(arena, "kafka-get-offsets", "--topic", "t", "--time",
                     "max-timestamp").startswith("t:0:"), "max-timestamp"


def records_deleted(arena, tools):
    fill(arena)
    path = os.path.join(arena.root, "offsets.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"version": 1, "partitions": [
            {"topic": "t", "partition": 0, "offset": 10}]}, file)
    said = tools.run(arena, "kafka-delete-records", "--offset-json-file", path)
    assert "partition: t-0\tlow_watermark: 10" in said, said
    assert tools.run(arena, "kafka-get-offsets", "--topic-partitions", "t:0", "--time",
                     "earliest").split() == ["t:0:10"]


def log_dirs(arena, tools):
    fill(arena)
    said = tools.run(arena, "kafka-log-dirs", "--describe", "--topic-list", "t")
    found = json.loads(said[said.index("{"):])
    ((broker,), (directory,)) = found["brokers"], found["brokers"][0]["logDirs"]
    parts = sorted(part["partition"] for part in directory["partitions"])
    assert broker["broker"] == 0 and directory["error"] is None, said
    assert parts == ["t-%d" % i for i in range(4)], said
    assert all(part["size"] > 0 and not part["isFuture"] for part in directory["partitions"]), said


def api_versions(arena, tools):
    said = tools.run(arena, "kafka-broker-api-versions")
    assert re.search(r"^\S+:\d+ \(id: 0 rack: null.*\) -> \($", said, re.M), said
    assert re.search(r"^\tFetch\(1\): 4 to \d+ \[usable: \d+\],$", said, re.M), said


def cluster_id(arena, tools):
    said = arena.run(*tools.command("kafka-cluster", "cluster-id", "--bootstrap-server",
                                    arena.address))
    assert re.fullmatch(r"Cluster ID: \S{22}\n", said), said


def acls(arena, tools):
    said = tools.fail(arena, "kafka-acls", "--list")
    assert "No Authorizer is configured" in said, said


def features(arena, tools):
    arena.run(*tools.command("kafka-features", "--bootstrap-server", arena.address, "describe"))


def elections(arena, tools):
    create(arena, tools, "t", 1)
    said = tools.run(arena, "kafka-leader-election", "--election-type", "preferred", "--topic",
                     "t", "--partition", 0)
    assert "Valid replica already elected for partitions t-0" in said, said


def reassignments(arena, tools):
    create(arena, tools, "t", 1)
    said = tools.run(arena, "kafka-reassign-partitions", "--list")
    assert said.strip() == "No partition reassignments found.", said


def transactions(arena, tools):
    said = tools.run(arena, "kafka-transactions", "list")
    assert "TransactionalId" in said, said


def long(capability, name, run, needs=(), **more):
    return Case(capability, name, run, tier="long", needs=needs, limit_s=150, **more)


COMMON = (
    long("records", "`kafka-console-producer` and `kafka-console-consumer`", console),
    long("records", "`kafka-console-consumer --partition --offset`", console_partition),
    long("tools", "ClientCompatibilityTest", compatibility),
    long("tools", "`kafka-producer-perf-test`", performance),
    long("tools", "`kafka-consumer-perf-test`", consumer_performance),
    long("tools", "EndToEndLatency", latency),
    long("groups", "VerifiableConsumer: three members, one stopped, one killed", verifiable),
    *(long("groups", "VerifiableConsumer with the " + name, assignor(name)) for name in (
        "RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor")),
    long("groups", "VerifiableConsumer: a static member is killed and comes back", static),
    long("tools", "`kafka-consumer-groups --list`, `--describe`, `--state`", groups_listed),
    long("tools", "`kafka-consumer-groups --describe --members --verbose`", members_described),
    long("tools", "`kafka-consumer-groups --reset-offsets`, to all that can be named",
         offsets_reset),
    long("tools", "`kafka-consumer-groups`: a group with members is neither reset nor deleted",
         reset_refused),
    long("tools", "`kafka-consumer-groups --delete`", groups_deleted),
    long("tools", "`kafka-consumer-groups --delete-offsets`", offsets_deleted),
    long("tools", "`kafka-topics --create`, `--describe`, `--list`, `--delete`", topics),
    long("tools", "`kafka-topics --create` with the broker's defaults", default_topic),
    long("tools", "`kafka-topics --alter --partitions`", more_partitions),
    long("tools", "`kafka-configs` of topics: set, delete, describe", configs),
    long("tools", "`kafka-configs --describe` of a broker", broker_configs),
    long("tools", "`kafka-get-offsets`", offsets),
    long("tools", "`kafka-delete-records`", records_deleted),
    long("tools", "`kafka-log-dirs`", log_dirs),
    long("tools", "`kafka-broker-api-versions`", api_versions),
    long("tools", "`kafka-cluster cluster-id`", cluster_id),
    long("tools", "`kafka-acls --list` says that there is no authorizer", acls),
    long("tools", "`kafka-features describe`", features),
    long("tools", "`kafka-leader-election`", elections),
    long("tools", "`kafka-reassign-partitions --list`", reassignments),
    long("transactions", "`kafka-transactions list`", transactions, ("transactions",)),
)


def tools_of(kafka):
    return lambda _: (Tools(kafka), kafka[0])


CLIENTS = (
    Client("Java tools 3", tools_of(versions.KAFKA_3), COMMON),
    Client("Java tools 4", tools_of(versions.KAFKA_4), COMMON + (
        long("tools", "`kafka-groups --list`", new_groups_command),)),
)
