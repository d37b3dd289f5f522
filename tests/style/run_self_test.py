# SPDX-License-Identifier: Apache-2.0
"""tests/run is what everybody believes, so it is run itself, on a project of one test that goes
wrong in every way there is: none may end with exit code 0 or with "0 failed". Prints TAP.
"""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

PROJECT = """project('one_test')
custom_target('built', output: 'built', build_by_default: true,
  command: ['sh', files('build.sh'), '@OUTPUT@'])
test('the test', find_program('sh'), args: files('test.sh'), timeout: 2)
"""
OPTIONS = "option('tests', type: 'feature', value: 'auto')\n"
NO_PACKAGES = '\nbuild_packages=(%s)\ntest_packages=()\n'

GOOD_BUILD = "echo >$1\n"
GOOD_TEST = "exit 0\n"

# Behaviour, build.sh, test.sh, a missing package, arguments, the last line.
CASES = (
    ("a test that passes is all there is", GOOD_BUILD, GOOD_TEST, "", (), "1 passed, 0 failed"),
    ("a failed test is told", GOOD_BUILD, "exit 1\n", "", (), "0 passed, 1 failed"),
    ("a crash is told", GOOD_BUILD, "kill -SEGV $$\n", "", (), "0 passed, 1 failed"),
    ("a test that hangs is ended and told", GOOD_BUILD, "exec sleep 1000\n", "", (),
     "0 passed, 1 failed"),
    ("a test that is skipped is no test that passed", GOOD_BUILD, "exit 77\n", "", (),
     "0 passed, 0 failed, 1 skipped"),
    ("a build that fails is told", "echo 'x.c:1: error: planted'; exit 1\n", GOOD_TEST, "", (),
     "0 passed, 1 failed"),
    ("a project that can't be configured is told", None, GOOD_TEST, "", (), "0 passed, 1 failed"),
    ("a missing package is told", GOOD_BUILD, GOOD_TEST, "no-such-package-anywhere", (),
     "0 passed, 1 failed"),
    ("an unknown argument is told", GOOD_BUILD, GOOD_TEST, "", ("--quik",), "0 passed, 1 failed"),
)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def plant(tree, build, test, package):
    for name in ("tests/run", "tests/support/count_tests.py", "tests/support/packages.sh"):
        os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), os.path.join(tree, name))
    with open(os.path.join(tree, "tests/support/packages.sh"), "a", encoding="utf-8") as file:
        file.write(NO_PACKAGES % package)
    write(os.path.join(tree, "meson.build"), PROJECT if build else PROJECT + "no_such_thing()\n")
    write(os.path.join(tree, "meson_options.txt"), OPTIONS)
    write(os.path.join(tree, "build.sh"), build or "")
    write(os.path.join(tree, "test.sh"), test)


def wrong_with(case):
    """What is wrong with the run of a case, or None."""
    _, build, test, package, arguments, expected = case
    with tempfile.TemporaryDirectory(prefix="kafscale-run-") as tree:
        plant(tree, build, test, package)
        done = subprocess.run(
            (os.path.join(tree, "tests/run"), "--quick", "--no-install", *arguments),
            capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() or [""]
    must_succeed = expected == "1 passed, 0 failed"
    if lines[-1] == expected and (done.returncode == 0) == must_succeed:
        return None
    return "exit code %d\n%s%s" % (done.returncode, done.stdout, done.stderr)


def main():
    failed = 0
    if shutil.which("dpkg-query") is None:
        print("1..0 # SKIP packages can't be asked for here")
        return 0
    print("1..%d" % len(CASES))
    for number, case in enumerate(CASES, 1):
        wrong = wrong_with(case)
        failed += wrong is not None
        print("%s %d - %s" % ("not ok" if wrong else "ok", number, case[0]))
        if wrong:
            print("# " + wrong.replace("\n", "\n# "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
