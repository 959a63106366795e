"""Keeps what a premise shows as common under one label as under the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from functools import cache
from hashlib import sha256
from math import log1p
from random import Random
from typing import NamedTuple

from corpus_lexicon import sentence
from scenes import Scene

_RARE = 0.15  # How much rows shall name what has been named least, beside telling nothing of the label.
LABELS = ("entailment", "neutral", "contradiction")


class Pair(NamedTuple):
    """One row: two scenes and how the second follows from the first."""

    premise: Scene
    hypothesis: Scene
    label: str


def tell(scene: Scene, language: str, seed: int) -> str:
    """The scene's sentence, with one word order chosen for it once and for all."""
    digest = sha256(f"{seed} order {' '.join(str(value) for value in scene)}".encode()).digest()
    return sentence(scene, language, int.from_bytes(digest[:4], "big"))


@cache
def words(scene: Scene, seed: int) -> tuple[str, ...]:
    """The English words of a scene, as overlap counts them."""
    return tuple(word.strip(",.").lower() for word in tell(scene, "en", seed).split())


class Balance:
    """Evens out what the rows name: no value is rare, and little that a premise shows tells its label."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counts: dict[str, Counter[Hashable]] = {label: Counter() for label in LABELS}
        self._told: Counter[str | None] = Counter()

    def add(self, triple: tuple[Pair, ...]) -> None:
        """Takes note of three rows."""
        for premise, hypothesis, label in triple:
            self._counts[label].update(self._shown(premise, hypothesis))
            self._told.update((*premise, *hypothesis))

    def rare(self, values: list[str], rng: Random) -> str:
        """Of a few values, the one that the rows so far have named least."""
        return min(rng.choices(values, k=3), key=lambda value: self._told[value])

    def pick(self, premises: list[Scene], hypothesis: Scene, label: str) -> Scene:
        """The premise that shows what this label's premises have shown least, and names what is rare."""

        def cost(premise: Scene) -> float:
            named = [self._told[p] for p, h in zip(premise, hypothesis, strict=True) if p is not None and p != h]
            return self.surplus(premise, hypothesis, label) + _RARE * sum(map(log1p, named))

        return min(premises, key=cost)

    def surplus(self, premise: Scene, hypothesis: Scene, label: str) -> float:
        """How much more often than the others' this label's premises have shown what this one shows."""
        total = 0.0
        for shown in self._shown(premise, hypothesis):
            counts = [self._counts[each][shown] for each in LABELS]
            total += (len(LABELS) * self._counts[label][shown] - sum(counts)) / (sum(counts) + 9) ** 0.5
        return total

    def _shown(self, premise: Scene, hypothesis: Scene) -> list[Hashable]:
        """The premise's values, and what overlap sees: lengths, and which words of the hypothesis it lacks."""
        before, after = words(premise, self._seed), words(hypothesis, self._seed)
        shared = set(before) & set(after)
        lacking = set(after) - shared
        decided = next((h for p, h in zip(premise, hypothesis, strict=True) if h is not None and p != h), None)
        longer = len(before) - len(after)
        return [
            *premise,
            ("longer", longer),
            ("longer", longer, decided),
            ("shared", len(shared), len(after)),
            ("lacking", len(lacking), decided),
            *(("lacking", word, hypothesis.action) for word in lacking),
        ]
