# SPDX-License-Identifier: Apache-2.0
"""Installs the build into a folder and builds programs against it with pkg-config, in C and in
C++, with the shared and with the static library, as a stranger would. Prints TAP.

Usage: install_test.py BUILD SOURCE
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

C = ["-std=c11", "-pedantic", "-xc"]
CXX = ["-std=c++17", "-pedantic", "-xc++"]
COMPILERS = (("gcc", C), ("clang", C), ("g++", CXX), ("clang++", CXX))
LINKINGS = ("shared", "static")

# What a package of it would hold, versions and architecture left out.
INSTALLED = (
    r"bin/kafscale-cli",
    r"bin/kafscaled",
    r"include/kafscale/\w+\.(h|def)",
    r"lib.*/libkafscale\.(a|so|so\.\d+|so\.\d+\.\d+\.\d+)",
    r"lib.*/kafscale/libkafscale-s3\.so",
    r"lib.*/pkgconfig/libkafscale\.pc",
    r"share/doc/kafscale/LICENSE",
    r"share/man/man1/kafscale-cli\.1",
    r"share/man/man1/kafscaled\.1",
)


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


class Installation:
    """A folder that stands for the root of a system, with the library in it."""

    def __init__(self, build, root):
        run("meson", "install", "-C", build, "--no-rebuild", "--destdir", root)
        self.root = root
        self.files = [os.path.join(directory, name)
                      for directory, _, names in os.walk(root) for name in names]
        (self.pc_file,) = [path for path in self.files if path.endswith(".pc")]
        self.library_folder = os.path.dirname(os.path.dirname(self.pc_file))
        with open(self.pc_file, encoding="utf-8") as file:
            self.prefix = root + re.search(r"^prefix=(.*)$", file.read(), re.M).group(1)

    def flags(self, linking):
        """What pkg-config says, for a library that stands in a folder of its own."""
        environment = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": self.root,
                       "PKG_CONFIG_PATH": os.path.dirname(self.pc_file)}
        static = ["--static"] if linking == "static" else []
        said = run("pkg-config", "--cflags", "--libs", *static, "libkafscale", env=environment)
        # Both libraries lie in one folder, and ld takes the shared one unless told by name.
        name = "-l:libkafscale.a" if linking == "static" else "-lkafscale"
        return [name if flag == "-lkafscale" else flag for flag in said.split()]

    def build_and_run(self, source, compiler, language, linking):
        program = os.path.join(self.root, "consumer")
        run(compiler, "-Wall", "-Wextra", "-Werror", *language, source, "-xnone", "-o", program,
            *self.flags(linking))
        environment = dict(os.environ)
        if linking == "shared":
            environment["LD_LIBRARY_PATH"] = self.library_folder
        said = run(program, env=environment)
        assert said.endswith("ready\n"), said

    def check_files(self):
        """Each installed file is in the list, and each line of the list is installed."""
        relative = [os.path.relpath(path, self.prefix) for path in self.files]
        for path in relative:
            assert any(re.fullmatch(line, path) for line in INSTALLED), path
        for line in INSTALLED:
            assert any(re.fullmatch(line, path) for path in relative), line

    def run_daemon(self):
        said = run(os.path.join(self.prefix, "bin", "kafscaled"), "--version",
                   env={"LD_LIBRARY_PATH": self.library_folder})
        assert re.fullmatch(r"kafscaled \d+\.\d+\.\d+\n", said), said


    def open_s3_store(self):
        """The plug-in is found beside the library: what the daemon complains of is the bucket."""
        done = subprocess.run(
            [os.path.join(self.prefix, "bin", "kafscaled"), "--set", "s3.bucket=b!",
             "--set", "s3.region=r", "--set", "s3.access.key=a", "--set", "listen=127.0.0.1:0"],
            env={"LD_LIBRARY_PATH": self.library_folder, "KAFSCALE_S3_SECRET_KEY": "s"},
            capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1 and "'b!' is no name of a bucket" in done.stderr, done


def checks(installation, source):
    """(what it shows, what it does or None, why not) of each check."""
    yield "only what belongs there is installed", installation.check_files, None
    yield "the installed daemon runs", installation.run_daemon, None
    yield "it loads the S3 plug-in beside it", installation.open_s3_store, None
    for compiler, language in COMPILERS:
        for linking in LINKINGS:
            title = "%s builds a program with the %s library, and it runs" % (compiler, linking)
            if shutil.which(compiler) is None:
                yield title, None, "no " + compiler
            else:
                yield title, lambda c=compiler, l=language, k=linking: (
                    installation.build_and_run(source, c, l, k)), None


def main(build, source_root):
    source = os.path.join(source_root, "pkgconfig", "consumer", "consumer.c")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="kafscale-install-") as root:
        listed = list(checks(Installation(build, root), source))
        print("1..%d" % len(listed))
        for number, (title, check, why_not) in enumerate(listed, 1):
            if check is None:
                print("ok %d - %s # SKIP %s" % (number, title, why_not))
                continue
            try:
                check()
                print("ok %d - %s" % (number, title))
            except AssertionError as error:
                failed += 1
                print("not ok %d - %s\n# %s" % (number, title, str(error).replace("\n", "\n# ")))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*map(os.path.abspath, sys.argv[1:3])))
