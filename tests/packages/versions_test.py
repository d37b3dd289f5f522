# SPDX-License-Identifier: Apache-2.0
"""What is written in several places for those who read only one of them is the same: the version,
the number of the SONAME, what a build needs. Prints TAP.

Usage: versions_test.py SOURCE
"""
import os
import re
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import report, title  # noqa: E402

# Part of every build of a Debian package, or of what meson or debhelper bring.
IMPLIED = {"gcc", "libc6-dev", "ninja-build"}


class Tree:
    def __init__(self, path):
        self.path = path

    def read(self, name):
        with open(os.path.join(self.path, name), encoding="utf-8") as file:
            return file.read()

    def find(self, name, pattern):
        found = re.search(pattern, self.read(name), re.M)
        assert found, "%s has no %s" % (name, pattern)
        return found.group(1)


def one_version(tree):
    version = tree.find("meson.build", r"^  version: '([^']+)'")
    assert tree.find("include/kafscale/kafscale.h",
                     r'^#define KAFSCALE_VERSION "([^"]+)"') == version
    number = int(tree.find("include/kafscale/kafscale.h",
                           r"^#define KAFSCALE_VERSION_NUMBER (\w+)"), 16)
    assert "%d.%d.%d" % (number >> 16, number >> 8 & 255, number & 255) == version, number
    assert tree.find("debian/changelog", r"\Akafscale \(([^)]+)\)") == version


def one_number_of_the_soname(tree):
    number = tree.find("meson.build", r"^kafscale_soversion = '(\d+)'")
    assert tree.find("lib/libkafscale.map", r"^KAFSCALE_(\d+) \{") == number
    names = re.findall(r"^Package: libkafscale(\d+)", tree.read("debian/control"), re.M)
    assert names and set(names) == {number}, names
    symbols = tree.read("debian/libkafscale%s.symbols" % number)
    assert "/kafscale-%s/" % number in tree.read("debian/libkafscale%s-s3.install" % number)
    assert "/kafscale-%s/" % number in tree.read("docs/decisions/0011-plug-in-interface.md")
    assert symbols.startswith("libkafscale.so.%s libkafscale%s " % (number, number)), symbols
    assert " (symver)KAFSCALE_%s " % number in symbols, symbols


def one_list_of_what_a_build_needs(tree):
    """The packages of Debian that quickstart installs, and those of the Debian package."""
    ours = tree.find("tests/support/packages.sh", r"^build_packages=\(([^)]*)\)").split()
    field = tree.find("debian/control", r"^Build-Depends: ((?:.|\n )*)")
    debian = set(re.findall(r"^\s*([\w.+-]+)", field.replace(",", "\n"), re.M))
    debian.discard("debhelper-compat")
    assert set(ours) - IMPLIED == debian, set(ours) ^ debian


TESTS = (one_version, one_number_of_the_soname, one_list_of_what_a_build_needs)


def main(source):
    return report([("there is " + title(test), lambda test=test: test(Tree(source)))
                   for test in TESTS])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
