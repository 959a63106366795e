"""How everything is timed: systems in turn, round by round, and ratios of the same round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.utils.benchmark import Timer

# Runs a system once or more and returns the seconds of one run.
Measure = Callable[[], float]


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' ratios, their quartiles, and the number of rounds; 1 where something was counted."""

    median: float
    low: float
    high: float
    rounds: int


def timed(function: Callable[[], object]) -> Measure:
    """Returns what times a function by torch's `Timer`, which warms up and waits for a GPU."""
    timer = Timer("run()", globals={"run": function}, num_threads=torch.get_num_threads())
    return lambda: timer.blocked_autorange().median


def interleave(systems: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Measures systems in turn, every second round in the opposite order.

    Whatever slows the machine down for a while then affects all of them, and none is always the first.

    Returns:
        The seconds of each system, one value a round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(rounds):
        names = list(systems)
        for name in names if number % 2 == 0 else reversed(names):
            seconds[name].append(systems[name]())
    return seconds


def compare(systems: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Times functions of this process in turn; see `interleave`."""
    return interleave({name: timed(function) for name, function in systems.items()}, rounds)


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Returns the median and the quartiles of the rounds' ratios.

    Raises:
        ValueError: There is not one value of each for each round, or there are no rounds.
    """
    ratios = [above / below for above, below in zip(numerators, denominators, strict=True)]
    if len(ratios) == 1:
        return Ratio(ratios[0], ratios[0], ratios[0], 1)
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high, len(ratios))
