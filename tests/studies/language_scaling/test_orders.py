"""Orders of languages and the sets that grow in them."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.languages import LANGUAGES, SCRIPTS
from modeling_dlfa.studies.language_scaling.orders import (
    CC100_SIZES,
    Order,
    grown_sets,
    language_orders,
    shared_levels,
)

ORDERS = ["random", "similarity", "script", "data_size", "family"]
XNLI = ["ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]


def test_built_in_tables_know_every_language_of_the_package() -> None:
    assert set(LANGUAGES) == set(CC100_SIZES)
    assert [shared_levels(code, "en") for code in ("de", "fr", "ru", "vi", "zh")] == [3, 2, 1, 1, 0]
    assert shared_levels("ur", "hi") == 2 and shared_levels("eu", "ka") == 0


def test_orders_hold_each_target_once_and_follow_their_measure() -> None:
    orders, left_out = language_orders(XNLI, "en")
    assert [order.name for order in orders] == ORDERS and not left_out
    for order in orders:
        assert sorted(itertools.chain(*order.tiers)) == sorted(XNLI)
    by_name = {order.name: order for order in orders}
    assert [*itertools.chain(*by_name["data_size"].tiers)] == sorted(XNLI, key=lambda code: -CC100_SIZES[code])
    assert by_name["data_size"].values == {code: math.log2(CC100_SIZES[code]) for code in XNLI}
    assert by_name["similarity"].tiers[0] == ("de",) and by_name["similarity"].tiers[-1] == ("ar", "th", "zh")
    assert "de" in by_name["family"].tiers[0] and ("zh",) in by_name["family"].tiers


def test_scripts_are_ordered_by_their_distance() -> None:
    def tiers(codes: list[str], source: str) -> list[set[str]]:
        return [
            {*tier} for order in language_orders(codes, source)[0] if order.name == "script" for tier in order.tiers
        ]

    near, alphabets, far = {"de", "es", "fr", "sw", "tr", "vi"}, {"bg", "el", "ru"}, {"ar", "hi", "th", "ur", "zh"}
    assert tiers(XNLI, "en") == [near, alphabets, far]
    assert tiers([*XNLI, "en"], "ru") == [{"bg", "ru"}, near | {"el", "en"}, far]
    assert tiers([*XNLI, "en"], "ur") == [{"ar", "ur"}, {*XNLI, "en"} - {"ar", "ur"}]
    for codes in (["de", "fr"], ["zh", "ar"]):
        assert tiers(codes, "en") == [] and "No order by script: all" in language_orders(codes, "en")[1][0]


def test_every_script_has_a_name() -> None:
    assert list(SCRIPTS) == list(dict.fromkeys(language.script for language in LANGUAGES.values()))


def test_languages_that_no_table_knows() -> None:
    orders, left_out = language_orders(["de", "qx"], "en")
    assert [order.name for order in orders] == ["random", "family"]
    assert len(left_out) == 3 and all("qx" in sentence for sentence in left_out)
    assert language_orders(["de", "fr"], "qx")[1] == [
        "No order by similarity: it is not known for qx.",
        "No order by script: nothing is known of qx.",
    ]
    with pytest.raises(InputError, match="Only en was tested"):
        language_orders([], "en")


def test_few_sets_are_all_there_are() -> None:
    sets = grown_sets(Order("random", "", "", (("a", "b", "c", "d", "e"),)), list("abcde"), max_subsets=10)
    for n, some in enumerate(sets, start=1):
        expected = {frozenset(one) for one in itertools.combinations(range(5), n)}
        assert {frozenset(one.tolist()) for one in some} == expected and len(some) == len(expected)


def test_samples_are_balanced_nested_and_seeded() -> None:
    codes = [f"l{index}" for index in range(39)]
    order = Order("random", "", "", (tuple(codes),))
    sets = grown_sets(order, codes, max_subsets=100, seed=1)
    assert [some.shape[1] for some in sets] == list(range(1, 40))
    for some in sets[1:-2]:
        assert len(some) == 78  # Two circles of 39.
        assert set(Counter(some.ravel().tolist()).values()) == {2 * some.shape[1]}
        assert all(len(set(one)) == some.shape[1] for one in some.tolist())
    smaller, larger = ({frozenset(one.tolist()) for one in some} for some in sets[10:12])
    assert all(any(one < other for other in larger) for one in smaller)
    again = grown_sets(order, codes, max_subsets=100, seed=1)
    assert all((one == other).all() for one, other in zip(sets, again, strict=True))
    assert (grown_sets(order, codes, max_subsets=100, seed=2)[20] != sets[20]).any()


def test_a_tier_is_complete_before_the_next_begins() -> None:
    order = Order("family", "", "", (("c", "a"), ("b",), ("e", "d", "f")))
    sets = [{"".join(sorted("abcdef"[i] for i in one)) for one in some} for some in grown_sets(order, list("abcdef"))]
    assert sets == [{"a", "c"}, {"ac"}, {"abc"}, {"abcd", "abce", "abcf"}, {"abcde", "abcdf", "abcef"}, {"abcdef"}]
