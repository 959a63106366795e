"""How everything is timed: systems in turn, round by round, and ratios of the same round."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

# Runs a system once and returns its seconds.
Measure = Callable[[], float]


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        seconds: When no further round begins, counted from the first; the least number of rounds counts more.
        least: Rounds at least.
        most: Rounds at most.
    """

    seconds: float
    least: int = 3
    most: int = 200


@dataclass(frozen=True)
class Ratio:
    """A ratio over rounds.

    Attributes:
        median: Of the rounds' ratios.
        low: Lower quartile.
        high: Upper quartile.
        rounds: How many there were; 1 where something was counted, not timed.
    """

    median: float
    low: float
    high: float
    rounds: int


def timed(
    function: Callable[[], object],
    clock: Callable[[], float] = time.perf_counter,
    wait: Callable[[], None] | None = None,
) -> Measure:
    """Returns what measures a function.

    Args:
        function: The work; what it returns is dropped.
        clock: Gives seconds.
        wait: Waits for the device; for asynchronous ones.
    """

    def measure() -> float:
        if wait is not None:
            wait()
        started = clock()
        function()
        if wait is not None:
            wait()
        return clock() - started

    return measure


def interleave(
    systems: Mapping[str, Measure],
    effort: Effort,
    *,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Measures systems in turn, every second round in the opposite order.

    What slows the machine down for a while then meets all of them, and none is always the first.

    Args:
        systems: What to measure.
        effort: How many rounds, for how long.
        warm_up: Rounds before, which do not count.
        clock: Gives seconds.

    Returns:
        The seconds of each system, a value a round.
    """
    for _ in range(warm_up):
        for measure in systems.values():
            measure()
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    started, rounds = clock(), 0
    while rounds < effort.most and (rounds < effort.least or clock() - started < effort.seconds):
        names = list(systems)
        for name in names if rounds % 2 == 0 else reversed(names):
            seconds[name].append(systems[name]())
        rounds += 1
    return seconds


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Returns the median and the quartiles of the rounds' ratios.

    Raises:
        ValueError: The two have not a value for each of the same rounds.
    """
    if not numerators:
        raise ValueError("No round was measured.")
    ratios = [above / below for above, below in zip(numerators, denominators, strict=True)]
    if len(ratios) == 1:
        return Ratio(ratios[0], ratios[0], ratios[0], 1)
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high, len(ratios))


@dataclass(frozen=True)
class Line:
    """`start + slope * x`, by least squares.

    Attributes:
        start: At x = 0.
        slope: For each x.
        error: Largest distance of a measured value from the line, as a share of the value.
    """

    start: float
    slope: float
    error: float

    def at(self, x: float) -> float:
        """Returns the value on the line."""
        return self.start + self.slope * x


def line(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """Fits a straight line to two points or more."""
    slope, start = statistics.linear_regression(xs, ys)
    error = max(abs(start + slope * x - y) / abs(y) for x, y in zip(xs, ys, strict=True))
    return Line(start, slope, error)


def exponent(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Returns p of the power law `y = c * x ** p` that fits best: 1 is linear, less is better than linear."""
    slope, _ = statistics.linear_regression([math.log(x) for x in xs], [math.log(y) for y in ys])
    return slope
