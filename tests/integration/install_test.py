# SPDX-License-Identifier: Apache-2.0
"""Installs the build into a folder and builds programs against it with pkg-config and with CMake,
in C and in C++, with the shared and with the static library, as a stranger would; then moves it and
does so again. Prints TAP.

Usage: install_test.py BUILD SOURCE
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import report  # noqa: E402

C = ["-std=c11", "-pedantic", "consumer.c"]
CXX = ["-std=c++17", "-pedantic", "consumer.cpp"]
COMPILERS = (("gcc", C), ("clang", C), ("g++", CXX), ("clang++", CXX))
LINKINGS = ("shared", "static")
CMAKE_PROGRAMS = ("consumer_c", "consumer_cpp", "consumer_c_static", "consumer_cpp_static")

# What a package of it would hold, versions and architecture left out.
INSTALLED = (
    r"bin/kafscale-cli",
    r"bin/kafscaled",
    r"include/kafscale/\w+\.(h|hpp|def)",
    r"lib.*/cmake/kafscale/kafscale-config(-version)?\.cmake",
    r"lib.*/libkafscale\.(a|so|so\.\d+|so\.\d+\.\d+\.\d+)",
    r"lib.*/kafscale-\d+/libkafscale-s3\.so",
    r"lib.*/pkgconfig/libkafscale\.pc",
    r"lib/systemd/system/kafscaled\.service",
    r"share/doc/kafscale/LICENSE",
    r"share/doc/kafscale/examples/((kafscaled|s3)\.conf|kafscale\.(json|rules\.yml))",
    r"share/man/man1/kafscale-cli\.1",
    r"share/man/man3/libkafscale\.3",
    r"share/man/man5/kafscaled\.conf\.5",
    r"share/man/man8/kafscaled\.8",
)


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


class Installation:
    """The library below a folder that stands for the root of a system, "" for none."""

    def __init__(self, root, prefix, consumers):
        self.root = root
        self.prefix = prefix
        self.consumers = consumers
        self.files = [os.path.join(directory, name)
                      for directory, _, names in os.walk(prefix) for name in names]
        (self.pc_file,) = [path for path in self.files if path.endswith(".pc")]
        self.library_folder = os.path.dirname(os.path.dirname(self.pc_file))

    def flags(self, linking):
        """What pkg-config says, for a library that stands in a folder of its own."""
        environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(self.pc_file)}
        if self.root:
            environment["PKG_CONFIG_SYSROOT_DIR"] = self.root
        static = ["--static"] if linking == "static" else []
        said = run("pkg-config", "--cflags", "--libs", *static, "libkafscale", env=environment)
        # Both libraries lie in one folder, and ld takes the shared one unless told by name.
        name = "-l:libkafscale.a" if linking == "static" else "-lkafscale"
        return [name if flag == "-lkafscale" else flag for flag in said.split()]

    def run_program(self, program, linking):
        """Only a program with the shared library needs to be told where that is."""
        environment = dict(os.environ)
        if linking == "shared":
            environment["LD_LIBRARY_PATH"] = self.library_folder
        assert ("libkafscale.so" in run("ldd", program)) == (linking == "shared"), program
        said = run(program, env=environment)
        assert said.endswith("ready\n"), said

    def build_and_run(self, compiler, language, linking):
        program = os.path.join(self.prefix, "consumer")
        run(compiler, "-Wall", "-Wextra", "-Werror", *language, "-o", program,
            *self.flags(linking), cwd=self.consumers)
        self.run_program(program, linking)

    def cmake(self, build, *arguments):
        run("cmake", "-S", self.consumers, "-B", build, "-DCMAKE_PREFIX_PATH=" + self.prefix,
            "-DCMAKE_C_FLAGS=-Werror", "-DCMAKE_SKIP_RPATH=ON", *arguments)

    def build_with_cmake(self):
        build = os.path.join(self.prefix, "cmake-build")
        self.cmake(build)
        run("cmake", "--build", build)
        for program in CMAKE_PROGRAMS:
            self.run_program(os.path.join(build, program),
                             "static" if program.endswith("static") else "shared")

    def ask_for_versions(self):
        """The version file takes what it has and refuses what it hasn't."""
        project = os.path.join(self.prefix, "versions")
        os.mkdir(project)
        for asked, is_there in (("0.1", True), ("0.1.0", True), ("0.1.99", False), ("0.2", False),
                                ("0.0", False), ("1.0", False)):
            with open(os.path.join(project, "CMakeLists.txt"), "w", encoding="utf-8") as file:
                file.write("cmake_minimum_required(VERSION 3.16)\nproject(versions C)\n"
                           "find_package(kafscale %s CONFIG)\n"
                           "if(NOT \"${kafscale_FOUND}\" EQUAL %d)\n"
                           "  message(FATAL_ERROR \"found: ${kafscale_FOUND}\")\nendif()\n"
                           % (asked, is_there))
            run("cmake", "-S", project, "-B", os.path.join(project, "build-" + asked),
                "-DCMAKE_PREFIX_PATH=" + self.prefix)

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
        assert re.match(r"kafscaled \d+\.\d+\.\d+\n", said), said

    def open_s3_store(self):
        """The plug-in is found beside the library: what the daemon complains of is the bucket."""
        done = subprocess.run(
            [os.path.join(self.prefix, "bin", "kafscaled"), "--set", "s3.bucket=b!",
             "--set", "s3.region=r", "--set", "s3.access.key=a", "--set", "listen=127.0.0.1:0"],
            env={"LD_LIBRARY_PATH": self.library_folder, "KAFSCALE_S3_SECRET_KEY": "s"},
            capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1 and "'b!' is no name of a bucket" in done.stderr, done


def install(build, root):
    """The prefix inside of the root that it was installed below."""
    run("meson", "install", "-C", build, "--no-rebuild", "--destdir", root)
    (include,) = [directory for directory, folders, _ in os.walk(root) if "kafscale" in folders
                  and directory.endswith("/include")]
    return os.path.dirname(include)


def move(installed, folder):
    """What was installed for one place, all of it, in another."""
    prefix = os.path.join(folder, "elsewhere", "kafscale")
    shutil.copytree(installed.prefix, prefix, symlinks=True)
    return Installation("", prefix, installed.consumers)


def needs(program, test):
    return test if shutil.which(program) else lambda: "no " + program


def compiler_checks(installation, where, compilers):
    for compiler, language in compilers:
        for linking in LINKINGS:
            title = "%s builds a program with the %s library%s, and it runs" % (
                compiler, linking, where)
            yield title, needs(compiler, lambda c=compiler, l=language, k=linking:
                               installation.build_and_run(c, l, k))


def cmake_checks(moved):
    yield ("CMake finds both libraries, and the programs run",
           needs("cmake", moved.build_with_cmake))
    yield ("CMake finds the versions that this one can stand for, and no others",
           needs("cmake", moved.ask_for_versions))


def checks(installed, moved):
    """(what it shows, the test) of each check."""
    yield "only what belongs there is installed", installed.check_files
    yield "the installed daemon runs", installed.run_daemon
    yield "it loads the S3 plug-in beside it", installed.open_s3_store
    yield from compiler_checks(installed, "", COMPILERS)
    yield "the daemon runs where the tree was moved to", moved.run_daemon
    yield "and loads the S3 plug-in there", moved.open_s3_store
    yield from compiler_checks(moved, " in a tree that was moved", (("gcc", C), ("g++", CXX)))
    yield from cmake_checks(moved)


def main(build, source_root):
    consumers = os.path.join(source_root, "pkgconfig", "consumer")
    with tempfile.TemporaryDirectory(prefix="kafscale-install-") as folder:
        root = os.path.join(folder, "root")
        installed = Installation(root, install(build, root), consumers)
        return report(list(checks(installed, move(installed, folder))))


if __name__ == "__main__":
    sys.exit(main(*map(os.path.abspath, sys.argv[1:3])))
