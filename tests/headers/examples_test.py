# SPDX-License-Identifier: Apache-2.0
"""Each C example of docs/api.md compiles alone without a warning; whole programs are linked with
the library and run. Prints TAP.

Usage: examples_test.py PAGE LIBRARY COMPILER... (with its include folders)
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import report  # noqa: E402

WARNINGS = ("-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE")


def blocks(page):
    """(heading above it, text) of each example."""
    with open(page, encoding="utf-8") as file:
        text = file.read()
    heading = "?"
    for match in re.finditer(r"^## ([^\n]*)$|^```c\n(.*?)^```$", text, re.M | re.S):
        heading = match[1] or heading
        if match[2]:
            yield heading, match[2]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)


def check(text, room, library, compiler):
    source, program = os.path.join(room, "example.c"), os.path.join(room, "example")
    with open(source, "w", encoding="utf-8") as file:
        file.write(text)
    if not re.search(r"^main\(void\)$", text, re.M):
        run(*compiler, *WARNINGS, "-fsyntax-only", "-Wno-unused-function", source)
        return
    folder, name = os.path.split(library)
    run(*compiler, *WARNINGS, source, "-o", program, "-L" + folder, "-l:" + name,
        "-Wl,-rpath," + folder)
    run(program)


def main(page, library, *compiler):
    with tempfile.TemporaryDirectory(prefix="kafscale-examples-") as room:
        tests = [(heading, lambda text=text: check(text, room, library, compiler))
                 for heading, text in blocks(page)]
        assert len(tests) >= 4, "%s has lost its examples" % page
        return report(tests)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
