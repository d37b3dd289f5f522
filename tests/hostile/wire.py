# SPDX-License-Identifier: Apache-2.0
"""Just enough of Kafka's protocol to be a good client or a bad one, without any library."""
import socket
import struct
import time

PRODUCE, FETCH, METADATA, API_VERSIONS = 0, 1, 3, 18
API_KEYS = range(0, 80)
VERSIONS = range(0, 18)


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = crc32c_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def request(key, version, body, correlation=1):
    """A request with the header of the inflexible versions."""
    return frame(struct.pack(">hhi", key, version, correlation) + text("hostile") + body)


def varint(value):
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def batch(value):
    """One record batch of one record."""
    record = b"\0" + varint(0) + varint(0) + varint(-1) + varint(len(value)) + value + varint(0)
    record = varint(len(record)) + record
    checked = struct.pack(">hiqqqhii", 0, 0, 1700000000000, 1700000000000, -1, -1, -1, 1) + record
    return struct.pack(">qiibI", 0, 9 + len(checked), 0, 2, crc32c(checked)) + checked


def metadata(topic):
    return request(METADATA, 1, struct.pack(">i", 1) + text(topic))


def produce(topic, records, acks=-1):
    body = struct.pack(">hhii", -1, acks, 30000, 1) + text(topic)
    body += struct.pack(">iii", 1, 0, len(records)) + records
    return request(PRODUCE, 3, body)


def fetch(topic, offset=0, size=1 << 20, wait_ms=0):
    body = struct.pack(">iiiib", -1, wait_ms, 1, size, 0) + struct.pack(">i", 1) + text(topic)
    return request(FETCH, 4, body + struct.pack(">iiqi", 1, 0, offset, size))


def api_versions(version=0):
    return request(API_VERSIONS, version, b"")


class Connection:
    """A blocking connection of a good client."""

    def __init__(self, address, limit_s=60):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=limit_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise ConnectionError("closed after %d of %d bytes" % (len(data), size))
            data += piece
        return data

    def answer(self):
        return self.receive(struct.unpack(">i", self.receive(4))[0])

    def ask(self, data):
        self.socket.sendall(data)
        return self.answer()

    def close(self):
        self.socket.close()


def make_topic(connection, topic):
    """Metadata makes it; it may take a moment until it can be written to."""
    deadline = time.monotonic() + 30
    connection.ask(metadata(topic))
    while produced_error(connection.ask(produce(topic, batch(b"first")))) != 0:
        assert time.monotonic() < deadline, "the topic doesn't come to be"


def produced(answer):
    """(error code, offset) of the one partition in an answer to `produce`."""
    name_size = struct.unpack_from(">h", answer, 8)[0]
    return struct.unpack_from(">hq", answer, 8 + 2 + name_size + 4 + 4)


def produced_error(answer):
    return produced(answer)[0]
