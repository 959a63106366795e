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
RELATION_OF_LABEL = {"entailment": "entailed", "neutral": "open", "contradiction": "exclusive"}
# What decides, and how often we try it; the values that it may have, and the slot in which they stand.
_TOPICS = {"subject": 10, "activity": 26, "state": 22, "place": 13, "time": 11, "thing": 10, "count": 8}
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
_STATED = {"place": 0.1, "time": 0.12}  # How often a hypothesis states what does not decide.
_DROPPED = 0.2  # How often the premises state a place or a time that the hypothesis leaves out.
_REPEATED = 0.06  # How often the premise that entails only adds a place or a time to the hypothesis.
_UNLIKE = 0.05  # How often premises may differ in the words of the hypothesis that they lack.
_UNEVEN = 0.3  # How often three premises that tell more about their labels are kept nevertheless.
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
    rng = Random(f"{seed} {split}")
    seen: set[tuple[Scene, Scene]] = set()
    balance = Balance(seed)
    found = 0
    while found < count:
        [topic] = rng.choices(list(_TOPICS), list(_TOPICS.values()))
        for _ in range(_TRIES):
            triple = _draw_triple(topic, split, seed, balance, seen, rng)
            if triple is not None:
                seen.update((pair.premise, pair.hypothesis) for pair in triple)
                balance.add(triple)
                found += 1
                yield triple
                break


def _draw_triple(
    topic: str, split: str, seed: int, balance: Balance, seen: set[tuple[Scene, Scene]], rng: Random
) -> tuple[Pair, ...] | None:
    """One hypothesis with its three premises, or None where this draw has led to none."""
    slot = _SLOT_OF_TOPIC[topic]
    repeated = rng.random() < _REPEATED
    hypothesis = _draw_hypothesis(topic, _DECIDING[repeated][topic], balance, rng)
    if not sensible(hypothesis) or split_of(hypothesis, seed) != split:
        return None
    size = sum(value is not None for value in hypothesis) + (repeated or rng.random() < _DROPPED)
    own = frozenset(words(hypothesis, seed))
    # Label, words of the hypothesis that the premise lacks, premises.
    found: dict[str, dict[frozenset[str], list[Scene]]] = {label: defaultdict(list) for label in LABELS}
    for label in LABELS:
        for _ in range(_DRAWS):
            wanted = "same" if repeated and label == LABELS[0] else RELATION_OF_LABEL[label]
            premise = _draw_premise(hypothesis, slot, wanted, size, rng)
            if premise is None or (premise, hypothesis) in seen or split_of(premise, seed) != split:
                continue
            if sensible(premise):
                found[label][own.difference(words(premise, seed))].append(premise)
    labels = LABELS[1:] if repeated else LABELS
    alike = [lacking for lacking in found[labels[0]] if all(lacking in found[label] for label in labels)]
    if not all(found.values()) or (not alike and rng.random() > _UNLIKE):
        return None
    chosen = rng.choice(alike) if alike else None
    triple = []
    for label, premises in found.items():
        options = premises[chosen] if chosen in premises else sum(premises.values(), [])
        triple.append(Pair(balance.pick(options, hypothesis, label), hypothesis, label))
    if sum(balance.surplus(*pair) for pair in triple) > 0 and rng.random() > _UNEVEN:
        return None
    return tuple(triple)


def _draw_hypothesis(topic: str, deciding: list[str], balance: Balance, rng: Random) -> Scene:
    """A scene about the topic; not every one is sensible."""

    def draw(name: str) -> str:
        return balance.rare(deciding if name == topic else _VALUES[name], rng)

    about = topic
    if topic == "time":  # All may be told with a time.
        [about] = rng.choices(("subject", "thing", "count"), (70, 15, 15))
    if about in ("subject", "place"):
        about = rng.choice(("activity", "activity", "state"))
    subject = None if about in ("thing", "count") else draw("subject")
    place = None
    if about == "count":
        place = balance.rare(sorted(PLACES_OF_COUNTS), rng)
    elif topic == "place" or rng.random() < _STATED["place"]:
        place = draw("place")
    time = draw("time") if topic == "time" or rng.random() < _STATED["time"] else None
    return Scene(subject, draw(about), place, time)


def _draw_premise(hypothesis: Scene, slot: int, wanted: str, size: int, rng: Random) -> Scene | None:
    """A premise with ``size`` facts that repeats the hypothesis except in the slot that decides."""
    values = list(hypothesis)
    decided = hypothesis[slot]
    assert decided is not None
    values[slot] = rng.choice(_options(slot, decided, wanted))
    # What the hypothesis leaves out, the premise may say.
    free = [other for other in (PLACE, TIME) if hypothesis[other] is None]
    missing = size - sum(value is not None for value in values)
    if not 0 <= missing <= len(free):
        return None
    for other in rng.sample(free, missing):
        values[other] = rng.choice(_VALUES["place" if other == PLACE else "time"])
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
# Whether the premise that entails may repeat the value, topic, values for which every label has a premise.
_DECIDING: dict[bool, dict[str, list[str]]] = {
    repeated: {
        topic: [
            value for value in _VALUES[topic] if all(_options(_SLOT_OF_TOPIC[topic], value, each) for each in wanted)
        ]
        for topic in _TOPICS
    }
    for repeated, wanted in ((False, ("entailed", "open", "exclusive")), (True, ("open", "exclusive")))
}
