# SPDX-License-Identifier: Apache-2.0
"""What makes a hole harder to use is in the files that get installed: addresses that differ from
run to run, tables that are read-only once the program runs, no code on the stack, checked stacks
and copies.

Usage: hardening_test.py BINARY...
"""
import os
import subprocess
import sys


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def wrong_with(binary):
    """Each thing that is missing in a binary."""
    segments, dynamic = output("readelf", "-hlW", binary), output("readelf", "-dW", binary)
    imported = output("nm", "-D", "--undefined-only", binary)
    stack = [line for line in segments.splitlines() if "GNU_STACK" in line]
    is_library = ".so" in os.path.basename(binary)
    if "DYN (" not in segments or not is_library and "PIE" not in dynamic:
        yield "not at any address"
    if "GNU_RELRO" not in segments:
        yield "no read-only relocations"
    if "BIND_NOW" not in dynamic:
        yield "functions are looked up later than at start"
    if len(stack) != 1 or " RWE " in stack[0]:
        yield "code may run on the stack"
    if "__stack_chk_fail" not in imported:
        yield "no checked stacks"
    if "_chk@" not in imported.replace("__stack_chk", ""):
        yield "no checked copies"
    if "TEXTREL" in dynamic:
        yield "code that is changed at start"


def main(*binaries):
    wrong = ["%s: %s" % (binary, what) for binary in binaries for what in wrong_with(binary)]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
