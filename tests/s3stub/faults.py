# SPDX-License-Identifier: Apache-2.0
"""What may go wrong, as rules that tests set. A rule says which calls it is for, how often it
fires, and what then happens:

    {"fault": "error_after", "operation": "PutObject", "key": "*/wal/*", "skip": 2, "count": 1,
     "probability": 0.5, "status": 500, "code": "InternalError"}

`operation` and `key` are patterns with * and ?, `operation` also a list of them; `skip` calls that
match pass first, then `count` fire (null: all), each with `probability`. The first rule that fires
decides, but delays: these add up, and the call goes on.

    delay          "ms", or "p50_ms" and "p99_ms" of a log-normal spread, from the begin of the
                   request until it acts; "after": from then on until the answer
    error          "status", "code": answered without effect (500 InternalError; 503 is SlowDown)
    error_after    the same, after the effect
    cut_request    the connection ends before the body is read; nothing happened
    lost_answer    it happens, and the connection ends
    late           the connection ends, and it happens "after_ms" later (null: at POST /release)
    repeat         it happens and is answered, and happens again "after_ms" later (null: the same)
    cut_body       the right length, "bytes" of the body (half), and the connection ends
    stalled_body   the same, after "after_ms" of silence
    short_body     "bytes" of the body (half), and a length that agrees with them
    close_after    a good answer, and the connection ends without having said so
    flip_bit       one bit of the body is another: of what is sent, or of what is received
    wrong_object   the bytes of another object
    short_page     a list ends after "entries" (1) entries, with a token to go on
    no_object      404, as if it were not there yet

Errors that S3 gives have names: slow_down, conflict, expired_token, skewed, access_denied,
no_bucket.
"""
import collections
import fnmatch
import math
import random

from errors import S3Error

Z_99 = 2.3263478740408408  # of the normal distribution

NAMED_ERRORS = {
    "slow_down": (503, "SlowDown"),
    "conflict": (409, "ConditionalRequestConflict"),
    "expired_token": (400, "ExpiredToken"),
    "skewed": (403, "RequestTimeTooSkewed"),
    "access_denied": (403, "AccessDenied"),
    "no_bucket": (404, "NoSuchBucket"),
    "no_object": (404, "NoSuchKey"),
}
DEFAULT_CODES = {500: "InternalError", 502: "BadGateway", 503: "SlowDown", 504: "GatewayTimeout",
                 400: "RequestTimeout", 429: "TooManyRequests"}
FAULTS = {"delay", "error", "error_after", "cut_request", "lost_answer", "late", "repeat",
          "close_after", "cut_body", "stalled_body", "short_body", "flip_bit", "wrong_object",
          "short_page", *NAMED_ERRORS}
FIELDS = {"fault", "operation", "key", "skip", "count", "probability", "ms", "p50_ms", "p99_ms",
          "after", "status", "code", "after_ms", "bytes", "entries"}


class Rule:
    def __init__(self, fields):
        unknown = set(fields) - FIELDS
        if unknown or fields.get("fault") not in FAULTS:
            raise ValueError("no such fault or field: %s" % (unknown or fields.get("fault")))
        self.fields = fields
        self.fault = fields["fault"]
        names = fields.get("operation", "*")
        self.operations = [names] if isinstance(names, str) else names
        self.key = fields.get("key", "*")
        self.skip = fields.get("skip", 0)
        self.left = fields.get("count")
        self.fired = 0

    def matches(self, call):
        return any(fnmatch.fnmatchcase(call.name, name) for name in self.operations) and \
            fnmatch.fnmatchcase(call.key, self.key)

    def fires(self, call, dice):
        """Whether it is this call's turn. What is random is drawn for calls that match alone."""
        if self.left == 0 or not self.matches(call):
            return False
        if dice.random() >= self.fields.get("probability", 1):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        self.fired += 1
        return True

    def get(self, name, default):
        return self.fields.get(name, default)

    def error(self):
        """The error that it stands for."""
        if self.fault in NAMED_ERRORS:
            status, code = NAMED_ERRORS[self.fault]
        else:
            status = self.get("status", 500)
            code = DEFAULT_CODES.get(status, "InternalError")
        return S3Error(self.get("status", status), self.get("code", code), "a fault of the stub")

    def delay_s(self, dice):
        if "p50_ms" in self.fields:
            median = self.fields["p50_ms"]
            spread = math.log(self.fields.get("p99_ms", median) / median) / Z_99
            return median * math.exp(spread * dice.gauss(0, 1)) / 1000
        return self.get("ms", 0) / 1000


class Fate:
    """What happens to one call: waiting before and after it acts, and at most one other fault."""

    def __init__(self):
        self.before_s = 0
        self.after_s = 0
        self.rule = None

    def is_fault(self, *names):
        return self.rule is not None and self.rule.fault in names


class Plan:
    """All rules, in the order in which they came."""

    def __init__(self, seed=1):
        self.rules = []
        self.fired = collections.Counter()
        self.dice = random.Random(seed)

    def add(self, fields):
        self.rules.append(Rule(fields))

    def fate_of(self, call):
        fate = Fate()
        for rule in self.rules:
            if fate.rule is not None and rule.fault != "delay":
                continue
            if not rule.fires(call, self.dice):
                continue
            self.fired[rule.fault] += 1
            if rule.fault != "delay":
                fate.rule = rule
            elif rule.get("after", False):
                fate.after_s += rule.delay_s(self.dice)
            else:
                fate.before_s += rule.delay_s(self.dice)
        return fate

    def flip(self, body):
        """A copy with one bit changed."""
        copy = bytearray(body)
        if copy:
            bit = self.dice.randrange(8 * len(copy))
            copy[bit // 8] ^= 1 << bit % 8
        return copy
