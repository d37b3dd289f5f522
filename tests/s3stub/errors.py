# SPDX-License-Identifier: Apache-2.0
"""Errors as S3 tells them."""
from xml.sax.saxutils import escape

from http1 import Response


class S3Error(Exception):
    """An answer that is an error: its status, code, message and further elements."""

    def __init__(self, status, code, message="", headers=(), **more):
        super().__init__("%d %s %s" % (status, code, message))
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.more = more

    def response(self):
        elements = {"Code": self.code, "Message": self.message, **self.more, "RequestId": "stub"}
        body = "".join("<%s>%s</%s>" % (name, escape(value), name)
                       for name, value in elements.items())
        body = '<?xml version="1.0" encoding="UTF-8"?>\n<Error>%s</Error>' % body
        headers = {"Content-Type": "application/xml", **dict(self.headers)}
        return Response(self.status, headers, body.encode("utf-8", "surrogateescape"))
