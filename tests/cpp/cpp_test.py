# SPDX-License-Identifier: Apache-2.0
"""The C++ wrapper, compiled by each compiler that is there and run. Prints TAP.

Usage: cpp_test.py SOURCE GENERATED LIBRARY
"""
import os
import shutil
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
EXPECTED = "delivered to offset 0\nhello from offset 0\n"


def build(compiler, source, program, generated, library, *more):
    subprocess.run(
        [compiler, "-std=c++17", *WARNINGS, *more, "-isystem", generated, "-I",
         os.path.join(source, "include"), program, library,
         "-Wl,-rpath," + os.path.dirname(library), "-o", "program"], check=True)
    return subprocess.run(["./program"], check=False, stdout=subprocess.PIPE, text=True, timeout=60)


def checks(source, generated, library):
    """(what, whether it is so) of each compiler."""
    for compiler in ("g++", "clang++"):
        if shutil.which(compiler) is None:
            yield "%s # SKIP it is not installed" % compiler, True
            continue
        ran = build(compiler, source, os.path.join(source, "tests/cpp/wrapper.cpp"), generated,
                    library, "-fno-exceptions")
        lines = ran.stdout.splitlines()
        yield "%s: the wrapper without exceptions, %d checks" % (compiler, len(lines) - 1), \
            ran.returncode == 0 and not any(line.startswith("not ok") for line in lines)
        if ran.returncode != 0:
            print("".join("# %s\n" % line for line in lines if line.startswith("not ok")), end="")
        ran = build(compiler, source, os.path.join(source, "examples/produce_consume.cpp"),
                    generated, library)
        yield "%s: examples/produce_consume.cpp, with them" % compiler, ran.stdout == EXPECTED


def main(source, generated, library):
    count, failures = 0, 0
    with tempfile.TemporaryDirectory() as room:
        os.chdir(room)
        for what, is_so in checks(source, generated, library):
            count += 1
            failures += not is_so
            print("%sok %d - %s" % ("" if is_so else "not ", count, what))
    print("1..%d" % count)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*map(os.path.abspath, sys.argv[1:])))
