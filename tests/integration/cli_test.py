# SPDX-License-Identifier: Apache-2.0
"""kafscale-cli beside a daemon, after it, and used wrongly. Prints TAP.

Usage: cli_test.py KAFSCALED KAFSCALE-CLI
"""
import json
import os
import subprocess
import sys

import daemon
from daemon import clean_environment, kcat, main, numbers, start

CLI = os.path.abspath(sys.argv[2])
COULD_NOT, WRONG_USE = 1, 2


def cli(root, *arguments, code=0, store=None):
    store = store or "dir:" + os.path.join(root, "data")
    done = subprocess.run([CLI, "--set", "store=" + store, *arguments], capture_output=True,
                          text=True, timeout=daemon.LIMIT_S, check=False, env=clean_environment())
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


def dumped(root, *arguments):
    return [json.loads(line) for line in cli(root, "--json", "dump", *arguments).splitlines()]


def keys(root, prefix):
    return [line.split()[1] for line in cli(root, "ls", prefix).splitlines()]


def filled(root, count=100):
    broker = start(root)
    kcat(broker.address, "-P", "-t", "numbers", "-X", "linger.ms=0", text=numbers(count))
    return broker


# --- Tests: each gets a directory of its own ------------------------------------------------------

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
    path = os.path.join(root, "data", "objects", key)
    os.chmod(path, 0o600)
    with open(path, "r+b") as file:
        file.seek(-30, os.SEEK_END)
        byte = file.read(1)
        file.seek(-30, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    slot = dumped(root, "--batches", key)[0]
    assert slot["damage"] == "the checksum of the object is wrong", slot
    assert slot["sections"][0]["batches"][-1]["damage"] == "the checksum is wrong", slot


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
        every_record_is_found_in_what_is_dumped,
        a_store_can_be_looked_into_while_a_broker_serves_it,
        what_the_metadata_says_is_readable, damage_is_named_where_it_is,
        mistakes_are_named_and_make_nothing]))
