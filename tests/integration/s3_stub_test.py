# SPDX-License-Identifier: Apache-2.0
"""The faults of the S3 stub (tests/s3stub): each does what it is there for, and no more. A test
that relies on a fault that doesn't happen would show nothing.
"""
import email.utils
import hashlib
import http.client
import os
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "s3stub")]
import checksums  # these are the stub's own
import errors
import http1
import s3_servers
import sigv4
from tap import report, title

LIMIT_S = 20
LOST = (OSError, http.client.HTTPException)
BODY = bytes(range(256)) * 16


class World:
    """A stub with a bucket, and a client."""

    def __init__(self, *arguments):
        self.stub = s3_servers.Stub("--bucket", s3_servers.BUCKET, *arguments)
        self.client = self.stub.client()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        self.stub.stop()

    def put(self, key="k", body=BODY, **headers):
        return self.client.put(key, body, **headers)

    def get(self, key="k", **headers):
        return self.client.get(key, **headers)

    def is_there(self, key="k"):
        """Looked at past all faults."""
        return key in self.stub.ask("GET", "/objects?" + s3_servers.BUCKET)

    def is_lost(self, call, *arguments, **more):
        """Whether the connection ends without a whole answer."""
        try:
            call(*arguments, **more)
        except LOST:
            return True
        return False

    def expect(self, call, status, code="", **more):
        answer = call(**more)
        assert (answer.status, answer.code()) == (status, code), (answer.status, answer.body)
        return answer


def wait_until(condition, what):
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end_s, what
        time.sleep(0.01)


# --- Faults of PUT --------------------------------------------------------------------------------

def errors_before_the_effect_have_none():
    with World() as w:
        for fault, status, code in (("slow_down", 503, "SlowDown"), ("error", 500, "InternalError"),
                                    ("conflict", 409, "ConditionalRequestConflict"),
                                    ("expired_token", 400, "ExpiredToken"),
                                    ("skewed", 403, "RequestTimeTooSkewed"),
                                    ("access_denied", 403, "AccessDenied"),
                                    ("no_bucket", 404, "NoSuchBucket")):
            w.stub.fault(fault, operation="PutObject", count=1)
            w.expect(w.put, status, code)
            assert not w.is_there(), fault
        w.stub.fault("error", status=502, code="Strange", count=1)
        w.expect(w.put, 502, "Strange")
        w.expect(w.put, 200)


def error_after_the_effect_has_one():
    with World() as w:
        w.stub.fault("error_after", count=1)
        w.expect(w.put, 500, "InternalError")
        assert w.is_there()
        w.expect(w.put, 412, "PreconditionFailed", if_none_match="*")


def lost_answer_and_cut_request_differ_in_their_effect():
    with World() as w:
        w.stub.fault("cut_request", count=1)
        assert w.is_lost(w.put)
        assert not w.is_there()
        w.stub.fault("lost_answer", count=1)
        assert w.is_lost(w.put)
        assert w.is_there()


def late_put_acts_after_its_caller_gave_up():
    with World() as w:
        w.stub.fault("late", operation="PutObject", after_ms=None, count=1)
        assert w.is_lost(w.put, "k", b"late", if_none_match="*")
        assert not w.is_there()
        assert w.stub.release() == 1
        assert w.is_there()
        assert w.stub.release() == 0
        assert w.get().body == b"late"


def late_delete_takes_what_came_meanwhile():
    with World() as w:
        w.put("k", b"old")
        w.stub.fault("late", operation="DeleteObject", after_ms=None, count=1)
        assert w.is_lost(w.client.delete, "k")
        w.expect(w.put, 200, body=b"new")
        assert w.stub.release() == 1
        assert not w.is_there()


def repeated_put_comes_back_after_a_delete():
    with World() as w:
        w.stub.fault("repeat", operation="PutObject", after_ms=None, count=1)
        w.expect(w.put, 200, if_none_match="*")
        assert w.client.delete("k").status == 204
        assert not w.is_there()
        assert w.stub.release() == 1
        assert w.is_there()


def what_is_late_comes_by_itself_after_its_time():
    with World() as w:
        w.stub.fault("late", operation="PutObject", after_ms=50, count=1)
        assert w.is_lost(w.put)
        wait_until(w.is_there, "the late PUT never acted")


def damaged_put_is_noticed_by_its_checksum():
    with World() as w:
        crc = checksums.text_of(checksums.crc32c(BODY).to_bytes(4, "big"))
        w.stub.fault("flip_bit", operation="PutObject", count=2)
        w.expect(w.put, 400, "BadDigest", x_amz_checksum_crc32c=crc)
        w.expect(w.put, 200)
        assert w.get().body != BODY
        w.expect(w.put, 200, x_amz_checksum_crc32c=crc)
        told = w.get(**{"x-amz-checksum-mode": "ENABLED"})
        assert told.headers["x-amz-checksum-crc32c"] == crc and told.body == BODY


# --- Faults of GET and LIST -----------------------------------------------------------------------

def bodies_are_cut_and_shortened():
    with World() as w:
        w.put()
        w.stub.fault("cut_body", operation="GetObject", bytes=100, count=1)
        try:
            w.get()
            raise AssertionError("nothing was cut")
        except http.client.IncompleteRead as cut:
            assert cut.partial == BODY[:100]
        w.stub.fault("short_body", operation="GetObject", count=1)
        answer = w.expect(w.get, 200)
        assert answer.body == BODY[:len(BODY) // 2]
        assert w.get().body == BODY


def connection_ends_behind_an_answer():
    with World() as w:
        w.stub.fault("close_after", count=1)
        answer = w.expect(w.put, 200)
        assert answer.headers.get("connection") != "close"
        assert w.is_lost(w.get)
        assert w.get().body == BODY


def one_bit_flips():
    with World() as w:
        w.put()
        w.stub.fault("flip_bit", operation="GetObject", count=1)
        answer = w.expect(w.get, 200)
        wrong = [a ^ b for a, b in zip(answer.body, BODY) if a != b]
        assert len(answer.body) == len(BODY) and len(wrong) == 1 and wrong[0].bit_count() == 1
        assert w.get().body == BODY


def another_object_or_none_is_given():
    with World() as w:
        w.put("k", b"right")
        w.put("other", b"wrong")
        w.stub.fault("wrong_object", operation="GetObject", count=1)
        assert w.get().body == b"wrong"
        w.stub.fault("no_object", operation="GetObject", count=1)
        w.expect(w.get, 404, "NoSuchKey")
        assert w.get().body == b"right"


def pages_end_early_and_lead_on():
    with World() as w:
        for i in range(5):
            w.put("k%d" % i)
        w.stub.fault("short_page", entries=2, count=1)
        page = w.client.request("GET", query={"list-type": "2"})
        assert page.body.count(b"<Contents>") == 2
        token = page.body.partition(b"<NextContinuationToken>")[2].partition(b"<")[0].decode()
        page = w.client.request("GET", query={"list-type": "2", "continuation-token": token})
        assert page.body.count(b"<Contents>") == 3
        w.stub.fault("cut_body", operation="ListObjectsV2", count=1)
        assert w.is_lost(w.client.request, "GET", query={"list-type": "2"})


# --- Which calls ----------------------------------------------------------------------------------

def rules_choose_their_calls():
    with World() as w:
        w.stub.fault("slow_down", operation=["PutObject", "HeadObject"], key="*/wal/*", skip=1,
                     count=2)
        statuses = [w.put("a/wal/%d" % i).status for i in range(5)]
        assert statuses == [200, 503, 503, 200, 200], statuses
        assert w.put("a/seg/1").status == 200
        rules = w.stub.ask("GET", "/faults")
        assert rules[0]["fired"] == 2
        w.stub.fault("slow_down")
        assert w.put("a/seg/1").status == 503
        w.stub.forget_faults()
        assert w.put("a/seg/1").status == 200


def seed_decides_what_is_random():
    def statuses(w):
        w.stub.set(seed=7)
        return [w.put("k%d" % i).status for i in range(60)]

    with World() as w:
        w.stub.fault("error", probability=0.3)
        first = statuses(w)
        assert first == statuses(w)
        assert 5 < first.count(500) < 30, first


def delays_are_waited_and_spread():
    with World() as w:
        w.stub.fault("delay", operation="PutObject", ms=200, count=1)
        begun_s = time.monotonic()
        w.put()
        assert time.monotonic() - begun_s >= 0.2
        w.stub.fault("delay", operation="GetObject", p50_ms=5, p99_ms=50)
        for _ in range(100):
            w.get()
        waited = sorted(entry[3] for entry in w.stub.ask("GET", "/log") if entry[0] == "GetObject")
        assert waited[20] < waited[80] and waited[-1] > 3 * waited[0], waited


def slow_calls_do_not_hold_up_others():
    with World() as w:
        w.stub.fault("delay", key="slow", ms=60000)
        slow = w.stub.client()
        thread = threading.Thread(target=w.is_lost, args=(slow.put, "slow", b""))
        thread.start()
        wait_until(lambda: w.stub.stats()["in_flight"] == 1, "the slow call never came")
        w.expect(w.put, 200)
        w.stub.set(away="reset")
        thread.join(LIMIT_S)
        assert not thread.is_alive()


# --- The whole store ------------------------------------------------------------------------------

def store_goes_away_and_comes_back():
    with World() as w:
        w.put()
        for away in ("refuse", "reset"):
            w.stub.set(away=away)
            assert w.is_lost(w.get), away
            assert w.is_lost(w.get), away
            w.stub.set(away=None)
            assert w.get().body == BODY
        w.stub.set(away="silent")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(w.get()))
        thread.start()
        wait_until(lambda: w.stub.stats()["in_flight"] == 1, "the call never came")
        assert not answers
        w.stub.set(away=None)
        thread.join(LIMIT_S)
        assert answers[0].body == BODY


def rate_is_limited():
    with World() as w:
        w.stub.set(requests_per_s=1)
        statuses = [w.put("k%d" % i).status for i in range(20)]
        assert 1 <= statuses.count(200) < 20 and 503 in statuses, statuses
        w.stub.set(requests_per_s=None)
        assert {w.put("k%d" % i).status for i in range(20)} == {200}


def clock_of_the_store_differs():
    with World() as w:
        w.stub.set(clock_offset_s=3600)
        answer = w.expect(w.put, 403, "RequestTimeTooSkewed")
        assert b"<ServerTime>" in answer.body
        told = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
        w.client.clock_offset_s = told - time.time()
        w.expect(w.put, 200)


def session_tokens_end():
    with World() as w:
        key = {"access_key": "A", "secret_key": "S", "token": "T"}
        w.stub.ask("POST", "/keys", {**key, "expires_in_s": 1000})
        assert w.stub.client(access_key="A", secret_key="S", token="T").put("k", b"").status == 200
        for token in (None, "U"):
            client = w.stub.client(access_key="A", secret_key="S", token=token)
            assert client.put("k", b"").code() == "InvalidToken"
        w.stub.ask("POST", "/keys", {**key, "expires_in_s": -1})
        client = w.stub.client(access_key="A", secret_key="S", token="T")
        assert client.put("k", b"").code() == "ExpiredToken"


def read_only_store_can_be_read():
    with World() as w:
        w.put()
        w.stub.set(read_only=True)
        w.expect(w.put, 403, "AccessDenied")
        assert w.client.delete("k").code() == "AccessDenied"
        assert w.get().body == BODY


def memory_is_bounded_and_files_hold_the_same():
    with World("--memory", "1") as w:
        body = bytes(700 << 10)
        w.expect(w.put, 200, body=body)
        w.expect(w.put, 503, "ServiceUnavailable", key="l", body=body)
        w.expect(w.put, 200, body=body)
        w.client.delete("k")
        w.expect(w.put, 200, key="l", body=body)
    with World() as w:
        folder = os.path.join(w.stub.folder, "objects")
        with World("--folder", folder) as on_disk:
            on_disk.put()
            assert on_disk.get(range="bytes=3-5").body == BODY[3:6]
            assert len(os.listdir(folder)) == 1
            on_disk.put(body=b"")
            assert on_disk.get().body == b""
            on_disk.client.delete("k")
            assert not os.listdir(folder)


# --- Signatures -----------------------------------------------------------------------------------

def whatever_was_changed_after_signing_is_refused():
    with World() as w:
        sign = w.client.sign

        def tampered(change):
            def sign_and_change(method, path, query, headers):
                signature = sign(method, path, query, headers)
                change(headers)
                return signature
            w.client.sign = sign_and_change
            answer = w.put("k", b"body")
            w.client.sign = sign
            return answer.status, answer.code()

        assert tampered(lambda h: None) == (200, "")
        assert tampered(lambda h: h.update({"x-amz-acl": "public-read"})) == (403, "AccessDenied")
        assert tampered(lambda h: h.update({"x-amz-content-sha256": "0" * 64}))[0] == 403
        assert tampered(lambda h: h.pop("x-amz-content-sha256")) == (400, "InvalidRequest")
        assert tampered(lambda h: h.update({"x-amz-date": "20200101T000000Z"}))[0] in (400, 403)
        w.client.region = "eu-central-1"
        w.expect(w.put, 400, "AuthorizationHeaderMalformed")
        w.client.region = "us-east-1"
        w.client.access_key = "nobody"
        w.expect(w.put, 403, "InvalidAccessKeyId")


EXAMPLE_TIME_S = 1369353600  # of the examples in the documentation of S3
EXAMPLE_KEYS = {"AKIAIOSFODNN7EXAMPLE": sigv4.Key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}
EXAMPLE_SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
EXAMPLE_RANGE = ("GET /test.txt", "range:bytes=0-9",
                 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
EXAMPLE_LIST = ("GET /?max-keys=2&prefix=J", None,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
CHUNK_SIGNATURES = ("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
CHUNKED_HEADERS = (
    "content-encoding:aws-chunked", "content-length:66824", "host:s3.amazonaws.com",
    "x-amz-content-sha256:STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-date:20130524T000000Z",
    "x-amz-decoded-content-length:66560", "x-amz-storage-class:REDUCED_REDUNDANCY")


def example(line, headers, signature):
    names = ";".join(header.partition(":")[0] for header in headers)
    lines = [line + " HTTP/1.1", *headers,
             "Authorization: AWS4-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%s" % (
                 EXAMPLE_SCOPE, names, signature)]
    return http1.Request("\r\n".join(lines).encode())


def check_example(request):
    return sigv4.check(request, EXAMPLE_KEYS, "us-east-1", EXAMPLE_TIME_S)


def documented_signatures_are_accepted():
    for line, header, signature in (EXAMPLE_RANGE, EXAMPLE_LIST):
        headers = ["host:examplebucket.s3.amazonaws.com", *([header] if header else []),
                   "x-amz-content-sha256:" + sigv4.EMPTY_HASH, "x-amz-date:20130524T000000Z"]
        check_example(example(line, headers, signature))
        for place, changed in ((line + "0", headers), (line, ["host:other", *headers[1:]])):
            try:
                check_example(example(place, changed, signature))
            except errors.S3Error as error:
                assert error.code == "SignatureDoesNotMatch", error
            else:
                raise AssertionError("accepted: %s" % place)


def documented_chunks_are_accepted():
    def chunked(*signatures):
        request = example("PUT /examplebucket/chunkObject.txt", CHUNKED_HEADERS,
                          "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
        pieces = [b"%x;chunk-signature=%s\r\n%s\r\n" % (size, signature.encode(), b"a" * size)
                  for size, signature in zip((65536, 1024, 0), signatures)]
        request.body = bytearray(b"".join(pieces))
        sigv4.decode_chunks(request, check_example(request))
        return request.body

    assert chunked(*CHUNK_SIGNATURES) == b"a" * 66560
    try:
        chunked(CHUNK_SIGNATURES[1], *CHUNK_SIGNATURES[1:])
    except errors.S3Error as error:
        assert error.code == "SignatureDoesNotMatch", error
    else:
        raise AssertionError("a chunk with the signature of another was accepted")


def unsigned_chunks_bring_a_checksum():
    with World() as w:
        crc = checksums.text_of(checksums.crc32c(b"hello").to_bytes(4, "big"))
        for told, status in ((crc, 200), ("AAAAAA==", 400)):
            body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:%s\r\n\r\n" % told.encode()
            answer = w.client.request(
                "PUT", "k", body=body, payload=sigv4.UNSIGNED_WITH_TRAILER,
                headers={"x-amz-decoded-content-length": "5",
                         "x-amz-trailer": "x-amz-checksum-crc32c"})
            assert answer.status == status, answer.body
        assert w.get().body == b"hello"


def signed_body_is_hashed():
    with World() as w:
        sha256 = hashlib.sha256(BODY).hexdigest()
        answer = w.client.request("PUT", "k", body=BODY, payload=sha256)
        assert answer.status == 200
        answer = w.client.request("PUT", "k", body=BODY[1:], payload=sha256)
        assert answer.code() == "XAmzContentSHA256Mismatch"


def what_is_no_request_is_answered_or_cut():
    with World() as w:
        for text in (b"GET\r\n\r\n", b"nonsense\r\n\r\n", b"PUT /a HTTP/1.1\r\nno colon\r\n\r\n",
                     b"PUT /a HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"\0" * 100000):
            with socket.create_connection((w.client.url.hostname, w.client.url.port)) as strange:
                strange.settimeout(LIMIT_S)
                strange.sendall(text)
                assert strange.recv(20).startswith(b"HTTP/1.1 400"), text
        w.expect(w.put, 200)


def atomic_condition_has_one_winner():
    with World() as w:
        statuses = []

        def race(i):
            client = w.stub.client()
            for turn in range(20):
                answer = client.put("race/%d" % turn, b"%d" % i, if_none_match="*")
                statuses.append((turn, answer.status))
            client.close()

        threads = [threading.Thread(target=race, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT_S)
        for turn in range(20):
            found = sorted(status for t, status in statuses if t == turn)
            assert found == [200] + [412] * 7, found


def everything_is_counted():
    with World() as w:
        w.put()
        w.put("l", b"12345")
        w.get(range="bytes=0-9")
        w.get("absent")
        stats = w.stub.stats()
        put, get = stats["operations"]["PutObject"], stats["operations"]["GetObject"]
        assert (put["requests"], put["bytes_in"]) == (2, len(BODY) + 5), put
        assert get["requests"] == 2 and get["statuses"] == {"206": 1, "404": 1}, get
        assert stats["requests"] == 4 and stats["objects"] == 2
        w.stub.ask("DELETE", "/stats")
        assert w.stub.stats()["requests"] == 0


TESTS = (
    errors_before_the_effect_have_none, error_after_the_effect_has_one,
    lost_answer_and_cut_request_differ_in_their_effect, late_put_acts_after_its_caller_gave_up,
    late_delete_takes_what_came_meanwhile, what_is_late_comes_by_itself_after_its_time,
    repeated_put_comes_back_after_a_delete, damaged_put_is_noticed_by_its_checksum,
    bodies_are_cut_and_shortened, connection_ends_behind_an_answer, one_bit_flips,
    another_object_or_none_is_given, pages_end_early_and_lead_on, rules_choose_their_calls,
    seed_decides_what_is_random, delays_are_waited_and_spread, slow_calls_do_not_hold_up_others,
    store_goes_away_and_comes_back, rate_is_limited, clock_of_the_store_differs,
    session_tokens_end, read_only_store_can_be_read, memory_is_bounded_and_files_hold_the_same,
    whatever_was_changed_after_signing_is_refused, documented_signatures_are_accepted,
    documented_chunks_are_accepted, unsigned_chunks_bring_a_checksum, signed_body_is_hashed,
    what_is_no_request_is_answered_or_cut, atomic_condition_has_one_winner, everything_is_counted,
)

if __name__ == "__main__":
    sys.exit(report([(title(test), test) for test in TESTS]))
