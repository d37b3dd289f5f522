# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as a store speaks it: requests with a length, answers with a length, connections that
are kept. Bodies are received into the memory that they stay in and sent from there.
"""
import email.utils
import http.client
import socket
import time

HEAD_BYTES_MAX = 64 << 10
CHUNK_BYTES = 64 << 10


class Closed(Exception):
    """The client went away, or we did."""


class BadRequest(Exception):
    """Not HTTP as we speak it: answered 400, and the connection ends."""


class Request:
    """One request. The body is a bytearray, b"" when there is none."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequest("the request line")
        self.method, self.target, self.version = words
        self.raw_path, _, self.raw_query = self.target.partition("?")
        self.headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip() or not name:
                raise BadRequest("a header")
            name, value = name.lower(), value.strip()
            before = self.headers.get(name)
            self.headers[name] = value if before is None else before + "," + value
        self.body = b""

    def length(self):
        if "transfer-encoding" in self.headers:
            raise BadRequest("a body without a length")
        text = self.headers.get("content-length", "0")
        if not text.isdigit():
            raise BadRequest("the length")
        return int(text)

    def wants_close(self):
        return self.headers.get("connection", "").lower() == "close" or self.version == "HTTP/1.0"


class Response:
    """One answer. `sent_bytes` below the body's size: the connection ends after so many of them, at
    once or after `stall_s`. `ends`: it ends although nothing in the answer says so.
    """

    def __init__(self, status, headers=(), body=b""):
        self.status = status
        self.headers = dict(headers)
        self.body = body
        self.has_body = True
        self.sent_bytes = None
        self.stall_s = 0
        self.ends = False

    def size(self):
        return len(self.body)

    def head(self, now_s):
        lines = ["HTTP/1.1 %d %s" % (self.status, http.client.responses.get(self.status, "?"))]
        headers = {"Date": email.utils.formatdate(now_s, usegmt=True), "Server": "s3stub",
                   **self.headers}
        if self.status not in (204, 304):
            headers.setdefault("Content-Length", str(self.size()))
        lines += ["%s: %s" % item for item in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class SocketChannel:
    """A plain connection: no copies but the kernel's."""

    def __init__(self, loop, connection):
        self.loop = loop
        self.socket = connection
        self.rest = b""
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def receive(self):
        return await self.loop.sock_recv(self.socket, CHUNK_BYTES)

    async def receive_into(self, view):
        return await self.loop.sock_recv_into(self.socket, view)

    async def send(self, head, body):
        try:
            sent = self.socket.sendmsg((head, body))
        except BlockingIOError:
            sent = 0
        if sent < len(head):
            await self.loop.sock_sendall(self.socket, head[sent:])
            sent = len(head)
        if sent < len(head) + len(body):
            await self.loop.sock_sendall(self.socket, memoryview(body)[sent - len(head):])

    def close(self):
        self.socket.close()


class StreamChannel:
    """A connection through asyncio's streams, which know TLS."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.rest = b""

    async def receive(self):
        return await self.reader.read(CHUNK_BYTES)

    async def receive_into(self, view):
        data = await self.reader.read(len(view))
        view[:len(data)] = data
        return len(data)

    async def send(self, head, body):
        self.writer.write(head)
        for at in range(0, len(body), CHUNK_BYTES):
            self.writer.write(memoryview(body)[at:at + CHUNK_BYTES])
            await self.writer.drain()
        await self.writer.drain()

    def close(self):
        self.writer.close()


async def read_head(channel):
    """The next request without its body, or None at an orderly end."""
    data = channel.rest
    end = data.find(b"\r\n\r\n")
    while end < 0:
        if len(data) > HEAD_BYTES_MAX:
            raise BadRequest("too many headers")
        more = await channel.receive()
        if not more:
            if data:
                raise Closed()
            return None
        data += more
        end = data.find(b"\r\n\r\n")
    channel.rest = data[end + 4:]
    return Request(data[:end])


async def read_body(channel, size):
    body = bytearray(size)
    view = memoryview(body)
    at = min(size, len(channel.rest))
    view[:at] = channel.rest[:at]
    channel.rest = channel.rest[at:]
    while at < size:
        count = await channel.receive_into(view[at:])
        if count == 0:
            raise Closed()
        at += count
    return body


async def send(channel, response, now_s=None):
    """Sends the answer; False when the connection is to end."""
    head = response.head(time.time() if now_s is None else now_s)
    body = memoryview(response.body) if response.has_body else b""
    if response.sent_bytes is not None:
        body = body[:response.sent_bytes]
    await channel.send(head, body)
    return response.sent_bytes is None and not response.ends
