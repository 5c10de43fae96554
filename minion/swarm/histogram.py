"""Percentiles of any number of values in bounded memory: counts in buckets that grow by a twelfth.

What is read back is at most 4 % off. Histograms of several processes are added up.
"""

import math
from collections.abc import Iterable
from typing import Final

import msgspec

SMALLEST_S: Final = 10e-6
"""All that is shorter counts as this."""
BUCKETS_MAX: Final = 256
"""The last bucket begins at about 2 hours."""
GROWTH: Final = 1 + 1 / 12
_LOG_GROWTH: Final = math.log(GROWTH)


class Histogram(msgspec.Struct):
    """How often which duration was seen. Durations are seconds."""

    counts: dict[int, int] = {}
    """Bucket to number; buckets without a value are left out."""
    total: int = 0
    largest_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        bucket = bucket_of(seconds)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.total += 1
        self.largest_s = max(self.largest_s, seconds)

    def percentile_s(self, percent: float) -> float:
        """Give the duration that so many percent of all values do not exceed; 0 without values."""
        wanted = math.ceil(self.total * percent / 100)
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return min(middle_of(bucket), self.largest_s)
        return 0.0

    def since(self, earlier: "Histogram") -> "Histogram":
        """Give what was counted after an earlier copy of this histogram was made.

        The largest value is that of the whole time: the exact one of a part is not known.
        """
        counts = {
            bucket: more
            for bucket, count in self.counts.items()
            if (more := count - earlier.counts.get(bucket, 0)) > 0
        }
        return Histogram(counts, sum(counts.values()), self.largest_s)


def bucket_of(seconds: float) -> int:
    """Give the bucket of a duration; those of no length and of hours without end have one too."""
    if seconds <= SMALLEST_S:
        return 0
    return int(min(BUCKETS_MAX - 1.0, math.log(seconds / SMALLEST_S) / _LOG_GROWTH))


def middle_of(bucket: int) -> float:
    """Give the duration in the middle of a bucket."""
    return SMALLEST_S * math.exp((bucket + 0.5) * _LOG_GROWTH)


def added_up(histograms: Iterable[Histogram]) -> Histogram:
    """Give all of them as one."""
    whole = Histogram({})
    for each in histograms:
        for bucket, count in each.counts.items():
            whole.counts[bucket] = whole.counts.get(bucket, 0) + count
        whole.total += each.total
        whole.largest_s = max(whole.largest_s, each.largest_s)
    return whole
