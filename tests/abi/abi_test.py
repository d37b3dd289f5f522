# SPDX-License-Identifier: Apache-2.0
"""The interface is what lib/libkafscale.abi says, and whoever breaks it is told. Prints TAP.

Usage: abi_test.py SOURCE LIBRARY OTHER_LIBRARY COMPILER...
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import report  # noqa: E402


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Check:
    """abi.py on changed lists and documents."""

    def __init__(self, source, room, library, other, compiler):
        self.source, self.room, self.library, self.other = source, room, library, other
        self.compiler = compiler
        self.list = read(os.path.join(source, "lib", "libkafscale.abi"))
        self.document = read(os.path.join(source, "docs", "abi.md"))

    def run(self, listed=None, document=None, library=None):
        """What abi.py says, and whether it found anything."""
        paths = []
        for name, text in (("list", listed or self.list), ("page", document or self.document)):
            paths.append(os.path.join(self.room, name))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run(
            [sys.executable, "-B", os.path.join(self.source, "tests", "abi", "abi.py"), *paths,
             library or self.library, os.path.join(self.source, "include"), *self.compiler],
            capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def expect(self, complaint, **changed):
        code, said = self.run(**changed)
        assert code == 1 and complaint in said, (complaint, said)

    def is_as_listed(self):
        code, said = self.run()
        assert code == 0, said

    def notices_functions(self):
        line = "function const char *kafscale_version(void)\n"
        assert line in self.list
        self.expect("not in the list: " + line, listed=self.list.replace(line, ""))
        self.expect("no longer so: function void kafscale_gone(void)",
                    listed=self.list + "function void kafscale_gone(void)\n")
        self.expect("no longer so: function int kafscale_version(void)",
                    listed=self.list.replace(line, line.replace("const char *", "int ")))

    def notices_layouts(self):
        line = "struct kafscale_slice.size: at 8, 8 bytes"
        assert line in self.list
        self.expect("no longer so: struct kafscale_slice.size: at 4, 8 bytes",
                    listed=self.list.replace(line, "struct kafscale_slice.size: at 4, 8 bytes"))
        self.expect("not in the list: enum kafscale_status: KAFSCALE_FENCED = -11",
                    listed=self.list.replace("KAFSCALE_FENCED = -11", "KAFSCALE_FENCED = -12"))

    def notices_structs_without_rule(self):
        row = "| `kafscale_slice` | fixed |"
        assert row in self.document
        self.expect("struct kafscale_slice has no rule", document=self.document.replace(row, "|"))
        self.expect("struct kafscale_slice doesn't begin with its version",
                    document=self.document.replace(row, row.replace("fixed", "version")))
        self.expect("a rule for kafscale_nothing, which no header shows",
                    document=self.document + "\n| `kafscale_nothing` | fixed | |\n")

    def notices_another_library(self):
        self.expect("kafscale_version is shown by a header and not by the library",
                    library=self.other)
        self.expect("is shown by the library and by no header", library=self.other)


def main(source, library, other, *compiler):
    with tempfile.TemporaryDirectory(prefix="kafscale-abi-") as room:
        check = Check(source, room, library, other, compiler)
        checks = (("headers, library and list agree", check.is_as_listed),
                  ("a function that goes, comes or changes is noticed", check.notices_functions),
                  ("a layout or value that changes is noticed", check.notices_layouts),
                  ("a struct without a rule is noticed", check.notices_structs_without_rule),
                  ("a library that shows something else is noticed", check.notices_another_library))
        return report(checks)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
