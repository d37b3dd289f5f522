# SPDX-License-Identifier: Apache-2.0
"""The operations of S3: which one a request is, and what it does and answers."""
import base64
import re
import time
import urllib.parse
import xml.etree.ElementTree
from xml.sax.saxutils import escape

import checksums
import encryption
from errors import S3Error
from http1 import Response
from sigv4 import unescape

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
KEY_BYTES_MAX = 1024
LIST_KEYS_MAX = 1000
KEPT_HEADERS = re.compile(
    r"x-amz-meta-|x-amz-server-side-encryption|x-amz-storage-class|content-type|cache-control"
    r"|content-encoding$")
RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")


class Call:
    """What a request asks for: an operation's name, a bucket, a key, the query."""

    def __init__(self, request, domains):
        self.request = request
        self.query = read_query(request.raw_query)
        path = unescape(request.raw_path).lstrip("/") if request.raw_path != "/" else ""
        virtual = virtual_bucket(request.headers.get("host", ""), domains)
        if virtual:
            self.bucket, self.key = virtual, unescape(request.raw_path)[1:]
        else:
            self.bucket, _, self.key = path.partition("/")
        self.name = self.find_name()

    def find_name(self):
        method, query = self.request.method, self.query
        if not self.bucket:
            return "ListBuckets"
        if self.key:
            return {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject",
                    "DELETE": "DeleteObject"}.get(method, "Unknown")
        if method == "POST" and "delete" in query:
            return "DeleteObjects"
        for name in ("lifecycle", "location", "versioning"):
            if name in query:
                return BUCKET_QUERIES.get((method, name), "Unknown")
        if method == "GET":
            return "ListObjectsV2" if query.get("list-type") == "2" else "ListObjects"
        return {"PUT": "CreateBucket", "HEAD": "HeadBucket",
                "DELETE": "DeleteBucket"}.get(method, "Unknown")


BUCKET_QUERIES = {
    ("GET", "lifecycle"): "GetBucketLifecycle", ("PUT", "lifecycle"): "PutBucketLifecycle",
    ("DELETE", "lifecycle"): "DeleteBucketLifecycle", ("GET", "location"): "GetBucketLocation",
    ("GET", "versioning"): "GetBucketVersioning",
}


def read_query(raw_query):
    pairs = {}
    for pair in raw_query.split("&") if raw_query else ():
        name, _, value = pair.partition("=")
        pairs[unescape(name)] = unescape(value)
    return pairs


def virtual_bucket(host, domains):
    name = host.rsplit(":", 1)[0] if host.rsplit(":", 1)[-1].isdigit() else host
    for domain in domains:
        if name.endswith("." + domain):
            return name[:-len(domain) - 1]
    return None


def document(name, content):
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<%s xmlns="%s">%s</%s>' % (
        name, NAMESPACE, content, name)
    return Response(200, {"Content-Type": "application/xml"}, text.encode("utf-8"))


def element(name, value):
    return "<%s>%s</%s>" % (name, escape(str(value)), name)


def iso_time(time_s):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time_s))


def parse_xml(request):
    try:
        return xml.etree.ElementTree.fromstring(bytes(request.body))
    except xml.etree.ElementTree.ParseError:
        raise S3Error(400, "MalformedXML", "The XML you provided was not well-formed") from None


def below(tree, name):
    """The elements of this name anywhere below, whatever their namespace."""
    return [e for e in tree.iter() if e.tag.rsplit("}", 1)[-1] == name]


def read_range(text, size):
    """(start, end) of a range of bytes, None for the whole object."""
    found = RANGE.match(text or "")
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
        is_empty = int(last) == 0
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        is_empty = last != "" and int(last) < int(first)
        if is_empty:
            return None
    if is_empty or start >= size:
        raise S3Error(416, "InvalidRange", "The requested range is not satisfiable",
                      headers={"Content-Range": "bytes */%d" % size},
                      ActualObjectSize=str(size), RangeRequested=text)
    return start, end


class Operations:
    """Performs calls on the storage. `clock` gives seconds since 1970, as the server sees them."""

    def __init__(self, storage, region, clock, skips_checksums=False, kms_keys=()):
        self.storage = storage
        self.kms_keys = kms_keys
        self.required_encryption = None
        self.region = region
        self.clock = clock
        self.skips_checksums = skips_checksums

    def perform(self, call):
        """The answer to a call; its effect has then happened."""
        try:
            operation = getattr(self, "do_" + call.name, None)
            if operation is None:
                raise S3Error(501, "NotImplemented", "%s is not implemented" % call.name)
            response = operation(call)
        except S3Error as error:
            response = error.response()
        response.has_body = call.request.method != "HEAD"
        return response

    # --- Objects ----------------------------------------------------------------------------------

    def find(self, call):
        bucket = self.storage.bucket(call.bucket)
        if call.key not in bucket.objects:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.", Key=call.key)
        return bucket.objects[call.key]

    def check_conditions(self, call, bucket):
        headers, before = call.request.headers, bucket.objects.get(call.key)
        absent, matching = headers.get("if-none-match"), headers.get("if-match")
        if absent not in (None, "*"):
            raise S3Error(501, "NotImplemented", "A header you provided implies functionality that "
                          "is not implemented", Header="If-None-Match")
        if absent and before is not None:
            raise S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you "
                          "specified did not hold", Condition="If-None-Match")
        if matching and before is None:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.", Key=call.key)
        if matching and matching.strip('"') != before.etag.strip('"'):
            raise S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you "
                          "specified did not hold", Condition="If-Match")

    def do_PutObject(self, call):
        request, bucket = call.request, self.storage.bucket(call.bucket)
        if len(call.key.encode("utf-8", "surrogateescape")) > KEY_BYTES_MAX:
            raise S3Error(400, "KeyTooLongError", "Your key is too long")
        if "x-amz-copy-source" in request.headers or "uploadId" in call.query:
            raise S3Error(501, "NotImplemented", "neither copies nor parts")
        if "content-length" not in request.headers:
            raise S3Error(411, "MissingContentLength", "You must provide the length")
        encryption.check_policy(request.headers, self.required_encryption)
        encrypted = encryption.check_put(request.headers, self.kms_keys)
        found = checksums.check(request, self.skips_checksums)
        self.check_conditions(call, bucket)
        kept = {n: v for n, v in request.headers.items() if KEPT_HEADERS.match(n)}
        stored = self.storage.put(bucket, call.key, request.body, {**kept, **encrypted, **found},
                                  self.clock())
        echoed = {n: v for n, v in stored.headers.items()
                  if n.startswith(("x-amz-server-side", "x-amz-checksum"))}
        return Response(200, {"ETag": stored.etag, **echoed})

    def describe(self, call, stored):
        headers = {n: v for n, v in stored.headers.items() if not n.startswith("x-amz-checksum")}
        if call.request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            headers = dict(stored.headers)
        return {"ETag": stored.etag, "Accept-Ranges": "bytes",
                "Last-Modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT",
                                               time.gmtime(stored.time_s)), **headers}

    def do_GetObject(self, call):
        stored, headers = self.find(call), call.request.headers
        encryption.check_get(headers)
        if headers.get("if-none-match") in ("*", stored.etag):
            return Response(304, {"ETag": stored.etag})
        if "if-match" in headers and headers["if-match"].strip('"') != stored.etag.strip('"'):
            raise S3Error(412, "PreconditionFailed", Condition="If-Match")
        answer = self.describe(call, stored)
        part = read_range(headers.get("range"), stored.size)
        if part is None:
            return Response(200, answer, stored.body())
        # A checksum of the whole object says nothing about a part.
        answer = {n: v for n, v in answer.items() if not n.startswith("x-amz-checksum")}
        answer["Content-Range"] = "bytes %d-%d/%d" % (part[0], part[1] - 1, stored.size)
        return Response(206, answer, stored.body(*part))

    do_HeadObject = do_GetObject

    def do_DeleteObject(self, call):
        self.storage.delete(self.storage.bucket(call.bucket), call.key)
        return Response(204)

    def do_DeleteObjects(self, call):
        bucket, request = self.storage.bucket(call.bucket), call.request
        if not any(name in request.headers for name in checksums.CHECKSUMS):
            raise S3Error(400, "InvalidRequest", "Missing required header: Content-MD5")
        checksums.check(request)
        tree = parse_xml(request)
        keys = [e.text or "" for e in below(tree, "Key")]
        if not keys or len(keys) > LIST_KEYS_MAX:
            raise S3Error(400, "MalformedXML", "between 1 and 1000 keys")
        for key in keys:
            self.storage.delete(bucket, key)
        is_quiet = any(e.text == "true" for e in below(tree, "Quiet"))
        told = "" if is_quiet else "".join(
            "<Deleted>%s</Deleted>" % element("Key", key) for key in keys)
        return document("DeleteResult", told)

    # --- Lists ------------------------------------------------------------------------------------

    def do_ListObjectsV2(self, call):
        query, bucket = call.query, self.storage.bucket(call.bucket)
        limit = query.get("max-keys", "1000")
        if not limit.isdigit() or query.get("encoding-type", "url") != "url":
            raise S3Error(400, "InvalidArgument", "max-keys or encoding-type")
        limit = min(int(limit), LIST_KEYS_MAX, getattr(call, "page_entries", LIST_KEYS_MAX))
        after = query.get("start-after", "")
        if "continuation-token" in query:
            after = read_token(query["continuation-token"])
        page = Page(bucket, query.get("prefix", ""), query.get("delimiter", ""))
        is_truncated = page.fill(after, limit)
        return document("ListBucketResult", self.describe_page(query, bucket, page, limit,
                                                               is_truncated))

    def describe_page(self, query, bucket, page, limit, is_truncated):
        is_encoded = query.get("encoding-type") == "url"

        def encode(text):
            return urllib.parse.quote_plus(text, safe="/") if is_encoded else text

        parts = [element("Name", bucket.name), element("Prefix", encode(page.prefix)),
                 element("MaxKeys", limit), element("KeyCount", page.count()),
                 element("IsTruncated", "true" if is_truncated else "false")]
        if is_encoded:
            parts.append(element("EncodingType", "url"))
        if page.delimiter:
            parts.append(element("Delimiter", encode(page.delimiter)))
        for name, key in (("ContinuationToken", "continuation-token"),
                          ("StartAfter", "start-after")):
            if key in query:
                parts.append(element(name, encode(query[key])))
        if is_truncated:
            parts.append(element("NextContinuationToken", write_token(page.last)))
        for key in page.keys:
            stored = bucket.objects[key]
            parts.append("<Contents>%s%s%s%s<StorageClass>STANDARD</StorageClass></Contents>" % (
                element("Key", encode(key)), element("LastModified", iso_time(stored.time_s)),
                element("ETag", stored.etag), element("Size", stored.size)))
        for prefix in page.prefixes:
            parts.append("<CommonPrefixes>%s</CommonPrefixes>" % element("Prefix", encode(prefix)))
        return "".join(parts)

    # --- Buckets ----------------------------------------------------------------------------------

    def do_ListBuckets(self, _call):
        names = "".join("<Bucket>%s%s</Bucket>" % (element("Name", name),
                                                   element("CreationDate", iso_time(0)))
                        for name in sorted(self.storage.buckets))
        return document("ListAllMyBucketsResult",
                        "<Owner><ID>stub</ID></Owner><Buckets>%s</Buckets>" % names)

    def do_CreateBucket(self, call):
        if not BUCKET_NAME.match(call.bucket):
            raise S3Error(400, "InvalidBucketName", "The specified bucket is not valid.")
        wanted = ""
        if call.request.body:
            wanted = "".join(e.text or "" for e in below(parse_xml(call.request),
                                                         "LocationConstraint"))
        if wanted not in ("", self.region):
            raise S3Error(400, "InvalidLocationConstraint", "this is %s" % self.region)
        self.storage.create_bucket(call.bucket, self.region)
        return Response(200, {"Location": "/" + call.bucket})

    def do_HeadBucket(self, call):
        self.storage.bucket(call.bucket)
        return Response(200, {"x-amz-bucket-region": self.region})

    def do_DeleteBucket(self, call):
        self.storage.delete_bucket(call.bucket)
        return Response(204)

    def do_GetBucketLocation(self, call):
        self.storage.bucket(call.bucket)
        return document("LocationConstraint",
                        "" if self.region == "us-east-1" else escape(self.region))

    def do_GetBucketVersioning(self, call):
        self.storage.bucket(call.bucket)
        return document("VersioningConfiguration", "")

    def do_GetBucketLifecycle(self, call):
        lifecycle = self.storage.bucket(call.bucket).lifecycle
        if lifecycle is None:
            raise S3Error(404, "NoSuchLifecycleConfiguration",
                          "The lifecycle configuration does not exist", BucketName=call.bucket)
        return Response(200, {"Content-Type": "application/xml"}, lifecycle)

    def do_PutBucketLifecycle(self, call):
        bucket = self.storage.bucket(call.bucket)
        checksums.check(call.request)
        if not below(parse_xml(call.request), "Rule"):
            raise S3Error(400, "MalformedXML", "a lifecycle without rules")
        bucket.lifecycle = bytes(call.request.body)
        return Response(200)

    def do_DeleteBucketLifecycle(self, call):
        self.storage.bucket(call.bucket).lifecycle = None
        return Response(204)


def write_token(last):
    return base64.urlsafe_b64encode(last.encode("utf-8", "surrogateescape")).decode()


def read_token(token):
    try:
        return base64.urlsafe_b64decode(token.encode()).decode("utf-8", "surrogateescape")
    except ValueError:
        raise S3Error(400, "InvalidArgument", "The continuation token is incorrect") from None


class Page:
    """One page of a list: keys, and prefixes that stand for many keys."""

    def __init__(self, bucket, prefix, delimiter):
        self.bucket = bucket
        self.prefix = prefix
        self.delimiter = delimiter
        self.keys = []
        self.prefixes = []
        self.last = ""

    def count(self):
        return len(self.keys) + len(self.prefixes)

    def common_prefix(self, key):
        at = key.find(self.delimiter, len(self.prefix)) if self.delimiter else -1
        return key[:at + len(self.delimiter)] if at >= 0 else None

    def fill(self, after, limit):
        """Takes up to `limit` entries; whether there are more."""
        while True:
            skipped = None
            for key in self.bucket.next_keys(self.prefix, after):
                common = self.common_prefix(key)
                if self.count() == limit:
                    return limit > 0
                if common is None:
                    self.keys.append(key)
                    self.last = key
                else:
                    self.prefixes.append(common)
                    self.last = skipped = common + chr(0x10ffff)
                    break
            if skipped is None:
                return False
            after = skipped
