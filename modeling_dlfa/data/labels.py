"""One rule, for every format, of what a label in the data means."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from ..errors import InputError, quoted

_DIGITS = re.compile(r"-?[0-9]{1,9}")


class LabelReader:
    """Turns labels into class ids.

    A string is the name of a label. A number, whether JSON's, Parquet's or spelt in a text file, is a class id, from
    0, unless the task has labels that are numbers themselves (stars: `"1"` to `"5"`); then it is the name that it
    spells. Numbers of JSON or Parquet that could be either, and mean another label each way (1 the first star, or
    class 1, which is the second), are an error: a string says which. The names of a `ClassLabel` column are strings,
    except where they only count from 0 and so say no more than its numbers.

    Args:
        labels: Label names of the task; the position of a name is its class id.
        values: All labels of the file, which decide together whether its numbers can be class ids.
        class_names: What the source's own numbers mean, where it says so.
        item: What has a label, for messages: a row or a word.
    """

    def __init__(
        self,
        labels: Sequence[str],
        values: Iterable[object],
        class_names: Sequence[str] | None = None,
        item: Literal["row", "word"] = "row",
    ) -> None:
        self.item = item
        self.ids = {name: index for index, name in enumerate(labels)}
        self.numbers_are_names = any(_DIGITS.fullmatch(name) for name in labels)
        counting = class_names is not None and list(class_names) == [str(n) for n in range(len(class_names))]
        self.class_names = None if counting else class_names
        self.ambiguous = False
        if self.numbers_are_names and self.class_names is None:
            numbers = {value for value in values if type(value) is int}
            if "-1" not in self.ids:
                numbers.discard(-1)  # No label.
            self.ambiguous = all(0 <= number < len(labels) and str(number) in self.ids for number in numbers) and any(
                self.ids[str(number)] != number for number in numbers
            )

    def name(self, value: object) -> object:
        """Return the name of a label that is a number with a name in the source; anything else as it is."""
        if self.class_names is not None and type(value) is int and 0 <= value < len(self.class_names):
            return self.class_names[value]
        return value

    def __call__(self, value: object) -> int:
        """Return the class id of a label.

        Raises:
            InputError: If it is missing, unknown, or a number that could mean two labels; its place is not named.
        """
        label = self.name(value)
        label = label.strip() if isinstance(label, str) else label
        if isinstance(label, str) and label in self.ids:
            return self.ids[label]
        if label is None or label == "" or (label in (-1, "-1") and "-1" not in self.ids):
            raise InputError(f"no label. Remove the {self.item}, or give one of: {quoted(self.ids)}.")
        if self.numbers_are_names:
            if type(label) is int and str(label) in self.ids:
                return self._meaning(label)
            known = "a number stands for the label that it spells"
        else:
            number = int(label) if isinstance(label, str) and _DIGITS.fullmatch(label) else label
            if type(number) is int and 0 <= number < len(self.ids):
                return number
            known = f"or 0 to {len(self.ids) - 1}"
        raise InputError(f"unknown label '{label}'. Known: {quoted(self.ids)}, {known}.")

    def _meaning(self, number: int) -> int:
        name = list(self.ids)[number] if self.ambiguous else str(number)
        if name != str(number):
            raise InputError(
                f"the number {number} can mean the label '{number}' or, as a class id, the label '{name}'. Write "
                f'labels as strings ("{number}"), which are always names; Parquet can hold a ClassLabel as well.'
            )
        return self.ids[name]


class MultiLabelReader:
    """Turns the labels of an example into a 1 for each label that it has, and 0 for the others.

    They are a list of names or class ids, as in JSON lines and Parquet, or a string of them with `|` between, as
    `dlfa predict` writes them; an empty list or string stands for none of the labels. What a name or number means is
    told by `LabelReader`.

    Args:
        labels: Label names of the task.
        values: What all examples of the file have.
        class_names: What the source's own numbers mean, where it says so.
    """

    def __init__(
        self, labels: Sequence[str], values: Iterable[object], class_names: Sequence[str] | None = None
    ) -> None:
        self.read = LabelReader(labels, (label for value in values for label in _several(value)), class_names)
        self.count = len(labels)

    def __call__(self, value: object) -> list[float]:
        """Return a number for each label.

        Raises:
            InputError: A label is unknown, or there is nothing; its place is not named.
        """
        if value is None:
            raise InputError("no labels. Give an empty list, or nothing between the separators, for none of them.")
        has = {self.read(label) for label in _several(value)}
        return [float(index in has) for index in range(self.count)]


def _several(value: object) -> list[object]:
    if isinstance(value, str):
        return [label for label in value.split("|") if label.strip()]
    return list(value) if isinstance(value, list) else [value]


def read_number(value: object) -> float:
    """Return the number that a regression is to learn.

    Raises:
        InputError: It is none, or not finite; its place is not named.
    """
    try:
        number = float(value.strip() if isinstance(value, str) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise InputError(f"{value!r} is not a number. Give a finite number, such as 3.5.")
    return number
