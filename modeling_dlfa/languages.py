"""The languages of the four tasks: names, families, scripts, and the order in which tables and figures show them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

OTHER_FAMILY = "other"
# ISO 639-1 has replaced them; Java and old data sets still write them.
_FORMER_CODES = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "fil": "tl"}


@dataclass(frozen=True)
class Language:
    """A language as tables and figures name it.

    Attributes:
        code: ISO 639-1 code, as in the names of the data sets' configurations and files.
        name: English name.
        family: Top-level family; Basque and Korean, which XTREME counts as isolates, are families of their own.
        genus: Branch within the family (WALS level).
        script: ISO 15924 code of the script of the tasks' data.
    """

    code: str
    name: str
    family: str
    genus: str
    script: str


# XTREME's 40 languages (arXiv 2003.11080) and the eight that XTREME-R (arXiv 2104.07412) adds. The order of rows is
# the order of display: families of many languages first, relatives side by side.
LANGUAGES: dict[str, Language] = {
    row[0]: Language(*row)
    for row in (
        ("en", "English", "Indo-European", "Germanic", "Latn"),
        ("af", "Afrikaans", "Indo-European", "Germanic", "Latn"),
        ("de", "German", "Indo-European", "Germanic", "Latn"),
        ("nl", "Dutch", "Indo-European", "Germanic", "Latn"),
        ("es", "Spanish", "Indo-European", "Romance", "Latn"),
        ("fr", "French", "Indo-European", "Romance", "Latn"),
        ("it", "Italian", "Indo-European", "Romance", "Latn"),
        ("pt", "Portuguese", "Indo-European", "Romance", "Latn"),
        ("ro", "Romanian", "Indo-European", "Romance", "Latn"),
        ("el", "Greek", "Indo-European", "Greek", "Grek"),
        ("lt", "Lithuanian", "Indo-European", "Baltic", "Latn"),
        ("bg", "Bulgarian", "Indo-European", "Slavic", "Cyrl"),
        ("pl", "Polish", "Indo-European", "Slavic", "Latn"),
        ("ru", "Russian", "Indo-European", "Slavic", "Cyrl"),
        ("uk", "Ukrainian", "Indo-European", "Slavic", "Cyrl"),
        ("fa", "Persian", "Indo-European", "Iranian", "Arab"),
        ("bn", "Bengali", "Indo-European", "Indo-Aryan", "Beng"),
        ("gu", "Gujarati", "Indo-European", "Indo-Aryan", "Gujr"),
        ("hi", "Hindi", "Indo-European", "Indo-Aryan", "Deva"),
        ("mr", "Marathi", "Indo-European", "Indo-Aryan", "Deva"),
        ("pa", "Punjabi", "Indo-European", "Indo-Aryan", "Guru"),
        ("ur", "Urdu", "Indo-European", "Indo-Aryan", "Arab"),
        ("ar", "Arabic", "Afro-Asiatic", "Semitic", "Arab"),
        ("he", "Hebrew", "Afro-Asiatic", "Semitic", "Hebr"),
        ("sw", "Swahili", "Niger-Congo", "Bantu", "Latn"),
        ("yo", "Yoruba", "Niger-Congo", "Yoruboid", "Latn"),
        ("et", "Estonian", "Uralic", "Finnic", "Latn"),
        ("fi", "Finnish", "Uralic", "Finnic", "Latn"),
        ("hu", "Hungarian", "Uralic", "Hungarian", "Latn"),
        ("az", "Azerbaijani", "Turkic", "Turkic", "Latn"),
        ("kk", "Kazakh", "Turkic", "Turkic", "Cyrl"),
        ("tr", "Turkish", "Turkic", "Turkic", "Latn"),
        ("eu", "Basque", "Basque", "Basque", "Latn"),
        ("ka", "Georgian", "Kartvelian", "Kartvelian", "Geor"),
        ("te", "Telugu", "Dravidian", "South-Central Dravidian", "Telu"),
        ("ml", "Malayalam", "Dravidian", "Southern Dravidian", "Mlym"),
        ("ta", "Tamil", "Dravidian", "Southern Dravidian", "Taml"),
        ("th", "Thai", "Kra-Dai", "Tai", "Thai"),
        ("vi", "Vietnamese", "Austro-Asiatic", "Vietic", "Latn"),
        ("id", "Indonesian", "Austronesian", "Malayic", "Latn"),
        ("ms", "Malay", "Austronesian", "Malayic", "Latn"),
        ("jv", "Javanese", "Austronesian", "Javanese", "Latn"),
        ("tl", "Tagalog", "Austronesian", "Philippine", "Latn"),
        ("my", "Burmese", "Sino-Tibetan", "Burmese-Lolo", "Mymr"),
        ("zh", "Chinese", "Sino-Tibetan", "Sinitic", "Hans"),
        ("ja", "Japanese", "Japonic", "Japonic", "Jpan"),
        ("ko", "Korean", "Koreanic", "Koreanic", "Kore"),
        ("qu", "Quechua", "Quechuan", "Quechuan", "Latn"),
    )
}


# Names of their scripts, in the order of `LANGUAGES`.
SCRIPTS = {
    **{"Latn": "Latin", "Grek": "Greek", "Cyrl": "Cyrillic", "Arab": "Arabic", "Beng": "Bengali", "Gujr": "Gujarati"},
    **{"Deva": "Devanagari", "Guru": "Gurmukhi", "Hebr": "Hebrew", "Geor": "Georgian", "Telu": "Telugu"},
    **{"Mlym": "Malayalam", "Taml": "Tamil", "Thai": "Thai", "Mymr": "Burmese", "Hans": "Chinese", "Jpan": "Japanese"},
    **{"Kore": "Korean"},
}


def get_language(code: str) -> Language:
    """Look up a language; a code that the table lacks stands for itself.

    Args:
        code: ISO 639-1 code, or any code that a user's own data has.

    Returns:
        The table's entry, or one with the code as its name, the family `"other"`, and no genus or script.
    """
    return LANGUAGES.get(code) or Language(code, code, OTHER_FAMILY, "", "")


def meant_language(given: str, known: Collection[str]) -> str | None:
    """Guess what was meant by a language that is not among the known codes.

    Args:
        given: What stands in place of a code: `EN`, `zh-CN`, `German`, `en,de`.
        known: The codes that exist, as they are written.

    Returns:
        The code, or several with spaces between; None where nothing comes near.
    """
    parts = re.split(r"[,;]\s*", given.strip(" ,;"))
    if len(parts) > 1:
        guesses = [part if part in known else meant_language(part, known) for part in parts]
        return None if None in guesses else " ".join(map(str, guesses))
    word = given.strip().lower()
    by_name = {language.name.lower(): language.code for language in LANGUAGES.values()}
    candidates = (word, _FORMER_CODES.get(word), by_name.get(word), re.split(r"[-_]", word)[0])
    return next((code for code in candidates if code in known), None)


def did_you_mean(unknown: Iterable[str], known: Collection[str]) -> str:
    """Return the question to ask about codes that are not among the known ones; empty if one cannot be guessed."""
    meant = [meant_language(code, known) for code in unknown]
    return "" if None in meant or not meant else f"Did you mean {' '.join(map(str, meant))}?"


def by_family(codes: Iterable[str], source_language: str = "en") -> list[tuple[str, list[str]]]:
    """Group language codes by family, in the order of display.

    The source language's family comes first, with the source language at its head and the rest of its genus behind it;
    everything else follows `LANGUAGES`. Codes that `LANGUAGES` lacks come last, as they were given, in the family
    `"other"`. The order depends only on which codes there are, except for those unknown ones.

    Args:
        codes: Language codes, in any order.
        source_language: The language of the training data; it need not be among `codes`.

    Returns:
        Pairs of a family and its codes, no family empty.
    """
    source = get_language(source_language)
    position = {code: index for index, code in enumerate(LANGUAGES)}
    family_position: dict[str, int] = {}
    for index, language in enumerate(LANGUAGES.values()):
        family_position.setdefault(language.family, index)

    def order(code: str) -> tuple[bool, int, bool, bool, int]:
        language = get_language(code)
        return (
            language.family != source.family,
            family_position.get(language.family, len(LANGUAGES)),
            code != source.code,
            language.genus != source.genus,
            position.get(code, len(LANGUAGES)),
        )

    families: dict[str, list[str]] = {}
    for code in sorted(codes, key=order):
        families.setdefault(get_language(code).family, []).append(code)
    return list(families.items())


def language_label(code: str) -> str:
    """Return a language's name with its code, as in `German (de)`."""
    name = get_language(code).name
    return code if name == code else f"{name} ({code})"
