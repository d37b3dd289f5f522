# SPDX-License-Identifier: Apache-2.0
"""Brings clients from their package registries into a cache of the user's, each once, by name and
version: $XDG_CACHE_HOME/kafscale-tests/clients. What can't be had, because a toolchain or the
network is missing, is Unavailable, with the reason.

KAFSCALE_TESTS_INSTALL=no keeps it from installing anything (tests/run --no-install).
"""
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys

CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
PLACE = os.path.join(CACHE, "kafscale-tests", "clients")
LIMIT_S = 200

# Artifacts of Spark name a mirror of theirs; what is declared here under its name comes first.
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>clients</groupId><artifactId>clients</artifactId><version>1</version>
<repositories><repository><id>gcs-maven-central-mirror</id><url>file:///none</url>
<releases><enabled>false</enabled></releases><snapshots><enabled>false</enabled></snapshots>
</repository></repositories>
<dependencies>%s</dependencies>
</project>
"""
DEPENDENCY = ("<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>"
              "</dependency>")


class Unavailable(Exception):
    """A client that this machine can't have; the text says why."""


def run(name, *command, cwd=None, environment=None, limit_s=LIMIT_S):
    if not shutil.which(command[0]):
        raise Unavailable("%s: no %s here" % (name, command[0]))
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=limit_s,
                              check=False, env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired:
        raise Unavailable("%s: %s took too long" % (name, command[0])) from None
    if done.returncode != 0:
        raise Unavailable("%s: %s failed: %s" % (name, os.path.basename(command[0]),
                                                 reason(done.stderr + done.stdout)))
    return done.stdout


def reason(said):
    """Maven says first what is wrong, the others last; npm then names a file of its own."""
    plain = re.sub(r"\x1b\[[\d;]*m| \(https?://[^)]*\)| in https?://\S+", "", said)
    lines = [line.strip() for line in plain.splitlines()]
    lines = [line for line in lines if line and "A complete log of this run" not in line]
    first = [line for line in lines if line.startswith("[ERROR]")][:1]
    return (first or lines[-1:] or ["no reason given"])[0]


def place_of(name, wanted):
    """Another content is another directory, so what one checkout installs, no other replaces."""
    return os.path.join(PLACE, "%s-%s" % (name, hashlib.sha256(wanted.encode()).hexdigest()[:8]))


@contextlib.contextmanager
def fresh(name, wanted, may_fill=True):
    """The directory of a client, and whether it must be filled; locked meanwhile, since tests run
    side by side."""
    directory = place_of(name, wanted)
    stamp = os.path.join(directory, "installed")
    os.makedirs(PLACE, exist_ok=True)
    with open(directory + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(stamp):
            yield directory, False
            return
        if os.environ.get("KAFSCALE_TESTS_INSTALL") == "no":
            raise Unavailable(name + ": is not installed, and nothing may be")
        if not may_fill:
            raise Unavailable(name + ": takes long to build; the long tests do so, and keep it")
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        yield directory, True
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(wanted)


def python(name, *requirements):
    """A virtual environment with packages of PyPI. Returns its interpreter."""
    with fresh(name, " ".join(requirements)) as (directory, empty):
        interpreter = os.path.join(directory, "bin", "python")
        if empty:
            run(name, sys.executable, "-m", "venv", directory)
            run(name, interpreter, "-m", "pip", "install", "-q", "--only-binary", ":all:",
                "--disable-pip-version-check", "--retries", "1", *requirements)
    return interpreter


def java(name, *coordinates, needs_compiler=False):
    """Artifacts of Maven Central and what they need. Returns the class path. A program that comes
    as its source needs the compiler, also where java runs it."""
    for tool in ("java", "javac") if needs_compiler else ("java",):
        if not shutil.which(tool):
            raise Unavailable("%s: no %s here" % (name, tool))
    with fresh(name, " ".join(coordinates)) as (directory, empty):
        if empty:
            dependencies = "".join(DEPENDENCY % tuple(c.split(":")) for c in coordinates)
            with open(os.path.join(directory, "pom.xml"), "w", encoding="utf-8") as pom:
                pom.write(POM % dependencies)
            run(name, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars",
                cwd=directory)
    return os.path.join(directory, "jars", "*")


def node(name, *packages, may_fill=True, environment=None, limit_s=LIMIT_S):
    """Packages of npm. Returns the directory that node finds them in (NODE_PATH)."""
    if not shutil.which("node"):
        raise Unavailable(name + ": no node here")
    with fresh(name, " ".join(packages), may_fill) as (directory, empty):
        if empty:
            run(name, "npm", "install", "--no-audit", "--no-fund", "--prefix", directory, *packages,
                environment=environment, limit_s=limit_s)
    return os.path.join(directory, "node_modules")


def go(name, source):
    """A module of ours with its dependencies from the Go proxy. Returns its binary."""
    wanted = "".join(open(os.path.join(source, file), encoding="utf-8").read()
                     for file in sorted(os.listdir(source)))
    with fresh(name, wanted) as (directory, empty):
        binary = os.path.join(directory, "driver")
        if empty:
            run(name, "go", "build", "-o", binary, ".", cwd=source,
                environment={"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"})
    return binary
