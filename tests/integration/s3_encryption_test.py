# SPDX-License-Identifier: Apache-2.0
"""Encryption by the S3 server: every object of every kind asks for it; a key that isn't there is
said, and nothing is stored without it. Prints TAP.

Usage: s3_encryption_test.py KAFSCALED; on a server that s3_servers.py has started, with its keys
"""
import os
import sys

from daemon import Daemon, main, numbers, wait_until
from s3_daemon_test import BUCKET, World, read, write

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import s3_servers

ALGORITHM = "x-amz-server-side-encryption"
KEY = ALGORITHM + "-aws-kms-key-id"
ARN = "arn:aws:kms:us-east-1:111122223333:key/0b1e"
BUSY = ("segment.object.bytes=1024", "compact.interval.ms=1000")


def kinds(keys):
    """What the objects are, by the beginning and the end of their keys."""
    return {kind for key in keys for kind in ("/wal/", "/meta/", ".kfs", ".index") if kind in key}


def has_all_kinds(w, daemon):
    """What was written last makes a new object of the log, where those before may have gone."""
    write(daemon, "more\n", topic="more")
    return len(kinds(w.stub.ask("GET", "/objects?" + BUCKET))) == 4


def expect_encrypted(root, wanted, *settings):
    """A broker that writes all kinds of objects; each of them is stored with these headers."""
    with World(root, "--kms-key", "default-key", "--kms-key", ARN) as w:
        w.stub.set(required_encryption=wanted.get(ALGORITHM))
        daemon = w.start(*BUSY, *settings)
        write(daemon, numbers(2000))
        wait_until(lambda: has_all_kinds(w, daemon), "segments")
        for key, headers in w.stub.ask("GET", "/headers?" + BUCKET).items():
            found = {name: headers[name] for name in (ALGORITHM, KEY) if name in headers}
            assert found == wanted, (key, headers)
        assert daemon.stop() == 0
        daemon = w.start(*settings, name="second")
        assert read(daemon) == numbers(2000)
        assert daemon.stop() == 0
        assert not daemon.lines(level="error"), daemon.said()


def every_object_asks_for_keys_of_the_server(root):
    expect_encrypted(root, {ALGORITHM: "AES256"}, "s3.encrypt=true")


def every_object_asks_for_the_key_of_its_own(root):
    expect_encrypted(root, {ALGORITHM: "aws:kms", KEY: ARN}, "s3.kms.arn=" + ARN)


def nothing_is_asked_for_where_nothing_is_set(root):
    expect_encrypted(root, {})


def a_key_that_is_not_there_is_said_and_waited_for(root):
    with World(root, "--kms-key", ARN) as w:
        daemon = w.begin("s3.kms.arn=arn:absent")
        wait_until(lambda: daemon.lines("KMS.NotFoundException"), "the reason")
        assert not daemon.lines("broker ready")
        assert not w.stub.ask("GET", "/objects?" + BUCKET)
        assert daemon.stop() == 0


def a_policy_that_wants_another_way_is_said(root):
    with World(root, "--kms-key", ARN) as w:
        w.stub.set(required_encryption="aws:kms")
        daemon = w.begin("s3.encrypt=true")
        wait_until(lambda: daemon.lines("AccessDenied"), "the reason")
        assert not w.stub.ask("GET", "/objects?" + BUCKET)
        assert daemon.stop() == 0


def a_key_that_goes_stops_acknowledging_until_it_is_back(root):
    with World(root, "--kms-key", ARN) as w:
        daemon = w.start("s3.kms.arn=" + ARN)
        write(daemon, "0\n")
        w.stub.fault("error", operation="PutObject", status=400, code="KMS.DisabledException")
        wait_until(lambda: put_fails(w, daemon), "its end")
        w.stub.forget_faults()
        write(daemon, "1\n")
        assert read(daemon) == "0\n1\n"
        assert daemon.stop() == 0


def put_fails(w, daemon):
    try:
        write(daemon, "", **{"message.timeout.ms": "1000"})
        write(daemon, "lost\n", topic="other", **{"message.timeout.ms": "1000"})
    except AssertionError:
        return w.stub.stats()["faults"]["error"] > 0 and daemon.lines("KMS.DisabledException")
    return False


# --- Servers that are not ours --------------------------------------------------------------------

def the_server_of_the_environment_encrypts(root):
    """With a key of its service; whether it has keys of its own depends on its version."""
    place = {name: os.environ["S3_TEST_" + name] for name in
             ("ENDPOINT", "REGION", "BUCKET", "ACCESS_KEY", "SECRET_KEY")}
    client = s3_servers.Client(place["ENDPOINT"], place["ACCESS_KEY"], place["SECRET_KEY"],
                               region=place["REGION"], bucket=place["BUCKET"])
    asked = {ALGORITHM: "aws:kms", KEY: "testkey-1"}
    probe = client.request("PUT", "probe", headers=asked, body=b"probe")
    if probe.status != 200:
        return "its key service has no testkey-1: %d %s" % (probe.status, probe.code())
    environment = {"KAFSCALE_S3_" + name: value for name, value in place.items()}

    def begin(name, key):
        return Daemon(root, "listen=127.0.0.1:0", "store=s3", "s3.namespace=secret", *BUSY,
                      "s3.kms.arn=" + key, environment=environment, name=name)
    daemon = begin("first", "testkey-1").wait_ready()
    write(daemon, numbers(2000))
    listed = client.request("GET", query={"list-type": "2", "prefix": "secret/"}).body.decode()
    keys = [part.partition("</Key>")[0] for part in listed.split("<Key>")[1:]]
    assert "/wal/" in "".join(keys), keys
    for key in keys:
        headers = dict((n.lower(), v) for n, v in client.request("HEAD", key).headers.items())
        assert (headers.get(ALGORITHM), headers.get(KEY)) == ("aws:kms", "testkey-1"), key
    assert daemon.stop() == 0
    daemon = begin("second", "testkey-1").wait_ready()
    assert read(daemon) == numbers(2000)
    assert daemon.stop() == 0
    daemon = begin("third", "absent")
    wait_until(lambda: daemon.lines("start waits for the store"), "the reason")
    assert daemon.stop() == 0
    return None


TESTS = (
    every_object_asks_for_keys_of_the_server, every_object_asks_for_the_key_of_its_own,
    nothing_is_asked_for_where_nothing_is_set, a_key_that_is_not_there_is_said_and_waited_for,
    a_policy_that_wants_another_way_is_said, a_key_that_goes_stops_acknowledging_until_it_is_back,
)

if __name__ == "__main__":
    sys.exit(main((the_server_of_the_environment_encrypts,) if "S3_TEST_SERVER" in os.environ
                  else TESTS))
