# SPDX-License-Identifier: Apache-2.0
"""Runs tests and says in TAP what became of them (https://testanything.org)."""
import sys
import time
import traceback


class Skip(Exception):
    """Raised by a test that can't be run here; the text says why."""


def title(test):
    return test.__name__.replace("_", " ")


def outcome(test):
    """(why it was skipped, how it failed), each None where that isn't so."""
    try:
        return test(), None
    except Skip as why:
        return str(why), None
    except Exception:  # whatever it is, it is this test's failure
        return None, traceback.format_exc()


def report(tests):
    """Runs (title, test) pairs, which return None or why they are skipped; the exit code."""
    failed = 0
    print("1..%d" % len(tests))
    for number, (name, test) in enumerate(tests, 1):
        begun = time.monotonic()
        skip, failure = outcome(test)
        failed += failure is not None
        print("# %.1f s" % (time.monotonic() - begun))
        print("%sok %d - %s%s" % ("not " if failure else "", number, name,
                                  " # SKIP " + skip if skip else ""))
        for line in (failure or "").splitlines():
            print("# " + line)
        sys.stdout.flush()
    return 1 if failed else 0
