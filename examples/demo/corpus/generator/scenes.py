"""What can happen in the demo's corpus: kinds of things, what excludes what, what goes together."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import inf
from typing import NamedTuple

# Each value and its kind (its parent). Values of one tree exclude each other unless one is a kind of the other.
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
ACTIVITIES: dict[str, str | None] = {
    "eat": None,
    **dict.fromkeys(("eat_fruit", "eat_vegetables", "eat_meat", "eat_fish"), "eat"),
    **dict.fromkeys(("eat_apple", "eat_banana", "eat_orange", "eat_grapes"), "eat_fruit"),
    **dict.fromkeys(("eat_carrot", "eat_potato", "eat_cucumber"), "eat_vegetables"),
    **dict.fromkeys(("eat_chicken", "eat_lamb"), "eat_meat"),
    "drink": None,
    **dict.fromkeys(("drink_hot", "drink_water", "drink_juice"), "drink"),
    **dict.fromkeys(("drink_tea", "drink_coffee"), "drink_hot"),
    "work": None,
    **dict.fromkeys(("clean", "tend_plants"), "work"),
    **dict.fromkeys(("sweep_floor", "wash_windows", "wipe_table"), "clean"),
    **dict.fromkeys(("water_flowers", "cut_grass"), "tend_plants"),
    "sport": None,
    **dict.fromkeys(("ball_game", "run", "swim"), "sport"),
    **dict.fromkeys(("football", "basketball", "tennis", "volleyball"), "ball_game"),
    "read": None,
    **dict.fromkeys(("read_book", "read_newspaper", "read_letter", "read_magazine"), "read"),
    "instrument": None,
    **dict.fromkeys(("guitar", "piano", "violin", "flute", "trumpet"), "instrument"),
    "rest": None,
    "sleep": "rest",
    "fast_asleep": "sleep",
    "shop": None,
    **dict.fromkeys(("buy_clothes", "buy_food", "buy_furniture", "buy_tools", "buy_flowers"), "shop"),
    **dict.fromkeys(("buy_shirt", "buy_shoes", "buy_trousers", "buy_coat"), "buy_clothes"),
    **dict.fromkeys(("buy_bread", "buy_rice", "buy_cheese", "buy_eggs"), "buy_food"),
    **dict.fromkeys(("buy_table", "buy_chair", "buy_bed"), "buy_furniture"),
    **dict.fromkeys(("buy_hammer", "buy_saw"), "buy_tools"),
    **dict.fromkeys(("buy_roses", "buy_tulips"), "buy_flowers"),
    "draw": None,
    **dict.fromkeys(("draw_animal", "draw_vehicle", "draw_building", "draw_plant"), "draw"),
    **dict.fromkeys(("draw_lion", "draw_elephant", "draw_cow", "draw_monkey"), "draw_animal"),
    **dict.fromkeys(("draw_car", "draw_ship", "draw_plane", "draw_train"), "draw_vehicle"),
    **dict.fromkeys(("draw_church", "draw_castle", "draw_school"), "draw_building"),
    **dict.fromkeys(("draw_tree", "draw_rose"), "draw_plant"),
}
# How somebody was, one tree a dimension. Values of two dimensions may be true together.
STATES: dict[str, dict[str, str | None]] = {
    "mood": {"happy": None, "joyful": "happy", "not_happy": None, "sad": "not_happy"},
    "waking": {"awake": None},
    "posture": {"standing": None, "sitting": None, "on_chair": "sitting"},
    "feet": {"shoes": None, "boots": "shoes", "barefoot": None},
    "health": {"ill": None, "fever": "ill", "flu": "ill", "healthy": None},
    "hunger": {"hungry": None, "starving": "hungry", "full": None},
    "company": {"alone": None, "not_alone": None, "with_friend": "not_alone"},
}
# What is said of a thing without a subject of its own, likewise.
THINGS: dict[str, dict[str, str | None]] = {
    "shop hours": {"shop_open": None, "shop_closed": None, "shop_not_open": None, "shop_locked": "shop_closed"},
    "shop size": {"shop_big": None, "shop_huge": "shop_big", "shop_small": None, "shop_tiny": "shop_small"},
    "street wetness": {"street_wet": None, "street_flooded": "street_wet", "street_dry": None},
    "street noise": {"street_quiet": None, "street_silent": "street_quiet", "street_noisy": None},
    "room dirt": {
        "room_clean": None, "room_spotless": "room_clean",
        "room_dirty": None, "room_not_clean": None, "room_filthy": "room_dirty",
    },
    "room light": {
        "room_bright": None, "room_sunny": "room_bright", "room_dark": None, "room_pitch_dark": "room_dark",
    },
    "bus seats": {"bus_full": None, "bus_packed": "bus_full", "bus_empty": None, "bus_nobody": None},
    "bus punctuality": {
        "bus_late": None, "bus_hour_late": "bus_late", "bus_not_late": None, "bus_on_time": "bus_not_late",
    },
}  # fmt: skip
# "There were ...": what is counted, how many at least, how many at most.
COUNTS: dict[str, tuple[str, int, float]] = {
    "three_dogs": ("dog", 3, 3), "one_dog": ("dog", 1, 1), "several_dogs": ("dog", 2, inf), "no_dogs": ("dog", 0, 0),
    "four_cats": ("cat", 4, 4), "five_birds": ("bird", 5, 5),
    "one_animal": ("animal", 1, 1), "several_animals": ("animal", 2, inf), "no_animals": ("animal", 0, 0),
    "three_boys": ("boy", 3, 3), "four_girls": ("girl", 4, 4), "one_child": ("child", 1, 1),
    "several_children": ("child", 2, inf), "no_children": ("child", 0, 0),
    "three_women": ("woman", 3, 3), "five_men": ("man", 5, 5),
    "one_person": ("person", 1, 1), "several_people": ("person", 2, inf), "nobody": ("person", 0, 0),
}  # fmt: skip
PLACES: dict[str, str | None] = {
    "indoors": None,
    **dict.fromkeys(("house", "store", "restaurant", "library", "classroom", "gym"), "indoors"),
    **dict.fromkeys(("kitchen", "bedroom", "living_room"), "house"),
    **dict.fromkeys(("supermarket", "bakery"), "store"),
    "outdoors": None,
    **dict.fromkeys(("waterside", "park", "garden", "street", "forest"), "outdoors"),
    **dict.fromkeys(("river", "lake", "sea"), "waterside"),
}
TIMES: dict[str, dict[str, str | None]] = {
    "day part": {"day": None, "morning": "day", "afternoon": "day", "night": None, "midnight": "night"},
    "week": {
        "weekday": None, **dict.fromkeys(("monday", "wednesday", "friday"), "weekday"),
        "weekend": None, **dict.fromkeys(("saturday", "sunday"), "weekend"),
    },
}  # fmt: skip
SUBJECT, ACTION, PLACE, TIME = range(4)
_TREES: dict[str, dict[str, str | None]] = {
    "subject": SUBJECTS, "activity": ACTIVITIES, "place": PLACES, **STATES, **THINGS, **TIMES,
}  # fmt: skip
PARENT: dict[str, str | None] = {value: kind for tree in _TREES.values() for value, kind in tree.items()}
DIMENSION: dict[str, str] = {value: name for name, tree in _TREES.items() for value in tree}
# Other words for the same.
_SYNONYMS = {"shop_not_open": "shop_closed", "room_not_clean": "room_dirty", "bus_nobody": "bus_empty"}


class Scene(NamedTuple):
    """The facts that a sentence states. A thing or a count has no subject; place and time may be left open."""

    subject: str | None
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
    ("man", "boy"), ("woman", "girl"), ("doctor", "teacher"), ("doctor", "farmer"), ("teacher", "farmer"),
    ("eat", "drink"), ("eat", "read"), ("drink", "read"), ("run", "ball_game"),
    ("rest", "read"), ("rest", "eat"), ("rest", "drink"), ("rest", "instrument"),
    ("work", "draw"), ("rest", "draw"), ("eat", "draw"), ("drink", "draw"),
    ("work", "read"), ("work", "instrument"), ("work", "shop"),
    ("waterside", "park"), ("waterside", "garden"), ("waterside", "forest"), ("waterside", "street"),
    ("park", "garden"), ("house", "garden"), ("fever", "flu"),
}  # fmt: skip
_CLEAR = {"sleep", "clean", "tend_plants"}
# Activities with which a state has nothing to do, so that one leaves the other open.
_CALM = {"read", "guitar", "violin", "flute", "trumpet", "drink", "eat", "draw"}
_INDEPENDENT: dict[str, set[str]] = {
    "mood": {"eat", "drink", "work", "shop", "read", "instrument", "sport", "draw"},
    "posture": _CALM,
    "feet": _CALM | {"piano", "water_flowers", "sleep"},
    "health": {"read", "instrument", "drink", "sleep", "draw"},
    "hunger": {"read", "instrument", "work", "shop", "sport", "draw"},
    "company": {"eat", "drink", "read", "shop", "clean", "tend_plants", "run", "draw"},
}
_DEPENDENT = {frozenset(("waking", "posture")), frozenset(("waking", "mood"))}


@cache
def relation(premise: str | None, hypothesis: str) -> str | None:
    """How a stated value bears on another one of the same slot.

    Returns:
        "same", "entailed" (a synonym or more specific), "open" (less specific, unstated, or about something else),
        "exclusive", or None where a reader might hesitate: such pairs are never used.
    """
    if premise is None:
        return "open"
    if premise == hypothesis:
        return "same"
    if premise in COUNTS and hypothesis in COUNTS:
        return _relation_of_counts(premise, hypothesis)
    premise, hypothesis = (_SYNONYMS.get(value, value) for value in (premise, hypothesis))
    if premise == hypothesis or hypothesis in kinds(premise):
        return "entailed"
    if premise in kinds(hypothesis):
        return "open"
    if DIMENSION[premise] != DIMENSION[hypothesis]:
        return _across_dimensions(premise, hypothesis)
    pairs = product(_above(premise), _above(hypothesis))
    return None if any((a, b) in _UNCLEAR or (b, a) in _UNCLEAR for a, b in pairs) else "exclusive"


def _above(value: str) -> list[str]:
    """``value`` and its kinds, as far as they share the doubts about what may happen at once."""
    line = [value, *kinds(value)]
    clear = [index for index, step in enumerate(line) if step in _CLEAR]
    return line[: clear[0] + 1] if clear else line


def _across_dimensions(premise: str, hypothesis: str) -> str | None:
    one, other = DIMENSION[premise], DIMENSION[hypothesis]
    if one in TIMES or one in THINGS:
        return "open" if one.split()[0] == other.split()[0] or one in TIMES else None
    if one in STATES and other in STATES:
        return None if frozenset((one, other)) in _DEPENDENT else "open"
    state, activity = (premise, hypothesis) if one in STATES else (hypothesis, premise)
    steps = {activity, *kinds(activity)}
    if DIMENSION[state] == "waking":
        return "exclusive" if "sleep" in steps else None
    return "open" if steps & _INDEPENDENT[DIMENSION[state]] else None


def _relation_of_counts(premise: str, hypothesis: str) -> str:
    """By what a number of dogs says about the number of animals, and the other way round."""
    (kind, low, high), (other, at_least, at_most) = COUNTS[premise], COUNTS[hypothesis]
    if kind != other and other in kinds(kind):
        high = inf
    elif kind != other and kind in kinds(other):
        low = 0
    elif kind != other:
        return "open"
    if at_least <= low and high <= at_most:
        return "entailed"
    return "exclusive" if high < at_least or low > at_most else "open"
