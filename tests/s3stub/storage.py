# SPDX-License-Identifier: Apache-2.0
"""Buckets and objects, in memory or in files of a folder. What is stored here happens at once and
whole: nothing waits between a condition and its effect.
"""
import bisect
import itertools
import os

from errors import S3Error


class Object:
    """The bytes of an object, immutable once stored."""

    def __init__(self, key, body, etag, headers, time_s):
        self.key = key
        self.size = len(body)
        self.etag = etag
        self.headers = headers
        self.time_s = time_s
        self.memory = body
        self.path = None

    def body(self, start=0, end=None):
        """A view of a range of the bytes."""
        end = self.size if end is None else end
        if self.path is None:
            return memoryview(self.memory)[start:end]
        with open(self.path, "rb") as file:
            return memoryview(os.pread(file.fileno(), end - start, start))


class Bucket:
    def __init__(self, name, region):
        self.name = name
        self.region = region
        self.objects = {}
        self.keys = []
        self.lifecycle = None

    def next_keys(self, prefix, after):
        """The keys with this prefix that come after that one, ascending."""
        start = bisect.bisect_right(self.keys, after) if after else 0
        start = max(start, bisect.bisect_left(self.keys, prefix))
        for key in itertools.islice(self.keys, start, None):
            if not key.startswith(prefix):
                return
            yield key


class Storage:
    """All buckets. `bytes_max` bounds what their objects hold together, in memory or files."""

    def __init__(self, folder=None, bytes_max=4 << 30):
        self.folder = folder
        self.bytes_max = bytes_max
        self.bytes = 0
        self.numbers = itertools.count(1)
        self.buckets = {}
        if folder:
            os.makedirs(folder, exist_ok=True)

    def bucket(self, name):
        if name not in self.buckets:
            raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist",
                          BucketName=name)
        return self.buckets[name]

    def create_bucket(self, name, region):
        if name in self.buckets:
            raise S3Error(409, "BucketAlreadyOwnedByYou", "The bucket exists and is yours.",
                          BucketName=name)
        self.buckets[name] = Bucket(name, region)

    def delete_bucket(self, name):
        if self.bucket(name).objects:
            raise S3Error(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
        del self.buckets[name]

    def put(self, bucket, key, body, headers, now_s):
        before = bucket.objects.get(key)
        more = len(body) - (before.size if before else 0)
        if self.bytes + more > self.bytes_max:
            raise S3Error(503, "ServiceUnavailable", "the stub's memory limit is reached")
        number = next(self.numbers)
        stored = Object(key, body, '"%032x"' % number, headers, now_s)
        if self.folder:
            stored.path = os.path.join(self.folder, "%d" % number)
            stored.memory = None
            with open(stored.path, "wb") as file:
                file.write(body)
        if before is None:
            bisect.insort(bucket.keys, key)
        else:
            self.forget(before)
        bucket.objects[key] = stored
        self.bytes += stored.size
        return stored

    def forget(self, stored):
        self.bytes -= stored.size
        if stored.path:
            os.unlink(stored.path)

    def delete(self, bucket, key):
        stored = bucket.objects.pop(key, None)
        if stored is not None:
            del bucket.keys[bisect.bisect_left(bucket.keys, key)]
            self.forget(stored)
