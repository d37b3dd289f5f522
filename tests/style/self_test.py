# SPDX-License-Identifier: Apache-2.0
"""A check that never failed is not yet a check: each violation is planted in a small tree, which is
clean otherwise, and must be found. Prints TAP.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import check_docs
import check_format
import check_headers
import check_includes
import check_log
import check_sizes

LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
SCRIPT = "# SPDX-License-Identifier: Apache-2.0\n"
CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".clang-format")

LOGGING = LICENCE + "#include \"log/log.h\"\n\nvoid\nks_say(void)\n{\n" \
                    "    ks_log(logger, KAFSCALE_LOG_WARN, %s);\n}\n"

MANUAL = '.TH KAFSCALED 8 "2026-01-01" "kafscale" "kafscale"\n' \
         ".SH NAME\nkafscaled \\- a broker\n.SH DESCRIPTION\nIt listens.\n"

CLEAN = {
    "include/kafscale/status.h": LICENCE + "#include <stddef.h>\n",
    "lib/base/list.h": LICENCE + "#include \"kafscale/status.h\"\n",
    "lib/record/record.h": LICENCE + "#include \"base/list.h\"\n",
    "lib/log/log.h": LICENCE + "#include \"record/record.h\"\n",
    "lib/log/open/open.c": LICENCE + "#include \"log/log.h\"\n\nint\nks_log_open(void)\n{\n"
                                "    return 0; /* \"../\" and time() in comments */\n}\n",
    "lib/log/say.c": LOGGING % "\"missing key=%s size=%\" PRIu64, \",(\", n",
    "lib/kafscale.c": LICENCE + "#include \"log/log.h\"\n",
    "daemon/main.c": LICENCE + "#include \"kafscale/status.h\"\n",
    "docs/architecture.md": "# Layers\n\n[here](#layers), `lib/log/log.h`\n",
    "docs/man/kafscaled.8": MANUAL + ".SH SEE ALSO\n.BR kafscaled (8)\n",
    "README.md": "[architecture](docs/architecture.md#layers)\n",
}


HEADER = LICENCE + "/* Any thread. */\n#ifndef A_H\n#define A_H\n\n%s\n#endif\n"
EXPORT = "KAFSCALE_EXPORT "


def long_function(lines):
    return LICENCE + "int\nks_long(void)\n{\n" + "    ;\n" * (lines - 3) + "}\n"


# Behaviour, check, file, its text, words of the finding.
PLANTED = (
    ("a lower module may not include a higher one", check_includes,
     "lib/record/batch.c", LICENCE + "#include \"log/log.h\"\n", "layer 1 may not see layer 3"),
    ("modules of one layer don't know each other", check_includes,
     "lib/store/store.c", LICENCE + "#include \"record/record.h\"\n", "may not see"),
    ("only the door of another module may be included", check_includes,
     "lib/log/read/read.c", LICENCE + "#include \"record/batch.h\"\n", "only the door"),
    ("an include may not go up by dots", check_includes,
     "lib/log/read/read.c", LICENCE + "#include \"../base/list.h\"\n", "no \"../\""),
    ("a public header may not include a private one", check_includes,
     "include/kafscale/store.h", LICENCE + "#include \"base/list.h\"\n", "only public ones"),
    ("the daemon sees the public headers only", check_includes,
     "daemon/main.c", LICENCE + "#include \"log/log.h\"\n", "public headers"),
    ("a module outside the table has no place", check_includes,
     "lib/extra/extra.c", LICENCE + "#include \"record/record.h\"\n", "no place"),
    ("libevent belongs in net", check_includes,
     "lib/broker/topic.c", LICENCE + "#include <event2/event.h>\n", "belongs in lib/net/"),
    ("codecs belong in record/compression", check_includes,
     "lib/handlers/produce.c", LICENCE + "#include <zstd.h>\n", "belongs in lib/record/"),
    ("a library that the table does not name is refused", check_includes,
     "lib/store/new.c", LICENCE + "#include <libs3/libs3.h>\n", "does not name"),
    ("the log calls no clock", check_includes,
     "lib/log/age.c", LICENCE + "long now(void) { return time(0); }\n", "calls time"),
    ("the codec includes no socket header", check_includes,
     "lib/protocol/frame.c", LICENCE + "#include <sys/socket.h>\n", "no socket"),
    ("a group starts no thread", check_includes,
     "lib/group/group.c", LICENCE + "void g(void) { pthread_exit(0); }\n", "calls pthread_exit"),
    ("a function over 70 lines is too long", check_sizes,
     "lib/log/long.c", long_function(71), "ks_long has 71 lines"),
    ("a test function over 70 lines is too long", check_sizes,
     "tests/unit/long_test.c", long_function(80), "ks_long has 80 lines"),
    ("a Python function over 70 lines is too long", check_sizes,
     "proto/long.py", SCRIPT + "def long():\n" + "    pass\n" * 71, "long has 72 lines"),
    ("a file over 800 lines is too long", check_sizes,
     "lib/log/large.c", LICENCE + "int x;\n" * 801, "802 lines, limit 800"),
    ("the median function is held to 14 lines", check_sizes,
     "lib/log/long.c", "".join(long_function(20).replace("ks_long", "f%d" % i) for i in range(9)),
     "median function has 20 lines"),
    ("a tab is found", check_format, "lib/log/tab.c", LICENCE + "int x;\t/* y */\n", "tab"),
    ("a trailing space is found", check_format,
     "docs/page.md", "text \n", "space at the end of the line"),
    ("a line over 100 columns is found", check_format,
     "lib/log/wide.c", LICENCE + "/* %s */\n" % ("x" * 95), "101 columns"),
    ("a file without licence is found", check_format, "lib/log/bare.c", "int x;\n", "licence"),
    ("a file without final end-of-line is found", check_format,
     "proto/end.py", SCRIPT + "pass", "end-of-line"),
    ("a link to no page is found", check_docs, "docs/a.md", "[x](b.md)\n", "leads nowhere"),
    ("a link to no heading is found", check_docs,
     "docs/a.md", "[x](architecture.md#nothing)\n", "no such heading"),
    ("a path that does not exist is found", check_docs,
     "docs/a.md", "see `lib/log/gone.c`\n", "does not exist"),
    ("a message that differs from event to event is found", check_log,
     "lib/log/say.c", LOGGING % '"object %s is missing", key', "same words"),
    ("a message with a reason behind a colon is found", check_log,
     "lib/log/say.c", LOGGING % '"object missing: key=%s", key', "end in a word"),
    ("a value in quotes is found", check_log,
     "lib/log/say.c", LOGGING % '"missing key=\\"%s\\"", key', "no name=value"),
    ("a conversion that the logger does not know is found", check_log,
     "lib/log/say.c", LOGGING % '"missing key=%x", 1', "no name=value"),
    ("a name that stands twice is found", check_log,
     "lib/log/say.c", LOGGING % '"missing key=%s key=%s", key, key', "taken"),
    ("a name that every event has is found", check_log,
     "lib/log/say.c", LOGGING % '"missing level=%s", key', "taken"),
    ("a format that stands elsewhere is found", check_log,
     "lib/log/say.c", LOGGING % "format, key", "stand here"),
    ("a public function without a comment is found", check_headers, "include/kafscale/a.h",
     HEADER % (EXPORT + "void kafscale_a(int x);\n"), "kafscale_a: no comment"),
    ("a public struct without a comment is found", check_headers, "include/kafscale/a.h",
     HEADER % "struct kafscale_a {\n    int x;\n};\n", "kafscale_a: no comment"),
    ("a function that doesn't say its thread is found", check_headers, "include/kafscale/a.h",
     (HEADER % ("/* X. */\n" + EXPORT + "void kafscale_a(int x);\n")).replace("Any thread", "Y"),
     "on which thread"),
    ("a pointer without an owner is found", check_headers, "include/kafscale/a.h",
     HEADER % ("/* An a. */\n" + EXPORT + "struct a *kafscale_a(void);\n"), "who owns"),
    ("a failure that isn't told is found", check_headers, "include/kafscale/a.h",
     HEADER % ("/* An a. */\n" + EXPORT + "enum kafscale_status kafscale_a(void);\n"),
     "nothing says how it fails"),
    ("a time without a unit is found", check_headers, "include/kafscale/a.h",
     HEADER % ("/* An a. */\n" + EXPORT + "void kafscale_a(int64_t timeout);\n"),
     "a time without a unit"),
    ("a block that no test knows is found", check_docs, "README.md", "```\nls\n```\n", "kind"),
    ("a stale generated page is found", check_docs, "docs/generate.py",
     "print('docs/protocol.md is stale')\nraise SystemExit(1)\n", "stale"),
    ("a manual page under another one's name is found", check_docs,
     "docs/man/kafscaled.1", MANUAL.replace(" 8 ", " 1 ").replace("KAFSCALED", "KAFKAD"), ".TH"),
    ("a reference to no manual page is found", check_docs,
     "docs/man/kafscaled.8", MANUAL + ".BR kafscaled.conf (5)\n", "kafscaled.conf.5, which does"),
)
IF_CLANG_FORMAT = (
    ("a line that clang-format would change is found", check_format,
     "lib/log/ugly.c", LICENCE + "int ugly(void) {return 1;}\n", "clang-format would change it"),
)
IF_MANDOC = (
    ("a manual page that mandoc does not understand is found", check_docs,
     "docs/man/kafscaled.8", MANUAL + ".BOLD text\n", "unknown macro"),
)


def tree(extra):
    root = tempfile.mkdtemp(prefix="style-")
    for path, text in {**CLEAN, **extra}.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
    shutil.copy(CONFIG, os.path.join(root, ".clang-format"))
    return root


def findings(check, extra):
    root = tree(extra)
    saved = sys.stdout
    try:
        with open(os.devnull, "w", encoding="utf-8") as sys.stdout:
            return check.check(root)
    finally:
        sys.stdout = saved
        shutil.rmtree(root)


def is_found(case):
    _, check, path, text, words = case
    found = findings(check, {path: text})
    return any(words in finding for finding in found), found


def real_mains_fail():
    """Run as a command, a check must also exit with failure."""
    root = tree({"lib/log/bare.c": "int x;\n"})
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check_format.py")
    said = subprocess.run([sys.executable, "-B", script, root], capture_output=True, check=False)
    shutil.rmtree(root)
    return said.returncode == 1


def main():
    results = []
    for check in (check_includes, check_sizes, check_format, check_docs, check_log):
        found = findings(check, {})
        results.append(("%s accepts a clean tree" % check.__name__, not found, found))
    planted = PLANTED + (IF_CLANG_FORMAT if check_format.clang_format() else ())
    planted += IF_MANDOC if shutil.which("mandoc") else ()
    for case in planted:
        results.append((case[0], *is_found(case)))
    results.append(("a check run as a command exits with failure", real_mains_fail(), []))
    print("1..%d" % len(results))
    for number, (name, passed, found) in enumerate(results, 1):
        print("%s %d - %s" % ("ok" if passed else "not ok", number, name))
        if not passed:
            print("# found: %s" % found)
    sys.exit(0 if all(result[1] for result in results) else 1)


if __name__ == "__main__":
    main()
