# SPDX-License-Identifier: Apache-2.0
"""The checksums that a PUT may carry. CRC-32C comes from libisal where that is installed, since a
table in Python is a thousand times slower.
"""
import base64
import ctypes
import hashlib
import zlib

from errors import S3Error


def make_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = make_table()


def crc32c_by_table(data):
    crc = 0xffffffff
    for byte in bytes(data):
        crc = TABLE[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff


def load_isal():
    try:
        function = ctypes.CDLL("libisal.so.2").crc32_iscsi
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_uint
    function.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint)
    return function


ISAL = load_isal()


def crc32c(data):
    if ISAL is None or len(data) < 64:
        return crc32c_by_table(data)
    if isinstance(data, bytearray):
        place = (ctypes.c_char * len(data)).from_buffer(data)
        return ISAL(ctypes.addressof(place), len(data), 0xffffffff) ^ 0xffffffff
    data = bytes(data)
    return ISAL(ctypes.cast(data, ctypes.c_void_p), len(data), 0xffffffff) ^ 0xffffffff


def text_of(data):
    return base64.b64encode(data).decode()


CHECKSUMS = {
    "x-amz-checksum-crc32c": lambda body: crc32c(body).to_bytes(4, "big"),
    "x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "x-amz-checksum-sha1": lambda body: hashlib.sha1(body).digest(),
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
    "content-md5": lambda body: hashlib.md5(body).digest(),
}


def check(request, is_skipped=False):
    """The x-amz-checksum-* headers of a request; S3Error when a checksum is not the body's."""
    found = {name: request.headers[name] for name in CHECKSUMS if name in request.headers}
    for name, value in found.items():
        if not is_skipped and text_of(CHECKSUMS[name](request.body)) != value:
            raise S3Error(400, "BadDigest", "%s is not the one of the body" % name)
    return {name: value for name, value in found.items() if name != "content-md5"}
