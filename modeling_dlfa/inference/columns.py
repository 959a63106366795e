"""Which columns of a table are to be read, and whether its first line names them."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.text import other_layout
from ..errors import InputError
from ..tasks import TASKS

# As data sets of the Hub and transformers' examples name them; pairs first, because the first text of a pair may have
# the name of a single text.
PAIR_COLUMNS = (
    ("text", "text_pair"),
    *(task.text_columns for task in TASKS.values() if task.kind == "sequence"),
    ("question1", "question2"),
    ("question", "sentence"),
)
TEXT_COLUMNS = (*PAIR_COLUMNS, ("text",), ("sentence",))
WORD_COLUMNS = (("tokens",), ("words",))
RENAME = "Rename the file to .{0}, or give --input_format {0}"
# What a header names beside the texts or words.
LABEL_COLUMNS = {"label", "labels", "gold_label", *(task.label_column for task in TASKS.values())}
TAG_COLUMNS = {*LABEL_COLUMNS, "tag", "tags", "ner_tag", "ner", "pos", "pos_tag", "pos_tags", "xpos"}
WORD_NAMES = {"token", "tokens", "word", "words", "form"}


def known_columns(names: Sequence[str], kind: str, own: Sequence[str]) -> list[str] | None:
    """Chooses the columns of texts or words by their names.

    Args:
        names: Those that there are.
        kind: `"sequence"` or `"token"`.
        own: Names of what the checkpoint was trained to read; empty where it does not say.

    Returns:
        Names as they stand there, in the order of the texts; None if none of them is known.
    """
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(_plain(name), name)
    known = [tuple(own), *(WORD_COLUMNS if kind == "token" else TEXT_COLUMNS)]
    for columns in sorted(filter(None, known), key=len, reverse=True):
        if all(_plain(name) in plain for name in columns):
            return [plain[_plain(name)] for name in columns]
    return None


def names_columns(fields: Sequence[str], own: Sequence[str]) -> bool:
    """Whether the fields of a first line, between tabs, are names of columns: of texts, or of a label beside them.

    A header with quotes, or with other marks between the names, is one as well, to be refused.

    Args:
        fields: The fields.
        own: Names of what the checkpoint was trained to read; empty where it does not say.
    """
    if _are_names(fields, own):
        return True
    others = [fields[0].split(mark) for mark in ",;|"] if len(fields) == 1 else []
    return any(
        len(names) > 1 and all(name.strip(' "').isidentifier() for name in names) and _are_names(names, own)
        for names in others
    )


def _are_names(fields: Sequence[str], own: Sequence[str]) -> bool:
    names = [name.strip(' "') for name in fields]
    if known_columns(names, "sequence", own) is not None:
        return True
    return len(names) > 1 and not LABEL_COLUMNS.isdisjoint(map(_plain, names))


def is_text_header(fields: Sequence[str]) -> bool:
    """Whether a line of words with their tags names other columns: of two texts, or of a label beside something.

    A name such as `text` alone, or with a tag, is a word like any other.
    """
    chosen = known_columns(fields, "sequence", ())
    return len(chosen or ()) > 1 or not LABEL_COLUMNS.isdisjoint(map(_plain, fields[1:]))


def is_word_header(fields: Sequence[str]) -> bool:
    """Whether a line of words with their tags names its columns instead."""
    first, *others = map(_plain, fields)
    return first in WORD_NAMES and not TAG_COLUMNS.isdisjoint(others)


def table_columns(
    names: Sequence[str],
    kind: str,
    own: Sequence[str],
    asked: Sequence[str],
    where: str,
    delimiter: str | None = None,
) -> list[int]:
    """Returns the positions of the columns to read.

    Args:
        names: The columns that there are.
        kind: `"sequence"` or `"token"`.
        own: Names of what the checkpoint was trained to read; empty where it does not say.
        asked: Those that the user named; empty to choose by the names.
        where: Where they stand, for messages.
        delimiter: What separates them there; None if nothing does.

    Raises:
        InputError: One of them is missing or there twice, or none is known.
    """
    chosen = list(asked) or known_columns(names, kind, own)
    listed = ", ".join(map(repr, names)) or "none"
    if chosen is None:
        for wanted in TEXT_COLUMNS if delimiter else ():
            if remedy := other_layout(names, wanted, str(delimiter), RENAME):
                raise InputError(f"{where}: the columns are {listed}. {remedy}")
        what = "words" if kind == "token" else "texts"
        raise InputError(f"{where}: the columns are {listed}; which hold the {what}? Name them with --columns.")
    wrong = [name for name in chosen if list(names).count(name) != 1]
    if wrong:
        raise InputError(f"{where}: the columns are {listed}; {wrong[0]!r} must be there once. Correct --columns.")
    check_count(chosen, own, kind, where)
    return [list(names).index(name) for name in chosen]


def check_count(texts: Sequence[str], own: Sequence[str], kind: str, where: str) -> None:
    """Refuses one text where the checkpoint was trained on two, and the reverse.

    Args:
        texts: The texts, or the names of their columns.
        own: Names of what the checkpoint was trained to read; empty where it does not say.
        kind: `"sequence"` or `"token"`.
        where: Where they stand, for the message.

    Raises:
        InputError: Their number is another.
    """
    if kind == "sequence" and own and len(texts) != len(own):
        given = "one text" if len(texts) == 1 else f"{len(texts)} texts"
        wanted = "one" if len(own) == 1 else "two, parted by a tab or in two columns"
        raise InputError(
            f"{where}: {given}, but the checkpoint was trained on {' and '.join(map(repr, own))}. Give {wanted} an "
            "example, or name columns with --columns."
        )


def check_given(texts: Sequence[str], own: Sequence[str], where: str) -> None:
    """Refuses one text, given as such, where the checkpoint was trained on two, and the reverse.

    Args:
        texts: The texts.
        own: Names of what the checkpoint was trained to read; empty where it does not say.
        where: Where they stand, for the message.

    Raises:
        InputError: Their number is another.
    """
    if len(texts) not in (1, 2) or (own and len(texts) != len(own)):
        read = f"reads {' and '.join(map(repr, own))}" if own else "reads one text or two"
        counted = "one text" if len(texts) == 1 else f"{len(texts)} texts"
        raise InputError(f"{where} has {counted}, but the checkpoint {read}. Give as many.")


def _plain(name: str) -> str:
    return name.strip().casefold()
