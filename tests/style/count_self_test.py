# SPDX-License-Identifier: Apache-2.0
"""The count at the end of tests/run is what everybody believes, so it is tested itself: no way in
which a test can go wrong may look like success. Prints TAP.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from count_tests import count_test, failure_texts, skip_reasons  # noqa: E402

GOOD = "1..2\nok 1 - a\nok 2 - b\n"

# Behaviour, result by meson, output, (passed, failed, skipped).
CASES = (
    ("each subtest counts", "OK", GOOD, (2, 0, 0)),
    ("a test without TAP counts as one", "OK", "all is well\n", (1, 0, 0)),
    ("a failed test without TAP counts as one failure", "FAIL", "", (0, 1, 0)),
    ("a failed subtest counts", "FAIL", "ok 1 - a\nnot ok 2 - b\n1..2\n", (1, 1, 0)),
    ("a skipped subtest is neither", "OK", "1..2\nok 1 - a\nok 2 - b # SKIP no java\n", (1, 0, 1)),
    ("a skipped test is neither", "SKIP", "", (0, 0, 1)),
    ("a whole TAP skip is neither", "SKIP", "1..0 # SKIP no java\n", (0, 0, 1)),
    ("a time-out after good subtests is a failure", "TIMEOUT", "ok 1 - a\n", (1, 1, 0)),
    ("a crash after the last good subtest is a failure", "ERROR", GOOD, (2, 1, 0)),
    ("an end before the plan is done is a failure", "OK", "1..3\nok 1 - a\n", (1, 1, 0)),
    ("an interrupted test is a failure", "INTERRUPT", "", (0, 1, 0)),
    ("a result that meson may invent later is a failure", "NEW", GOOD, (2, 1, 0)),
    ("words that begin with ok are no subtest", "OK", "okay\nnot okay\n", (1, 0, 0)),
)

# Behaviour, output, reasons.
REASONS = (
    ("a skipped subtest says why", "1..2\nok 1 - a\nok 2 - b # SKIP no java\n", ["no java"]),
    ("a whole TAP skip says why", "1..0 # SKIP no java\n", ["no java"]),
    ("good and failed subtests give no reason", "ok 1 - skip\nnot ok 2 - # comment\n", []),
)

# Behaviour, result by meson, output, what is shown of it.
FAILURES = (
    ("a failed subtest is shown with its comments", "FAIL",
     "1..3\nok 1 - a\n# 1 s\nnot ok 2 - b\n# why\n# where\nok 3 - c\n# 1 s\n",
     ["not ok 2 - b\n# why\n# where"]),
    ("each failed subtest is shown", "FAIL", "not ok 1 - a\nnot ok 2 - b\n",
     ["not ok 1 - a", "not ok 2 - b"]),
    ("a crash is shown by what came before", "ERROR", GOOD, [GOOD.strip()]),
    ("much is cut in the middle", "FAIL", "not ok 1 - a\n" + "# x\n" * 1000,
     ["\n".join(["not ok 1 - a"] + ["# x"] * 19 + ["..."] + ["# x"] * 20)]),
    ("of a good test nothing is shown", "OK", GOOD, []),
)


def results():
    for name, result, output, expected in CASES:
        yield name, count_test({"result": result, "stdout": output}), expected
    for name, output, expected in REASONS:
        yield name, skip_reasons({"stdout": output}), expected
    for name, result, output, expected in FAILURES:
        yield name, failure_texts({"result": result, "stdout": output}), expected


def main():
    failed = 0
    print("1..%d" % (len(CASES) + len(REASONS) + len(FAILURES)))
    for number, (name, counted, expected) in enumerate(results(), 1):
        is_good = counted == expected
        failed += not is_good
        print("%s %d - %s" % ("ok" if is_good else "not ok", number, name))
        if not is_good:
            print("# counted %s, expected %s" % (counted, expected))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
