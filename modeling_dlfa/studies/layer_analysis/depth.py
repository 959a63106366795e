"""Curves over depth: which layers are best, whether a curve rises, and where the two kinds of curves cross."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...statistics.intervals import Estimates, Interval
from .resampling import tied_with_best

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["alignment", "structure", "both"]
_NEAR = 1.0  # layers


@dataclass(frozen=True)
class Curve:
    """A measure at every layer.

    Attributes:
        name: Key in the results.
        title: Name in tables and figures.
        kind: `"alignment"`: what languages share; `"structure"`: what is specific to a language; `"both"`: needs both.
        values: (K,) on all sentences.
        draws: (R, K) on the resamples; curves of the same sentences have the same resamples in the same rows.
        languages: (K,) for each language, if the measure has languages.
        chance: Accuracy of guessing, if defined.
    """

    name: str
    title: str
    kind: Kind
    values: NDArray[np.float64]
    draws: NDArray[np.float64]
    languages: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    chance: float | None = None

    def intervals(self) -> list[Interval]:
        """Returns the value and 95 % interval of every layer."""
        lowest = -1 if self.chance is None else 0
        return Estimates.of_examples(self.values, self.draws).intervals(within=(lowest, 1))

    def rise(self, comparisons: int) -> Interval:
        """Returns the mean of the upper half of the layers minus that of the lower half.

        If their number is odd, the middle layer is in neither half.

        Args:
            comparisons: Number of curves that are examined together; the interval is Bonferroni's.
        """
        half = len(self.values) // 2

        def contrast(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return values[..., -half:].mean(axis=-1, keepdims=True) - values[..., :half].mean(axis=-1, keepdims=True)

        [interval] = Estimates.of_examples(contrast(self.values), contrast(self.draws)).intervals(
            comparisons=comparisons
        )
        return interval

    def to_dict(self, comparisons: int) -> dict[str, Any]:
        """Returns what JSON can hold, without the resamples."""
        return {
            "title": self.title,
            "kind": self.kind,
            "layers": [interval.to_dict() for interval in self.intervals()],
            "best_layer": int(np.argmax(self.values)),
            "tied_with_best": tied_with_best(self.values, self.draws),
            "upper_minus_lower_half": self.rise(comparisons).to_dict(),
            "languages": {code: values.tolist() for code, values in self.languages.items()},
            "chance": self.chance,
        }


@dataclass(frozen=True)
class Crossing:
    """A point where the profiles of alignment and structure cross.

    Attributes:
        layer: Where they cross, usually between two layers.
        upward: Whether structure is the higher one above it, as DLFA supposes.
        support: Share of the resamples that cross in the same direction at most one layer away.
    """

    layer: float
    upward: bool
    support: float


@dataclass(frozen=True)
class Profiles:
    """The two kinds of curves, each scaled to one range, averaged and compared.

    A cosine and an accuracy have no common unit. So each curve is scaled to its own range over depth, 0 at its lowest
    layer and 1 at its highest, and the curves of a kind are averaged. A crossing is a point in these *relative*
    profiles: below it one kind is nearer to its own maximum, above it the other. (Our reading: the source material
    speaks of an equilibrium and gives no measure.) Every resample is scaled to its own range again, so that the
    profile of a curve that hardly varies is as uncertain as it should be.

    Attributes:
        alignment: (K,) profile.
        structure: (K,) profile.
        alignment_draws: (R, K) on the resamples.
        structure_draws: (R, K) on the resamples.
    """

    alignment: NDArray[np.float64]
    structure: NDArray[np.float64]
    alignment_draws: NDArray[np.float64]
    structure_draws: NDArray[np.float64]

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> Profiles:
        """Averages the curves of each kind, which needs at least one of each; those of `"both"` are left out."""

        def average(kind: Kind) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            chosen = [curve for curve in curves if curve.kind == kind]
            values = np.mean([_on_own_range(curve.values) for curve in chosen], axis=0)
            return values, np.mean([_on_own_range(curve.draws) for curve in chosen], axis=0)

        alignment, alignment_draws = average("alignment")
        structure, structure_draws = average("structure")
        return cls(alignment, structure, alignment_draws, structure_draws)

    def crossings(self) -> list[Crossing]:
        """Returns where the profiles cross, from the lowest layer up; most encoders cross once, or not at all."""
        drawn = [_sign_changes(row) for row in self.structure_draws - self.alignment_draws]

        def support(layer: float, upward: bool) -> float:
            near = (any(abs(place - layer) <= _NEAR and up == upward for place, up in row) for row in drawn)
            return float(np.mean(list(near)))

        found = _sign_changes(self.structure - self.alignment)
        return [Crossing(layer, upward, support(layer, upward)) for layer, upward in found]

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON can hold."""

        def listed(values: NDArray[np.float64], draws: NDArray[np.float64]) -> list[dict[str, float]]:
            return [interval.to_dict() for interval in Estimates.of_examples(values, draws).intervals(within=(0, 1))]

        return {
            "alignment": listed(self.alignment, self.alignment_draws),
            "structure": listed(self.structure, self.structure_draws),
            "crossings": [vars(crossing) for crossing in self.crossings()],
        }


def _on_own_range(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale the last axis to 0 ... 1; a constant one becomes 0.5 everywhere."""
    low, high = values.min(axis=-1, keepdims=True), values.max(axis=-1, keepdims=True)
    return np.divide(values - low, high - low, out=np.full_like(values, 0.5), where=high > low)


def _sign_changes(differences: NDArray[np.float64]) -> list[tuple[float, bool]]:
    """Points, between indices, where a sequence passes zero, and whether upwards; touching zero does not count."""
    found = []
    last = None  # Index of the last value that was not zero.
    for index, value in enumerate(differences):
        if value == 0:
            continue
        if last is not None and (value > 0) != (differences[last] > 0):
            span = index - last
            share = abs(differences[last]) / (abs(differences[last]) + abs(value))
            found.append((float(last + span * share), bool(value > 0)))
        last = index
    return found
