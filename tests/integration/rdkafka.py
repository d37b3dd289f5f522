# SPDX-License-Identifier: Apache-2.0
"""An idempotent librdkafka producer that loads a broker from a thread of its own and remembers what
was acknowledged, and the judge of what is read back afterwards.
"""
import ctypes
import threading

from daemon import kcat, wait_until

PRODUCER = 0
COPY = 2
OUTSTANDING_MAX = 500


class Message(ctypes.Structure):
    """rd_kafka_message_t."""
    _fields_ = [("err", ctypes.c_int), ("topic", ctypes.c_void_p), ("partition", ctypes.c_int32),
                ("payload", ctypes.c_void_p), ("size", ctypes.c_size_t), ("key", ctypes.c_void_p),
                ("key_size", ctypes.c_size_t), ("offset", ctypes.c_int64),
                ("private", ctypes.c_void_p)]


DELIVERED = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Message), ctypes.c_void_p)


def library():
    lib = ctypes.CDLL("librdkafka.so.1")
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_topic_new"):
        getattr(lib, name).restype = ctypes.c_void_p
    lib.rd_kafka_err2name.restype = ctypes.c_char_p
    lib.rd_kafka_last_error.restype = ctypes.c_int
    lib.rd_kafka_produce.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int,
                                     ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p,
                                     ctypes.c_size_t, ctypes.c_void_p]
    return lib


class Load:
    """Numbered records to all partitions of a topic in turn, as fast as they are acknowledged."""

    def __init__(self, addresses, topic="t", partitions=4, size=0, settings=None):
        self.lib = library()
        self.topic = topic
        self.partitions = partitions
        self.size = size
        self.sent = 0
        self.acknowledged = {}  # number -> (partition, offset or -1)
        self.refused = {}       # number -> name of the error
        self.is_stopping = threading.Event()
        self.delivered = DELIVERED(self.on_delivered)
        self.handle = self.new_producer({
            "bootstrap.servers": ",".join(addresses), "enable.idempotence": "true",
            "linger.ms": "1", "reconnect.backoff.ms": "20", "reconnect.backoff.max.ms": "100",
            "retry.backoff.ms": "20", "log_level": "0", "message.timeout.ms": "60000",
            **(settings or {})})
        self.place = ctypes.c_void_p(self.lib.rd_kafka_topic_new(self.handle, topic.encode(),
                                                                 None))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def new_producer(self, settings):
        why = ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(self.lib.rd_kafka_conf_new())
        for key, value in settings.items():
            code = self.lib.rd_kafka_conf_set(conf, key.encode(), value.encode(), why, len(why))
            assert code == 0, why.value
        self.lib.rd_kafka_conf_set_dr_msg_cb(conf, self.delivered)
        handle = self.lib.rd_kafka_new(PRODUCER, conf, why, len(why))
        assert handle, why.value
        return ctypes.c_void_p(handle)

    def on_delivered(self, _handle, message, _arg):
        report = message.contents
        number = int(ctypes.string_at(report.payload, report.size).split()[0])
        if report.err:
            self.refused[number] = self.lib.rd_kafka_err2name(report.err).decode()
        else:
            self.acknowledged[number] = (report.partition, report.offset)

    def run(self):
        while not self.is_stopping.is_set():
            while self.lib.rd_kafka_outq_len(self.handle) < OUTSTANDING_MAX:
                value = b"%d " % self.sent + b"x" * self.size
                if self.lib.rd_kafka_produce(self.place, self.sent % self.partitions, COPY, value,
                                             len(value), None, 0, None) != 0:
                    break
                self.sent += 1
            self.lib.rd_kafka_poll(self.handle, 5)

    def wait_more(self, count, limit_s=30):
        """Waits until so many more records are acknowledged than now."""
        wanted = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= wanted or self.refused,
                   "%d more acknowledgements" % count, limit_s)
        assert not self.refused, self.refused_reasons()

    def refused_reasons(self):
        return {why: list(self.refused.values()).count(why) for why in self.refused.values()}

    def stop(self, limit_s=30):
        """Sends nothing more and waits for all answers."""
        self.is_stopping.set()
        self.thread.join()
        self.lib.rd_kafka_flush(self.handle, limit_s * 1000)
        assert self.lib.rd_kafka_outq_len(self.handle) == 0, "no answer within %d s" % limit_s
        self.lib.rd_kafka_topic_destroy(self.place)
        self.lib.rd_kafka_destroy(self.handle)


def expect_all(load, address):
    """All that was acknowledged is there at its offset, once, in the order sent."""
    return judge(load, kcat(address, "-C", "-t", load.topic, "-o", "beginning", "-e", "-q",
                            "-f", "%p %o %s\n").splitlines())


def judge(load, lines):
    """Of "partition offset number" in each line; what was found, by number."""
    last = {}
    found = {}
    for line in lines:
        partition, offset, number = map(int, line.split()[:3])
        assert number not in found, "%d is there twice" % number
        found[number] = (partition, offset)
        assert number < load.sent and number % load.partitions == partition, line
        before = last.get(partition, (-1, -1))
        assert before[0] < number and before[1] + 1 == offset, (before, line)
        last[partition] = (number, offset)
    for number, (partition, offset) in load.acknowledged.items():
        assert number in found, "%d was acknowledged and is lost" % number
        assert offset in (-1, found[number][1]) and partition == found[number][0], number
    return found
