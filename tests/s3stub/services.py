# SPDX-License-Identifier: Apache-2.0
"""What hands out keys beside S3, as AWS has it: the token service for web identities, the metadata
of an instance (version 2 alone) and the credentials of a container. Each answer has fresh keys with
a token, which the store knows and which end after `keys_live_s`.

    POST /                                                  AssumeRoleWithWebIdentity
    PUT  /latest/api/token                                  the token of the instance
    GET  /latest/meta-data/iam/security-credentials/[ROLE]  its role, and the keys of that
    GET  /container                                         with the header authorization
"""
import asyncio
import itertools
import json
import secrets
import time
import urllib.parse

import http1
import sigv4

ROLE = "stub-role"
IDENTITY = "stub-identity"  # what the file with the web identity must hold
CONTAINER_TOKEN = "stub-container"


class Refused(Exception):
    """The answer is this status."""

    def __init__(self, status, text=""):
        super().__init__(text)
        self.status = status


def xml_error(code):
    return "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error>" \
        "<RequestId>stub</RequestId></ErrorResponse>" % code


class Services:
    def __init__(self, server):
        self.server = server
        self.numbers = itertools.count(1)
        self.tokens = set()
        self.keys_live_s = 3600
        self.given = {"sts": 0, "instance": 0, "container": 0}

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
                await http1.send(channel, self.answer(request))
                request = await http1.read_head(channel)
        except (OSError, http1.Closed, http1.BadRequest, asyncio.CancelledError):
            pass
        finally:
            channel.close()

    def answer(self, request):
        try:
            return http1.Response(200, (), self.find(request)(request).encode())
        except Refused as refused:
            return http1.Response(refused.status, (), str(refused).encode())

    def find(self, request):
        path = request.raw_path
        if request.method == "POST" and path == "/":
            return self.assume_role
        if request.method == "PUT" and path == "/latest/api/token":
            return self.give_token
        if request.method == "GET" and path.startswith("/latest/meta-data/iam/security-creden"):
            return self.tell_instance
        if request.method == "GET" and path == "/container":
            return self.tell_container
        raise Refused(404)

    def make_keys(self, kind):
        """(access key, secret key, token, end) that the store takes from now on."""
        self.given[kind] += 1
        expires_s = time.time() + self.keys_live_s
        keys = "STUB%04d" % next(self.numbers), secrets.token_hex(20), secrets.token_urlsafe(90)
        self.server.keys[keys[0]] = sigv4.Key(keys[1], keys[2], expires_s)
        return (*keys, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires_s)))

    def assume_role(self, request):
        form = urllib.parse.parse_qs(bytes(request.body).decode())
        if form.get("Action") != ["AssumeRoleWithWebIdentity"] or \
                form.get("Version") != ["2011-06-15"]:
            raise Refused(400, xml_error("InvalidAction"))
        if not form.get("RoleArn", [""])[0].startswith("arn:") or "RoleSessionName" not in form:
            raise Refused(400, xml_error("ValidationError"))
        if form.get("WebIdentityToken") != [IDENTITY]:
            raise Refused(400, xml_error("InvalidIdentityToken"))
        return "<AssumeRoleWithWebIdentityResponse " \
            "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId>" \
            "<SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s" \
            "</Expiration></Credentials></AssumeRoleWithWebIdentityResult>" \
            "</AssumeRoleWithWebIdentityResponse>" % self.make_keys("sts")

    def give_token(self, request):
        life = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if not life.isdigit() or not 1 <= int(life) <= 21600:
            raise Refused(400)
        token = secrets.token_urlsafe(40)
        self.tokens.add(token)
        return token

    def tell_instance(self, request):
        if request.headers.get("x-aws-ec2-metadata-token") not in self.tokens:
            raise Refused(401)
        role = request.raw_path.rpartition("/")[2]
        if role == "":
            return ROLE
        if role != ROLE:
            raise Refused(404)
        return self.as_json("instance", Code="Success", Type="AWS-HMAC")

    def tell_container(self, request):
        if request.headers.get("authorization") != CONTAINER_TOKEN:
            raise Refused(401)
        return self.as_json("container", RoleArn="arn:stub")

    def as_json(self, kind, **more):
        names = ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")
        return json.dumps({**more, **dict(zip(names, self.make_keys(kind)))})
