# SPDX-License-Identifier: Apache-2.0
"""The daemon as its users see it: started, asked with kcat, signalled, started wrongly. Prints TAP.

Usage: daemon_test.py KAFSCALED
"""
import os
import re
import signal
import socket
import subprocess
import sys
import time

from daemon import LIMIT_S, Daemon, kcat, main, numbers, run, start

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


# --- Tests: each gets a directory of its own ------------------------------------------------------

def kcat_lists_produces_and_consumes_through_each_codec(root):
    daemon = start(root)
    for codec in CODECS:
        kcat(daemon.address, "-P", "-t", codec, "-z", codec, text=numbers(1000))
        got = kcat(daemon.address, "-C", "-t", codec, "-o", "beginning", "-e", "-q")
        assert got == numbers(1000), (codec, got[:100])
    listed = kcat(daemon.address, "-L")
    for codec in CODECS:
        assert 'topic "%s" with 1 partitions' % codec in listed, listed
    assert daemon.stop() == 0, daemon.said()


def kcat_reads_from_any_offset_and_by_time(root):
    daemon = start(root)
    before_ms = int(time.time() * 1000)
    kcat(daemon.address, "-P", "-t", "t", "-X", "enable.idempotence=true", text=numbers(100))
    got = kcat(daemon.address, "-C", "-t", "t", "-o", "90", "-e", "-q", "-f", "%o:%s\n")
    assert got == "".join("%d:%d\n" % (i, i) for i in range(90, 100)), got
    got = kcat(daemon.address, "-C", "-t", "t", "-o", "-3", "-e", "-q")
    assert got == "97\n98\n99\n", got
    found = kcat(daemon.address, "-Q", "-t", "t:0:%d" % before_ms)
    assert "t [0] offset 0" in found, found
    assert daemon.stop() == 0, daemon.said()


def records_survive_a_restart_and_a_kill(root):
    for round_number, number in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGINT)):
        daemon = start(root)
        got = ""
        if round_number > 0:
            got = kcat(daemon.address, "-C", "-t", "kept", "-o", "beginning", "-e", "-q")
        assert got == numbers(100) * round_number, (round_number, got[-100:])
        kcat(daemon.address, "-P", "-t", "kept", text=numbers(100))
        code = daemon.stop(number)
        assert code == (-9 if number == signal.SIGKILL else 0), daemon.said()


def signals_stop_within_two_seconds_with_idle_clients(root):
    for number in (signal.SIGTERM, signal.SIGINT):
        daemon = start(root)
        host, port = daemon.address.rsplit(":", 1)
        idle = [socket.create_connection((host, int(port))) for _ in range(20)]
        idle[0].sendall(b"\0\0\0")
        kcat(daemon.address, "-P", "-t", "t", text="x\n")
        consumer = subprocess.Popen(
            ["kcat", "-b", daemon.address, "-C", "-t", "t", "-o", "beginning", "-u", "-q"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert consumer.stdout.readline() == "x\n"
        begun = time.monotonic()
        assert daemon.stop(number) == 0, daemon.said()
        assert time.monotonic() - begun < 2, "took %.1f s" % (time.monotonic() - begun)
        consumer.kill()
        consumer.wait()
        consumer.stdout.close()
        for connection in idle:
            connection.close()


def a_second_daemon_on_the_port_fails_and_nothing_else_happens(root):
    first = start(root)
    kcat(first.address, "-P", "-t", "t", text=numbers(10))
    other = os.path.join(root, "other")
    for directory in (other, os.path.join(root, "data")):
        done = run("--set", "listen=" + first.address, "--set", "store=dir:" + directory, code=1)
        assert first.address in done.stderr, done.stderr
        assert done.stdout == "", done.stdout
    assert not os.path.exists(other)
    assert kcat(first.address, "-C", "-t", "t", "-o", "beginning", "-e", "-q") == numbers(10)
    kcat(first.address, "-P", "-t", "t", text=numbers(10))
    assert first.stop() == 0, first.said()


def a_second_daemon_on_the_directory_takes_over_and_the_first_ends(root):
    first = start(root, "freshness.ms=100")
    kcat(first.address, "-P", "-t", "t", text=numbers(10))
    second = start(root, "freshness.ms=100")
    assert kcat(second.address, "-C", "-t", "t", "-o", "beginning", "-e", "-q") == numbers(10)
    subprocess.run(["kcat", "-b", first.address, "-P", "-t", "t", "-X", "message.timeout.ms=3000"],
                   input="lost\n", text=True, timeout=LIMIT_S, capture_output=True, check=False)
    assert first.ended() != 0, first.said()
    assert "another broker" in first.said(), first.said()
    kcat(second.address, "-P", "-t", "t", text=numbers(10))
    assert kcat(second.address, "-C", "-t", "t", "-o", "beginning", "-e", "-q") == numbers(10) * 2
    assert second.stop() == 0, second.said()


def nothing_configured_serves_from_kafscale_data(root):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 9092))
        except OSError:
            return "port 9092 is taken"
    daemon = Daemon(root, cwd=root).wait_ready()
    assert daemon.address == "127.0.0.1:9092"
    assert os.path.isdir(os.path.join(root, "kafscale-data"))
    said = daemon.said()
    assert "127.0.0.1:9092" in said and "kafscale-data" in said, said
    assert daemon.stop() == 0
    return None


def the_environment_configures_it_as_kafscale(root):
    daemon = Daemon(root, environment={
        "KAFSCALE_BROKER_ADDR": "127.0.0.1:0", "KAFSCALE_USE_MEMORY_S3": "true",
        "KAFSCALE_S3_BUCKET": "b",
        "KAFSCALE_AUTO_CREATE_PARTITIONS": "3", "KAFSCALE_BROKER_ID": "7", "KAFSCALE_NO_SUCH": "1",
        "KAFSCALE_BROKER_PORT": "tcp://10.0.0.1:9092"}).wait_ready()
    kcat(daemon.address, "-P", "-t", "t", text="x\n")
    listed = kcat(daemon.address, "-L", "-t", "t")
    assert 'topic "t" with 3 partitions' in listed, listed
    assert "broker 7 at " + daemon.address in listed, listed
    said = daemon.said()
    for name in ("KAFSCALE_NO_SUCH", "KAFSCALE_BROKER_PORT", "s3.bucket"):
        assert len(re.findall(name, said)) == 1, (name, said)
    assert daemon.stop() == 0


def wrong_configurations_end_at_once_with_the_reason(root):
    config = os.path.join(root, "config")
    with open(config, "w", encoding="utf-8") as file:
        file.write("num.partitions=2\nno.such.key=1\n")
    for arguments, part in (
            (("--set", "num.partitions=0"), "from 1 to 10000"),
            (("--set", "no.such.key=1"), "no.such.key"),
            (("--config", config), "line 2"),
            (("--config", config + ".absent"), "config.absent"),
            (("--set", "store=s3://bucket"), "s3 (with s3.bucket)"),
            (("--set", "s3.secret.key=x"), "s3.secret.key"),
            (("--port", "1"), "--port"),
            (("--lisen=:1",), "did you mean '--set listen=VALUE'?")):
        done = run(*arguments, code=2)
        assert part in done.stderr, (arguments, done.stderr)
        assert done.stdout == "", done.stdout
    assert not os.path.exists("kafscale-data")


def help_and_versions_are_printed(_root):
    for text in (run("--help").stdout, run("--help-options").stdout):
        lines = text.splitlines()
        assert max(map(len, lines)) <= 99 and not any(line.endswith(" ") for line in lines), text
    assert "--set key=value" in run("--help").stdout and "SIGHUP" in run("--help").stdout
    versions = run("--version").stdout
    assert versions == run("-V").stdout
    assert re.match(r"kafscaled \d+\.\d+\.\d+\nlibkafscale \d+\.\d+\.\d+\n", versions), versions
    for library in ("libevent", "zlib", "lz4", "zstd"):
        assert re.search(r"^%s \d+\.\S+$" % library, versions, re.M), versions


def every_option_is_explained_in_a_width_of_80(_root):
    text = run("--help-options").stdout
    assert max(map(len, text.splitlines())) <= 80, text
    found = re.search(r"\nflush\.interval\.ms\n(    .*\n)+", text).group(0)
    said = " ".join(found.split())
    assert "takes an integer from -1 to 60000 of milliseconds; default -1; may change" in said, said
    assert "KAFSCALE_FLUSH_INTERVAL_MS" in said
    assert "KAFSCALE_SEGMENT_OBJECT_BYTES KAFSCALE_SEGMENT_BYTES" in " ".join(text.split())
    assert "Only the default is allowed: " in " ".join(text.split())


def a_configuration_is_checked_and_shown_with_its_origins(root):
    shown = run("--check-config", "--set", "num.partitions=5",
                environment={"KAFSCALE_S3_SECRET_KEY": "hunter2", "KAFSCALE_CACHE_SIZE": "7"})
    assert "\n# command line\nnum.partitions=5\n" in shown.stdout, shown.stdout
    assert "\n# environment variable KAFSCALE_CACHE_SIZE\ncache.bytes=7\n" in shown.stdout
    assert "hunter2" not in shown.stdout + shown.stderr
    config = os.path.join(root, "config")
    with open(config, "w", encoding="utf-8") as file:
        file.write(shown.stdout)
    again = run("--check-config", "--config", config).stdout
    assert "# configuration file '%s' line " % config in again
    assert without_comments(again) == without_comments(shown.stdout)
    assert os.listdir(root) == ["config"]


def without_comments(text):
    return [line for line in text.splitlines() if not line.startswith("#")]


def all_that_is_wrong_is_said_at_once(root):
    config = os.path.join(root, "config")
    with open(config, "w", encoding="utf-8") as file:
        file.write("num.partition=2\nlog.level=loud\nmemory.bytes=5000000\nacl.enabled=true\n")
    arguments = ("--config", config, "--set", "flush.bytes=1")
    for more, count in ((("--check-config",), 6), ((), 4)):
        done = run(*arguments, *more, code=2, environment={"KAFSCALE_TOPICS_MAX": "many"})
        lines = done.stderr.splitlines()
        assert len(lines) == count and all(" error " in line for line in lines), done.stderr
        assert "did you mean 'num.partitions'?" in lines[0] and done.stdout == "", lines
    with open(config, "w", encoding="utf-8") as file:
        file.write("memory.bytes=5000000\nacl.enabled=true\n")
    done = run("--config", config, code=2, cwd=root)
    assert len(done.stderr.splitlines()) == 2 and "line 1: " in done.stderr, done.stderr
    assert os.listdir(root) == ["config"]


def a_request_that_cannot_be_read_is_told_of_with_the_field(root):
    daemon = start(root, "log.level=debug")
    host, port = daemon.address.rsplit(":", 1)
    # Metadata 1 without a client id, which announces nine topics and ends in the first name.
    request = bytes((0, 3, 0, 1, 0, 0, 0, 7, 255, 255, 0, 0, 0, 9, 0, 1))
    with socket.create_connection((host, int(port))) as connection:
        connection.settimeout(LIMIT_S)
        connection.sendall(len(request).to_bytes(4, "big") + request)
        assert connection.recv(1) == b""
    assert re.search("request refused api=3 version=1 reason=.*field 'topics'", daemon.said()), \
        daemon.said()
    assert daemon.stop() == 0, daemon.said()


TESTS = (
    kcat_lists_produces_and_consumes_through_each_codec,
    kcat_reads_from_any_offset_and_by_time,
    records_survive_a_restart_and_a_kill,
    signals_stop_within_two_seconds_with_idle_clients,
    a_second_daemon_on_the_port_fails_and_nothing_else_happens,
    a_second_daemon_on_the_directory_takes_over_and_the_first_ends,
    nothing_configured_serves_from_kafscale_data,
    the_environment_configures_it_as_kafscale,
    wrong_configurations_end_at_once_with_the_reason,
    help_and_versions_are_printed,
    every_option_is_explained_in_a_width_of_80,
    a_configuration_is_checked_and_shown_with_its_origins,
    all_that_is_wrong_is_said_at_once,
    a_request_that_cannot_be_read_is_told_of_with_the_field,
)


if __name__ == "__main__":
    sys.exit(main(TESTS))
