# SPDX-License-Identifier: Apache-2.0
"""Documents stay true where a machine can tell: links lead somewhere, paths named in code quotes
exist, generated pages are what their tables give now (docs/generate.py), and manual pages are what
mandoc understands and refer to pages that there are.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

from sources import main, read

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs"))
import blocks  # noqa: E402

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.S | re.M)
QUOTED_PATH = re.compile(r"`((?:lib|include|daemon|examples|tests|docs|packaging|proto)/[\w./-]+)`")


def documents(root):
    names = [n for n in os.listdir(root) if n.endswith(".md")]
    for directory, _, files in os.walk(os.path.join(root, "docs")):
        names += [os.path.relpath(os.path.join(directory, f), root) for f in files
                  if f.endswith(".md")]
    return sorted(names)


def anchors(text):
    """The anchors that a forge makes of the headings of a page."""
    headings = re.findall(r"^#+ +(.+?)\s*$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def wrong_link(root, path, target):
    if re.match(r"[a-z]+:", target):
        return None
    place, _, anchor = target.partition("#")
    full = os.path.normpath(os.path.join(root, os.path.dirname(path), place)) if place \
        else os.path.join(root, path)
    if not os.path.exists(full):
        return "leads nowhere"
    if anchor and full.endswith(".md"):
        with open(full, encoding="utf-8") as file:
            if anchor not in anchors(file.read()):
                return "no such heading"
    return None


def check_links(root):
    for path in documents(root):
        text = FENCE.sub(lambda m: "\n" * m.group(0).count("\n"), read(root, path))
        for match in LINK.finditer(text):
            wrong = wrong_link(root, path, match.group(1))
            if wrong:
                line = text.count("\n", 0, match.start()) + 1
                yield "%s:%d: link %s %s" % (path, line, match.group(1), wrong)


def check_paths(root):
    for path in documents(root):
        text = read(root, path)
        for match in QUOTED_PATH.finditer(text):
            name = match.group(1).rstrip("./")
            if not glob.glob(os.path.join(root, name)):
                line = text.count("\n", 0, match.start()) + 1
                yield "%s:%d: names %s, which does not exist" % (path, line, name)


def check_generated(root):
    script = os.path.join(root, "docs", "generate.py")
    if not os.path.exists(script):
        return
    said = subprocess.run([sys.executable, "-B", script, "--check"], cwd=root,
                          capture_output=True, text=True, check=False)
    if said.returncode != 0:
        yield from (said.stdout + said.stderr).strip().split("\n")


def check_blocks(root):
    """Pages whose commands are run (tests/docs) say how; here, so that it is seen before that."""
    for page in blocks.PAGES:
        if os.path.exists(os.path.join(root, page)):
            try:
                blocks.blocks_of(page, read(root, page))
            except blocks.BadPage as error:
                yield str(error)


def check_manuals(root):
    pages = sorted(glob.glob(os.path.join(root, "docs", "man", "*.[1-8]")))
    names = {os.path.basename(page) for page in pages}
    for page in pages:
        path = os.path.relpath(page, root)
        text = read(root, path)
        title = re.search(r"^\.TH (\S+) (\d)", text, re.M)
        if not title or "%s.%s" % (title[1].replace("\\", "").lower(), title[2]) not in path:
            yield "%s: its .TH is of another page" % path
        for name, section in re.findall(r"^\.BR (\S+) \((\d)\)", text, re.M):
            name = "%s.%s" % (name.replace("\\", ""), section)
            if re.search("kafscale", name) and name not in names:
                yield "%s: refers to %s, which does not exist" % (path, name)
    if pages and shutil.which("mandoc"):
        said = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *pages], capture_output=True,
                              text=True, check=False)
        yield from (said.stdout + said.stderr).replace(root + "/", "").splitlines()


def check(root):
    return [*check_links(root), *check_paths(root), *check_generated(root), *check_blocks(root),
            *check_manuals(root)]


if __name__ == "__main__":
    main(check)
