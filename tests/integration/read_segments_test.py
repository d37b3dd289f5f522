# SPDX-License-Identifier: Apache-2.0
"""examples/read_segments prints what a broker put into segments, and says what it can't read.
Prints TAP. Usage: read_segments_test.py READ_SEGMENTS DATA
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import report  # noqa: E402


class Store:
    """A copy of tests/data/store-v1, whose records are listed beside it."""

    def __init__(self, program, data, room):
        self.program, self.place = program, os.path.join(room, "store")
        shutil.copytree(os.path.join(data, "store-v1", "store"), self.place,
                        copy_function=shutil.copyfile)
        with open(os.path.join(data, "store-v1", "records.jsonl"), encoding="utf-8") as file:
            self.records = [json.loads(line) for line in file]

    def run(self, *words):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("KAFSCALE_")}
        done = subprocess.run([self.program, "dir:" + self.place, *words], capture_output=True,
                              text=True, check=False, env=environment)
        return done.returncode, done.stdout, done.stderr

    def prints_records(self):
        for topic in ("codec-none", "codec-gzip", "codec-snappy", "codec-lz4"):
            code, said, why = self.run(topic, "0")
            assert code == 0, why
            offsets = [int(line.split()[0]) for line in said.splitlines()]
            assert offsets == list(range(len(offsets))) and len(offsets) > 20, offsets
            values = {record["offset"]: record["payload"] for record in self.records
                      if record["topic"] == topic and record["partition"] == 0}
            for line in said.splitlines():
                offset, _, value = line.split(" ", 2)
                assert values[int(offset)] == value, (line, values[int(offset)])

    def names_damage(self):
        (path,) = glob.glob(os.path.join(self.place, "objects", "default", "codec-lz4", "0",
                                         "*.kfs"))
        with open(path, "r+b") as file:
            file.seek(200)
            file.write(b"?")
        code, _, why = self.run("codec-lz4", "0")
        assert code == 1 and "the checksum of the batch" in why, why

    def has_no_other(self):
        assert self.run("nothing", "0") == (0, "", "")
        assert self.run("codec-none")[0] == 2
        shutil.rmtree(self.place)
        code, _, why = self.run("codec-none", "0")
        assert code == 1 and "there is no store" in why, why


def main(program, data):
    with tempfile.TemporaryDirectory(prefix="kafscale-segments-") as room:
        store = Store(os.path.abspath(program), data, room)
        checks = (("records of every codec are printed in order", store.prints_records),
                  ("damage is named", store.names_damage),
                  ("what isn't there is no segment", store.has_no_other))
        return report(checks)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
