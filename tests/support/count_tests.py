# SPDX-License-Identifier: Apache-2.0
"""count_tests.py TESTLOG_JSON: prints "passed failed skipped" of one run of `meson test`, and to
stderr a line for each skipped test that says why, and what each failed test said of it.

A test that speaks TAP counts as its subtests; one that crashed, timed out or stopped before its
plan was done counts as a failure besides. Any other test counts as one.
"""
import json
import re
import sys

LINES_SHOWN = 20
LINE_CHARACTERS = 2000
LINE = re.compile(r"^(not )?ok\b(.*)$", re.M)
PLAN = re.compile(r"^1\.\.(\d+)", re.M)
FAILURE = re.compile(r"^not ok\b.*(?:\n#.*)*", re.M)
REASON = re.compile(r"^(?:ok\b|1\.\.0).*#\s*skip\S*\s*(.*)$", re.M | re.I)


def count_tap(output, is_good):
    """(passed, failed, skipped) of a TAP output whose test ended well or not."""
    passed = failed = skipped = 0
    for match in LINE.finditer(output):
        if re.search(r"#\s*skip", match.group(2), re.I):
            skipped += 1
        elif match.group(1):
            failed += 1
        else:
            passed += 1
    plan = PLAN.search(output)
    is_short = plan is not None and int(plan.group(1)) > passed + failed + skipped
    if failed == 0 and (is_short or not is_good):
        failed = 1
    return passed, failed, skipped


def count_test(test):
    """(passed, failed, skipped) of one line of meson's testlog.json."""
    result, output = test["result"], test.get("stdout") or ""
    if result == "SKIP" and not LINE.search(output):
        return 0, 0, 1
    is_good = result in ("OK", "EXPECTEDFAIL", "SKIP")
    if LINE.search(output) or PLAN.search(output):
        return count_tap(output, is_good)
    return (1, 0, 0) if is_good else (0, 1, 0)


def skip_reasons(test):
    """Why a test, or which of its subtests, did not run."""
    return REASON.findall(test.get("stdout") or "")


def failure_texts(test):
    """What a test that went wrong said of it: each failed subtest with the comments below it, or
    its last lines when it ended without naming one. meson shows nothing of what TAP carries."""
    if count_test(test)[1] == 0:
        return []
    output = test.get("stdout") or ""
    texts = FAILURE.findall(output) or ["\n".join(output.splitlines()[-LINES_SHOWN:])]
    return [cut(text) for text in texts if text]


def cut(text):
    lines = text.splitlines()
    if len(lines) > 2 * LINES_SHOWN:
        lines[LINES_SHOWN:-LINES_SHOWN] = ["..."]
    return "\n".join(line[:LINE_CHARACTERS] for line in lines)


def main():
    totals = [0, 0, 0]
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            totals = [a + b for a, b in zip(totals, count_test(test))]
            for reason in skip_reasons(test):
                print("skipped: %s: %s" % (test.get("name"), reason), file=sys.stderr)
            for text in failure_texts(test):
                print("failed: %s: %s" % (test.get("name"), text), file=sys.stderr)
    print(*totals)


if __name__ == "__main__":
    main()
