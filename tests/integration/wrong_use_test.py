# SPDX-License-Identifier: Apache-2.0
"""The daemon set up wrongly: each mistake ends it at once with an exit code and one line that names
it, and touches nothing. Prints TAP.

Usage: wrong_use_test.py KAFSCALED FAULTY_DISK
"""
import errno
import os
import re
import socket
import stat
import sys

from daemon import Daemon, Disk, kcat, main, run, start

NOBODY = 65534
COULD_NOT_START = 1
WRONG_USE = 2


def expect_refusal(code, parts, *arguments, **more):
    done = run(*arguments, code=code, **more)
    lines = [line for line in done.stderr.splitlines() if " info " not in line]
    assert len(lines) == 1, (arguments, done.stderr)
    assert re.match(r"\S+Z error ", lines[0]), lines
    for part in parts:
        assert part in lines[0], (part, lines)
    assert done.stdout == "", done.stdout


def refused_store(path, *parts, **more):
    expect_refusal(COULD_NOT_START, ["directory store '%s'" % path, *parts],
                   "--set", "listen=127.0.0.1:0", "--set", "store=dir:" + path, **more)


def as_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def written(root, name, content):
    path = os.path.join(root, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def crc32c(content):
    crc = 0xffffffff
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


# --- Tests: each gets a directory of its own ------------------------------------------------------

def directories_that_are_no_store_are_refused_and_left_alone(root):
    refused_store(written(root, "file", b"x"), "Not a directory")
    refused_store(os.path.join(root, "no", "parent"), "No such file or directory")
    used = os.path.join(root, "used")
    os.mkdir(used)
    written(used, "letter", b"x")
    refused_store(used, "it holds other things", "take an empty or a new directory")
    assert os.listdir(used) == ["letter"]
    refused_store("/proc", "it holds other things")
    newer = os.path.join(root, "newer")
    assert start(root, "store=dir:" + newer).stop() == 0
    written(newer, "kafscale-store", b"kafscale directory store 2 and more\n")
    refused_store(newer, "format level")
    written(newer, "kafscale-store", b"something else\n")
    refused_store(newer, "not the identity of a store")
    os.remove(os.path.join(newer, "kafscale-store"))
    refused_store(newer, "identity file 'kafscale-store' is missing")


def a_cluster_of_a_newer_level_is_refused(root):
    assert start(root).stop() == 0
    path = os.path.join(root, "data", "objects", "default", "__kafscale", "cluster")
    with open(path, "rb") as file:
        record = bytearray(file.read()[:-4])
    record[6:8] = b"\0\x09"
    with open(path, "wb") as file:
        file.write(record + crc32c(record).to_bytes(4, "big"))
    daemon = Daemon(root, "listen=127.0.0.1:0", "store=dir:" + os.path.join(root, "data"),
                    name="newer")
    assert daemon.ended() == COULD_NOT_START, daemon.said()
    wrong = daemon.lines(level="error")
    assert len(wrong) == 1 and "of format level 9, this broker knows up to 1" in wrong[0], wrong


def is_open_to_all(path):
    """Whether anybody may go there, as nobody must to run the daemon: not in a home of mode 700."""
    while path != "/":
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        path = os.path.dirname(path)
    return True


def permissions_are_named(root):
    if os.getuid() != 0:
        return "only root can become somebody else"
    if not is_open_to_all(os.path.realpath(sys.argv[1])):
        return "the build stands where only its owner may go"
    os.chmod(root, 0o755)
    closed = os.path.join(root, "closed")
    os.mkdir(closed, 0o700)
    refused_store(closed, "Permission denied", preexec_fn=as_nobody)
    refused_store(os.path.join(root, "new"), "Permission denied", preexec_fn=as_nobody)
    config = written(root, "config", b"num.partitions=1\n")
    os.chmod(config, 0o600)
    expect_refusal(WRONG_USE, [config, "Permission denied"], "--config", config,
                   preexec_fn=as_nobody)
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="utf-8") as limit:
        if int(limit.read()) <= 1:
            return None
    expect_refusal(COULD_NOT_START, ["listen: bind to 127.0.0.1:1: Permission denied"],
                   "--set", "listen=127.0.0.1:1", "--set", "store=memory", preexec_fn=as_nobody)
    return None


def file_systems_are_used_as_far_as_they_go(root):
    disk = Disk(root)
    for number, fault in enumerate((
            {"open_unnamed": errno.EOPNOTSUPP}, {"open_unnamed": errno.EISDIR},
            {"link_unnamed": errno.EXDEV}, {"link_unnamed": errno.EOPNOTSUPP})):
        disk.fails(**fault)
        daemon = start(root, disk=disk, name="log%d" % number)
        kcat(daemon.address, "-P", "-t", "t", text="x\n")
        assert not daemon.lines(level="warn"), daemon.said()
        assert daemon.stop() == 0, daemon.said()
    for code in (errno.EOPNOTSUPP, errno.EPERM, errno.EXDEV):
        disk.fails(link_unnamed=code, link=code)
        refused_store(os.path.join(root, "data"), "its file system is not fit for use",
                      "no hard links", environment=disk.environment())


def any_path_will_do(root):
    for number, (path, place) in enumerate((("with space/x y", "with space"), ("./a", ""),
                                            ("b/", ""), ("c/../d", "c"))):
        os.makedirs(os.path.join(root, place), exist_ok=True)
        daemon = Daemon(root, "listen=127.0.0.1:0", "store=dir:" + path, cwd=root,
                        name="log%d" % number).wait_ready()
        kcat(daemon.address, "-P", "-t", "t", text="x\n")
        assert daemon.stop() == 0, daemon.said()
        assert os.path.exists(os.path.join(root, path, "kafscale-store"))


def addresses_that_cannot_be_had_are_named(root):
    store = os.path.join(root, "data")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        for listen, why in ((address, "Address already in use"),
                            ("127.0.0.1:0," + address, "Address already in use"),
                            ("no.such.host.invalid:9092", "no.such.host.invalid"),
                            ("192.0.2.1:9092", "Cannot assign requested address")):
            expect_refusal(COULD_NOT_START, ["listen: ", why],
                           "--set", "listen=" + listen, "--set", "store=dir:" + store)
    for listen in ("127.0.0.1", "127.0.0.1:65536", "127.0.0.1:x", "::1:9092", ""):
        expect_refusal(WRONG_USE, ["'listen'"], "--set", "listen=" + listen)
    assert not os.path.exists(store)


def configuration_files_that_are_none_are_named(root):
    for name, content, why in (
            ("binary", bytes(range(256)) * 4, "line 1: this is no text file"),
            ("zero", b"# fine\nnum.partitions=3\0x\n", "line 2: this is no text file"),
            ("unset", b"num.partitions\n", "not key=value"),
            ("long", b"x" * 100000, "line is too long")):
        path = written(root, name, content)
        expect_refusal(WRONG_USE, ["configuration file", path, why], "--config", path)
    expect_refusal(WRONG_USE, [root + "/absent", "No such file"], "--config", root + "/absent")
    expect_refusal(WRONG_USE, [root, "Is a directory"], "--config", root)
    empty = written(root, "empty", b"")
    assert run("--check-config", "--config", empty).stderr == ""


def the_environment_is_read_with_care(root):
    for environment, parts in (
            ({"KAFSCALE_NUM_PARTITIONS": "many"}, ["KAFSCALE_NUM_PARTITIONS", "'many'"]),
            ({"KAFSCALE_NUM_PARTITIONS": " 7"}, ["KAFSCALE_NUM_PARTITIONS", "' 7'"]),
            ({"KAFSCALE_USE_MEMORY_S3": "maybe"}, ["KAFSCALE_USE_MEMORY_S3", "true or false"]),
            ({"KAFSCALE_ETCD_ENDPOINTS": "http://x"}, ["etcd"])):
        expect_refusal(WRONG_USE, parts, environment=environment, cwd=root)
    for environment, shown, warnings in (
            ({"KAFSCALE_NUM_PARTITIONS": ""}, "num.partitions=1", 0),
            ({"KAFSCALE_NUM_PARTITIONS": "4", "KAFSCALE_AUTO_CREATE_PARTITIONS": "3"},
             "num.partitions=4", 0),
            ({"kafscale_num_partitions": "4"}, "num.partitions=1", 0),
            ({"KAFSCALE_": "1", "KAFSCALE_NUM_PARTITION": "4"}, "num.partitions=1", 2)):
        done = run("--check-config", environment=environment)
        assert shown in done.stdout.splitlines(), (environment, done.stdout)
        assert len(done.stderr.splitlines()) == warnings, (environment, done.stderr)
    assert os.listdir(root) == []


def arguments_that_are_none_are_named(root):
    for arguments, part in ((("--set",), "--set"), (("--set", "x"), "key=value"),
                            (("--config",), "--config"), (("extra",), "'extra'"),
                            (("--version", "--bogus"), "--bogus"), (("--help=x",), "--help"),
                            (("a\033[2Jb\nc",), "a?[2Jb?c")):
        expect_refusal(WRONG_USE, [part], *arguments, cwd=root)
    assert os.listdir(root) == []


def help_tells_what_one_starts_with(_root):
    text = run("--help").stdout
    for part in ("--set key=value", "store=dir:PATH", "listen=HOST:PORT", "advertised.listeners",
                 "KAFSCALE_FLUSH_INTERVAL_MS", "SIGTERM", "Exit status:"):
        assert part in text, part
    assert text == run("-h").stdout and max(map(len, text.splitlines())) <= 95, text
    assert re.findall(r"^  (\d) ", text, re.M) == list("0123"), text


TESTS = (
    directories_that_are_no_store_are_refused_and_left_alone,
    a_cluster_of_a_newer_level_is_refused,
    permissions_are_named,
    file_systems_are_used_as_far_as_they_go,
    any_path_will_do,
    addresses_that_cannot_be_had_are_named,
    configuration_files_that_are_none_are_named,
    the_environment_is_read_with_care,
    arguments_that_are_none_are_named,
    help_tells_what_one_starts_with,
)

if __name__ == "__main__":
    sys.exit(main(TESTS))
