# SPDX-License-Identifier: Apache-2.0
"""Every format of the log is a message and fields (lib/base/logger.h): `what happened key=%s n=%d`.
The message has the same words each time, a name stands once, and a value is one conversion that the
logger knows or one word.
"""
import re

from sources import c_files, main, read

CALL = re.compile(r"\bks_log(_some)?\(")
LITERAL = re.compile(r'"((?:\\.|[^"\\])*)"|(\bPRI\w+\b|\b[A-Z][A-Z0-9_]+\b)')
FIELD = re.compile(r"[a-z][a-z0-9_]*=(?:%(?:s|\.\*s|d|u|ld|lu|lld|llu|zu)|[\w.:/-]+)")
MACROS = {"PRId64": "ld", "PRIu64": "lu", "PRId32": "d", "PRIu32": "u"}
TAKEN = ("time", "level", "message", "left_out")


def arguments(text, start):
    """The arguments of the call whose '(' is at start, as they are written."""
    found, begin, depth, i = [], start + 1, 0, start
    while True:
        c = text[i]
        if c == '"':
            i = re.compile(r'"(?:\\.|[^"\\])*"').match(text, i).end() - 1
        elif c in "([{":
            depth += 1
        elif c in ")]}" or c == "," and depth == 1:
            if depth == 1:
                found.append(text[begin:i].strip())
                begin = i + 1
            depth -= 1 if c != "," else 0
            if depth == 0:
                return found
        i += 1


def constants(text):
    return dict(re.findall(r'^#define (\w+) "([^"]*)"', text, re.M))


def spelled(written, macros):
    """The text of a format; None where it is none, or not known before the program runs."""
    parts, at = [], 0
    while at < len(written):
        match = LITERAL.match(written, at)
        if match is None:
            return None
        part = match.group(1) if match.group(2) is None else macros.get(match.group(2))
        if part is None:
            return None
        parts.append(part)
        at = match.end()
        at += len(written[at:]) - len(written[at:].lstrip())
    return "".join(parts)


def wrong(text):
    """What is wrong with the text of a format, or None."""
    message, fields = text, []
    if "=" in text:
        cut = text.rfind(" ", 0, text.index("="))
        message, fields = text[:max(cut, 0)], text[cut + 1:].split(" ")
    if not message.strip() or "%" in message:
        return "the message must be there and have the same words each time"
    if message.rstrip(" .:") != message or "\\" in message:
        return "the message must end in a word, and have no quotes"
    for field in fields:
        if not FIELD.fullmatch(field):
            return "'%s' is no name=value" % field
    names = [field.split("=")[0] for field in fields]
    for name in names:
        if name in TAKEN or names.count(name) > 1:
            return "the name '%s' is taken" % name
    return None


def check(root):
    findings = []
    for path in c_files(root):
        text = read(root, path)
        if not path.startswith("lib/") or path.startswith("lib/base/log"):
            continue
        for match in CALL.finditer(text):
            given = arguments(text, match.end() - 1)[4 if match.group(1) else 2:]
            written = spelled(given[0], {**MACROS, **constants(text)}) if given else None
            reason = "the format must stand here" if written is None else wrong(written)
            if reason:
                line = text.count("\n", 0, match.start()) + 1
                findings.append("%s:%d: %s" % (path, line, reason))
    return findings


if __name__ == "__main__":
    main(check)
