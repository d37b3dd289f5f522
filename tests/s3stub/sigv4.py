# SPDX-License-Identifier: Apache-2.0
"""The server's side of signature version 4, written from its specification and apart from the
product's: hmac and hashlib decide whether a request is what was signed.
"""
import calendar
import functools
import hashlib
import hmac
import re
import time
import urllib.parse

from errors import S3Error

SKEW_S = 15 * 60
ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
CHUNKED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CHUNKED_WITH_TRAILER = CHUNKED + "-TRAILER"
UNSIGNED_WITH_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING = (CHUNKED, CHUNKED_WITH_TRAILER, UNSIGNED_WITH_TRAILER)
EMPTY_HASH = hashlib.sha256(b"").hexdigest()

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$")


class Key:
    """What belongs to an access key. `token` is None for keys that last."""

    def __init__(self, secret, token=None, expires_s=None):
        self.secret = secret
        self.token = token
        self.expires_s = expires_s


class Scope:
    """What a good signature leaves behind, for the signatures of chunks."""

    def __init__(self, signing_key, date, scope, signature):
        self.signing_key = signing_key
        self.date = date
        self.scope = scope
        self.signature = signature

    def sign(self, kind, *lines):
        text = "\n".join((kind, self.date, self.scope) + lines)
        return hmac.new(self.signing_key, text.encode(), hashlib.sha256).hexdigest()


def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


@functools.lru_cache(maxsize=64)
def signing_key(secret, day, region, service):
    key = digest(("AWS4" + secret).encode(), day)
    return digest(digest(digest(key, region), service), "aws4_request")


def escape(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe, encoding="utf-8", errors="surrogateescape")


def unescape(text):
    return urllib.parse.unquote(text, encoding="utf-8", errors="surrogateescape")


def canonical_query(raw_query):
    pairs = []
    for pair in raw_query.split("&") if raw_query else ():
        name, _, value = pair.partition("=")
        pairs.append((escape(unescape(name)), escape(unescape(value))))
    return "&".join("%s=%s" % pair for pair in sorted(pairs))


def canonical_request(request, names, payload_hash):
    lines = [request.method, escape(unescape(request.raw_path), "-_.~/"),
             canonical_query(request.raw_query)]
    for name in names:
        value = re.sub(r" +", " ", request.headers[name])
        lines.append("%s:%s" % (name, value))
    return "\n".join(lines + ["", ";".join(names), payload_hash])


def read_date(request):
    text = request.headers.get("x-amz-date", "")
    try:
        return text, calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise S3Error(403, "AccessDenied", "x-amz-date is missing or has another form") from None


def check_names(request, names):
    """Everything of S3 and the host must be signed, in order, and nothing that isn't there."""
    if "host" not in names or names != sorted(set(names)):
        raise S3Error(403, "AccessDenied", "SignedHeaders must be sorted and name host")
    missing = [name for name in names if name not in request.headers]
    unsigned = [name for name in request.headers
                if name.startswith("x-amz-") and name not in names]
    if missing:
        raise S3Error(403, "SignatureDoesNotMatch", "signed but not sent: " + " ".join(missing))
    if unsigned:
        raise S3Error(403, "AccessDenied",
                      "There were headers present in the request which were not signed",
                      HeadersNotSigned=", ".join(unsigned))


def check_token(request, key, now_s):
    token = request.headers.get("x-amz-security-token")
    if token != key.token:
        raise S3Error(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    if key.expires_s is not None and now_s >= key.expires_s:
        raise S3Error(400, "ExpiredToken", "The provided token has expired.")


def check_payload(request, payload_hash):
    if payload_hash == UNSIGNED or payload_hash in STREAMING:
        return
    if not re.fullmatch("[0-9a-f]{64}", payload_hash):
        raise S3Error(400, "InvalidArgument", "x-amz-content-sha256 must be a hash")
    if hashlib.sha256(request.body).hexdigest() != payload_hash:
        raise S3Error(400, "XAmzContentSHA256Mismatch",
                      "The provided x-amz-content-sha256 does not match what was computed.")


def check(request, keys, region, now_s):
    """The scope of a request with a good signature; else S3Error, as S3 would say it."""
    found = AUTHORIZATION.match(request.headers.get("authorization", ""))
    if not found:
        raise S3Error(403, "AccessDenied", "no signature of version 4")
    access_key, day, its_region, service, names, signature = found.groups()
    names = names.split(";")
    payload_hash = request.headers.get("x-amz-content-sha256")
    if payload_hash is None:
        raise S3Error(400, "InvalidRequest", "Missing required header x-amz-content-sha256")
    if access_key not in keys:
        raise S3Error(403, "InvalidAccessKeyId", "The access key does not exist in our records.")
    date, date_s = read_date(request)
    if service != "s3" or its_region != region or date[:8] != day:
        raise S3Error(400, "AuthorizationHeaderMalformed",
                      "the scope %s/%s/%s is wrong" % (day, its_region, service), Region=region)
    if abs(date_s - now_s) > SKEW_S:
        raise S3Error(403, "RequestTimeTooSkewed",
                      "The difference between the request time and the current time is too large.",
                      RequestTime=date, MaxAllowedSkewMilliseconds=str(SKEW_S * 1000),
                      ServerTime=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s)))
    check_names(request, names)
    key = keys[access_key]
    scope = Scope(signing_key(key.secret, day, region, service), date,
                  "%s/%s/%s/aws4_request" % (day, region, service), signature)
    canonical = canonical_request(request, names, payload_hash)
    if not hmac.compare_digest(
            scope.sign(ALGORITHM, hashlib.sha256(canonical.encode()).hexdigest()), signature):
        raise S3Error(403, "SignatureDoesNotMatch",
                      "The request signature we calculated does not match.",
                      CanonicalRequest=canonical)
    check_token(request, key, now_s)
    check_payload(request, payload_hash)
    return scope


# --- Bodies in signed or checked chunks -----------------------------------------------------------

def read_line(body, at):
    end = body.find(b"\r\n", at)
    if end < 0:
        raise S3Error(400, "IncompleteBody", "a chunk without its line")
    return bytes(body[at:end]).decode("latin-1"), end + 2


def read_trailers(body, at):
    trailers = {}
    while at < len(body):
        line, at = read_line(body, at)
        name, colon, value = line.partition(":")
        if colon:
            trailers[name.lower()] = value.strip()
    return trailers


def decode_chunks(request, scope):
    """Replaces a body in chunks by what it holds; the trailers go to the headers."""
    kind = request.headers["x-amz-content-sha256"]
    plain, at, previous = bytearray(), 0, scope.signature
    while True:
        line, at = read_line(request.body, at)
        size_text, _, extension = line.partition(";")
        size = int(size_text, 16)
        chunk = request.body[at:at + size]
        if len(chunk) < size:
            raise S3Error(400, "IncompleteBody", "a chunk is cut")
        if kind != UNSIGNED_WITH_TRAILER:
            expected = scope.sign(ALGORITHM + "-PAYLOAD", previous, EMPTY_HASH,
                                  hashlib.sha256(chunk).hexdigest())
            if extension != "chunk-signature=" + expected:
                raise S3Error(403, "SignatureDoesNotMatch", "the signature of a chunk is wrong")
            previous = expected
        plain += chunk
        at += size
        if size == 0:
            break
        at += 2
    request.headers.update(read_trailers(request.body, at))
    if len(plain) != int(request.headers.get("x-amz-decoded-content-length", len(plain))):
        raise S3Error(400, "IncompleteBody", "x-amz-decoded-content-length is another")
    request.body = plain
