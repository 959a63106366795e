"""What can happen in a scene of the demo's corpus: the kinds of things, which exclude and which suit each other."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

# Each value and its kind (its parent). A value that is nobody's kind is a leaf: the most specific that we can say.
SUBJECTS: dict[str, str | None] = {
    "person": None,
    **dict.fromkeys(("man", "woman", "child", "doctor", "teacher", "farmer"), "person"),
    **dict.fromkeys(("father", "grandfather"), "man"),
    **dict.fromkeys(("mother", "grandmother"), "woman"),
    **dict.fromkeys(("boy", "girl"), "child"),
    "animal": None,
    **dict.fromkeys(("dog", "cat", "horse", "bird"), "animal"),
    **dict.fromkeys(("pigeon", "parrot"), "bird"),
}
ACTIONS: dict[str, str | None] = {
    "eat": None,
    **dict.fromkeys(("eat_fruit", "eat_vegetables", "eat_fish"), "eat"),
    **dict.fromkeys(("eat_apple", "eat_banana", "eat_orange"), "eat_fruit"),
    **dict.fromkeys(("eat_carrot", "eat_potato"), "eat_vegetables"),
    "drink": None,
    **dict.fromkeys(("drink_hot", "drink_water", "drink_juice"), "drink"),
    **dict.fromkeys(("drink_tea", "drink_coffee"), "drink_hot"),
    "work": None,
    **dict.fromkeys(("clean", "tend_plants"), "work"),
    **dict.fromkeys(("sweep_floor", "wash_windows", "wipe_table"), "clean"),
    **dict.fromkeys(("water_flowers", "cut_grass"), "tend_plants"),
    "sport": None,
    **dict.fromkeys(("ball_game", "run"), "sport"),
    **dict.fromkeys(("football", "basketball", "tennis"), "ball_game"),
    "read": None,
    **dict.fromkeys(("read_book", "read_newspaper", "read_letter"), "read"),
    "instrument": None,
    **dict.fromkeys(("guitar", "piano", "violin"), "instrument"),
    "rest": None,
    "sleep": "rest",
    "shop": None,
    **dict.fromkeys(("buy_clothes", "buy_food"), "shop"),
    **dict.fromkeys(("buy_shirt", "buy_shoes"), "buy_clothes"),
    **dict.fromkeys(("buy_bread", "buy_rice"), "buy_food"),
}
PLACES: dict[str, str | None] = {
    "indoors": None,
    **dict.fromkeys(("house", "store", "restaurant", "library", "classroom", "gym"), "indoors"),
    **dict.fromkeys(("kitchen", "bedroom", "living_room"), "house"),
    **dict.fromkeys(("supermarket", "bakery"), "store"),
    "outdoors": None,
    **dict.fromkeys(("waterside", "park", "garden", "street", "forest"), "outdoors"),
    **dict.fromkeys(("river", "lake", "sea"), "waterside"),
}
# Two independent clocks: the part of the day and the day of the week. One says nothing about the other.
TIMES: dict[str, str | None] = {
    "day": None,
    **dict.fromkeys(("morning", "afternoon"), "day"),
    "night": None,
    "midnight": "night",
    "weekday": None,
    **dict.fromkeys(("monday", "wednesday"), "weekday"),
    "weekend": None,
    **dict.fromkeys(("saturday", "sunday"), "weekend"),
}
SLOTS: tuple[dict[str, str | None], ...] = (SUBJECTS, ACTIONS, PLACES, TIMES)
SUBJECT, ACTION, PLACE, TIME = range(4)
PARENT: dict[str, str | None] = {value: kind for slot in SLOTS for value, kind in slot.items()}


class Scene(NamedTuple):
    """The facts that a sentence states; place and time may be left open."""

    subject: str
    action: str
    place: str | None = None
    time: str | None = None


def kinds(value: str) -> list[str]:
    """What ``value`` is, from the nearest kind to the most general one."""
    found = []
    kind = PARENT[value]
    while kind is not None:
        found.append(kind)
        kind = PARENT[kind]
    return found


@cache
def leaves(value: str) -> list[str]:
    """The most specific values that ``value`` covers, itself if it is one."""
    children = [child for child, kind in PARENT.items() if kind == value]
    return [leaf for child in children for leaf in leaves(child)] if children else [value]


# Two things that may be true together, or whose clash is a matter of taste, so that no label is beyond doubt. A pair
# stands for every value below its two sides, except for those in _CLEAR and below them: nobody reads asleep.
_UNCLEAR = {
    ("man", "doctor"), ("man", "teacher"), ("man", "farmer"),
    ("woman", "doctor"), ("woman", "teacher"), ("woman", "farmer"),
    ("doctor", "teacher"), ("doctor", "farmer"), ("teacher", "farmer"),
    ("eat", "drink"), ("eat", "read"), ("drink", "read"), ("run", "ball_game"),
    ("rest", "read"), ("rest", "eat"), ("rest", "drink"), ("rest", "instrument"),
    ("work", "read"), ("work", "instrument"), ("work", "shop"),
    ("waterside", "park"), ("waterside", "garden"), ("waterside", "forest"), ("waterside", "street"),
    ("park", "garden"), ("house", "garden"),
}  # fmt: skip
_CLEAR = {"sleep", "clean", "tend_plants"}


def _clock(time: str) -> str:
    return "day part" if time in ("day", "night") or PARENT[time] in ("day", "night") else "week"


@cache
def relation(premise: str | None, hypothesis: str) -> str | None:
    """How a stated value bears on another one of the same slot.

    Returns:
        "same", "entailed" (the premise is more specific), "open" (less specific, unstated, or another clock),
        "exclusive", or None where a reader might hesitate: such pairs are never used.
    """
    if premise is None:
        return "open"
    if premise == hypothesis:
        return "same"
    if hypothesis in kinds(premise):
        return "entailed"
    if premise in kinds(hypothesis):
        return "open"
    if premise in TIMES and _clock(premise) != _clock(hypothesis):
        return "open"
    pairs = product(_above(premise), _above(hypothesis))
    return None if any((a, b) in _UNCLEAR or (b, a) in _UNCLEAR for a, b in pairs) else "exclusive"


def _above(value: str) -> list[str]:
    """``value`` and its kinds, as far as they share the doubts about what may happen at once."""
    line = [value, *kinds(value)]
    clear = [index for index, step in enumerate(line) if step in _CLEAR]
    return line[: clear[0] + 1] if clear else line


_HOUSE = {"kitchen", "bedroom", "living_room"}
_WATER = {"river", "lake", "sea"}
_OPEN_AIR = _WATER | {"park", "garden", "street", "forest"}
_LEISURE = _HOUSE | _WATER | {"park", "garden", "restaurant"}
_PLACES_OF_ACTION: dict[str, set[str]] = {
    "eat": _LEISURE | {"street", "classroom", "forest"},
    "drink": _LEISURE | {"street", "classroom"},
    "drink_water": _LEISURE | {"street", "classroom", "gym"},
    "clean": _HOUSE | {"restaurant", "library", "classroom", "supermarket", "bakery", "gym"},
    "water_flowers": {"living_room", "bedroom", "kitchen", "classroom", "restaurant", "library", "garden", "park"},
    "cut_grass": {"garden", "park", *_WATER},
    "ball_game": {"gym", "park", "street", "garden", "sea", "lake"},
    "run": _OPEN_AIR | {"gym"},
    "read": _LEISURE | {"library", "classroom", "forest"},
    "guitar": _LEISURE | {"street", "classroom", "forest"},
    "violin": _LEISURE | {"street", "classroom"},
    "piano": {"living_room", "bedroom", "restaurant", "classroom", "library"},
    "rest": _HOUSE | _WATER | {"park", "garden", "forest", "library", "classroom", "gym"},
    "buy_clothes": {"supermarket", "street"},
    "buy_bread": {"supermarket", "bakery", "street"},
    "buy_rice": {"supermarket", "street"},
}
_MEALS_OF_PLANTS = {"eat_apple", "eat_banana", "eat_orange", "eat_carrot", "eat_potato"}
_ACTIONS_OF_ANIMAL: dict[str, set[str]] = {
    "dog": {"eat_apple", "eat_carrot", "eat_potato", "eat_fish", "drink_water", "run", "sleep"},
    "cat": {"eat_fish", "drink_water", "run", "sleep"},
    "horse": _MEALS_OF_PLANTS | {"drink_water", "run", "sleep"},
    "parrot": _MEALS_OF_PLANTS | {"drink_water", "sleep"},
    "pigeon": _MEALS_OF_PLANTS | {"drink_water", "sleep"},
}
_PLACES_OF_ANIMAL: dict[str, set[str]] = {
    "dog": _HOUSE | _OPEN_AIR,
    "cat": _HOUSE | _OPEN_AIR,
    "parrot": _HOUSE | {"garden", "forest", "park"},
    "pigeon": _WATER | {"garden", "park", "street"},
    "horse": _WATER | {"park", "garden", "street", "forest"},
}
_ONLY_PEOPLE = {"sport", "ball_game"}  # "A dog was running" does not make it an athlete.


def _action_places(action: str) -> set[str]:
    return next(_PLACES_OF_ACTION[step] for step in [action, *kinds(action)] if step in _PLACES_OF_ACTION)


def _leaf_sensible(subject: str, action: str, place: str | None) -> bool:
    if subject in _ACTIONS_OF_ANIMAL:
        if action not in _ACTIONS_OF_ANIMAL[subject]:
            return False
        if place is not None and place not in _PLACES_OF_ANIMAL[subject]:
            return False
    return place is None or place in _action_places(action)


@cache
def sensible(scene: Scene) -> bool:
    """Whether nobody would raise an eyebrow: some fully specific scene that this one covers is plausible."""
    if scene.action in _ONLY_PEOPLE and "animal" in [scene.subject, *kinds(scene.subject)]:
        return False
    places: list[str] | list[None] = [None] if scene.place is None else leaves(scene.place)
    options = product(leaves(scene.subject), leaves(scene.action), places)
    return any(_leaf_sensible(subject, action, place) for subject, action, place in options)
