"""Draws premise-hypothesis pairs in which one relation decides the label, and no shortcut tells it.

The hypothesis comes first, with the one slot that decides. It then gets one premise for each label, which repeats the
other slots (and may add one that the hypothesis drops). So the hypothesis says nothing about the label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from itertools import product
from random import Random
from typing import NamedTuple

from corpus_lexicon import sentence
from plausible import sensible
from scenes import ACTION, ACTIVITIES, COUNTS, PLACE, PLACES, STATES, SUBJECT, SUBJECTS, THINGS, TIME, TIMES, Scene, relation

LABELS = ("entailment", "neutral", "contradiction")
SHARES = {"train": 60, "validation": 15, "test": 25}  # Of all scenes, in per cent.
RELATION_OF_LABEL = {"entailment": "entailed", "neutral": "open", "contradiction": "exclusive"}
_VALUES_OF_DIMENSION = {name: list(tree) for name, tree in {**STATES, **THINGS, **TIMES}.items()}
_TIMES = [time for tree in TIMES.values() for time in tree]
_SLOT_VALUES: dict[int, list[str]] = {
    SUBJECT: list(SUBJECTS),
    ACTION: [*ACTIVITIES, *(value for tree in STATES.values() for value in tree)],
    PLACE: list(PLACES),
    TIME: _TIMES,
}
_THINGS = [value for tree in THINGS.values() for value in tree]
# What a triple is about, and how often: the slot that decides and the actions that may be told.
_TOPICS: dict[str, int] = {"subject": 10, "activity": 26, "state": 22, "place": 13, "time": 11, "thing": 10, "count": 8}
_SLOT_OF_TOPIC = {"subject": SUBJECT, "place": PLACE, "time": TIME}
_DRAWS = 40
_TRIES = 30


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


@cache
def words(scene: Scene, seed: int) -> tuple[str, ...]:
    """The English words of a scene, as overlap counts them."""
    return tuple(word.strip(",.").lower() for word in tell(scene, "en", seed).split())


@cache
def _options(slot: int, value: str, wanted: str) -> list[str | None]:
    pool = list(COUNTS) if value in COUNTS else _THINGS if value in _THINGS else _SLOT_VALUES[slot]
    options: list[str | None] = [other for other in pool if relation(other, value) == wanted]
    if wanted == "open" and slot in (PLACE, TIME):
        options += [None] * (3 * len(options) + 1)
    return options


@cache
def _deciding(slot: int, value: str) -> bool:
    """Whether each label has a value that could stand in the premise."""
    return all(_options(slot, value, wanted) for wanted in RELATION_OF_LABEL.values())


def _draw_hypothesis(topic: str, balance: _Balance, rng: Random) -> tuple[Scene, int] | None:
    """A sensible scene, and the slot whose value shall decide about it."""
    slot = _SLOT_OF_TOPIC.get(topic, ACTION)
    subject: str | None = None
    if topic == "thing" or (topic == "time" and rng.random() < 0.15):
        action = balance.rare(_DECIDING["thing"], rng)
    elif topic == "count" or (topic == "time" and rng.random() < 0.15):
        action = balance.rare(_DECIDING["count"], rng)
    else:
        of_action = topic if topic in _DECIDING and slot == ACTION else rng.choice(("activity", "activity", "state"))
        action = balance.rare(_DECIDING[of_action] if slot == ACTION else _VALUES[of_action], rng)
        subject = balance.rare(_DECIDING["subject"] if slot == SUBJECT else _VALUES["subject"], rng)
    stated = {
        PLACE: action in COUNTS or slot == PLACE or rng.random() < 0.25,
        TIME: slot == TIME or rng.random() < 0.3,
    }
    for_place = _DECIDING["place"] if slot == PLACE else _VALUES["place"]
    for_time = _DECIDING["time"] if slot == TIME else _VALUES["time"]
    place = balance.rare(for_place, rng) if stated[PLACE] else None
    scene = Scene(subject, action, place, balance.rare(for_time, rng) if stated[TIME] else None)
    return (scene, slot) if sensible(scene) else None


def _draw_premise(hypothesis: Scene, slot: int, label: str, size: int, rng: Random) -> Scene | None:
    """A premise with ``size`` facts that repeats the hypothesis except in the slot that decides."""
    values = list(hypothesis)
    decided = hypothesis[slot]
    assert decided is not None
    values[slot] = rng.choice(_options(slot, decided, RELATION_OF_LABEL[label]))
    # What the hypothesis leaves out, the premise may say.
    free = [other for other in (PLACE, TIME) if hypothesis[other] is None]
    missing = size - sum(value is not None for value in values)
    if not 0 <= missing <= len(free):
        return None
    for other in rng.sample(free, missing):
        values[other] = rng.choice(_SLOT_VALUES[other])
    return Scene._make(values)


def draw_triples(count: int, split: str, seed: int) -> Iterator[tuple[Pair, ...]]:
    """Draws ``count`` hypotheses of a split, each with one premise for each label; no pair comes twice."""
    rng = Random(f"{seed} {split}")
    seen: set[tuple[Scene, Scene]] = set()
    balance = _Balance()
    found = 0
    while found < count:
        topic = rng.choices(list(_TOPICS), list(_TOPICS.values()))[0]
        for _ in range(_TRIES):
            triple = _draw_triple(topic, split, seed, balance, seen, rng)
            if triple:
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

    def rare(self, values: list[str], rng: Random) -> str:
        """Of a few values, the one that the rows so far have named least."""
        return min(rng.choices(values, k=3), key=lambda value: self._told[value])

    def surplus(self, label: str, premise: Scene) -> float:
        """How much more often this label's premises have had these values than the others'."""
        return sum(
            (len(LABELS) * self._counts[label, value] - self._totals[value]) / (self._totals[value] + 9) ** 0.5
            for value in premise
        )


def _spread(premises: tuple[Scene, ...], hypothesis: Scene, seed: int) -> float:
    """How much the three premises of a hypothesis differ in length and in the words that they repeat."""
    own = set(words(hypothesis, seed))
    lengths = [len(words(premise, seed)) for premise in premises]
    shared = [own.intersection(words(premise, seed)) for premise in premises]
    sizes = [len(each) for each in shared]
    return max(lengths) - min(lengths) + 2 * (max(sizes) - min(sizes)) + len(set.union(*shared) - set.intersection(*shared)) / 2


def _draw_triple(
    topic: str, split: str, seed: int, balance: _Balance, seen: set[tuple[Scene, Scene]], rng: Random
) -> tuple[Pair, ...] | None:
    """One hypothesis with its three premises, or None where there are none that are alike enough."""
    drawn = _draw_hypothesis(topic, balance, rng)
    if drawn is None or split_of(drawn[0], seed) != split:
        return None
    hypothesis, slot = drawn
    size = sum(value is not None for value in hypothesis) + (rng.random() < 0.35)
    by_label: list[list[Scene]] = []
    for label in LABELS:
        found = {}
        for _ in range(_DRAWS):
            premise = _draw_premise(hypothesis, slot, label, size, rng)
            if premise and sensible(premise) and split_of(premise, seed) == split and (premise, hypothesis) not in seen:
                found[premise] = None
        if not found:
            return None
        by_label.append(sorted(found, key=lambda premise: balance.surplus(label, premise))[:_KEPT])
    triples = [t for t in product(*by_label)]
    best = min(
        triples,
        key=lambda premises: _SPREAD_WEIGHT * _spread(premises, hypothesis, seed)
        + sum(balance.surplus(label, premise) for label, premise in zip(LABELS, premises, strict=True)),
    )
    if _spread(best, hypothesis, seed) > _MOST_SPREAD:
        return None
    return tuple(Pair(premise, hypothesis, label) for premise, label in zip(best, LABELS, strict=True))


_KEPT = 8
_SPREAD_WEIGHT = 0.7
_MOST_SPREAD = 3.0
_VALUES: dict[str, list[str]] = {
    "subject": list(SUBJECTS),
    "activity": list(ACTIVITIES),
    "state": [value for tree in STATES.values() for value in tree],
    "place": list(PLACES),
    "time": _TIMES,
    "thing": _THINGS,
    "count": list(COUNTS),
}
_DECIDING = {
    name: [value for value in values if _deciding(_SLOT_OF_TOPIC.get(name, ACTION), value)]
    for name, values in _VALUES.items()
}
