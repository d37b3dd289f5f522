# SPDX-License-Identifier: Apache-2.0
"""Times in steps of 5 %, so that any number of them is a few hundred counts; their quantiles."""
import collections
import math

STEP = math.log(1.05)
SMALLEST_S = 1e-5


class Latencies:
    def __init__(self, counts=None):
        self.counts = collections.Counter()
        self.add(counts or {})

    def note(self, seconds, times=1):
        step = math.ceil(math.log(max(seconds, SMALLEST_S) / SMALLEST_S) / STEP)
        self.counts[step] += times

    def add(self, counts):
        for step, count in counts.items():
            self.counts[int(step)] += count

    def quantile(self, share):
        """The time below which this share of them is; None without any."""
        wanted = share * sum(self.counts.values())
        for step in sorted(self.counts):
            wanted -= self.counts[step]
            if wanted <= 0:
                return SMALLEST_S * math.exp(step * STEP)
        return None


def quantile_of_buckets(buckets, share):
    """The same of a histogram of Prometheus, as [(upper bound, count up to it)]: between the
    bounds of its bucket, as promql does it."""
    if not buckets or buckets[-1][1] <= 0:
        return None
    wanted = share * buckets[-1][1]
    low, below = 0.0, 0
    for high, count in buckets:
        if count >= wanted and count > below:
            if math.isinf(high):
                return low
            return low + (high - low) * (wanted - below) / (count - below)
        low, below = high, count
    return low
