# SPDX-License-Identifier: Apache-2.0
"""The batches of a partition as the broker keeps them: fetched over a plain socket, and only their
61-byte headers read. So a test sees whether records arrived compressed, which no client tells."""
import socket
import struct
from collections import namedtuple

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
FETCH = 1
FETCH_VERSION = 4
FETCH_BYTES_MAX = 8 << 20
# base offset, length, leader epoch, magic, CRC, attributes, last offset delta, base and maximum
# timestamp, producer id and epoch, base sequence, records
HEADER = struct.Struct(">qiibIhiqqqhii")

Batch = namedtuple("Batch", "base_offset last_offset codec producer_id base_sequence count bytes")


def batches(address, topic, partition=0):
    """Every batch of a partition, in order."""
    found, offset = [], 0
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        while True:
            end, records = fetch(connection, topic, partition, offset)
            found += list(headers(records))
            offset = found[-1].last_offset + 1 if found else end
            if offset >= end:
                return found


def fetch(connection, topic, partition, offset):
    """(high watermark, records) of one Fetch."""
    body = struct.pack(">iiiib", -1, 1000, 1, FETCH_BYTES_MAX, 0)
    body += struct.pack(">i", 1) + string(topic)
    body += struct.pack(">iiqi", 1, partition, offset, FETCH_BYTES_MAX)
    request = struct.pack(">hhi", FETCH, FETCH_VERSION, 1) + string("wire") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    answer = receive(connection, *struct.unpack(">i", receive(connection, 4)))
    at = 4 + 4 + 4 + 2 + len(topic.encode()) + 4  # correlation id, throttle time, topics, name
    _, error, end, _, aborted, size = struct.unpack_from(">ihqqii", answer, at)
    assert error == 0 and aborted <= 0, (topic, error, aborted)
    return end, answer[len(answer) - size:]


def headers(records):
    """The batches in records, without a last one that is cut off."""
    at = 0
    while at + HEADER.size <= len(records):
        (base, length, _, magic, _, attributes, delta, _, _, producer_id, _, sequence,
         count) = HEADER.unpack_from(records, at)
        assert magic == 2, magic
        if at + 12 + length > len(records):
            return
        yield Batch(base, base + delta, CODECS[attributes & 7], producer_id, sequence, count,
                    12 + length)
        at += 12 + length


def string(text):
    return struct.pack(">h", len(text.encode())) + text.encode()


def receive(connection, size):
    got = b""
    while len(got) < size:
        part = connection.recv(size - len(got))
        assert part, "the broker closed the connection"
        got += part
    return got
