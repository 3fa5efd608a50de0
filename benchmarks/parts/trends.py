"""Whether something grows: a slope, and how much of it may be chance."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MAX_BLOCKS = 10


@dataclass(frozen=True)
class Trend:
    """How fast something grows.

    Attributes:
        slope: per unit of time.
        noise: the slope's standard error; infinite where nothing can be said.
    """

    slope: float
    noise: float


def trend(samples: Sequence[tuple[float, float]]) -> Trend:
    """The trend of a series of (time, value).

    Memory goes up and down with what happens to be connected, for seconds at a time, so that one sample says
    much about the next and the usual standard error is far too small. What leaks never goes down again. So:
    the samples are cut into up to `MAX_BLOCKS` blocks, each stands for itself by its least value, and a
    straight line is fitted to those.

    Args:
        samples: in order of time; at least 6 for anything to be said.
    """
    blocks = min(MAX_BLOCKS, len(samples) // 2)
    if blocks < 3:
        return Trend(0.0, float("inf"))
    cuts = [number * len(samples) // blocks for number in range(blocks + 1)]
    parts = [samples[start:end] for start, end in pairwise(cuts)]
    times = [statistics.median(time for time, _ in part) for part in parts]
    values = [min(value for _, value in part) for part in parts]
    slope, start = statistics.linear_regression(times, values)
    residues = [value - start - slope * time for time, value in zip(times, values, strict=True)]
    spread = sum((time - statistics.fmean(times)) ** 2 for time in times)
    variance = sum(residue**2 for residue in residues) / (blocks - 2)
    return Trend(slope, (variance / spread) ** 0.5)
