"""Draws premise-hypothesis pairs whose label no shortcut tells.

The hypothesis comes first, with the slots in which the premise will use other words. Then one premise is drawn for
each of the three labels; all three state as many facts, have as many words in English and repeat the same words of the
hypothesis. So neither the hypothesis nor the overlap knows the label: only what the other words mean to it does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from random import Random
from typing import NamedTuple

from corpus_lexicon import sentence
from scenes import ACTION, PLACE, SLOTS, SUBJECT, TIME, Scene, kinds, relation, sensible

LABELS = ("entailment", "neutral", "contradiction")
SHARES = {"train": 60, "validation": 15, "test": 25}  # Of all scenes, in per cent.
_SHAPES = {
    (SUBJECT, ACTION): 25,
    (SUBJECT, ACTION, PLACE): 35,
    (SUBJECT, ACTION, TIME): 30,
    (SUBJECT, ACTION, PLACE, TIME): 10,
}
_KINDS = [sorted({kind for kind in slot.values() if kind}) for slot in SLOTS]
_LEAVES = [[value for value in slot if value not in general] for slot, general in zip(SLOTS, _KINDS, strict=True)]
# Which slots differ, and how often we try it. Where neither place nor time differs, a neutral premise must be vaguer
# than the hypothesis; that alone would give it away to someone who reads the premise only, so these are few.
_DIFFERING = {
    **dict.fromkeys([(SUBJECT,), (ACTION,), (SUBJECT, ACTION)], 1),
    **dict.fromkeys([(PLACE,), (TIME,), (SUBJECT, PLACE), (SUBJECT, TIME), (ACTION, PLACE), (ACTION, TIME)], 12),
    **dict.fromkeys([(PLACE, TIME), (SUBJECT, ACTION, PLACE), (SUBJECT, ACTION, TIME)], 10),
}
# How readily each slot decides the label, and what the other differing slots do: a premise that contradicts mostly
# does so in several ways, or a small model takes long to see which words clash.
_DECIDES = {"entailment": (1, 1, 1, 1), "neutral": (1, 1, 25, 25), "contradiction": (3, 2, 1, 1)}
_OTHERS = {
    "entailment": {"entailed": 1.0},
    "neutral": {"entailed": 0.95, "open": 0.05},
    "contradiction": {"exclusive": 0.6, "entailed": 0.37, "open": 0.03},
}
_UNEVEN = 0.05  # How often a triple that makes the premises tell more about their labels is kept nevertheless.
# What overlap can see of a premise: how many words, how many distinct ones, which the hypothesis has too.
_Look = tuple[int, int, frozenset[str]]
_DRAWS = 60
_TRIES = 20


class Pair(NamedTuple):
    """One row: two scenes and how the second follows from the first."""

    premise: Scene
    hypothesis: Scene
    label: str


def _bucket(scene: Scene, seed: int, salt: str) -> int:
    digest = sha256(f"{seed} {salt} {' '.join(str(value) for value in scene)}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


@cache
def split_of(scene: Scene, seed: int) -> str:
    """The one split in which the scene may be told, be it as a premise or as a hypothesis."""
    point = _bucket(scene, seed, "split") % 100
    for split, share in SHARES.items():
        if point < share:
            return split
        point -= share
    raise AssertionError("the shares make 100")


def tell(scene: Scene, language: str, seed: int) -> str:
    """The scene's sentence, with one word order chosen for it once and for all."""
    return sentence(scene, language, _bucket(scene, seed, "order"))


def label_of(premise: Scene, hypothesis: Scene) -> str | None:
    """The label that follows from the facts, or None where a reader might hesitate."""
    found = [relation(p, h) for p, h in zip(premise, hypothesis, strict=True) if h is not None]
    if None in found:
        return None
    return LABELS[2] if "exclusive" in found else LABELS[1] if "open" in found else LABELS[0]


def _draw_hypothesis(differing: tuple[int, ...], balance: _Balance, rng: Random) -> Scene | None:
    """A scene that states the given slots by general values: only these can follow from other words."""
    shapes = [(shape, weight) for shape, weight in _SHAPES.items() if set(differing) <= set(shape)]
    shape = rng.choices([shape for shape, _ in shapes], [weight for _, weight in shapes])[0]
    values: list[str | None] = [None] * len(SLOTS)
    for slot in shape:
        general = slot in differing or rng.random() < 0.3
        fitting = _fitting(Scene._make(values), slot, general)
        if not fitting:
            return None
        values[slot] = balance.rare([rng.choice(fitting) for _ in range(3)])
    return Scene._make(values)


@cache
def _fitting(scene: Scene, slot: int, general: bool) -> list[str]:
    """The values that a slot of the scene can take, the ones before it being settled."""
    options = _KINDS[slot] if general else list(SLOTS[slot])
    if slot == SUBJECT:
        return options
    return [value for value in options if sensible(Scene._make([*scene[:slot], value, *scene[slot + 1 :]]))]


@cache
def _options(slot: int, value: str, wanted: str) -> list[str | None]:
    options: list[str | None] = [other for other in SLOTS[slot] if relation(other, value) == wanted]
    if wanted == "exclusive":  # As specific as a premise that entails the value.
        options = [other for other in options if other not in _KINDS[slot] or len(kinds(other)) > len(kinds(value))]
    if wanted == "open" and slot in (PLACE, TIME):
        options += [None] * max(1, 3 * len(options))
    return options


def _draw_premise(hypothesis: Scene, differing: tuple[int, ...], label: str, size: int, rng: Random) -> Scene | None:
    """A premise with ``size`` facts that repeats the hypothesis except in the slots that differ."""
    values = list(hypothesis)
    decisive = {"entailment": "entailed", "neutral": "open", "contradiction": "exclusive"}[label]
    chosen = rng.choices(differing, [_DECIDES[label][slot] for slot in differing])[0]
    for slot in differing:
        others = _OTHERS[label]
        wanted = decisive if slot == chosen else rng.choices(list(others), list(others.values()))[0]
        value = hypothesis[slot]
        assert value is not None
        options = _options(slot, value, wanted)
        if not options:
            return None
        values[slot] = rng.choice(options)
    # What the hypothesis leaves out, the premise may say; never the slot that it was just chosen to leave open.
    free = [slot for slot in (PLACE, TIME) if hypothesis[slot] is None]
    missing = size - sum(value is not None for value in values)
    if not 0 <= missing <= len(free):
        return None
    for slot in rng.sample(free, missing):
        values[slot] = rng.choice(_LEAVES[slot] if rng.random() < 0.8 else _KINDS[slot])
    return Scene._make(values)


@cache
def _words(scene: Scene, seed: int) -> list[str]:
    return [word.strip(",.").lower() for word in tell(scene, "en", seed).split()]


def draw_triples(count: int, split: str, seed: int) -> Iterator[tuple[Pair, ...]]:
    """Draws ``count`` hypotheses of a split, each with one premise for each label; no pair comes twice."""
    rng = Random(f"{seed} {split}")
    seen: set[tuple[Scene, Scene]] = set()
    balance = _Balance()
    found = 0
    while found < count:
        differing = rng.choices(list(_DIFFERING), list(_DIFFERING.values()))[0]
        for _ in range(_TRIES):
            triple = _draw_triple(differing, split, seed, balance, rng)
            if triple and not any(pair[:2] in seen for pair in triple) and balance.accepts(triple, rng):
                seen.update(pair[:2] for pair in triple)
                for pair in triple:
                    balance.add(pair)
                found += 1
                yield triple
                break


class _Balance:
    """Evens out what the rows name: no value is rare, and none says much about the label of its premise."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str | None]] = Counter()
        self._totals: Counter[str | None] = Counter()
        self._told: Counter[str | None] = Counter()

    def add(self, pair: Pair) -> None:
        """Takes note of a row."""
        for value in pair.premise:
            self._counts[pair.label, value] += 1
            self._totals[value] += 1
        self._told.update((*pair.premise, *pair.hypothesis))

    def rare(self, values: list[str]) -> str:
        """The value that the rows so far have named least."""
        return min(values, key=lambda value: self._told[value])

    def pick(self, label: str, premises: list[Scene]) -> Scene:
        """The premise whose values this label has had least."""
        return min(premises, key=lambda premise: sum(self._surplus(label, value) for value in premise))

    def accepts(self, triple: tuple[Pair, ...], rng: Random) -> bool:
        """Whether the rows even out the premises, or are among the few that may do the contrary."""
        surplus = sum(self._surplus(pair.label, value) for pair in triple for value in pair.premise)
        return surplus <= 0 or rng.random() < _UNEVEN

    def _surplus(self, label: str, value: str | None) -> float:
        return (len(LABELS) * self._counts[label, value] - self._totals[value]) / (self._totals[value] + 9) ** 0.5


def _draw_triple(
    differing: tuple[int, ...], split: str, seed: int, balance: _Balance, rng: Random
) -> tuple[Pair, ...] | None:
    """One hypothesis with its three premises, or None where there are none that are alike enough."""
    hypothesis = _draw_hypothesis(differing, balance, rng)
    if hypothesis is None or split_of(hypothesis, seed) != split or not sensible(hypothesis):
        return None
    size = rng.choice(range(sum(value is not None for value in hypothesis), len(SLOTS) + 1))
    own = set(_words(hypothesis, seed))
    alike: dict[_Look, dict[str, list[Scene]]] = {}
    for label in LABELS:
        found = defaultdict(list)
        for _ in range(_DRAWS):
            premise = _draw_premise(hypothesis, differing, label, size, rng)
            if premise is None or split_of(premise, seed) != split or not sensible(premise):
                continue
            if label_of(premise, hypothesis) == label:
                words = _words(premise, seed)
                found[len(words), len(set(words)), frozenset(own.intersection(words))].append(premise)
        kept = [look for look in found if label == LABELS[0] or look in alike]
        alike = {look: {**alike.get(look, {}), label: found[look]} for look in kept}
        if not alike:
            return None
    by_label = rng.choice(list(alike.values()))
    return tuple(Pair(balance.pick(label, by_label[label]), hypothesis, label) for label in LABELS)
