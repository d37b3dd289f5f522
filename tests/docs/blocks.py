# SPDX-License-Identifier: Apache-2.0
"""The fenced blocks of a page, and what an HTML comment before one says of how it is tested.

A comment begins with "test" and has a line for each of these:

    skip: REASON         it can't be run here; counted, and told of in each run
    tier: long           only tests/run --long runs it
    needs: NAME          of TOOLS in docs_test.py; where that can't be had it is skipped
    in: clone            runs in a fresh copy of the project; in: root  in the project itself
    alone: yes           the page's own broker is not there meanwhile
    until: PATTERN       it keeps running: goes on when its output has this, and ends with the page
    then: end            ends it at once
    status: NUMBER       it ends with that, instead of 0
    setup: COMMAND       runs before it, in the same shell; `serve NAME OPTION...` starts a broker
    replace: OLD => NEW  what a reader would replace by something of his own
    part of: FILE        its lines are in that file, which is tested

A block of the kind `sh` is run, and one of the kind `output` after it is what it printed, where
`...` stands for anything. Every block has a kind: nothing is left out because nobody looked.
"""
import dataclasses
import re

PAGES = ("README.md", "docs/user-guide.md", "docs/faq.md", "docs/operations.md",
         "docs/clients.md", "docs/installing.md", "docs/logging.md", "docs/testing.md",
         "docs/abi.md", "CONTRIBUTING.md", "examples/clients/README.md")
RUN, COMPARED, COMPILED = "sh", "output", "c"
PARTS = ("java", "python", "go", "javascript", "yaml", "properties", "cmake", "xml")
SHOWN = ("text", "json", "cpp")
KEYS_ONCE = ("skip", "tier", "needs", "in", "alone", "until", "then", "status", "part of")
KEYS_OFTEN = ("setup", "replace")
# Commands in the text, between code quotes: how they begin, and how they are run.
INLINE = (
    ("curl ", {"needs": "curl"}),
    ("kafscaled ", {}),
    ("kafscale-cli ", {"needs": "kcat", "setup": ["kcat -b 127.0.0.1:9092 -L >/dev/null",
                                                  "export KAFSCALE_STORE=dir:kafscale-data"]}),
    ("ss ", {"needs": "ss"}),
    ("./quickstart --once", {"tier": "long", "in": "clone", "alone": "yes"}),
    ("./quickstart", {"skip": "the block about it is run"}),
    ("tests/run", {"skip": "it is what runs this"}),
    ("FUZZ_SECONDS=", {"skip": "it takes an hour"}),
    ("build/fuzz", {"skip": "it needs what fuzzing has found"}),
    ("meson ", {"skip": "a block has it, with what comes before it"}),
    ("mvn ", {"skip": "it needs a project of the reader's"}),
    ("kafka-", {"skip": "a part of a command, as the name of what it does"}),
    ("kcat ", {"skip": "it goes on until Ctrl-C"}),
    ("systemctl ", {"skip": "it needs a running systemd"}),
    ("journalctl ", {"skip": "it needs a running systemd"}),
    ("systemd-", {"skip": "it needs a running systemd"}),
    ("apt-get ", {"skip": "it would change the machine"}),
)
FENCE = re.compile(r"(`{3,}|~{3,})\s*(\S*)\s*$")


class BadPage(Exception):
    """A page that doesn't say how it is to be tested."""


@dataclasses.dataclass
class Block:
    page: str
    line: int
    kind: str
    text: str
    says: dict
    output: str = None   # of the block below, if that shows what this one prints

    @property
    def name(self):
        first = next((line for line in self.text.splitlines() if line.strip()), "")
        return "%s:%d %s" % (self.page, self.line, re.sub(r"\s+#.*|\\$", "", first).strip())


def directives(page, line, text):
    """{key: value, or values} of a comment."""
    said = {key: [] for key in KEYS_OFTEN}
    for one in text.splitlines():
        key, separator, value = (part.strip() for part in one.partition(":"))
        if not one.strip():
            continue
        if not separator or not value or key not in KEYS_ONCE + KEYS_OFTEN or key in said and \
                key in KEYS_ONCE:
            raise BadPage("%s:%d: '%s' says nothing to the tests" % (page, line, one.strip()))
        if key in KEYS_OFTEN:
            said[key].append(value)
        else:
            said[key] = value
    return said


def comment_at(lines, at):
    """The text of a comment for tests that begins there, and the line after it; else None."""
    if not re.match(r"<!-- test\b", lines[at].strip()):
        return None
    end = at
    while "-->" not in lines[end]:
        end += 1
    text = "\n".join(lines[at:end + 1]).strip()
    return text[len("<!-- test"):-len("-->")], end + 1


def block_at(page, lines, at, said):
    """The block that begins there, and the line after it; else None."""
    fence = FENCE.match(lines[at])
    if not fence:
        return None
    end = at + 1
    while end < len(lines) and lines[end].rstrip() != fence.group(1):
        end += 1
    if end == len(lines):
        raise BadPage("%s:%d: this block has no end" % (page, at + 1))
    text = "".join(line + "\n" for line in lines[at + 1:end])
    return Block(page, at + 1, fence.group(2), text, said), end + 1


def check(block):
    if block.kind not in (RUN, COMPARED, COMPILED, *PARTS, *SHOWN):
        raise BadPage("%s:%d: a block of the kind '%s', which is none of %s" % (
            block.page, block.line, block.kind, " ".join((RUN, COMPARED, COMPILED, *PARTS,
                                                          *SHOWN))))
    if block.kind in PARTS and "part of" not in block.says and "skip" not in block.says:
        raise BadPage("%s:%d: nothing tests this: 'part of' or 'skip' is missing"
                      % (block.page, block.line))


def blocks_of(page, text):
    """All blocks of a page, in their order; raises BadPage."""
    lines, at, said, found = text.splitlines(), 0, None, []
    while at < len(lines):
        comment = comment_at(lines, at)
        if comment:
            said, at = directives(page, at + 1, comment[0]), comment[1]
            continue
        block = block_at(page, lines, at, said or directives(page, at, ""))
        if block:
            check(block[0])
            found.append(block[0])
            said, at = None, block[1]
            continue
        if said is not None and lines[at].strip():
            raise BadPage("%s:%d: a comment for tests, and no block after it" % (page, at + 1))
        at += 1
    return with_outputs(found)


def with_outputs(blocks):
    kept = []
    for block in blocks:
        if block.kind == COMPARED:
            if not kept or kept[-1].kind != RUN:
                raise BadPage("%s:%d: the output of no block" % (block.page, block.line))
            kept[-1].output = block.text
        else:
            kept.append(block)
    return kept


def inline_in(page, text):
    """The commands in the text of a page, each once, as blocks."""
    text = re.sub(r"^(`{3,}|~{3,}).*?^\1$|<!--.*?-->",
                  lambda found: re.sub(r"[^\n]", "", found.group(0)), text, flags=re.S | re.M)
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        for span in line.split("`")[1::2]:
            says = next((says for begins, says in INLINE if span.startswith(begins)), None)
            is_name = " " not in span and "/" not in span
            if says is not None and not is_name and span not in found:
                found[span] = Block(page, number, RUN, span, {**directives(page, number, ""),
                                                              **says})
    return list(found.values())


def matches(shown, said):
    """Whether this was printed, where `...` is anything, and a line of it any lines."""
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == "..." else
                      r".*?".join(map(re.escape, line.rstrip().split("..."))) + r"[ \t]*\n"
                      for line in shown.splitlines())
    return re.fullmatch(pattern, said if said.endswith("\n") else said + "\n") is not None
