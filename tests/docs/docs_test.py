# SPDX-License-Identifier: Apache-2.0
"""Every command of the documents, run as a reader would run it. Prints TAP.

Usage: docs_test.py [--long] [--only PAGE] KAFSCALED KAFSCALE-CLI

Each page has a folder and a pair of ports of its own. Where a page speaks of 127.0.0.1:9092 it
means its own broker, which is there already unless the page starts one. blocks.py has what a page
can say of its blocks. With --long those are run that build, fetch or take long.
"""
import argparse
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

import blocks
import tools

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demo"))
import settings as demo_settings  # noqa: E402

import daemon
import install

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
LIMIT_S, LONG_LIMIT_S, END_S = 120, 1500, 30
PRELUDE = """set -eu -o pipefail
served=()
end_served() {
    for one in "${served[@]}"; do
        kill "$one" 2>/dev/null && wait "$one" || true
    done
}
# serve NAME OPTION...: a broker that is there as long as the block, and writes to NAME.out and .log
serve() {
    local name=$1
    shift
    kafscaled "$@" >"$name.out" 2>"$name.log" &
    served+=($!)
    trap end_served EXIT
    until grep -qs listening "$name.out"; do
        kill -0 $!
        sleep 0.05
    done
}
address_of() {
    awk '{ print $4 }' "$1.out"
}
"""
NOT_CLONED = ("build", ".git", "kafscale-data")


class Running:
    """A block that goes on."""

    def __init__(self, process, read):
        self.process = process
        self.read = read

    def end(self):
        """As with Ctrl-C, but that a shell in the background would not hear that."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
            raise AssertionError("it does not end:\n" + self.read) from None


class Page:
    """What the blocks of a page share: a folder, ports, and what runs beside them."""

    def __init__(self, name, programs):
        self.name = name
        self.folder = tempfile.mkdtemp(prefix="kafscale-docs-")
        self.work = os.path.join(self.folder, "work")
        self.bin = os.path.join(self.folder, "bin")
        os.mkdir(self.work)
        os.mkdir(self.bin)
        for program in programs:
            os.symlink(program, os.path.join(self.bin, os.path.basename(program)))
        self.build = os.path.dirname(os.path.dirname(programs[0])) if programs else ""
        self.address, self.metrics = daemon.free_address(), daemon.free_address()
        self.broker = self.running = self.bucket = None
        self.tools = {}

    def end(self):
        try:
            self.end_running()
            self.end_broker()
            if self.bucket:
                self.bucket.server.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- Commands --------------------------------------------------------------------------------

    def rewrites(self):
        """All that is different from what a reader types."""
        rules = [("127.0.0.1:9092", self.address), ("127.0.0.1:9093", self.metrics),
                 ("0.0.0.0:9092", self.address), ("broker.example.org:9092", self.address),
                 ("build/gcc/", self.build + "/"), ("build/asan/", self.build + "/"),
                 ("/etc/kafscale/kafscaled.conf",
                  os.path.join(ROOT, "packaging", "kafscaled.conf")),
                 ("/srv/kafscale", os.path.join(self.folder, "srv"))]
        return rules + list(self.bucket.rewrites() if self.bucket else ())

    def rewrite(self, text):
        for old, new in self.rewrites():
            text = text.replace(old, new)
        return text

    def as_shown(self, said):
        for old, new in ((self.address, "127.0.0.1:9092"), (self.metrics, "127.0.0.1:9093")):
            said = said.replace(old, new)
        return re.sub(r"(?<![\w/])%s/?" % re.escape(self.work), "", said)

    def script_of(self, block):
        text = block.text
        for rule in block.says["replace"]:
            old, arrow, new = (part.strip() for part in (rule + " ").partition("=>"))
            assert arrow and old in text, "nothing to replace by '%s'" % rule
            text = text.replace(old, new)
        return self.rewrite("\n".join([PRELUDE, *block.says["setup"], text]))

    def environment(self):
        more = {key: value for its in self.tools.values() for key, value in its.items()}
        return {**daemon.clean_environment(), **more, "PATH": self.bin + ":" + os.environ["PATH"],
                "KAFSCALE_BROKER_ADDR": self.address, "PYTHONDONTWRITEBYTECODE": "1",
                "GOTOOLCHAIN": "local"}

    def start(self, block):
        return subprocess.Popen(
            ["bash", "-c", self.script_of(block)], cwd=self.place_of(block), text=True,
            env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)

    def place_of(self, block):
        """The root of the project for what names its files; its copy for what builds in it."""
        place = block.says.get("in", "work")
        if place != "clone":
            return {"work": self.work, "root": ROOT}[place]
        copy = os.path.join(self.folder, "clone")
        if not os.path.isdir(copy):
            shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_CLONED), symlinks=True)
        return copy

    # --- Brokers ---------------------------------------------------------------------------------

    def end_running(self):
        if self.running:
            running, self.running = self.running, None
            running.end()

    def is_running(self):
        """A block that was to go on, and does."""
        return self.running is not None and self.running.process.poll() is None

    def end_broker(self):
        if self.broker:
            broker, self.broker = self.broker, None
            assert broker.stop() == 0

    def prepare(self, block):
        """What the block needs; raises install.Unavailable."""
        for name in block.says.get("needs", "").split():
            if name == "s3":
                self.bucket = self.bucket or tools.Bucket()
            elif name == "build":
                if not os.path.exists(os.path.join(self.build, "tests", "model", "log_model")):
                    raise install.Unavailable("not all of the tests are built here")
            elif name not in self.tools:
                self.tools[name] = tools.TOOLS[name](self.bin) or {}
        if "until" in block.says or "alone" in block.says:
            self.end_running()
            self.end_broker()
        elif not self.is_running() and not self.broker and any(
                address in self.script_of(block) for address in (self.address, self.metrics)):
            self.broker = daemon.Daemon(
                self.folder, "listen=" + self.address, "metrics.addr=" + self.metrics,
                "group.initial.rebalance.delay.ms=0",
                "store=dir:" + os.path.join(self.work, "kafscale-data"))
            self.broker.wait_ready()

    # --- Blocks ----------------------------------------------------------------------------------

    def run(self, block):
        self.prepare(block)
        if "until" in block.says:
            self.run_until(block)
            return
        process = self.start(block)
        limit_s = LONG_LIMIT_S if block.says.get("tier") == "long" else LIMIT_S
        try:
            said, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            raise AssertionError("it did not end in %d s:\n%s" % (limit_s, said)) from None
        wanted = int(block.says.get("status", 0))
        assert process.returncode == wanted, "status %d\n%s" % (process.returncode, said)
        if block.output is not None:
            assert blocks.matches(block.output, self.as_shown(said)), \
                "shown:\n%s\nprinted:\n%s" % (block.output, self.as_shown(said))

    def run_until(self, block):
        process, said = self.start(block), ""
        deadline = time.monotonic() + (LONG_LIMIT_S if "tier" in block.says else LIMIT_S)
        self.running = Running(process, "")
        os.set_blocking(process.stdout.fileno(), False)
        while not re.search(self.rewrite(block.says["until"]), said):
            assert time.monotonic() < deadline, "it never said so:\n" + said
            if select.select([process.stdout], [], [], 1)[0]:
                more = process.stdout.read()
                assert more, "it has ended:\n" + said
                said += more
                self.running.read = said
        os.set_blocking(process.stdout.fileno(), True)
        if block.says.get("then") == "end":
            self.end_running()


def check_part(block):
    """The lines of a block stand in a file that is tested, one after the other."""
    with open(os.path.join(ROOT, block.says["part of"]), encoding="utf-8") as file:
        its = [line.strip() for line in file]
    wanted = [line.strip() for line in block.text.splitlines()]
    assert any(its[i:i + len(wanted)] == wanted for i in range(len(its))), \
        "%s does not have\n%s" % (block.says["part of"], block.text)


def compile_c(block):
    """With the public headers, as the body of a function."""
    lines = block.text.splitlines()
    includes = [line for line in lines if line.startswith("#include")]
    body = [line for line in lines if not line.startswith("#include")]
    source = "\n".join(includes + ["int main(void) {"] + body + ["}"])
    done = subprocess.run(
        ["cc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-xc", "-I",
         os.path.join(ROOT, "include"), "-"], input=source, capture_output=True, text=True,
        check=False)
    assert done.returncode == 0, done.stderr


def one(page, block):
    """The test of a block; what it returns is why it was skipped."""
    if block.kind == blocks.RUN:
        try:
            page.run(block)
        except install.Unavailable as error:
            return str(error)
    elif "part of" in block.says:
        check_part(block)
    elif block.kind == blocks.COMPILED:
        compile_c(block)
    return None


def is_tested(block, is_long):
    return "skip" not in block.says and block.kind not in blocks.SHOWN and (
        is_long or block.says.get("tier") != "long")


def read_page(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        text = file.read()
    return blocks.blocks_of(name, text) + blocks.inline_in(name, text)


# --- Tests of the tests --------------------------------------------------------------------------

def commands_in_the_text_are_found():
    text = "Try `curl -s x` and `ss -l`, or `curl -s x` again; `not.a.command`.\n" + \
        "```sh\nls `ss -a`\n```\n<!-- `ss -b` -->\n`apt-get purge`\n"
    found = blocks.inline_in("page", text)
    assert [(block.text, block.line) for block in found] == [
        ("curl -s x", 1), ("ss -l", 1), ("apt-get purge", 6)], found
    assert "skip" in found[2].says and "skip" not in found[0].says


def page_with(kind, text, comment="", after=""):
    return "%s\n```%s\n%s\n```\n%s" % (comment, kind, text, after)


def wrong_pages_are_found():
    for text in (page_with("", "ls"), page_with("bash", "ls"), "```sh\nls\n",
                 page_with("sh", "ls", "<!-- test\nskpi: no\n-->"),
                 page_with("sh", "ls", "<!-- test\nskip: a\nskip: b\n-->"),
                 page_with("sh", "ls", "<!-- test skip: a -->\n\nWords."),
                 page_with("output", "a"), page_with("python", "pass"), page_with("java", "x")):
        try:
            blocks.blocks_of("page", text)
        except blocks.BadPage:
            continue
        raise AssertionError("nobody minds\n" + text)


def failure_of(text):
    page = Page("page", ())
    try:
        for block in blocks.blocks_of("page", textwrap.dedent(text)):
            one(page, block)
        return None
    except AssertionError as failure:
        return str(failure)
    finally:
        page.end()


def failing_commands_are_found():
    for comment, text, output, reason in (
            ("", "false", "", "status 1"), ("", "false | true", "", "status 1"),
            ("", 'echo "$NOT_SET"', "", "status 1"), ("", "no-such-program", "", "status 127"),
            ("<!-- test status: 3 -->", "exit 4", "", "status 4"),
            ("<!-- test replace: x => y -->", "true", "", "nothing to replace"),
            ("<!-- test until: ready -->", "echo no", "", "it has ended"),
            ("", "echo one", "```output\ntwo\n```", "shown:\ntwo"),
            ("", "echo one two", "```output\none\n```", "shown:\none")):
        found = failure_of(page_with("sh", text, comment, output))
        assert found and reason in found, (text, found)
    assert "does not have" in failure_of(page_with("go", "no such line",
                                                   "<!-- test part of: README.md -->"))
    assert "x" in failure_of(page_with("c", "x;"))


def what_is_right_passes():
    for comment, text, output in (
            ("", "echo one; echo two", "```output\n...\ntwo\n```"),
            ("", "echo at 12:30 h", "```output\nat ...:... h\n```"),
            ("", "pwd", "```output\n\n```"),
            ("<!-- test\nsetup: NAME=x\nreplace: KEY => \"$NAME\"\n-->", "echo KEY",
             "```output\nx\n```"),
            ("<!-- test until: ready -->", "echo ready; sleep 100", ""),
            ("<!-- test status: 3 -->", "exit 3", "")):
        found = failure_of(page_with("sh", text, comment, output))
        assert found is None, (text, found)


DEVELOPERS = ("docs/testing.md", "docs/abi.md", "CONTRIBUTING.md")


def options():
    """(keys, names in the environment) of all of them."""
    text = ""
    for name in ("configuration.md", "topic-configuration.md"):
        with open(os.path.join(ROOT, "docs", name), encoding="utf-8") as file:
            text += file.read()
    keys = set(re.findall(r"`([a-z][\w.]+)`", text))
    names = {"KAFSCALE_" + re.sub(r"\W", "_", key).upper() for key in keys}
    names |= set(re.findall(r"`(KAFSCALE_\w+)`", text))
    return keys, names | {demo_settings.PREFIX + name for name, *_ in demo_settings.TABLE}


def every_option_that_is_told_of_is_there():
    keys, names = options()
    for page in set(blocks.PAGES) - set(DEVELOPERS):
        with open(os.path.join(ROOT, page), encoding="utf-8") as file:
            text = file.read().replace("lisen=", "listen=").replace("LISEN", "LISTEN")
        for key in re.findall(r"--set ([\w.]+)=", text):
            assert key in keys | {"key"}, "%s sets %s, which is no option" % (page, key)
        for name in re.findall(r"\bKAFSCALE_[A-Z_]*[A-Z]\b", text):
            assert name in names, "%s names %s, which is no option" % (page, name)


def say_what_is_not_run(found, is_long):
    def tell():
        skipped = [block for block in found if "skip" in block.says]
        later = [block for block in found if not is_tested(block, is_long) and
                 block.says.get("tier") == "long" and block not in skipped]
        for block in skipped:
            print("# not run: %s: %s" % (block.name, block.says["skip"]))
        print("# %d blocks are run, %d only with --long, %d can't be" % (
            sum(is_tested(block, is_long) for block in found), len(later), len(skipped)))
    return "every block that is not run says why", tell


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("kafscaled", type=os.path.abspath)
    parser.add_argument("cli", type=os.path.abspath)
    arguments = parser.parse_args()
    daemon.BINARY = arguments.kafscaled
    tests = [(test.__name__.replace("_", " "), test) for test in (
        wrong_pages_are_found, commands_in_the_text_are_found, failing_commands_are_found,
        what_is_right_passes,
        every_option_that_is_told_of_is_there)]
    pages, found = [], []
    for name in blocks.PAGES:
        if arguments.only in (None, name):
            its = read_page(name)
            page = Page(name, (arguments.kafscaled, arguments.cli))
            pages.append(page)
            found += its
            tests += [(block.name, lambda page=page, block=block: one(page, block))
                      for block in its if is_tested(block, arguments.long)]
            tests.append((name + ": all that it started ends", page.end))
    try:
        return daemon.report(tests + [say_what_is_not_run(found, arguments.long)])
    finally:
        daemon.Daemon.end_all()
        for page in pages:
            shutil.rmtree(page.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
