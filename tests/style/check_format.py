# SPDX-License-Identifier: Apache-2.0
"""Form: clang-format of Debian 12 for C, and for every text of ours no tab, no trailing space, at
most 100 columns (140 in a table), one end-of-line at the end, and the licence on the first line.

Another version of clang-format may break lines differently, so C is compared with version 14 or,
where that is missing, left to a machine that has it; the check then says so.
"""
import os
import re
import shutil
import subprocess
import sys

from sources import SCRIPTS, c_files, code_files, main, read, walk

COLUMNS_MAX = 100
TABLE_COLUMNS_MAX = 140  # a line of a table says one thing whole
LICENCE = "SPDX-License-Identifier: Apache-2.0"
ALSO = ("meson.build", "meson_options.txt", ".clang-format", ".editorconfig")


def clang_format():
    """The name of a clang-format 14, or None."""
    for name in ("clang-format-14", "clang-format"):
        if shutil.which(name):
            said = subprocess.run([name, "--version"], capture_output=True, text=True, check=True)
            if re.search(r"version 14\.", said.stdout):
                return name
    return None


def check_clang_format(root):
    name, paths = clang_format(), c_files(root)
    if name is None:
        print("note: clang-format 14 is not installed; C was not compared with .clang-format")
        return []
    if not paths:
        return []
    config = os.path.join(os.path.abspath(root), ".clang-format")
    if not os.path.exists(config):
        config = os.path.join(os.path.dirname(__file__), "..", "..", ".clang-format")
    said = subprocess.run([name, "--dry-run", "-Werror", "--style=file:" + config, *paths],
                          cwd=root, capture_output=True, text=True, check=False)
    found = re.findall(r"^([^\s:]+):(\d+):\d+: error: ", said.stderr, re.M)
    first = {}
    for path, line in found:
        first.setdefault(path, int(line))
    findings = ["%s:%d: clang-format would change it" % item for item in sorted(first.items())]
    if said.returncode != 0 and not findings:
        findings.append("clang-format failed: " + said.stderr.strip()[:200])
    return findings


def check_lines(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            yield "%s:%d: tab" % (path, number)
        if line != line.rstrip():
            yield "%s:%d: space at the end of the line" % (path, number)
        limit = TABLE_COLUMNS_MAX if path.endswith(".def") else COLUMNS_MAX
        is_prose = path.endswith((".md", "meson.build", ".txt"))
        if len(line) > limit and not is_prose and "http" not in line:
            yield "%s:%d: %d columns, limit %d" % (path, number, len(line), limit)
    if text and (not text.endswith("\n") or text.endswith("\n\n")):
        yield "%s: must end with one end-of-line" % path


def check_licence(path, text):
    lines = text.split("\n")
    first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
    if LICENCE not in first:
        yield "%s:1: the first line names no licence" % path


def check(root):
    findings = check_clang_format(root)
    code = set(code_files(root))
    texts = [path for path in walk(root) if path in code or path.endswith((".md", ".build"))]
    texts += [name for name in os.listdir(root) if name.endswith(".md") or name in ALSO]
    for path in sorted(set(texts) | {s for s in SCRIPTS if s in code}):
        text = read(root, path)
        findings += check_lines(path, text)
        if path in code:
            findings += check_licence(path, text)
    return findings


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(check)
