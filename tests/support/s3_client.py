# SPDX-License-Identifier: Apache-2.0
"""A small S3 client for tests, on http.client: one connection, one bucket, one request at a time. It
shows answers as they are, good or bad, and repeats nothing.
"""
import hashlib
import hmac
import http.client
import ssl
import time
import urllib.parse

EMPTY_HASH = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
LIMIT_S = 60


def escape(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    def code(self):
        """The code of an error document."""
        _, begin, rest = self.body.partition(b"<Code>")
        return rest.partition(b"</Code>")[0].decode() if begin else ""


class Client:
    def __init__(self, endpoint, access_key, secret_key, region="us-east-1", bucket="", token=None,
                 virtual=False, authority=None):
        self.url = urllib.parse.urlsplit(endpoint)
        self.access_key, self.secret_key, self.token = access_key, secret_key, token
        self.region = region
        self.bucket = bucket
        self.virtual = virtual
        self.authority = authority
        self.clock_offset_s = 0
        self.connection = None

    def connect(self):
        place = (self.url.hostname, self.url.port)
        if self.url.scheme == "https":
            context = ssl.create_default_context(cafile=self.authority)
            return http.client.HTTPSConnection(*place, timeout=LIMIT_S, context=context)
        return http.client.HTTPConnection(*place, timeout=LIMIT_S)

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def sign(self, method, path, query, headers):
        day = headers["x-amz-date"][:8]
        names = sorted(headers)
        canonical = "\n".join([method, path, query] + ["%s:%s" % (n, headers[n]) for n in names] +
                              ["", ";".join(names), headers["x-amz-content-sha256"]])
        scope = "%s/%s/s3/aws4_request" % (day, self.region)
        key = digest(("AWS4" + self.secret_key).encode(), day)
        key = digest(digest(digest(key, self.region), "s3"), "aws4_request")
        text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        return "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
            self.access_key, scope, ";".join(names), digest(key, text).hex())

    def request(self, method, key="", query=None, headers=None, body=b"", payload=UNSIGNED):
        """Sends one request, on the kept connection; an OSError or HTTPException when that ends."""
        place = "/" if self.virtual or not self.bucket else "/%s/" % self.bucket
        path = escape((place + key).rstrip("/") if not key else place + key, "-_.~/") or "/"
        pairs = sorted((query or {}).items())
        query_text = "&".join("%s=%s" % (escape(n), escape(str(v))) for n, v in pairs)
        host = self.url.netloc
        if self.virtual:
            host = "%s.%s" % (self.bucket, host)
        sent = {"host": host, "x-amz-content-sha256": payload if body else EMPTY_HASH,
                "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ",
                                            time.gmtime(time.time() + self.clock_offset_s))}
        if self.token:
            sent["x-amz-security-token"] = self.token
        sent.update(headers or {})
        sent["authorization"] = self.sign(method, path, query_text, sent)
        if body or method == "PUT":
            sent["content-length"] = str(len(body))
        return self.exchange(method, path + ("?" + query_text if query_text else ""), sent, body)

    def exchange(self, method, target, headers, body):
        if self.connection is None:
            self.connection = self.connect()
        try:
            self.connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                self.connection.putheader(name, value)
            self.connection.endheaders(body or None)
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    # --- Shorter ----------------------------------------------------------------------------------

    def put(self, key, body, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("PUT", key, headers=named, body=body)

    def get(self, key, **headers):
        return self.request("GET", key, headers=headers)

    def delete(self, key):
        return self.request("DELETE", key)

    def create_bucket(self):
        return self.request("PUT")
