# SPDX-License-Identifier: Apache-2.0
"""Reads the public headers: what they declare, and the comment that stands above it.

A comment belongs to what follows it up to the next empty line. One that is followed by an empty
line is a remark of its own, and `/* --- Title --- */` begins a section.
"""
import glob
import os
import re

SECTION = re.compile(r"/\* -+ (.*?) -+ \*/$")
FUNCTION = re.compile(r"\b(kaf\w+)\((?!\*)")
ENUM = re.compile(r"enum (kaf\w+)? ?\{")


class Entry:
    """One declaration, section or remark. `code` is as it stands there."""

    def __init__(self, kind, name, comment, code, line):
        self.kind, self.name, self.comment, self.code, self.line = kind, name, comment, code, line

    def returns(self):
        """What a function gives, without the marks of the compiler."""
        head = re.sub(r"KAFSCALE_\w+|static inline", "", self.code).split("(")[0]
        return " ".join(head.rsplit(self.name, 1)[0].split())


def unframed(comment):
    """The text of a comment, without what makes it one; empty lines part its paragraphs."""
    text = comment.strip()[2:-2]
    return "\n".join(re.sub(r"^ ?\*? ?", "", line).rstrip() for line in text.split("\n")).strip()


def kind_of(code):
    """(kind, name) of a declaration."""
    if code.startswith("typedef"):
        return "typedef", FUNCTION.search(code)[1]
    if re.match(r"struct \w+( \{|;)", code):
        return "struct", re.match(r"struct (\w+)", code)[1]
    if code.startswith("enum") and "{" in code.split("(")[0]:
        match = ENUM.match(code)
        return "enum", match[1] or ""
    return "function", FUNCTION.search(code)[1]


def is_complete(code, line):
    """Whether a declaration ends with this line: outside of all braces, unless it is a body."""
    depth = code.count("{") - code.count("}")
    return depth == 0 and (line.endswith(";") or line == "}") and "#if" not in line


class Reader:
    """Goes through one header."""

    def __init__(self, text):
        self.lines, self.at = text.split("\n"), 0

    def take_while(self, goes_on):
        """Lines up to the first of which `goes_on` is false, which is the last of them."""
        taken = [self.lines[self.at]]
        while goes_on(taken):
            self.at += 1
            taken.append(self.lines[self.at])
        self.at += 1
        return "\n".join(taken)

    def entries(self):
        """Each entry in order; those below one comment share it."""
        comment, start = None, 0
        while self.at < len(self.lines):
            line, number = self.lines[self.at], self.at + 1
            if line.startswith("/*"):
                if comment is not None:
                    yield Entry("remark", "", comment, "", start)
                text, start = self.take_while(lambda taken: "*/" not in taken[-1]), number
                section = SECTION.match(text)
                if section:
                    yield Entry("section", section[1], None, "", number)
                comment = None if section else unframed(text)
            elif not line:
                self.at += 1
                if comment is not None and self.lines[self.at - 2].endswith("*/"):
                    yield Entry("remark", "", comment, "", start)
                comment = None
            elif line.startswith("#define"):
                code = self.take_while(lambda taken: taken[-1].endswith("\\"))
                name = re.match(r"#define (\w+)", code)[1]
                if comment is not None or not name.endswith("_H"):
                    yield Entry("macro", name, comment, code, number)
            elif line.startswith("#"):
                self.at += 1
            elif line in ('extern "C" {', "}"):
                self.at += 1
            else:
                code = self.take_while(lambda taken: not is_complete("\n".join(taken), taken[-1]))
                kind, name = kind_of(code)
                yield Entry(kind, name, comment, code, number)


def paths(root):
    """The public headers, those that are generated left out."""
    return sorted(glob.glob(os.path.join(root, "include", "kafscale", "*.h")))


def read(path):
    """(what the header says of itself, [Entry])."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = text.replace("/* SPDX-License-Identifier: Apache-2.0 */\n", "", 1)
    found = list(Reader(text).entries())
    for entry in found:
        entry.line += 1
    if not found or found[0].kind != "remark" and found[0].kind != "macro":
        return "", found
    return found[0].comment or "", found[1:]
