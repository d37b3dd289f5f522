# SPDX-License-Identifier: Apache-2.0
"""The daemon on S3: the stub of tests/s3stub with its faults, TLS and all places that keys can come
from. Prints TAP.

Usage: s3_daemon_test.py KAFSCALED
"""
import os
import sys

from daemon import begin, kcat, main, numbers, wait_until

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import s3_servers

RECORDS = 2000
BUCKET = s3_servers.BUCKET


class World:
    """A stub, and daemons on its bucket that find keys where the environment says."""

    def __init__(self, root, *arguments, tls=False):
        self.root = root
        self.stub = s3_servers.Stub("--bucket", BUCKET, *arguments, tls=tls)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stub.stop()

    def settings(self, *more):
        return ("listen=127.0.0.1:0", "s3.bucket=" + BUCKET, "s3.endpoint=" + self.stub.endpoint,
                "flush.interval.ms=5", *more)

    def begin(self, *more, environment=None, **others):
        """A daemon with the stub's own keys, unless the environment is another."""
        if environment is None:
            environment = {"KAFSCALE_S3_ACCESS_KEY": self.stub.access_key,
                           "KAFSCALE_S3_SECRET_KEY": self.stub.secret_key}
        environment = {"HOME": self.root, **environment}
        return begin(self.root, "store=s3", *self.settings(*more), environment=environment,
                     **others)

    def start(self, *more, **others):
        return self.begin(*more, **others).wait_ready()


def write(daemon, text, topic="t", **settings):
    extra = [word for item in settings.items() for word in ("-X", "%s=%s" % item)]
    kcat(daemon.address, "-P", "-t", topic, "-p", "0", *extra, text=text)


def read(daemon, topic="t"):
    return kcat(daemon.address, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q")


def written(root, name, text):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".new", path)
    return path


# --- Keys -----------------------------------------------------------------------------------------

def expect_service(w, environment):
    """Writes and reads with what is found there."""
    daemon = w.start(environment=environment)
    write(daemon, numbers(100))
    assert read(daemon) == numbers(100)
    assert daemon.stop() == 0
    assert not daemon.lines(level="error"), daemon.said()


def keys_are_found_in_the_environment(root):
    with World(root) as w:
        expect_service(w, {"AWS_ACCESS_KEY_ID": w.stub.access_key,
                           "AWS_SECRET_ACCESS_KEY": w.stub.secret_key})


PROFILE = """[work]
aws_access_key_id = %s
aws_secret_access_key = %s
aws_session_token = %s
"""


def keys_are_found_in_the_shared_file_and_read_again_when_they_end(root):
    with World(root) as w:
        key = {"access_key": "FIRST", "secret_key": "secret-1", "token": "token-1"}
        w.stub.ask("POST", "/keys", key)
        written(root, ".aws/credentials", PROFILE % ("FIRST", "secret-1", "token-1"))
        daemon = w.start("s3.profile=work", environment={})
        write(daemon, "1\n")
        w.stub.ask("POST", "/keys",
                   {"access_key": "NEXT", "secret_key": "secret-2", "token": "token-2"})
        written(root, ".aws/credentials", PROFILE % ("NEXT", "secret-2", "token-2"))
        w.stub.ask("POST", "/keys", {**key, "expires_in_s": -1})
        write(daemon, "2\n")
        assert read(daemon) == "1\n2\n"
        assert daemon.stop() == 0
        for secret in ("secret-1", "secret-2", "token-1", "token-2"):
            assert secret not in daemon.said()


def keys_are_given_by_the_container(root):
    with World(root) as w:
        expect_service(w, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": w.stub.services + "/container",
                           "AWS_CONTAINER_AUTHORIZATION_TOKEN": "stub-container"})
        assert w.stub.stats()["keys_given"]["container"] == 1


def keys_are_given_by_the_instance(root):
    with World(root) as w:
        expect_service(w, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": w.stub.services})
        assert w.stub.stats()["keys_given"]["instance"] == 1


def keys_are_given_for_a_web_identity(root):
    with World(root) as w:
        expect_service(w, {
            "AWS_WEB_IDENTITY_TOKEN_FILE": written(root, "token", "stub-identity\n"),
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_ENDPOINT_URL_STS": w.stub.services})
        assert w.stub.stats()["keys_given"]["sts"] == 1


def keys_that_end_are_renewed_under_load(root):
    with World(root) as w:
        w.stub.set(keys_live_s=8)
        daemon = w.start(environment={
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": w.stub.services + "/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "stub-container"})
        count = 0

        def renewed_twice():
            nonlocal count
            write(daemon, "%d\n" % count)
            count += 1
            return w.stub.stats()["keys_given"]["container"] >= 3

        wait_until(renewed_twice, "keys to be renewed twice")
        assert read(daemon) == numbers(count)
        assert daemon.stop() == 0


def wrong_secret_is_named_and_kept_secret(root):
    with World(root) as w:
        daemon = w.begin(environment={"KAFSCALE_S3_ACCESS_KEY": w.stub.access_key,
                                      "KAFSCALE_S3_SECRET_KEY": "wrong-secret"})
        wait_until(lambda: "SignatureDoesNotMatch" in daemon.said(), "the server's reason")
        daemon.stop()
        assert "wrong-secret" not in daemon.said()


# --- Connections ----------------------------------------------------------------------------------

def certificate_is_checked(root):
    with World(root, tls=True) as w:
        daemon = w.begin()
        wait_until(lambda: "certificate" in daemon.said(), "the reason")
        daemon.stop()
        assert w.stub.stats()["requests"] == 0
        daemon = w.start("s3.ca.file=" + w.stub.authority, name="second")
        write(daemon, numbers(10))
        assert read(daemon) == numbers(10)
        assert daemon.stop() == 0


def clock_that_is_wrong_is_put_right_by_the_store(root):
    with World(root) as w:
        w.stub.set(clock_offset_s=-7200)
        daemon = w.start()
        write(daemon, numbers(10))
        w.stub.set(clock_offset_s=7200)
        write(daemon, "10\n")
        assert read(daemon) == numbers(11)
        assert daemon.stop() == 0


# --- Faults ---------------------------------------------------------------------------------------

def records_stay_when_the_daemon_goes(root):
    with World(root) as w:
        daemon = w.start()
        write(daemon, numbers(RECORDS))
        assert daemon.stop() == 0
        daemon = w.start(name="second")
        assert read(daemon) == numbers(RECORDS)
        assert daemon.stop() == 0


PUT_FAULTS = ("lost_answer", "error_after", "error", "slow_down", "conflict", "cut_request")
GET_FAULTS = ("cut_body", "short_body", "error", "lost_answer")


def faulty_store_loses_and_repeats_nothing(root):
    with World(root) as w:
        daemon = w.start()
        write(daemon, "")
        for fault in PUT_FAULTS:
            w.stub.fault(fault, operation="PutObject", probability=0.04)
        for fault in GET_FAULTS:
            w.stub.fault(fault, operation="GetObject", probability=0.04)
        for part in range(10):
            text = "".join("%d\n" % i for i in range(part * 100, part * 100 + 100))
            write(daemon, text, **{"enable.idempotence": "true", "linger.ms": "1",
                                   "batch.num.messages": "10"})
        assert read(daemon) == numbers(1000)
        fired = w.stub.stats()["faults"]
        assert sum(fired.values()) > 5, fired
        daemon.process.kill()
        daemon.ended()
        daemon = w.start(name="second")
        assert read(daemon) == numbers(1000)
        assert daemon.stop() == 0


def store_that_was_away_is_gone_on_with(root):
    for away in ("refuse", "reset", "silent"):
        place = os.path.join(root, away)
        os.mkdir(place)
        with World(place) as w:
            daemon = w.start("s3.request.timeout.ms=1000")
            write(daemon, "0\n")
            w.stub.set(away=away)
            wait_until(lambda: w.stub.stats()["connections"] == 0 or away == "silent", "its end")
            w.stub.set(away=None)
            write(daemon, "1\n")
            assert read(daemon) == "0\n1\n", away
            assert daemon.stop() == 0


TESTS = (
    keys_are_found_in_the_environment,
    keys_are_found_in_the_shared_file_and_read_again_when_they_end,
    keys_are_given_by_the_container, keys_are_given_by_the_instance,
    keys_are_given_for_a_web_identity, keys_that_end_are_renewed_under_load,
    wrong_secret_is_named_and_kept_secret, certificate_is_checked,
    clock_that_is_wrong_is_put_right_by_the_store, records_stay_when_the_daemon_goes,
    faulty_store_loses_and_repeats_nothing, store_that_was_away_is_gone_on_with,
)

if __name__ == "__main__":
    sys.exit(main(TESTS))
