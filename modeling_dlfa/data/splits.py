"""The examples of one language: texts, class ids, and where they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import InputError
from ..scoring.metrics import MULTI_LABEL, REGRESSION
from ..tasks import Task
from .files import Table
from .labels import LabelReader, MultiLabelReader, read_number
from .text import text_fault


@dataclass(frozen=True)
class SourceInfo:
    """Where a split came from, as `results.json` records it.

    Attributes:
        source: Path or Hub repository, as the user gave it.
        rows: Number of examples taken.
        sha256: Checksum of the file as on disk; `None` for the Hub.
        bytes: Size of the file as on disk; `None` for the Hub.
        revision: Commit of the Hub data set where it is known, otherwise the revision that was asked for.
        config: Configuration of the Hub data set, or several with `+` between.
        split: Split of the Hub data set.
        drawn: How the rows were drawn; `None` for all or the first ones.
    """

    source: str
    rows: int
    sha256: str | None = None
    bytes: int | None = None
    revision: str | None = None
    config: str | None = None
    split: str | None = None
    drawn: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as a dictionary that JSON can hold; without `drawn` where nothing was drawn."""
        return {name: value for name, value in asdict(self).items() if name != "drawn" or value is not None}


@dataclass
class Split:
    """The examples of one language, in the order of their source.

    Attributes:
        language: Language code.
        texts: One list of N texts for each of the task's text columns; of a token task one list of N lists of words.
        labels: N class ids, each an index into the task's labels; of a token task N lists, an id for each word; of a
            multi-label task N lists with 0 or 1 for each label; of a regression N numbers.
        source: Where the examples came from.
        blank: Places of the examples in which a text is blank; of a token task places of blank words.
        prefix: What was removed from the beginning of every word: the language's code and a colon, or nothing.
        marked: How many words begin with that where not all do, so that it stays.
    """

    language: str
    texts: tuple[list[Any], ...]
    labels: list[Any]
    source: SourceInfo
    blank: list[str] = field(default_factory=list)
    prefix: str = ""
    marked: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: Sequence[int], drawn: str | None) -> Split:
        """Return some of the examples.

        Args:
            rows: Their positions, in the order wanted.
            drawn: How they were drawn, as their source records it.
        """
        columns = tuple([column[row] for row in rows] for column in self.texts)
        owners = [row for row, texts in enumerate(zip(*self.texts, strict=True)) for _ in range(_blanks(texts))]
        wanted = set(rows)
        blank = [place for place, row in zip(self.blank, owners, strict=True) if row in wanted]
        source = replace(self.source, rows=len(rows), drawn=drawn)
        return replace(self, texts=columns, labels=[self.labels[row] for row in rows], source=source, blank=blank)


def _blanks(texts: Sequence[Any]) -> int:
    """How often an example is noted as blank: once if any of its texts is, or once for each of its blank words."""
    if isinstance(texts[0], list):
        return sum(not word.strip() for word in texts[0])
    return int(not all(text.strip() for text in texts))


def to_split(table: Table, task: Task, language: str, source: SourceInfo) -> Split:
    """Check the texts of a table, turn its labels into class ids, and count the examples.

    What a label means is told by `LabelReader`. Of a token task, words that are not annotated are left out, and so are
    sentences without a labelled word. Where every word of a file begins with its language's code and a colon
    (`en:Paris`), as in PAN-X as its authors distribute it, these are removed.

    Args:
        table: The columns of the texts and, last, of the labels.
        task: Gives their names and the labels.
        language: The language of the examples.
        source: Where they came from; its number of rows is filled in.

    Raises:
        InputError: If a row has no label, an unknown or ambiguous label or a text that is not a string, or no word has
            a label, or all words begin with the code of another language; the message names the place.
    """
    if task.kind == "token":
        split = _token_split(table, task, language, source)
    else:
        *texts, labels = table.columns
        for name, column in zip(task.text_columns, texts, strict=True):
            for index, text in enumerate(column):
                if fault := text_fault(text):
                    raise InputError(f"{table.where(index)}: column '{name}' {fault}")
        read = _reader(task, labels, table.class_names.get(task.label_column))
        class_ids = [_class_id(read, value, table, index) for index, value in enumerate(labels)]
        blank = [
            table.where(index)
            for index, row in enumerate(zip(*texts, strict=True))
            if not all(text.strip() for text in row)
        ]
        split = Split(language, tuple(texts), class_ids, source, blank)
    return replace(split, source=replace(source, rows=len(split)))


def _reader(task: Task, values: Sequence[object], class_names: Sequence[str] | None) -> Callable[[object], Any]:
    """Returns what makes of a text's label what the model learns."""
    if task.problem_type == REGRESSION:
        return read_number
    return (MultiLabelReader if task.problem_type == MULTI_LABEL else LabelReader)(task.labels, values, class_names)


def _class_id(read: Callable[[object], Any], value: object, table: Table, index: int, word: int | None = None) -> Any:
    try:
        return read(value)
    except InputError as error:
        raise InputError(f"{table.where(index, word)}: {error}") from None


def _token_split(table: Table, task: Task, language: str, source: SourceInfo) -> Split:
    """The sentences that have a word, without the words that are not annotated."""
    _check_words(table, task)
    sentences, all_tags = table.columns
    prefix, marked = _language_prefix(sentences, task, language, table.source)
    names = table.class_names.get(task.label_column)
    read = LabelReader(task.labels, (tag for tags in all_tags for tag in tags), names, "word")
    split = Split(language, ([],), [], source, prefix=prefix, marked=marked)
    for index, (words, tags) in enumerate(zip(sentences, all_tags, strict=True)):
        places = [position for position, tag in enumerate(tags) if read.name(tag) not in task.unlabelled]
        kept = [words[position].removeprefix(prefix) for position in places]
        if kept:
            split.texts[0].append(kept)
            split.labels.append([_class_id(read, tags[position], table, index, position) for position in places])
            split.blank += [
                table.where(index, position) for position, word in zip(places, kept, strict=True) if not word.strip()
            ]
    if not split.labels:
        raise InputError(f"{table.source}: no word has a label. Give data with at least one.")
    return split


def _check_words(table: Table, task: Task) -> None:
    for index, (words, tags) in enumerate(zip(*table.columns, strict=True)):
        if not isinstance(words, list) or not isinstance(tags, list) or len(words) != len(tags):
            raise InputError(
                f"{table.where(index)}: columns '{task.text_columns[0]}' and '{task.label_column}' must be lists of "
                "the same length, a label for each word."
            )
        for position, word in enumerate(words):
            if fault := text_fault(word):
                raise InputError(f"{table.where(index, position)}: the word {fault}")


def _language_prefix(sentences: Sequence[Sequence[str]], task: Task, language: str, source: str) -> tuple[str, int]:
    """The language's code and a colon if every word begins with them, else nothing and how many words do."""
    codes = {word.partition(":")[0] if ":" in word else "" for words in sentences for word in words}
    if codes == {language}:
        return f"{language}:", 0
    if len(codes) == 1 and not codes.isdisjoint(task.languages):
        [other] = codes
        raise InputError(
            f"{source}: every word begins with '{other}:', the mark of another language, but the file was given for "
            f"'{language}'. Give the file of that language, or remove the mark."
        )
    words = sum(map(len, sentences))
    marked = sum(word.startswith(f"{language}:") for sentence in sentences for word in sentence)
    if marked > words / 2:
        raise InputError(
            f"{source}: {marked:,} of {words:,} words begin with '{language}:', the language's mark, which is removed "
            "where every word has it. Remove it, or put it before all words."
        )
    return "", marked


def check_max_samples(max_samples: int | None) -> None:
    """Refuse to take no examples, or fewer.

    Raises:
        InputError: If `max_samples` is below 1.
    """
    if max_samples is not None and max_samples < 1:
        raise InputError(f"The number of samples is {max_samples}. Give 1 or more, or leave it out to take all.")
