# SPDX-License-Identifier: Apache-2.0
"""examples/decode shows what clients and brokers say, and what it can't read by name. Prints TAP.

Usage: decode_test.py DECODE DATA
"""
import os
import struct
import subprocess
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import report  # noqa: E402


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def request(key, version, body, correlation=7, client=b"somebody", tags=b""):
    header = struct.pack(">hhih", key, version, correlation, len(client)) + client + tags
    return frame(header + body)


def hex_file(data, name):
    with open(os.path.join(data, "record", name + ".hex"), encoding="utf-8") as file:
        lines = [line.strip() for line in file if not line.startswith("#")]
    return bytes.fromhex("".join(lines))


def text(value):
    return struct.pack(">h", len(value)) + value


def produce(batch):
    """Version 3: no transaction, acks -1, 30 s, topic "greetings", partition 2."""
    return request(0, 3, b"\xff\xff" + struct.pack(">hii", -1, 30000, 1) + text(b"greetings")
                   + struct.pack(">iii", 1, 2, len(batch)) + batch)


def metadata_response():
    """Version 1: no brokers, controller 5, one topic that doesn't exist."""
    return frame(struct.pack(">iii", 9, 0, 5) + struct.pack(">ih", 1, 3) + text(b"absent")
                 + b"\x00" + struct.pack(">i", 0))


def vectors(data):
    """Of each message of Kafka's own code: key, version, direction, body."""
    path = os.path.join(data, "kafka-vectors", "vectors.txt")
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                key, version, direction, *body = line.split()
                yield int(key), int(version), direction, bytes.fromhex("".join(body))


class Decoder:
    """The example, and what the tests feed it."""

    def __init__(self, program, data):
        self.program, self.data = program, data

    def run(self, stdin, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], input=stdin,
                              capture_output=True, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def shows_records(self):
        code, said, why = self.run(produce(hex_file(self.data, "librdkafka-zstd")))
        assert code == 0, why
        for line in ("request 7: produce v3 from 'somebody'", "name: greetings", "index: 2",
                     "codec: zstd", "key: k1", "acks: -1"):
            assert line in said, (line, said)

    def shows_responses(self):
        code, said, why = self.run(metadata_response() * 2, 3, 1)
        assert code == 0, why
        assert said.count("response 9: metadata v1") == 2, said
        assert "error_code: 3" in said and "name: absent" in said, said

    def says_what_is_wrong(self):
        whole = produce(hex_file(self.data, "librdkafka-none"))
        for stdin, expected in (
                (whole[:-1], "are not a frame of the length that it states"),
                (whole[:3], "the length of the frame is not there yet"),
                (frame(whole[4:-1]), "produce_request v3, field"),
                (struct.pack(">i", -5), "a frame of -5 bytes"),
                (struct.pack(">i", 2**30), "where 16777216 are allowed"),
                (request(999, 0, b""), "there is no API with the key 999"),
                (request(0, 99, b"", tags=b"\x00"), "produce_request has no version 99"),
                (frame(b"\x00"), "broken request header")):
            code, _, why = self.run(stdin)
            assert code == 1 and expected in why, (expected, code, why)

    def shows_a_damaged_batch(self):
        batch = bytearray(hex_file(self.data, "librdkafka-none"))
        batch[-1] ^= 1
        code, said, why = self.run(produce(bytes(batch)))
        assert code == 0 and "the checksum is wrong" in said, (said, why)

    def shows_every_response_of_kafka(self):
        by_message = {}
        for key, version, direction, body in vectors(self.data):
            if direction == "response":
                by_message.setdefault((key, version), []).append(body)
        assert len(by_message) > 200, len(by_message)
        flexible = set(map(tuple, self.flexible()))
        for (key, version), bodies in by_message.items():
            tags = b"\x00" if (key, version) in flexible else b""
            stdin = b"".join(frame(struct.pack(">i", 1) + tags + body) for body in bodies)
            code, said, why = self.run(stdin, key, version)
            assert code == 0, (key, version, why)
            assert said.count("response 1: ") == len(bodies), said

    def flexible(self):
        """(key, version) of responses whose header has tags: by the schemas, ApiVersions never."""
        root = os.path.join(self.data, "..", "..", "proto", "kafka")
        for name in os.listdir(root):
            with open(os.path.join(root, name), encoding="utf-8") as file:
                words = next(line for line in file if line.startswith("api ")).split()
            key, (first, last), start = int(words[1]), words[4].split("-"), words[6]
            if start != "none" and key != 18:
                yield from ((key, v) for v in range(int(first), int(last) + 1)
                            if v >= int(start[:-1]))


def main(program, data):
    decoder = Decoder(program, data)
    checks = (("records of a request are opened", decoder.shows_records),
              ("responses are shown one after the other", decoder.shows_responses),
              ("what can't be read is named", decoder.says_what_is_wrong),
              ("a damaged batch is shown as such", decoder.shows_a_damaged_batch),
              ("every response of Kafka in every version is shown",
               decoder.shows_every_response_of_kafka))
    return report(checks)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
