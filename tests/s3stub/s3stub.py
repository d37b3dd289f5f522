# SPDX-License-Identifier: Apache-2.0
"""An S3 server for tests: it checks every signature, keeps the promises that S3 makes, and breaks
them where a test says so (faults.py).

It prints "s3stub listening on ADDRESS:PORT, admin ADDRESS:PORT, services ADDRESS:PORT" when it is
ready; the services hand out keys (services.py). Tests talk to it through the admin port, in JSON:

    GET    /stats             requests, bytes and statuses of each operation, faults that happened
    DELETE /stats             begins to count anew
    GET    /faults            the rules, and how often each fired
    POST   /faults            adds a rule, or a list of rules
    DELETE /faults            removes all rules
    POST   /release           performs now what is late or to be repeated and has no time
    POST   /settings          changes some of: seed, away (null, "refuse", "reset", "silent"),
                              requests_per_s (null), clock_offset_s, read_only, keys_live_s,
                              required_encryption
    GET    /log               the last requests: operation, key, status, milliseconds
    POST   /keys              adds an access key: access_key, secret_key, token, expires_in_s
    GET    /objects?BUCKET    keys and sizes
    GET    /headers?BUCKET    keys and the headers that are kept with them

Usage: s3stub.py [--port N] [--admin-port N] [--bucket NAME]... (--help for all)
"""
import argparse
import asyncio
import collections
import socket
import time

import admin
import alarm
import faults
import http1
import services
import sigv4
from errors import S3Error
from operations import Call, Operations
from storage import Storage

LOG_ENTRIES = 2000
BODY_BYTES_MAX = 1 << 30
BACKLOG = 1024
READING = ("GetObject", "HeadObject", "ListObjectsV2", "ListObjects", "ListBuckets", "HeadBucket",
           "GetBucketLocation", "GetBucketLifecycle", "GetBucketVersioning")


class Counts:
    """What happened to one operation."""

    def __init__(self):
        self.requests = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.statuses = collections.Counter()

    def as_json(self):
        return {"requests": self.requests, "bytes_in": self.bytes_in, "bytes_out": self.bytes_out,
                "statuses": {str(status): n for status, n in self.statuses.items()}}


class RateLimit:
    """At most so many requests in a second, a second's worth at once."""

    def __init__(self):
        self.per_s = None
        self.left = 0
        self.at_s = 0

    def takes(self, now_s):
        if self.per_s is None:
            return True
        self.left = min(self.per_s, self.left + (now_s - self.at_s) * self.per_s)
        self.at_s = now_s
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Server:
    """All that connections share."""

    def __init__(self, arguments):
        self.region = arguments.region
        self.domains = arguments.domain or ["localhost", "s3.test"]
        self.keys = {arguments.access_key: sigv4.Key(arguments.secret_key)}
        self.services = services.Services(self)
        self.clock_offset_s = 0
        self.storage = Storage(arguments.folder, arguments.memory << 20)
        self.operations = Operations(self.storage, self.region, self.now_s,
                                     arguments.skip_checksums, arguments.kms_key or ())
        self.plan = faults.Plan(arguments.seed)
        self.limit = RateLimit()
        self.away = None
        self.read_only = False
        self.held = []
        self.counts = collections.defaultdict(Counts)
        self.log = collections.deque(maxlen=LOG_ENTRIES)
        self.in_flight = 0
        self.in_flight_max = 0
        self.connections = set()
        for name in arguments.bucket or ():
            self.storage.create_bucket(name, self.region)

    def now_s(self):
        return time.time() + self.clock_offset_s

    # --- Connections ------------------------------------------------------------------------------

    async def serve(self, channel):
        """Answers the requests of one connection, one after the other."""
        self.connections.add(channel)
        try:
            while await self.serve_one(channel):
                pass
        except (OSError, http1.Closed, asyncio.CancelledError):
            pass
        except http1.BadRequest as reason:
            error = S3Error(400, "BadRequest", str(reason))
            await http1.send(channel, error.response(), self.now_s())
        finally:
            self.connections.discard(channel)
            channel.close()

    async def serve_one(self, channel):
        """Takes a request and answers it; False when the connection is to end."""
        request = await http1.read_head(channel)
        if request is None or self.away == "reset":
            return False
        call = Call(request, self.domains)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        begun_s = time.monotonic()
        try:
            response = await self.exchange(channel, call, begun_s)
            while self.away == "silent":
                await asyncio.sleep(0.05)
            if response is not None:
                self.count(call, response.status, response, begun_s)
                return await self.answer(channel, response) and not request.wants_close()
            self.count(call, 0, None, begun_s)
            return False
        finally:
            self.in_flight -= 1

    async def answer(self, channel, response):
        is_kept = await http1.send(channel, response, self.now_s())
        if response.stall_s:
            await asyncio.sleep(response.stall_s)
        return is_kept

    def count(self, call, status, response, begun_s):
        counts = self.counts[call.name]
        counts.requests += 1
        counts.bytes_in += len(call.request.body)
        counts.statuses[status] += 1
        if response is not None and response.has_body:
            counts.bytes_out += response.size()
        self.log.append((call.name, call.key, status, (time.monotonic() - begun_s) * 1000))

    # --- Requests ---------------------------------------------------------------------------------

    async def exchange(self, channel, call, begun_s):
        """The answer to a call, or None: the connection ends without one."""
        request = call.request
        fate = self.plan.fate_of(call)
        if fate.is_fault("cut_request"):
            return None
        await self.receive(channel, request)
        if fate.before_s:
            await alarm.sleep_until(begun_s + fate.before_s)
        try:
            self.check(call, fate)
        except S3Error as error:
            response = error.response()
            response.has_body = request.method != "HEAD"
            return response
        response = self.act(call, fate)
        if fate.after_s:
            await alarm.sleep_until(time.monotonic() + fate.after_s)
        return response

    async def receive(self, channel, request):
        size = request.length()
        if size > BODY_BYTES_MAX:
            raise http1.BadRequest("a body of %d bytes" % size)
        if request.headers.get("expect", "").lower() == "100-continue":
            await channel.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
        if size:
            request.body = await http1.read_body(channel, size)

    def check(self, call, fate):
        """Whether it may be done at all; what S3 checks before it acts."""
        request = call.request
        if not self.limit.takes(time.monotonic()):
            raise S3Error(503, "SlowDown", "Please reduce your request rate.")
        if fate.is_fault("flip_bit") and request.body:
            request.body = self.plan.flip(request.body)
        scope = sigv4.check(request, self.keys, self.region, self.now_s())
        if request.headers["x-amz-content-sha256"] in sigv4.STREAMING:
            sigv4.decode_chunks(request, scope)
        if fate.is_fault("error", *faults.NAMED_ERRORS):
            raise fate.rule.error()
        if self.read_only and call.name not in READING:
            raise S3Error(403, "AccessDenied", "the store is read-only")

    def act(self, call, fate):
        """Does it, or what the fault makes of it."""
        rule = fate.rule
        if rule is None:
            return self.operations.perform(call)
        if rule.fault == "late":
            self.later(rule, call)
            return None
        if rule.fault == "short_page":
            call.page_entries = rule.get("entries", 1)
        if rule.fault == "wrong_object":
            self.mistake_key(call)
        response = self.operations.perform(call)
        if rule.fault == "repeat":
            self.later(rule, call)
        if rule.fault == "lost_answer":
            return None
        if rule.fault == "error_after":
            return rule.error().response()
        response.ends = rule.fault == "close_after"
        if response.status < 300 and response.has_body:
            self.damage(rule, response)
        return response

    def later(self, rule, call):
        after_ms = rule.get("after_ms", 1000)
        if after_ms is None:
            self.held.append(call)
            return
        loop = asyncio.get_running_loop()
        loop.call_later(after_ms / 1000, self.operations.perform, call)

    def release(self):
        """Performs what is held back; how many calls that were."""
        held, self.held = self.held, []
        for call in held:
            self.operations.perform(call)
        return len(held)

    def mistake_key(self, call):
        keys = self.storage.bucket(call.bucket).keys
        others = [key for key in keys if key != call.key]
        call.key = self.plan.dice.choice(others) if others else call.key

    def damage(self, rule, response):
        """What the fault does to the body of an answer that is right."""
        part = rule.get("bytes", len(response.body) // 2)
        if rule.fault == "cut_body":
            response.sent_bytes = part
        elif rule.fault == "stalled_body":
            response.sent_bytes = part
            response.stall_s = rule.get("after_ms", 60000) / 1000
        elif rule.fault == "short_body":
            response.body = response.body[:part]
        elif rule.fault == "flip_bit":
            response.body = self.plan.flip(response.body)

    # --- Being away -------------------------------------------------------------------------------

    def drop_connections(self):
        for channel in list(self.connections):
            if isinstance(channel, http1.SocketChannel):
                # Wakes whoever waits for it, which closing it would not.
                try:
                    channel.socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            else:
                channel.close()


class Listener:
    """The port of the store, which is closed while the store refuses connections."""

    def __init__(self, server, address, port, tls):
        self.server = server
        self.address = address
        self.port = port
        self.tls = tls
        self.task = None
        self.socket = None
        self.streams = None

    async def open(self):
        self.socket = socket.create_server((self.address, self.port), backlog=BACKLOG,
                                           reuse_port=False)
        self.port = self.socket.getsockname()[1]
        self.socket.setblocking(False)
        if self.tls is not None:
            self.streams = await asyncio.start_server(self.serve_stream, sock=self.socket,
                                                      ssl=self.tls, limit=1 << 20)
        else:
            self.task = asyncio.create_task(self.accept())

    async def close(self):
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
        if self.streams is not None:
            self.streams.close()
        self.socket.close()

    async def accept(self):
        loop = asyncio.get_running_loop()
        tasks = set()
        while True:
            connection, _ = await loop.sock_accept(self.socket)
            task = loop.create_task(self.server.serve(http1.SocketChannel(loop, connection)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def serve_stream(self, reader, writer):
        await self.server.serve(http1.StreamChannel(reader, writer))


def tls_context(arguments):
    if not arguments.certificate:
        return None
    import ssl  # slow to load, and rarely needed
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate, arguments.private_key)
    return context


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--admin-port", type=int, default=0)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--access-key", default="stubkey")
    parser.add_argument("--secret-key", default="stubsecret")
    parser.add_argument("--bucket", action="append", help="exists from the start")
    parser.add_argument("--kms-key", action="append", help="of the key service; the default first")
    parser.add_argument("--domain", action="append", help="whose subdomains are buckets")
    parser.add_argument("--folder", help="keeps the bytes of objects in files, not in memory")
    parser.add_argument("--memory", type=int, default=4096, help="MiB of objects, at most")
    parser.add_argument("--skip-checksums", action="store_true")
    parser.add_argument("--certificate", help="TLS, with this certificate")
    parser.add_argument("--private-key")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


async def run(arguments):
    server = Server(arguments)
    listener = Listener(server, arguments.address, arguments.port, tls_context(arguments))
    await listener.open()
    control = admin.Admin(server, listener)
    admin_port = await control.open(arguments.address, arguments.admin_port)
    services_port = await server.services.open(arguments.address, 0)
    print("s3stub listening on %s:%d, admin %s:%d, services %s:%d" % (
        arguments.address, listener.port, arguments.address, admin_port, arguments.address,
        services_port), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(run(parse_arguments()))
    except KeyboardInterrupt:
        pass
