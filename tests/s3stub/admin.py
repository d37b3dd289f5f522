# SPDX-License-Identifier: Apache-2.0
"""The port through which tests look at the stub and change what it does; s3stub.py lists what there
is. It answers while the store itself is away.
"""
import asyncio
import json
import random
import time

import http1
import sigv4

AWAY = (None, "refuse", "reset", "silent")


class Admin:
    def __init__(self, server, listener):
        self.server = server
        self.listener = listener

    async def open(self, address, port):
        streams = await asyncio.start_server(self.serve, address, port)
        self.streams = streams
        return streams.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        channel = http1.StreamChannel(reader, writer)
        try:
            request = await http1.read_head(channel)
            while request is not None:
                request.body = await http1.read_body(channel, request.length())
                await http1.send(channel, await self.answer(request))
                request = await http1.read_head(channel)
        except (OSError, http1.Closed, http1.BadRequest, asyncio.CancelledError):
            pass
        finally:
            channel.close()

    async def answer(self, request):
        name = "%s_%s" % (request.method.lower(), request.raw_path.strip("/"))
        action = getattr(self, name, None)
        if action is None:
            return http1.Response(404, (), b"no such thing\n")
        try:
            sent = json.loads(bytes(request.body)) if request.body else None
            told = await action(request, sent)
        except (ValueError, KeyError, TypeError) as reason:
            return http1.Response(400, (), ("%s\n" % reason).encode())
        text = json.dumps(told, indent=1) + "\n"
        return http1.Response(200, {"Content-Type": "application/json"}, text.encode())

    # --- What there is ----------------------------------------------------------------------------

    async def get_stats(self, _request, _sent):
        server = self.server
        return {
            "operations": {name: counts.as_json() for name, counts in server.counts.items()},
            "requests": sum(counts.requests for counts in server.counts.values()),
            "faults": dict(server.plan.fired),
            "keys_given": server.services.given,
            "in_flight": server.in_flight,
            "in_flight_max": server.in_flight_max,
            "connections": len(server.connections),
            "objects": sum(len(b.objects) for b in server.storage.buckets.values()),
            "object_bytes": server.storage.bytes,
        }

    async def delete_stats(self, _request, _sent):
        self.server.counts.clear()
        self.server.plan.fired.clear()
        self.server.log.clear()
        self.server.in_flight_max = self.server.in_flight
        return {}

    async def get_log(self, _request, _sent):
        return [list(entry) for entry in self.server.log]

    async def get_objects(self, request, _sent):
        bucket = self.server.storage.buckets[request.raw_query]
        return {key: bucket.objects[key].size for key in bucket.keys}

    async def get_headers(self, request, _sent):
        bucket = self.server.storage.buckets[request.raw_query]
        return {key: bucket.objects[key].headers for key in bucket.keys}

    # --- What can be changed ----------------------------------------------------------------------

    async def get_faults(self, _request, _sent):
        return [{**rule.fields, "fired": rule.fired} for rule in self.server.plan.rules]

    async def post_faults(self, _request, sent):
        for fields in sent if isinstance(sent, list) else [sent]:
            self.server.plan.add(fields)
        return {}

    async def delete_faults(self, _request, _sent):
        self.server.plan.rules.clear()
        return {}

    async def post_release(self, _request, _sent):
        return self.server.release()

    async def post_keys(self, _request, sent):
        expires_s = None
        if "expires_in_s" in sent:
            expires_s = time.time() + sent["expires_in_s"]
        self.server.keys[sent["access_key"]] = sigv4.Key(sent["secret_key"], sent.get("token"),
                                                         expires_s)
        return {}

    async def post_settings(self, _request, sent):
        server = self.server
        unknown = set(sent) - {"seed", "away", "requests_per_s", "clock_offset_s", "read_only",
                               "keys_live_s", "required_encryption"}
        if unknown or sent.get("away") not in AWAY:
            raise ValueError("no such setting: %s" % (unknown or sent["away"]))
        if "seed" in sent:
            server.plan.dice = random.Random(sent["seed"])
        if "requests_per_s" in sent:
            server.limit.per_s = server.limit.left = sent["requests_per_s"]
            server.limit.at_s = time.monotonic()
        server.clock_offset_s = sent.get("clock_offset_s", server.clock_offset_s)
        server.read_only = sent.get("read_only", server.read_only)
        server.services.keys_live_s = sent.get("keys_live_s", server.services.keys_live_s)
        server.operations.required_encryption = sent.get("required_encryption",
                                                         server.operations.required_encryption)
        if "away" in sent:
            await self.go(sent["away"])
        return {}

    async def go(self, away):
        """Lets the store go away, or come back."""
        server = self.server
        if away == "refuse" and server.away != "refuse":
            await self.listener.close()
        if away in ("refuse", "reset"):
            server.drop_connections()
        if away != "refuse" and server.away == "refuse":
            await self.listener.open()
        server.away = away
