"""Which scenes of the demo's corpus nobody would raise an eyebrow at."""

from __future__ import annotations

from functools import cache
from itertools import product

from scenes import COUNTS, DIMENSION, STATES, Scene, kinds, leaves

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
    **dict.fromkeys(("violin", "flute", "trumpet"), _LEISURE | {"street", "classroom"}),
    "piano": {"living_room", "bedroom", "restaurant", "classroom", "library"},
    "rest": _HOUSE | _WATER | {"park", "garden", "forest", "library", "classroom", "gym"},
    "sleep": {"living_room", "bedroom", "park", "garden", *_WATER},
    "buy_clothes": {"supermarket", "street"},
    "buy_bread": {"supermarket", "bakery", "street"},
    "buy_food": {"supermarket", "street"},
    **dict.fromkeys(("buy_furniture", "buy_tools"), set()),
    "buy_flowers": {"supermarket", "street"},
    "swim": set(_WATER),
    "draw": _HOUSE | _WATER | {"park", "garden", "library", "classroom"},
}
_PLACES_OF_STATE: dict[str, set[str]] = {
    "posture": _HOUSE | _OPEN_AIR | {"restaurant", "library", "classroom", "supermarket"},
    "feet": _HOUSE | _OPEN_AIR,
    "company": _HOUSE | _OPEN_AIR | {"restaurant", "library", "classroom", "gym"},
    "waking": {"bedroom", "living_room"},
}
_BY_DAYLIGHT = {
    "shop",
    "cut_grass",
    "water_flowers",
    "wash_windows",
    "eat_potato",
    "eat_carrot",
    "tennis",
    "ball_game",
}
_CLOSED_AT_NIGHT = {"library", "classroom", "bakery", "supermarket", "gym"}
_MEALS_OF_PLANTS = {"eat_apple", "eat_banana", "eat_orange", "eat_carrot", "eat_potato"}
_EVERY_ANIMAL = {"drink_water", "fast_asleep"}
_ACTIONS_OF_ANIMAL: dict[str, set[str]] = {
    "dog": {"eat_apple", "eat_carrot", "eat_potato", "eat_fish", "run"},
    "cat": {"eat_fish", "run"},
    "horse": _MEALS_OF_PLANTS | {"run"},
    "parrot": _MEALS_OF_PLANTS,
    "pigeon": {"eat_apple", "eat_potato"},
}
_STATES_OF_ANIMALS = {"waking", "health", "hunger"}
_PLACES_OF_ANIMAL: dict[str, set[str]] = {
    "dog": _HOUSE | _OPEN_AIR,
    "cat": _HOUSE | _OPEN_AIR,
    "parrot": _HOUSE | {"garden", "forest", "park"},
    "pigeon": _WATER | {"garden", "park", "street"},
    "horse": _WATER | {"park", "garden", "street", "forest"},
}
_ONLY_PEOPLE = {"sport", "ball_game", "flu", "full"}  # "A dog was running" does not make it an athlete.
_ONLY_GROWN_UP = {"work"}
PLACES_OF_COUNTS = {"park", "garden", "street", *_WATER}


def _action_places(action: str) -> set[str]:
    if DIMENSION[action] in STATES:
        return _PLACES_OF_STATE.get(DIMENSION[action], set())
    return next(_PLACES_OF_ACTION[step] for step in [action, *kinds(action)] if step in _PLACES_OF_ACTION)


def _leaf_sensible(subject: str, action: str, place: str | None, time: str | None) -> bool:
    steps = {action, *kinds(action)}
    if subject in _ACTIONS_OF_ANIMAL:
        of_state = DIMENSION[action] in _STATES_OF_ANIMALS
        if not of_state and action not in _EVERY_ANIMAL | _ACTIONS_OF_ANIMAL[subject]:
            return False
        if place is not None and place not in _PLACES_OF_ANIMAL[subject]:
            return False
    if "child" in kinds(subject) and steps & _ONLY_GROWN_UP:
        return False
    if time == "midnight" and (steps & _BY_DAYLIGHT or place in _CLOSED_AT_NIGHT):
        return False
    if time == "midnight" and place in _OPEN_AIR and steps & {"read", "eat", "drink", "work", "draw"}:
        return False
    if place == "classroom" and time in ("saturday", "sunday"):
        return False
    return place is None or place in _action_places(action)


@cache
def sensible(scene: Scene) -> bool:
    """Whether some fully specific scene that this one covers is plausible."""
    subject, action, place, time = scene
    if subject is None:
        return place in PLACES_OF_COUNTS if action in COUNTS else place is None
    if action in _ONLY_PEOPLE and "animal" in [subject, *kinds(subject)]:
        return False
    options = product(
        leaves(subject), leaves(action), leaves(place) if place else [None], leaves(time) if time else [None]
    )
    return any(_leaf_sensible(*option) for option in options)
