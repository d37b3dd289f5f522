# SPDX-License-Identifier: Apache-2.0
"""What hostile and unlucky clients do. Each attack takes an Attacker, which keeps the sockets, and
returns nothing: whether the broker stands it is for the driver to see.

Usage: attacks.py ADDRESS ATTACK CONNECTIONS     (until a line is read from the standard input)
"""
import random
import select
import socket
import struct
import sys
import time

import wire

TOPIC = "attacked"


class Attacker:
    """Connections that don't care whether they live."""

    def __init__(self, address, count, frame_bytes_max):
        host, port = address.rsplit(":", 1)
        self.target = (host, int(port))
        self.count = count
        self.frame_bytes_max = frame_bytes_max
        self.random = random.Random(1)
        self.sockets = []

    def connect(self):
        made = socket.create_connection(self.target, timeout=60)
        self.sockets.append(made)
        return made

    def say(self, data, connection=None):
        """Sends what the socket takes, and bears being hung up on."""
        connection = connection or self.connect()
        try:
            connection.settimeout(0)
            connection.sendall(data)
        except (BlockingIOError, ConnectionError):
            pass
        return connection

    def all_say(self, data):
        for _ in range(self.count):
            self.say(data)

    def reset(self, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        self.sockets.remove(connection)

    def close(self):
        for connection in self.sockets:
            connection.close()
        self.sockets = []


# --- Lengths --------------------------------------------------------------------------------------

def announce_2_gib(attacker):
    attacker.all_say(struct.pack(">i", 0x7fffffff))


def announce_odd_lengths(attacker):
    lengths = (-1, -0x80000000, 0, 1, 7, attacker.frame_bytes_max + 1, 0x7ffffffe)
    for i in range(attacker.count):
        attacker.say(struct.pack(">i", lengths[i % len(lengths)]) + bytes(i % 100))


def announce_the_limit_and_stop(attacker):
    for i in range(attacker.count):
        attacker.say(struct.pack(">i", attacker.frame_bytes_max) + bytes((0, 4, 70000)[i % 3]))


def never_finish_a_frame_of_a_megabyte(attacker):
    attacker.all_say(struct.pack(">i", 1 << 20) + bytes(66000))


def never_finish_a_frame_of_64_kib(attacker):
    attacker.all_say(struct.pack(">i", 1 << 16) + bytes(60000))


def send_one_byte_a_second(attacker):
    connections = [attacker.connect() for _ in range(attacker.count)]
    for byte in wire.api_versions()[:4]:
        begun = time.monotonic()
        for connection in connections:
            attacker.say(bytes((byte,)), connection)
        time.sleep(max(0, 1 - (time.monotonic() - begun)))  # the attack, not a wait


# --- Bytes ----------------------------------------------------------------------------------------

def send_random_bytes(attacker):
    for i in range(attacker.count):
        noise = attacker.random.randbytes(attacker.random.randrange(3000))
        attacker.say(wire.frame(noise) if i % 2 else noise)


def send_garbage_bodies(attacker):
    for i in range(attacker.count):
        key, version = attacker.random.choice(wire.API_KEYS), attacker.random.choice(wire.VERSIONS)
        attacker.say(wire.request(key, version, attacker.random.randbytes(i % 300)))


def send_truncated_bodies(attacker):
    """Every API and version with bodies that end too early: of nulls, of empty, of huge lengths."""
    for key in wire.API_KEYS:
        for version in wire.VERSIONS:
            byte = (b"\0", b"\xff", b"\x7f", b"\1")[(key + version) % 4]
            attacker.say(wire.request(key, version, byte * ((key * 7 + version) % 23)))
        attacker.close()


def announce_huge_arrays(attacker):
    bodies = (
        (wire.METADATA, 1, struct.pack(">i", 0x7fffffff) + b"\0\1a" * 100),
        (wire.METADATA, 12, b"\0\xff\xff\xff\xff\x07" * 20),
        (wire.FETCH, 4, struct.pack(">iiiibi", -1, 0, 1, 1, 0, 0x7fffffff) + bytes(500)),
        (wire.PRODUCE, 3, struct.pack(">hhii", -1, -1, 1, 0x7fffffff) + bytes(500)),
        (wire.METADATA, 1, struct.pack(">i", 90000) + b"\0\1a" * 90000),
    )
    for i in range(attacker.count):
        key, version, body = bodies[i % (5 if i < 100 else 4)]
        attacker.say(wire.request(key, version, body))


def speak_tls_and_http(attacker):
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)
    for i in range(attacker.count):
        attacker.say((hello, b"GET /metrics HTTP/1.1\r\n\r\n", b"PROXY TCP4 1.1.1.1 2.2.2.2\r\n",
                      b"SSH-2.0-OpenSSH\r\n")[i % 4])


def ask_for_unknown_versions(attacker):
    for i in range(attacker.count):
        answer = attacker.connect()
        attacker.say(wire.request(wire.API_VERSIONS, 99 + i, b"\0"), answer)
        answer.settimeout(60)
        size = struct.unpack(">i", answer.recv(4, socket.MSG_WAITALL))[0]
        code = struct.unpack(">ih", answer.recv(size, socket.MSG_WAITALL)[:6])[1]
        assert code == 35, code


# --- Rhythm ---------------------------------------------------------------------------------------

def never_read_answers(attacker):
    """Much is asked for, and then nobody takes it."""
    asked = wire.fetch(TOPIC, size=50 << 20) * 3
    for i in range(attacker.count):
        connection = attacker.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        attacker.say(asked if i % 2 else wire.api_versions() * 10000, connection)


def storm_of_connects(attacker):
    for _ in range(2 * attacker.count):
        connection = attacker.connect()
        if attacker.random.randrange(2):
            attacker.reset(connection)
        else:
            connection.close()
            attacker.sockets.remove(connection)


def half_close(attacker):
    for i in range(attacker.count):
        connection = attacker.say(wire.api_versions()[:(i % 40)])
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def reset_amid_a_produce(attacker):
    data = wire.produce(TOPIC, wire.batch(bytes(5000)))
    for i in range(attacker.count):
        attacker.reset(attacker.say(data[:1 + i * 97 % len(data)]))


def pipeline_10_000_requests(attacker):
    """A greedy client, but a correct one: every request has its answer."""
    connection = wire.Connection("%s:%d" % attacker.target)
    sent, taken, wanted = 0, 0, 10000
    one = wire.api_versions()
    while taken < wanted:
        more = min(200, wanted - sent)
        connection.socket.sendall(one * more)
        sent += more
        while taken < sent - (200 if sent < wanted else 0):
            connection.answer()
            taken += 1
    connection.close()


def wait_for_records_that_never_come(attacker):
    attacker.all_say(wire.fetch(TOPIC, offset=1 << 40, wait_ms=2000000000) +
                     wire.fetch("no such topic", wait_ms=2000000000))


def say_hello_and_stay(attacker):
    """No attack at all, but many do it."""
    for _ in range(attacker.count):
        connection = attacker.say(wire.api_versions())
        connection.settimeout(60)
        connection.recv(1 << 16)


# --- All at once ----------------------------------------------------------------------------------

def attack_in_four_ways(attacker):
    """A quarter each announces 2 GiB, says nothing, will say a byte a second, says nonsense."""
    for i in range(attacker.count):
        connection = attacker.connect()
        if i % 4 == 0:
            attacker.say(struct.pack(">i", 0x7fffffff), connection)
        if i % 4 == 3:
            attacker.say(attacker.random.randbytes(100), connection)


def go_on_in_four_ways(attacker, is_over):
    """One byte a second from some; those who were closed come back, a few at a time."""
    slow = attacker.sockets[2::4]
    for byte in 1000 * wire.request(wire.PRODUCE, 3, bytes(1000)):
        begun = time.monotonic()
        for connection in slow:
            attacker.say(bytes((byte,)), connection)
        for i in range(attacker.count // 20):
            attacker.say((struct.pack(">i", 0x7fffffff), attacker.random.randbytes(100))[i % 2])
        if is_over(max(0, 1 - (time.monotonic() - begun))):
            return


ATTACKS = (
    attack_in_four_ways, announce_2_gib, announce_odd_lengths, announce_the_limit_and_stop,
    never_finish_a_frame_of_a_megabyte, never_finish_a_frame_of_64_kib, send_one_byte_a_second,
    send_random_bytes, send_garbage_bodies, send_truncated_bodies, announce_huge_arrays,
    speak_tls_and_http, ask_for_unknown_versions, never_read_answers, storm_of_connects,
    say_hello_and_stay, half_close, reset_amid_a_produce, pipeline_10_000_requests,
    wait_for_records_that_never_come)


def main():
    named = {attack.__name__: attack for attack in ATTACKS}
    attacker = Attacker(sys.argv[1], int(sys.argv[3]), 100 << 20)
    named[sys.argv[2]](attacker)
    print("attacking", flush=True)
    if sys.argv[2] == "attack_in_four_ways":
        go_on_in_four_ways(attacker, lambda wait_s: select.select([sys.stdin], [], [], wait_s)[0])
    sys.stdin.readline()


if __name__ == "__main__":
    main()
