# SPDX-License-Identifier: Apache-2.0
"""What the style checks share: which files are ours, and C text without comments and literals.

Each check is a function that takes the root of a tree and returns a list of findings, so that
self_test.py can hand it a small tree with one planted violation.
"""
import os
import re
import sys

FOLDERS = ("include", "lib", "daemon", "demo", "examples", "tests", "proto", "docs", "packaging",
           "pkgconfig")
SCRIPTS = ("quickstart", "tests/run", ".ci/run", "tests/headers/compile_alone",
           "packaging/image/make-root")
CODE = (".c", ".h", ".def", ".py", ".sh")

COMMENT_OR_LITERAL = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.S | re.X)


def walk(root):
    """Every file of ours below the root, as a path relative to it, sorted."""
    found = [name for name in SCRIPTS if os.path.isfile(os.path.join(root, name))]
    for folder in FOLDERS:
        for directory, folders, files in os.walk(os.path.join(root, folder)):
            folders[:] = [f for f in folders if f not in ("__pycache__", "data", "corpus")]
            found += [os.path.relpath(os.path.join(directory, name), root) for name in files]
    return sorted(set(found))


def code_files(root):
    return [path for path in walk(root) if path.endswith(CODE) or path in SCRIPTS]


def c_files(root):
    return [path for path in walk(root) if path.endswith((".c", ".h"))]


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def blank(match):
    """The lines of a comment or literal stay, its text goes; of a string the quotes stay."""
    text = match.group(0)
    if text[0] in "\"'":
        return text[0] * 2
    return "\n" * text.count("\n") or " "


def without_comments(text):
    return COMMENT_OR_LITERAL.sub(blank, text)


def main(check):
    """Runs a check on the tree named on the command line, prints its findings and exits."""
    findings = check(sys.argv[1] if len(sys.argv) > 1 else ".")
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
