"""Language names, families and the order of display."""

from __future__ import annotations

import pytest

from modeling_dlfa.languages import LANGUAGES, by_family, get_language
from modeling_dlfa.tasks import TASKS

XTREME = (
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur "
    "vi yo zh"
).split()


def test_covers_every_language_of_the_benchmark_and_of_our_tasks() -> None:
    assert len(XTREME) == 40
    assert set(XTREME) <= set(LANGUAGES)
    for task in TASKS.values():
        assert set(task.languages) <= set(LANGUAGES)


def test_every_entry_is_complete_and_keyed_by_its_code() -> None:
    for code, language in LANGUAGES.items():
        assert language.code == code
        assert all((language.name, language.family, language.genus)), code
        assert len(language.script) == 4
    assert len({language.name for language in LANGUAGES.values()}) == len(LANGUAGES)


def test_families_and_genera_stand_together() -> None:
    for level in ("family", "genus"):
        sequence = [getattr(language, level) for language in LANGUAGES.values()]
        changes = 1 + sum(before != after for before, after in zip(sequence, sequence[1:], strict=False))
        assert changes == len(set(sequence)), level


def test_xnli_by_family() -> None:
    assert by_family(TASKS["xnli"].languages) == [
        ("Indo-European", ["en", "de", "es", "fr", "el", "bg", "ru", "hi", "ur"]),
        ("Afro-Asiatic", ["ar"]),
        ("Niger-Congo", ["sw"]),
        ("Turkic", ["tr"]),
        ("Kra-Dai", ["th"]),
        ("Austro-Asiatic", ["vi"]),
        ("Sino-Tibetan", ["zh"]),
    ]


def test_order_does_not_depend_on_the_order_given() -> None:
    assert by_family(sorted(LANGUAGES)) == by_family(sorted(LANGUAGES, reverse=True))
    assert sorted(code for _, codes in by_family(LANGUAGES) for code in codes) == sorted(LANGUAGES)


@pytest.mark.parametrize("source", ["zh", "ru", "ar"])
def test_source_language_comes_first(source: str) -> None:
    family, codes = by_family(TASKS["xnli"].languages, source_language=source)[0]
    assert family == LANGUAGES[source].family
    assert codes[0] == source


def test_relatives_of_the_source_follow_it() -> None:
    assert by_family(["en", "de", "bg", "ru", "pl"], "ru") == [("Indo-European", ["ru", "bg", "pl", "en", "de"])]


def test_source_language_need_not_be_tested() -> None:
    assert by_family(["tr", "de"]) == [("Indo-European", ["de"]), ("Turkic", ["tr"])]
    assert by_family([]) == []


def test_unknown_languages_come_last_as_given() -> None:
    assert by_family(["xx", "tr", "gsw", "en"]) == [
        ("Indo-European", ["en"]),
        ("Turkic", ["tr"]),
        ("other", ["xx", "gsw"]),
    ]
    assert by_family(["en", "gsw", "xx"], source_language="xx")[0] == ("other", ["xx", "gsw"])
    assert get_language("gsw").name == "gsw"
    assert get_language("de").name == "German"
