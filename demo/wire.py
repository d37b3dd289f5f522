# SPDX-License-Identifier: Apache-2.0
"""The Kafka protocol as the demo needs it: one connection, a dozen requests, record batches.

Only versions without compact encodings are used, which every broker since Kafka 1.0 has. Nothing
here comes from the library: the demo is a client as any other.
"""
import asyncio
import ctypes
import ctypes.util
import struct

FRAME_BYTES_MAX = 64 << 20
CONNECT_S = 5
ANSWER_S = 30

PRODUCE, FETCH, LIST_OFFSETS, METADATA = (0, 3), (1, 4), (2, 1), (3, 1)
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = (8, 2), (9, 2), (10, 0)
JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = (11, 2), (12, 1), (13, 1), (14, 1)
DESCRIBE_GROUPS, LIST_GROUPS, CREATE_TOPICS, INIT_PRODUCER_ID = (15, 0), (16, 0), (19, 2), (22, 0)

OFFSET_OUT_OF_RANGE, REBALANCE_IN_PROGRESS, MEMBER_ID_REQUIRED = 1, 27, 79
ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, TOPIC_ALREADY_EXISTS = 22, 25, 36
DUPLICATE_SEQUENCE_NUMBER = 46


class BrokerError(Exception):
    """A broker's answer with an error code in it."""

    def __init__(self, what, code):
        super().__init__("%s: error code %d" % (what, code))
        self.code = code


def check(what, code):
    if code:
        raise BrokerError(what, code)


# --- Writing ------------------------------------------------------------------------------------

def int8(value):
    return struct.pack(">b", value)


def int16(value):
    return struct.pack(">h", value)


def int32(value):
    return struct.pack(">i", value)


def int64(value):
    return struct.pack(">q", value)


def string(value):
    if value is None:
        return int16(-1)
    encoded = value.encode()
    return int16(len(encoded)) + encoded


def octets(value):
    return int32(-1) if value is None else int32(len(value)) + value


def array(items, write):
    return int32(-1) if items is None else int32(len(items)) + b"".join(map(write, items))


def by_topic(rows, write):
    """[topic [row]] of {topic: [row]}."""
    return array(sorted(rows.items()), lambda item: string(item[0]) + array(item[1], write))


# --- Reading ------------------------------------------------------------------------------------

class Reader:
    """Reads an answer from its beginning to its end; what doesn't fit raises struct.error."""

    def __init__(self, data):
        self.data = memoryview(data)
        self.at = 0

    def take(self, form, size):
        value = struct.unpack_from(form, self.data, self.at)[0]
        self.at += size
        return value

    def int16(self):
        return self.take(">h", 2)

    def int32(self):
        return self.take(">i", 4)

    def int64(self):
        return self.take(">q", 8)

    def slice(self, size):
        if size < 0:
            return None
        if self.at + size > len(self.data):
            raise struct.error("an answer ends too early")
        self.at += size
        return self.data[self.at - size:self.at]

    def string(self):
        found = self.slice(self.int16())
        return None if found is None else bytes(found).decode(errors="replace")

    def octets(self):
        return self.slice(self.int32())

    def array(self, read):
        return [read() for _ in range(self.int32())]

    def by_topic(self, read):
        """[(topic, row)] of [topic [row]]."""
        rows = []
        for _ in range(self.int32()):
            topic = self.string()
            rows += [(topic, row) for row in self.array(read)]
        return rows


# --- Connections --------------------------------------------------------------------------------

class Connection:
    """Requests go out as they come, answers come in their order; whoever asked awaits his own."""

    def __init__(self, address, client_id):
        self.address = address
        self.client_id = client_id
        self.waiting = []
        self.correlation = 0
        self.writer = None
        self.task = None

    async def open(self):
        reader, self.writer = await asyncio.wait_for(
            asyncio.open_connection(*self.address), CONNECT_S)
        self.task = asyncio.get_running_loop().create_task(self.receive(reader))
        return self

    async def receive(self, reader):
        try:
            while True:
                size = struct.unpack(">i", await reader.readexactly(4))[0]
                if not 4 <= size <= FRAME_BYTES_MAX or not self.waiting:
                    raise ConnectionError("an answer that nobody asked for")
                data = await reader.readexactly(size)
                answer = self.waiting.pop(0)
                if not answer.done():
                    answer.set_result(Reader(data[4:]))
        except (OSError, asyncio.IncompleteReadError):
            self.fail(ConnectionError("the broker closed the connection"))
        finally:
            self.fail(ConnectionError("the connection is closed"))
            self.writer.close()

    def fail(self, error):
        for answer in self.waiting:
            if not answer.done():
                answer.set_exception(error)
        self.waiting.clear()

    async def call(self, api, body, wait_s=ANSWER_S):
        if self.task is None or self.task.done():
            raise ConnectionError("the connection is closed")
        key, version = api
        self.correlation += 1
        frame = struct.pack(">hhi", key, version, self.correlation) + string(self.client_id) + body
        answer = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        self.writer.write(int32(len(frame)) + frame)
        return await asyncio.wait_for(answer, wait_s)

    def close(self):
        if self.task is not None:
            self.task.cancel()


# --- Record batches -----------------------------------------------------------------------------

def crc_of_isal():
    """CRC-32C by libisal, which the library links too."""
    name = ctypes.util.find_library("isal") or "libisal.so.2"
    function = ctypes.CDLL(name).crc32_iscsi
    function.restype = ctypes.c_uint
    function.argtypes = (ctypes.c_char_p, ctypes.c_int, ctypes.c_uint)
    return lambda data: ~function(data, len(data), 0xffffffff) & 0xffffffff


def crc_of_python():
    """The same without it, a thousand times slower."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)

    def crc(data):
        value = 0xffffffff
        for byte in data:
            value = table[(value ^ byte) & 0xff] ^ (value >> 8)
        return value ^ 0xffffffff
    return crc


try:
    crc32c = crc_of_isal()
except (OSError, AttributeError):
    crc32c = crc_of_python()


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at


def batch_of(values, now_ms, producer_id, epoch, sequence):
    """A batch of records without keys."""
    records = []
    for i, value in enumerate(values):
        body = b"\0\0" + varint(i) + b"\1" + varint(len(value)) + value + b"\0"
        records.append(varint(len(body)) + body)
    counted = struct.pack(">hiqqqhii", 0, len(values) - 1, now_ms, now_ms, producer_id, epoch,
                          sequence, len(values)) + b"".join(records)
    return struct.pack(">qiibI", 0, 9 + len(counted), -1, 2, crc32c(counted)) + counted


BATCH_HEADER_BYTES = 61


def batches_in(data):
    """(base offset, records, batch) of each whole batch; a fetch may cut the last one."""
    at = 0
    while at + BATCH_HEADER_BYTES <= len(data):
        base, size = struct.unpack_from(">qi", data, at)
        if at + 12 + size > len(data):
            return
        last_delta = struct.unpack_from(">i", data, at + 23)[0]
        yield base, last_delta + 1, data[at:at + 12 + size]
        at += 12 + size


def first_value(batch):
    """The value of the first record of a batch that is not compressed; None if there is none."""
    if struct.unpack_from(">h", batch, 21)[0] & 7:
        return None
    _, at = read_varint(batch, BATCH_HEADER_BYTES)
    at += 1
    for _ in range(2):
        _, at = read_varint(batch, at)
    key, at = read_varint(batch, at)
    size, at = read_varint(batch, at + max(key, 0))
    return bytes(batch[at:at + size]) if size >= 0 else None
