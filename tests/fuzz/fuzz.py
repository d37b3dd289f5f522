# SPDX-License-Identifier: Apache-2.0
"""Fuzzes one target with libFuzzer for FUZZ_SECONDS (30), and says how much of the files that it is
there for was reached. Prints TAP; the same in one line goes to fuzz/NAME.summary in the build.

Inputs that reach something new are kept in the build, in fuzz/NAME.corpus, never in the source
tree. An input that crashes, hangs, leaks or takes too much memory is kept beside them, and named.

Usage: fuzz.py SOURCE TARGET CORPUS COVERED...
"""
import json
import os
import re
import subprocess
import sys

LOG_LINES_SHOWN = 60


class Target:
    def __init__(self, program, corpus):
        self.program = program
        self.corpus = corpus
        self.name = os.path.basename(program)[:-len("_fuzz")]
        self.folder = os.path.join(os.path.dirname(program), "..", "..", "fuzz")
        self.folder = os.path.realpath(self.folder)

    def path(self, suffix):
        return os.path.join(self.folder, self.name + suffix)

    def fuzz(self, seconds):
        """(whether it went well, what libFuzzer said)."""
        found = self.path(".corpus")
        os.makedirs(found, exist_ok=True)
        command = (
            self.program, found, self.corpus, "-max_total_time=%d" % seconds, "-timeout=20",
            "-rss_limit_mb=2048", "-print_final_stats=1", "-artifact_prefix=" + self.path("-"))
        with open(self.path(".log"), "w+", encoding="utf-8", errors="replace") as log:
            done = subprocess.run(
                command, stdout=log, stderr=log, check=False,
                env={**os.environ, "LLVM_PROFILE_FILE": self.path(".profraw")})
            log.seek(0)
            return done.returncode == 0, log.read()

    def coverage(self, source, covered):
        """(lines, all lines, regions, all regions) of the files it is there for."""
        profile = self.path(".profdata")
        tool("llvm-profdata", "merge", "-sparse", self.path(".profraw"), "-o", profile)
        said = tool("llvm-cov", "export", "-summary-only", "-instr-profile", profile, self.program)
        wanted = {os.path.realpath(os.path.join(source, path)) for path in covered}
        sums = [0, 0, 0, 0]
        for file in json.loads(said)["data"][0]["files"]:
            path = os.path.realpath(os.path.join(os.path.dirname(self.folder), file["filename"]))
            if path in wanted:
                wanted.discard(path)
                lines, regions = file["summary"]["lines"], file["summary"]["regions"]
                assert lines["covered"] > 0, "nothing of %s was reached" % path
                more = (lines["covered"], lines["count"], regions["covered"], regions["count"])
                sums = [a + b for a, b in zip(sums, more)]
        assert not wanted, "not part of the target: %s" % ", ".join(sorted(wanted))
        return sums


def tool(name, *arguments):
    done = subprocess.run((name, *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, (name, done.stderr)
    return done.stdout


def last(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def describe(target, seconds, log, sums):
    return "%-8s %ds, %d inputs, %d edges, %d features; lines %d of %d (%.0f %%), " \
        "regions %d of %d (%.0f %%)" % (
            target.name, seconds, last(r"number_of_executed_units:\s*(\d+)", log),
            last(r"cov: (\d+)", log), last(r"ft: (\d+)", log),
            sums[0], sums[1], 100 * sums[0] / sums[1], sums[2], sums[3], 100 * sums[2] / sums[3])


def explain(target, log):
    for line in log.splitlines()[-LOG_LINES_SHOWN:]:
        print("# " + line)
    for path in re.findall(r"Test unit written to (\S+)", log):
        print("# the input: %s" % path)
        print("# again: %s %s" % (target.program, path))


def main(source, program, corpus, *covered):
    target = Target(os.path.realpath(program), corpus)
    seconds = int(os.environ.get("FUZZ_SECONDS", "30"))
    print("1..1")
    if os.path.isdir(target.folder):
        for suffix in (".profraw", ".profdata", ".summary"):
            if os.path.exists(target.path(suffix)):
                os.remove(target.path(suffix))
    is_good, log = target.fuzz(seconds)
    if not is_good:
        print("not ok 1 - %s: no input breaks it" % target.name)
        explain(target, log)
        return 1
    summary = describe(target, seconds, log, target.coverage(source, covered))
    with open(target.path(".summary"), "w", encoding="utf-8") as file:
        file.write(summary + "\n")
    print("ok 1 - no input breaks it: " + summary)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
