# SPDX-License-Identifier: Apache-2.0
"""groups.py KAFSCALED [SECONDS]: twenty consumers of four client libraries in four groups read the
fifty partitions of a topic that is written to all the time, while they are killed, stopped, paused
and sent away, and the broker is killed between. At the end every record must have been processed in
every group and every offset be committed, every member be there and none but these; while members
stay, a broker that comes back must not cost a rebalance. Prints TAP.
"""
import json
import os
import random
import re
import signal
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(HERE, "..", folder) for folder in ("compat", "integration", "support")]
import daemon  # noqa: E402
import install  # noqa: E402
import versions  # noqa: E402

PARTITIONS = 50
SESSION_S = 12  # a busy machine may keep a client from its heartbeat for some seconds
SETTLE_S = 60
ROUNDS = 2
TOPIC = "stress"
SEED = int(os.environ.get("STRESS_SEED") or random.randrange(1 << 30))
# What clients write about a member that the coordinator doesn't know.
UNKNOWN = re.compile(r"UNKNOWN_MEMBER_ID|[Uu]nknown member|not aware of this member|UnknownMember")


# --- Kinds of consumers ---------------------------------------------------------------------------


def confluent(address, group, assignor):
    python = install.python("confluent-kafka-" + versions.PYPI["confluent-kafka"][0].split("==")[1],
                            *versions.PYPI["confluent-kafka"])
    return [python, "-B", os.path.join(HERE, "consumers", "confluent.py"), address, group, TOPIC,
            assignor]


def kafka_python(address, group, assignor):
    python = install.python("kafka-python-" + versions.PYPI["kafka-python"][0].split("==")[1],
                            *versions.PYPI["kafka-python"])
    return [python, "-B", os.path.join(HERE, "consumers", "kafka_python.py"), address, group,
            TOPIC, assignor]


def kafkajs(address, group, _):
    os.environ["NODE_PATH"] = install.node("kafkajs-" + versions.NPM["kafkajs"][0].split("@")[1],
                                           *versions.NPM["kafkajs"])
    return ["node", os.path.join(HERE, "consumers", "kafkajs.js"), address, group, TOPIC]


JAVA_ASSIGNORS = {"range": "RangeAssignor", "sticky": "StickyAssignor",
                  "cooperative-sticky": "CooperativeStickyAssignor"}


def java(address, group, assignor):
    classes = install.java("apache-kafka-" + versions.KAFKA_4[0], *versions.KAFKA_4[1:])
    return ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes,
            "org.apache.kafka.tools.VerifiableConsumer", "--bootstrap-server", address,
            "--group-id", group, "--topic", TOPIC, "--session-timeout", str(SESSION_S * 1000),
            "--reset-policy", "earliest", "--assignment-strategy",
            "org.apache.kafka.clients.consumer." + JAVA_ASSIGNORS[assignor]]


# Assignor, and who uses it: a group each.
GROUPS = (
    ("range", (confluent, confluent, kafka_python, kafka_python, java)),
    ("sticky", (kafka_python, kafka_python, kafka_python, java, java)),
    ("cooperative-sticky", (confluent, confluent, confluent, java, java)),
    ("kafkajs", (kafkajs,) * 5),
)


# --- One consumer ---------------------------------------------------------------------------------


class Member:
    """A consumer that may be started again and again; what each life says is a file of its own."""

    def __init__(self, world, group, kind, number):
        self.world, self.group, self.kind = world, group, kind
        self.name = "%s-%s-%d" % (group, kind.__name__, number)
        self.lives = 0
        self.process = None
        self.busy_until = 0.0  # something is being done to it
        self.is_paused = False
        self.paused_at = 0.0
        self.was_away = [False]  # in each life: for longer than its session, or for good

    def path(self, life, what):
        return os.path.join(self.world.root, "%s.%d.%s" % (self.name, life, what))

    def start(self):
        self.lives += 1
        self.was_away.append(False)
        command = self.kind(self.world.address, self.group, self.group)
        with open(self.path(self.lives, "out"), "w", encoding="utf-8") as out, \
                open(self.path(self.lives, "err"), "w", encoding="utf-8") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=err,
                                            start_new_session=True)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()

    def leave(self):
        """As a program does that ends in order. A join that waits meanwhile is answered that the
        member isn't known any more."""
        self.was_away[self.lives] = True
        self.process.stdin.close()
        if self.kind is java:
            self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(self.name + " did not end") from None

    def pause(self):
        self.is_paused = True
        self.paused_at = time.monotonic()
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        """Whatever was done to it is over."""
        self.busy_until = 0.0
        if self.is_paused:
            self.is_paused = False
            self.was_away[self.lives] |= time.monotonic() - self.paused_at > SESSION_S / 2
            os.killpg(self.process.pid, signal.SIGCONT)
        else:
            self.start()

    def lines(self, what, life=None):
        with open(self.path(life or self.lives, what), encoding="utf-8",
                  errors="replace") as file:
            return file.read().splitlines()

    def assignments(self):
        """How often the living one was told what to read."""
        return sum(line.startswith("A ") or '"partitions_assigned"' in line
                   for line in self.lines("out"))

    def ranges(self):
        """What was processed in all its lives: (partition, first offset, last offset)."""
        for life in range(1, self.lives + 1):
            for line in self.lines("out", life):
                yield from ranges_of(line)

    def unknown(self):
        """What it wrote about not being known, though it was never away."""
        return ["%s, life %d: %s" % (self.name, life, line) for life in range(1, self.lives + 1)
                if not self.was_away[life]
                for what in ("out", "err") for line in self.lines(what, life)
                if UNKNOWN.search(line)]


def ranges_of(line):
    if line.startswith("R "):
        words = line.split()
        if len(words) == 4:  # one that was killed may have left the line unfinished
            yield tuple(map(int, words[1:]))
    elif '"records_consumed"' in line:
        try:
            event = json.loads(line)
        except ValueError:
            return
        for part in event["partitions"]:
            yield part["partition"], part["minOffset"], part["maxOffset"]


# --- The world ------------------------------------------------------------------------------------


class World:
    def __init__(self, root):
        self.root = root
        self.random = random.Random(SEED)
        self.address = "127.0.0.1:0"
        self.starts = 0
        self.start_broker()
        self.disturbances = 0
        self.members = [Member(self, group, kind, number)
                        for group, kinds in GROUPS for number, kind in enumerate(kinds)]

    def start_broker(self):
        self.starts += 1
        self.broker = daemon.Daemon(
            self.root, "listen=" + self.address, "store=dir:" + os.path.join(self.root, "store"),
            "flush.interval.ms=20", "group.initial.rebalance.delay.ms=500",
            "num.partitions=%d" % PARTITIONS, name="broker.%d.log" % self.starts).wait_ready()
        self.address = self.broker.address

    def kill_broker(self):
        self.broker.stop(signal.SIGKILL)
        self.start_broker()

    def command(self, *words):
        return [confluent("", "", "")[0], "-B", os.path.join(HERE, "consumers", "admin.py"),
                self.address, *map(str, words)]

    def ask(self, *words):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def of(self, group):
        return [member for member in self.members if member.group == group]

    def disturb(self):
        """One thing happens to a member that nothing is happening to; what is over ends."""
        now = time.monotonic()
        for member in self.members:
            if member.busy_until and member.busy_until <= now:
                member.go_on()
        quiet = [member for member in self.members if not member.busy_until]
        if len(quiet) <= len(self.members) * 3 // 4:
            return
        member, what = self.random.choice(quiet), self.random.choice(("kill", "leave", "pause"))
        length_s = self.random.uniform(0.5, 1.5 * SESSION_S if what == "pause" else 3)
        if what == "pause":
            member.pause()
        else:
            getattr(member, what)()
        self.disturbances += 1
        member.busy_until = now + length_s

    def calm(self):
        for member in self.members:
            if member.busy_until:
                member.go_on()

    def is_settled(self):
        """Every group is stable and has its members, each of whom has been told what to read."""
        for group, kinds in GROUPS:
            state, members = self.ask("describe", group)
            if state != "Stable" or len(members) != len(kinds):
                return False
        return all(member.assignments() > 0 for member in self.members)

    def settle(self):
        try:
            daemon.wait_until(self.is_settled, "all groups to be stable", SETTLE_S)
        except AssertionError as error:
            raise AssertionError("%s: %s" % (error, [
                (group, self.ask("describe", group)) for group, _ in GROUPS])) from None


# --- What must be true ----------------------------------------------------------------------------


def no_rebalance(world):
    """The broker is killed while nothing else happens: nobody's assignment changes."""
    members = {group: sorted(world.ask("describe", group)[1]) for group, _ in GROUPS}
    before = {member.name: member.assignments() for member in world.members}
    world.kill_broker()
    time.sleep(SESSION_S + 2)  # every client has noticed; a rebalance would have shown
    world.settle()
    for group, _ in GROUPS:
        assert sorted(world.ask("describe", group)[1]) == members[group], group
    after = {member.name: member.assignments() for member in world.members}
    assert after == before, [(name, before[name], after[name]) for name in before
                             if before[name] != after[name]]


def everything_processed(world, counts):
    for group, _ in GROUPS:
        daemon.wait_until(lambda: world.ask("left", group, TOPIC, PARTITIONS) == 0,
                          "all offsets of %s to be committed" % group, SETTLE_S)
        seen = [set() for _ in counts]
        for member in world.of(group):
            for partition, first, last in member.ranges():
                seen[partition].update(range(first, last + 1))
        lost = {i: sorted(set(range(count)) - seen[i])[:5] for i, count in enumerate(counts)
                if not seen[i].issuperset(range(count))}
        assert not lost, "%s never processed, by partition: %s" % (group, lost)
    print("# %d records, %d disturbances, %d lives of consumers" % (
        sum(counts), world.disturbances, sum(member.lives for member in world.members)))


def nobody_forgotten(world):
    unknown = [line for member in world.members for line in member.unknown()]
    assert not unknown, "\n".join(unknown[:20])


def nobody_left(world):
    """Those who leave in order are gone at once, and the groups are empty."""
    for member in world.members:
        member.leave()
    for group, _ in GROUPS:
        state, members = world.ask("describe", group)
        assert (state, members) == ("Empty", []), (group, state, members)


def run(world, seconds):
    yield "twenty consumers of four kinds come to rest", lambda: start(world)
    with subprocess.Popen(world.command("produce", TOPIC, PARTITIONS, 1000), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as producer:
        for number in range(ROUNDS):
            yield "disturbed for %d s, round %d" % (seconds // ROUNDS, number + 1), \
                lambda: disturb(world, seconds / ROUNDS)
            yield "a broker that comes back costs no rebalance, round %d" % (number + 1), \
                lambda: no_rebalance(world)
        counts = json.loads(producer.communicate()[0])
    yield "every record was processed and every offset committed", \
        lambda: everything_processed(world, counts)
    yield "nobody was unknown who had not been away", lambda: nobody_forgotten(world)
    yield "nobody stays in a group that all have left", lambda: nobody_left(world)


def start(world):
    for member in world.members:
        member.start()
    world.settle()


def disturb(world, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        world.disturb()
        time.sleep(0.5)  # the pace of what happens
    world.calm()
    world.settle()


def main(binary, seconds=60):
    daemon.BINARY = binary
    os.environ["SESSION_MS"] = str(SESSION_S * 1000)
    try:
        for _, kinds in GROUPS:
            for kind in kinds:
                kind("", "", "range")
    except install.Unavailable as error:
        print("1..0 # skip %s" % error)
        return 0
    print("# seed %d" % SEED, flush=True)
    number, failed = 0, False
    with tempfile.TemporaryDirectory(prefix="kafscale-stress-") as root:
        world = World(root)
        try:
            for number, (name, step) in enumerate(run(world, int(seconds)), 1):
                step()
                print("ok %d - %s" % (number, name), flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError):
            failed = True
            print("not ok %d - %s\n# %s" % (
                number, name, traceback.format_exc().replace("\n", "\n# ")), flush=True)
        finally:
            for member in world.members:
                if member.process is not None and member.process.poll() is None:
                    member.kill()
            daemon.Daemon.end_all()
            if failed and os.environ.get("STRESS_KEEP"):
                shutil.copytree(root, os.environ["STRESS_KEEP"], dirs_exist_ok=True)
    print("1..%d" % number, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
