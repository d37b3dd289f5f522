# SPDX-License-Identifier: Apache-2.0
"""kafscale-cli beside a daemon, after it, and used wrongly. Prints TAP.

Usage: cli_test.py KAFSCALED KAFSCALE-CLI
"""
import json
import os
import re
import shutil
import subprocess
import sys

import kafka

import daemon
from daemon import clean_environment, kcat, main, numbers, start

CLI = os.path.abspath(sys.argv[2])
MANUAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "man",
                      "kafscale-cli.1")
UPSTREAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "upstream",
                        "default")
COULD_NOT, WRONG_USE = 1, 2
BEGAN_MS = 1700000000000  # 2023-11-14T22:13:20Z


def cli(root, *arguments, code=0, store=None, output=False):
    """Its output or, if it fails and that isn't asked for, its complaint."""
    store = store or "dir:" + os.path.join(root, "data")
    done = subprocess.run([CLI, "--set", "store=" + store, *arguments], capture_output=True,
                          text=True, timeout=daemon.LIMIT_S, check=False, env=clean_environment())
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 0 or output else done.stderr


def dumped(root, *arguments):
    return [json.loads(line) for line in cli(root, "--json", "dump", *arguments).splitlines()]


def keys(root, prefix):
    return [line.split()[1] for line in cli(root, "ls", prefix).splitlines()]


def filled(root, count=100):
    broker = start(root)
    kcat(broker.address, "-P", "-t", "numbers", "-X", "linger.ms=0", text=numbers(count))
    return broker


# --- Tests: each gets a directory of its own ------------------------------------------------------

def the_manual_page_has_every_word_of_the_help(_):
    said = subprocess.run([CLI, "--help"], capture_output=True, text=True, check=True).stdout
    with open(MANUAL, encoding="utf-8") as file:
        manual = file.read().replace("\\-", "-")
    commands = re.findall(r"^  ([a-z]\S*) .*\n {8}", said, re.M)
    assert len(commands) > 5, said
    for word in commands + re.findall(r"--[a-z-]+", said):
        assert re.search(r"(\\fB|\.BR? |\" |^)%s\b" % word, manual, re.M), word


def every_record_is_found_in_what_is_dumped(root):
    filled(root).stop()
    values = []
    for slot in dumped(root, "--records", *keys(root, "__kafscale/wal/")):
        assert "damage" not in json.dumps(slot), slot
        for section in slot["sections"]:
            assert section.get("topic", "numbers") == "numbers", section
            for batch in section["batches"]:
                values += [record["value"] for record in batch["records"]]
    assert values == numbers(100).split(), values


def a_store_can_be_looked_into_while_a_broker_serves_it(root):
    broker = filled(root)
    cli(root, "check-store")
    assert keys(root, "") == sorted(keys(root, "")), "keys come in their order"
    for entry in dumped(root, *keys(root, "__kafscale/meta/log/")):
        assert entry["kind"] == "metadata entry", entry
    assert not [key for key in keys(root, "") if "probe" in key], "the probe cleans up"
    assert kcat(broker.address, "-C", "-t", "numbers", "-e", "-q") == numbers(100)
    assert broker.stop() == 0


def what_the_metadata_says_is_readable(root):
    filled(root).stop()
    entries = json.dumps(dumped(root, *keys(root, "__kafscale/meta/log/")))
    assert '"topic": "numbers"' in entries, entries
    assert '"state": "released"' in entries, entries
    identity = dumped(root, "default/__kafscale/cluster")[0]
    assert identity["kind"] == "cluster record" and len(identity["cluster"]) == 32, identity


def damage_is_named_where_it_is(root):
    filled(root).stop()
    key = keys(root, "__kafscale/wal/")[0]
    flip_a_bit(path_of(root, key), 30)
    slot = dumped(root, "--batches", key)[0]
    assert slot["damage"] == "the checksum of the object is wrong", slot
    assert slot["sections"][0]["batches"][-1]["damage"] == "the checksum is wrong", slot


def path_of(root, key):
    return os.path.join(root, "data", "objects", key)


def flip_a_bit(path, from_end):
    os.chmod(path, 0o600)
    with open(path, "r+b") as file:
        file.seek(-from_end, os.SEEK_END)
        byte = file.read(1)
        file.seek(-from_end, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))


def runs(root, count):
    """A log of several incarnations, one of them killed."""
    for i in range(count):
        broker = start(root)
        for j in range(5):
            kcat(broker.address, "-P", "-t", "numbers", "-p", "0", text=numbers(10))
        if i == 1:
            broker.process.kill()
            broker.ended()
        else:
            assert broker.stop() == 0


def a_whole_store_has_no_findings(root):
    runs(root, 3)
    lines = cli(root, "verify", "--all").splitlines()
    assert lines[-1].startswith("damage 0, odd 0"), lines
    assert "1 topics" in lines[-2] and "1 seals" in lines[-2], lines


def every_damaged_object_is_found(root):
    runs(root, 3)
    for key in keys(root, "__kafscale/wal/"):
        if "seal" == dumped(root, key)[0]["kind"]:
            continue
        for from_end in (5, 17, 100):
            flip_a_bit(path_of(root, key), from_end)
            found = cli(root, "verify", code=COULD_NOT, output=True)
            assert "damage" in found and key in found, found
            flip_a_bit(path_of(root, key), from_end)
    cli(root, "verify")


def a_missing_object_is_a_gap(root):
    runs(root, 3)
    slots = [key for key in keys(root, "__kafscale/wal/")
             if dumped(root, key)[0]["kind"] != "seal"]
    for key in slots:
        os.rename(path_of(root, key), os.path.join(root, "aside"))
        assert "damage  " in cli(root, "verify", code=COULD_NOT, output=True), key
        os.rename(os.path.join(root, "aside"), path_of(root, key))
    cli(root, "verify")


def bucket_of_kafscale(root):
    filled(root, 1).stop()
    shutil.copytree(UPSTREAM, path_of(root, "default"), dirs_exist_ok=True)


def topics_of_kafscale_are_imported_as_they_are(root):
    bucket_of_kafscale(root)
    missing = "samples-none/0/segment-00000000000000000222.index"
    os.unlink(path_of(root, "default/" + missing))
    before = cli(root, "ls", "samples-")
    assert "would import 5 partitions" in cli(root, "import", "--dry-run")
    assert cli(root, "ls", "samples-") == before, "a dry run changes nothing"
    told = cli(root, "import")
    for line in ("topic=samples-none partition=0 segments=4 indexes_written=1 log_start=0 end=870",
                 "topic=samples-zstd partition=0 segments=1 indexes_written=0 log_start=0 end=1444",
                 "imported 5 partitions"):
        assert line in told, (line, told)
    with open(path_of(root, "default/" + missing), "rb") as ours, \
            open(os.path.join(UPSTREAM, missing), "rb") as theirs:
        assert ours.read() == theirs.read()
    assert dumped(root, "default/" + missing)[0]["extension"] is False
    assert "damage 0, odd 0" in cli(root, "verify")
    assert "known already" in cli(root, "import", "--topic", "samples-lz4", code=COULD_NOT)
    assert cli(root, "import") == "imported 0 partitions\n"


def a_damaged_segment_is_not_imported_and_the_others_are(root):
    bucket_of_kafscale(root)
    flip_a_bit(path_of(root, "default/samples-lz4/0/segment-00000000000000000796.kfs"), 200)
    assert "segment-00000000000000000796.kfs" in cli(root, "import", code=COULD_NOT)
    assert "no segments of topic 'nothing'" in cli(root, "import", "--topic", "nothing",
                                                   code=COULD_NOT)
    cli(root, "import", "--topic", "samples-zstd")
    assert '"topic": "samples-lz4"' not in json.dumps(
        dumped(root, *keys(root, "__kafscale/meta/log/")))


def values_of(root, topic):
    """Of a topic's segments, by partition and in order."""
    found = {}
    for key in keys(root, topic + "/"):
        if key.endswith(".kfs"):
            segment = dumped(root, "--records", key)[0]
            found.setdefault(int(key.split("/")[2]), []).extend(
                record["value"] for batch in segment["batches"] for record in batch["records"])
    return found


def a_topic_is_restored_to_the_record(root):
    """Records a second apart, several in a batch: the cut lies inside of one."""
    broker = start(root, "num.partitions=2")
    producer = kafka.KafkaProducer(bootstrap_servers=broker.address, linger_ms=100,
                                   compression_type="gzip")
    for i in range(100):
        producer.send("clock", str(i).encode(), partition=i % 2, timestamp_ms=BEGAN_MS + 1000 * i)
    producer.close()
    told = cli(root, "restore", "--topic", "clock", "--target-topic", "then",
               "--to", "2023-11-14T22:14:02.500Z")
    assert "partition=0 segments=1 records=22 log_start=0 last_offset=21" in told, told
    assert values_of(root, "then") == {0: [str(i) for i in range(0, 43, 2)],
                                       1: [str(i) for i in range(1, 43, 2)]}
    cli(root, "restore", "--topic", "clock", "--target-topic", "also",
        "--to=2023-11-15T00:14:02.5+02:00")
    assert values_of(root, "also") == values_of(root, "then")
    cli(root, "restore", "--topic", "clock", "--target-topic", "never",
        "--to", "2023-11-14T22:13:19Z")
    assert values_of(root, "never") == {}
    assert "damage 0, odd 0, garbage 0" in cli(root, "verify")
    assert broker.stop() == 0


def a_topic_is_restored_from_the_logs_of_several_brokers(root):
    runs(root, 3)
    cli(root, "restore", "--topic", "numbers", "--target-topic", "again")
    assert values_of(root, "again") == {0: 15 * numbers(10).split()}
    cli(root, "restore", "--topic", "again", "--target-topic", "thrice",
        "--target-namespace", "elsewhere", "--partitions", "0")
    assert "known already" in cli(root, "restore", "--topic", "numbers", "--target-topic", "again",
                                  code=COULD_NOT)
    assert "no topic 'nothing'" in cli(root, "restore", "--topic", "nothing", "--target-topic", "x",
                                       code=COULD_NOT)
    for namespace in ("default", "elsewhere"):
        assert "damage 0, odd 0, garbage 0" in cli(root, "--set", "s3.namespace=" + namespace,
                                                   "verify")


def lose_metadata(root):
    shutil.rmtree(path_of(root, "default/__kafscale/meta"))


def lost_metadata_is_made_anew(root):
    runs(root, 3)
    broker = start(root)
    kcat(broker.address, "-P", "-t", "others", "-X", "enable.idempotence=true", text=numbers(50))
    assert broker.stop() == 0
    assert "there is metadata" in cli(root, "rebuild-metadata", code=COULD_NOT)
    lose_metadata(root)
    before = cli(root, "ls")
    assert "would rebuild 2 topics" in cli(root, "rebuild-metadata", "--dry-run")
    assert cli(root, "ls") == before, "a dry run changes nothing"
    assert "rebuilt 2 topics" in cli(root, "rebuild-metadata")
    assert "damage 0, odd 0" in cli(root, "verify")
    broker = start(root)
    assert kcat(broker.address, "-C", "-t", "numbers", "-e", "-q") == 15 * numbers(10)
    assert sorted(kcat(broker.address, "-C", "-t", "others", "-e", "-q").split(), key=int) == \
        numbers(50).split()
    kcat(broker.address, "-P", "-t", "numbers", "-p", "0", text="one more\n")
    assert kcat(broker.address, "-C", "-t", "numbers", "-p", "0", "-o", "150", "-e",
                "-q") == "one more\n"
    assert broker.stop() == 0
    assert "damage 0, odd 0" in cli(root, "verify")


def nothing_is_made_of_damaged_objects(root):
    runs(root, 3)
    slots = [key for key in keys(root, "__kafscale/wal/")
             if dumped(root, key)[0]["kind"] != "seal"]
    lose_metadata(root)
    flip_a_bit(path_of(root, slots[2]), 40)
    assert slots[2] in cli(root, "rebuild-metadata", code=COULD_NOT)
    assert not keys(root, "__kafscale/meta/")
    flip_a_bit(path_of(root, slots[2]), 40)
    assert "rebuilt 1 topics" in cli(root, "rebuild-metadata")


def strangers_are_named(root):
    filled(root).stop()
    log = "%032x/" % 7
    for name in ("stranger", "orders/0/segment-00000000000000000000.kfs", "__kafscale/wal/what",
                 "__kafscale/bundle/%s%020d" % (log, 5),
                 "__kafscale/wal/%s%020d-%020d" % (log, 5, 6)):
        path = path_of(root, "default/" + name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"?")
    found = cli(root, "verify", "--all")
    for part in ("odd      default/stranger: none of", "garbage  default/orders/0/",
                 "wal/what: none", "bundle/%s%020d: none" % (log, 5), "-%020d: none" % 6):
        assert part in found, (part, found)


def mistakes_are_named_and_make_nothing(root):
    nowhere = os.path.join(root, "nowhere")
    assert nowhere in cli(root, "ls", code=COULD_NOT, store="dir:" + nowhere)
    assert not os.path.exists(nowhere)
    assert "no such command: fly" in cli(root, "fly", code=WRONG_USE)
    assert "a command is missing" in cli(root, code=WRONG_USE)
    filled(root, 1).stop()
    assert "does not exist" in cli(root, "dump", "default/nothing", code=COULD_NOT)
    assert "is no key" in cli(root, "dump", "../etc/passwd", code=WRONG_USE)
    assert "'no.such.key'" in cli(root, "--set", "no.such.key=1", "ls", code=WRONG_USE)


if __name__ == "__main__":
    sys.exit(main([
        the_manual_page_has_every_word_of_the_help,
        every_record_is_found_in_what_is_dumped,
        a_store_can_be_looked_into_while_a_broker_serves_it,
        what_the_metadata_says_is_readable, damage_is_named_where_it_is,
        a_whole_store_has_no_findings, every_damaged_object_is_found, a_missing_object_is_a_gap,
        topics_of_kafscale_are_imported_as_they_are,
        a_damaged_segment_is_not_imported_and_the_others_are, a_topic_is_restored_to_the_record,
        a_topic_is_restored_from_the_logs_of_several_brokers, lost_metadata_is_made_anew,
        nothing_is_made_of_damaged_objects, strangers_are_named,
        mistakes_are_named_and_make_nothing]))
