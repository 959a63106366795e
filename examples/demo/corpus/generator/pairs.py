"""Draws premise-hypothesis pairs in which one relation decides the label, and no shortcut tells which.

The hypothesis comes first, with the slot that decides. It then gets one premise for each label, which puts another
value there, repeats the rest and may add a place or a time that the hypothesis drops. So the hypothesis says nothing
about the label. Where it can be had, the three premises lack the same words of the hypothesis.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from random import Random

from balance import LABELS, Balance, Pair, words
from plausible import PLACES_OF_COUNTS, sensible
from scenes import (
    ACTION,
    ACTIVITIES,
    COUNTS,
    PLACE,
    PLACES,
    STATES,
    SUBJECT,
    SUBJECTS,
    THINGS,
    TIME,
    TIMES,
    Scene,
    relation,
)

SHARES = {"train": 60, "validation": 15, "test": 25}  # Of all scenes, in per cent.
# The demo's questions, a language each: no split tells their sentences.
QUESTIONS = {
    "es": Pair(Scene("grandmother", "eat_apple"), Scene("grandmother", "eat_fruit"), "entailment"),
    "hi": Pair(Scene("girl", "run", "park"), Scene("girl", "run", None, "morning"), "neutral"),
    "zh": Pair(
        Scene(None, "shop_not_open", None, "sunday"), Scene(None, "shop_open", None, "sunday"), "contradiction"
    ),
}
# English calls the first a kind of the second (shoes are clothes), many a language does not: no row of the test, which
# is told in all of them, turns on these.
ENGLISH_KINDS = {
    ("buy_shoes", "buy_clothes"), ("eat_potato", "eat_vegetables"), ("cut_grass", "tend_plants"), ("run", "sport"),
    ("morning", "day"),
}  # fmt: skip
RELATION_OF_LABEL = {"entailment": "entailed", "neutral": "open", "contradiction": "exclusive"}
# What decides, and how often we try it; the values that it may have, and the slot in which they stand.
_TOPICS = {"subject": 9, "activity": 42, "state": 9, "place": 13, "time": 5, "thing": 6, "count": 16}
_VALUES: dict[str, list[str]] = {
    "subject": list(SUBJECTS),
    "activity": list(ACTIVITIES),
    "state": [value for tree in STATES.values() for value in tree],
    "place": list(PLACES),
    "time": [value for tree in TIMES.values() for value in tree],
    "thing": [value for tree in THINGS.values() for value in tree],
    "count": list(COUNTS),
}
_SLOTS = {"subject": SUBJECT, "place": PLACE, "time": TIME}
_SLOT_OF_TOPIC = {topic: _SLOTS.get(topic, ACTION) for topic in _TOPICS}
# How the three premises of a hypothesis compare, and how often: they lack the same words of it; the one that entails
# repeats it all and adds a place or a time, the others lack the same words; whatever comes.
_MANNERS = {"alike": 93, "added": 5, "unlike": 2}
_STATED = {"place": 0.1, "time": 0.12}  # How often a hypothesis states what does not decide.
_DROPPED = 0.2  # How often the premises state a place or a time that the hypothesis leaves out.
_UNEVEN = 0.07  # How often three premises that tell more about their labels are kept nevertheless.
_TRIES = 100
_DRAWS = 40


@cache
def split_of(scene: Scene, seed: int) -> str:
    """The one split in which the scene may be told, be it as a premise or as a hypothesis."""
    if any(scene in question for question in QUESTIONS.values()):
        return "questions"
    # Sentences about one thing, or about counts, at one place and time stay together: there are few of them.
    thing = scene.action.split("_")[0] if scene.action in _VALUES["thing"] else scene.action
    told = scene._replace(action="count" if scene.action in COUNTS else thing)
    digest = sha256(f"{seed} split {' '.join(str(value) for value in told)}".encode()).digest()
    point = int.from_bytes(digest[:4], "big") % 100
    for split, share in SHARES.items():
        if point < share:
            return split
        point -= share
    raise AssertionError("the shares make 100")


def draw_triples(count: int, split: str, seed: int) -> Iterator[tuple[Pair, ...]]:
    """Draws ``count`` hypotheses of a split, each with one premise for each label; no pair comes twice."""
    drawing = _Drawing(split, seed)
    found = 0
    while found < count:
        [topic] = drawing.rng.choices(list(_TOPICS), list(_TOPICS.values()))
        [manner] = drawing.rng.choices(list(_MANNERS), list(_MANNERS.values()))
        for _ in range(_TRIES):
            triple = drawing.triple(topic, manner)
            if triple is not None:
                found += 1
                yield triple
                break


class _Drawing:
    """The rows of a split so far, and the next one."""

    def __init__(self, split: str, seed: int) -> None:
        self.rng = Random(f"{seed} {split}")
        self._split = split
        self._seed = seed
        self._seen: set[tuple[Scene, Scene]] = set()
        self._balance = Balance(seed)

    def triple(self, topic: str, manner: str) -> tuple[Pair, ...] | None:
        """One hypothesis with its three premises, or None where this attempt has led to none."""
        hypothesis = self._hypothesis(topic, manner)
        if not sensible(hypothesis) or split_of(hypothesis, self._seed) != self._split:
            return None
        size = sum(value is not None for value in hypothesis) + (manner == "added" or self.rng.random() < _DROPPED)
        found = {}
        for label in LABELS:
            wanted = "same" if manner == "added" and label == LABELS[0] else RELATION_OF_LABEL[label]
            found[label] = self._premises(hypothesis, _SLOT_OF_TOPIC[topic], wanted, size)
        labels = LABELS[1:] if manner == "added" else LABELS
        alike = [lacking for lacking in found[labels[0]] if all(lacking in found[label] for label in labels)]
        if not all(found.values()) or (not alike and manner != "unlike"):
            return None
        chosen = self.rng.choice(alike) if manner != "unlike" else None
        triple = []
        for label, premises in found.items():
            options = premises[chosen] if chosen is not None and chosen in premises else sum(premises.values(), [])
            triple.append(Pair(self._balance.pick(options, hypothesis, label), hypothesis, label))
        if sum(self._balance.surplus(*pair) for pair in triple) > 0 and self.rng.random() > _UNEVEN:
            return None
        self._seen.update((pair.premise, pair.hypothesis) for pair in triple)
        self._balance.add(tuple(triple))
        return tuple(triple)

    def _hypothesis(self, topic: str, manner: str) -> Scene:
        """A scene about the topic; not every one is sensible."""

        def draw(name: str) -> str:
            values = _DECIDING["added" if manner == "added" else "alike"][topic] if name == topic else _VALUES[name]
            return self._balance.rare(values, self.rng)

        about = topic
        if topic == "time":  # All may be told with a time.
            [about] = self.rng.choices(("subject", "thing", "count"), (70, 15, 15))
        if about in ("subject", "place"):
            about = self.rng.choice(("activity", "activity", "state"))
        subject = None if about in ("thing", "count") else draw("subject")
        place = None
        if about == "count":
            place = self._balance.rare(sorted(PLACES_OF_COUNTS), self.rng)
        elif topic == "place" or self.rng.random() < _STATED["place"]:
            place = draw("place")
        time = draw("time") if topic == "time" or self.rng.random() < _STATED["time"] else None
        return Scene(subject, draw(about), place, time)

    def _premises(
        self, hypothesis: Scene, slot: int, wanted: str, size: int
    ) -> defaultdict[frozenset[str], list[Scene]]:
        """Some premises for a label, by the words of the hypothesis that they lack."""
        own, decided = frozenset(words(hypothesis, self._seed)), hypothesis[slot]
        found: defaultdict[frozenset[str], list[Scene]] = defaultdict(list)
        for _ in range(_DRAWS):
            premise = self._premise(hypothesis, slot, wanted, size)
            if premise is None or (premise, hypothesis) in self._seen or not sensible(premise):
                continue
            if self._split == "test" and {(premise[slot], decided), (decided, premise[slot])} & ENGLISH_KINDS:
                continue
            if split_of(premise, self._seed) == self._split:
                found[own.difference(words(premise, self._seed))].append(premise)
        return found

    def _premise(self, hypothesis: Scene, slot: int, wanted: str, size: int) -> Scene | None:
        """A scene with ``size`` facts that repeats the hypothesis except in the slot that decides."""
        values = list(hypothesis)
        decided = hypothesis[slot]
        assert decided is not None
        values[slot] = self.rng.choice(_options(slot, decided, wanted))
        # What the hypothesis leaves out, the premise may say.
        free = [other for other in (PLACE, TIME) if hypothesis[other] is None]
        missing = size - sum(value is not None for value in values)
        if not 0 <= missing <= len(free):
            return None
        for other in self.rng.sample(free, missing):
            values[other] = self.rng.choice(_VALUES["place" if other == PLACE else "time"])
        return Scene._make(values)


@cache
def _options(slot: int, value: str, wanted: str) -> list[str | None]:
    """What the premise may say in place of ``value``; None stands for saying nothing."""
    pool = next(pool for pool in _POOLS if value in pool)
    options: list[str | None] = [other for other in pool if relation(other, value) == wanted]
    if wanted == "open" and slot in (PLACE, TIME):
        options += [None] * (3 * len(options) + 1)
    return options


_POOLS = [
    _VALUES["activity"] + _VALUES["state"],
    *(_VALUES[name] for name in ("subject", "place", "time", "thing", "count")),
]
# Weekdays never decide: to learn which of them is part of the weekend takes more rows than the rest together.
_CANDIDATES = _VALUES | {"time": list(TIMES["day part"])}
# Manner, topic, values for which every label has a premise.
_DECIDING: dict[str, dict[str, list[str]]] = {
    manner: {
        topic: [
            each for each in _CANDIDATES[topic] if all(_options(_SLOT_OF_TOPIC[topic], each, way) for way in wanted)
        ]
        for topic in _TOPICS
    }
    for manner, wanted in (("alike", ("entailed", "open", "exclusive")), ("added", ("open", "exclusive")))
}
