# SPDX-License-Identifier: Apache-2.0
"""Every public function, type and callback says what it is for.

Each declaration of include/kafscale has a comment above it. Of functions it, or the comment of the
header, says on which thread they may be called; of those that return a pointer, who owns it or how
long it is valid; of those that can fail, which failures to tell apart. Times say their unit in
their name.
"""
import os
import re
import sys

from sources import main

DOCUMENTED = ("function", "typedef", "struct", "enum")
THREAD = re.compile(r"\bthreads?\b")
OWNED = re.compile(r"\bNULL\b|[Vv]alid|[Cc]onstant|[Bb]orrow|[Ff]ree|[Oo]wned|caller's|reference")
FAILURES = re.compile(r"KAFSCALE_[A-Z]|[Ff]ail|as above|[Tt]he same|refuse")
TIMES = re.compile(r"\b\w*(?:timeout|interval|delay|timestamp|duration)\w*\b(?!\()")
UNIT = re.compile(r"_(ms|us|ns|s|sec)(_\w+)?$")


def headers_of(root):
    """docs/headers.py of this tree, which knows how headers are read."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
    sys.path.insert(0, folder)
    import headers
    return headers, headers.paths(root)


def parameters(code):
    """The names of a prototype's parameters, which are the last word of each."""
    inner = code[code.index("(") + 1:code.rindex(")")]
    for parameter in inner.split(","):
        words = re.findall(r"\w+", parameter)
        if words and "*" not in parameter:
            yield words[-1]


def faults(entry, head):
    """What is missing of one declaration."""
    comment = entry.comment or ""
    if not comment.strip():
        yield "no comment says what it is for"
        return
    if entry.kind not in ("function", "typedef"):
        return
    for name in parameters(entry.code):
        if TIMES.fullmatch(name) and not UNIT.search(name):
            yield "'%s' is a time without a unit" % name
    if entry.kind != "function":
        return
    if not THREAD.search(comment + head):
        yield "nothing says on which thread it may be called"
    if entry.returns().endswith("*") and not OWNED.search(comment):
        yield "nothing says who owns what it returns, or how long that is valid"
    if entry.returns().endswith("enum kafscale_status") and not FAILURES.search(comment + head):
        yield "nothing says how it fails"


def check(root):
    headers, paths = headers_of(root)
    found = []
    for path in paths:
        head, entries = headers.read(path)
        for entry in entries:
            is_foreign = not entry.name.startswith("kaf") and entry.kind == "struct"
            is_handle = entry.kind == "struct" and "{" not in entry.code
            if entry.kind in DOCUMENTED and not is_foreign and not is_handle:
                found += ["%s:%d: %s: %s" % (os.path.relpath(path, root), entry.line,
                                             entry.name or "enum", fault)
                          for fault in faults(entry, head)]
    return found


if __name__ == "__main__":
    main(check)
