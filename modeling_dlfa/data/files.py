"""Find and read TSV, CSV, JSON-lines and Parquet files, and say exactly where one is wrong."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import escape, glob
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from ..errors import InputError, first_line, quoted
from .text import TEXT_READERS, Rows, check_columns, decode

if TYPE_CHECKING:
    from datasets import Dataset

PLACEHOLDER = "{language}"


@dataclass(frozen=True)
class Table:
    """The wanted columns of a file or a Hub split, and where each row stands in it.

    Attributes:
        columns: One list of N values for each wanted column, in the order asked for.
        source: Path or repository id, for messages.
        unit: What `places` counts: `"line"` of a text file or `"row"` of a table.
        places: The N numbers of the lines or rows, from 1.
        class_names: For a column of type `ClassLabel`, or of lists of it: the names of its class ids.
        word_places: Of a table of sentences whose words stand a line each: the lines of every row's words.
        sha256: Checksum of the file as on disk.
        bytes: Size of the file as on disk.
    """

    columns: list[list[Any]]
    source: str
    unit: Literal["line", "row"]
    places: Sequence[int]
    class_names: Mapping[str, list[str]] = field(default_factory=dict)
    sha256: str | None = None
    bytes: int | None = None
    word_places: Sequence[Sequence[int]] | None = None

    def where(self, index: int, word: int | None = None) -> str:
        """Say where a row (index from 0), or a word of it, stands, as in `train.tsv, line 7` or `row 7, word 2`."""
        if word is None:
            return f"{self.source}, {self.unit} {self.places[index]}"
        if self.word_places is not None:
            return f"{self.source}, {self.unit} {self.word_places[index][word]}"
        return f"{self.source}, {self.unit} {self.places[index]}, word {word + 1}"


def expand_files(pattern: str, languages: Sequence[str], option: str = "--languages") -> dict[str, Path]:
    """Find the file of each language.

    Args:
        pattern: A path in which `{language}` stands for the language code; a leading `~` is expanded. With a single
            language it may be a plain path.
        languages: Language codes.
        option: What names the languages, for messages.

    Returns:
        The path of each language's file, all of which exist.

    Raises:
        InputError: If `{language}` is missing or misspelt, or a language has no file; the message names those that
            have one.
    """
    template = str(Path(pattern).expanduser())
    if PLACEHOLDER not in template:
        if "{" in template and not Path(template).exists():
            raise InputError(f"{pattern}: only {PLACEHOLDER} is replaced in a file name. Write {PLACEHOLDER}.")
        if len(languages) > 1:
            raise InputError(
                f"{pattern}: one file is given for {len(languages)} languages. "
                f"Write {PLACEHOLDER} in place of the language code, as in 'test-{PLACEHOLDER}.tsv'."
            )
    files = {language: Path(template.replace(PLACEHOLDER, language)) for language in languages}
    missing = [language for language, path in files.items() if not path.is_file()]
    if missing and PLACEHOLDER in template:
        found = languages_on_disk(template)
        there = f"There are files for: {' '.join(found)}" if found else "No file matches the name"
        raise InputError(
            f"{pattern}: no file for {quoted(missing)} ({files[missing[0]]}). "
            f"{there}. Add the missing file, or choose with {option}."
        )
    if missing:
        raise InputError(f"{pattern}: there is no such file. Check the path.")
    return files


def read_table(path: str | Path, columns: Sequence[str], max_rows: int | None = None) -> Table:
    """Read columns of a file, whose format is told by its extension.

    - `.tsv`: a header, tab-separated, no quoting (a `"` is an ordinary character);
    - `.csv`: a header, comma-separated, the usual quoting, which may enclose line breaks;
    - `.json`, `.jsonl`: an object a line;
    - `.parquet`: label names are taken from the `ClassLabel` features that `datasets` writes into the file.

    Text is UTF-8; a byte order mark, CRLF line ends and blank lines at the end are fine. Columns that were not asked
    for are ignored.

    Args:
        path: The file; a leading `~` is expanded.
        columns: Names of the wanted columns.
        max_rows: Read no more than the first `max_rows` rows.

    Returns:
        A table of at least one row.

    Raises:
        InputError: If the file is missing, unreadable, of unknown extension, not UTF-8, empty or malformed, or lacks a
            wanted column; the message names the file, and the line where there is one.
    """
    source, suffix = str(path), Path(path).suffix.lower()
    if suffix not in (".parquet", *TEXT_READERS):
        raise InputError(
            f"{source}: cannot tell the format from the extension '{suffix}'. "
            f"Use one of {', '.join(TEXT_READERS)}, .parquet."
        )
    content = read_content(source)
    if suffix == ".parquet":
        table = table_from_dataset(_open_parquet(content, source), source, columns, max_rows)
    else:
        rows = TEXT_READERS[suffix](decode(content, source), source, columns)
        table = _collect(rows, source, max_rows)
    return replace(table, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def table_from_dataset(dataset: Dataset, source: str, columns: Sequence[str], max_rows: int | None = None) -> Table:
    """Take columns of a `datasets.Dataset`, with the class names of those that are of type `ClassLabel`.

    Args:
        dataset: A data set of the Hub, or one read from a Parquet file.
        source: Path or repository id, for messages.
        columns: Names of the wanted columns.
        max_rows: Take no more than the first `max_rows` rows.

    Returns:
        A table of at least one row.

    Raises:
        InputError: If a column is missing or there are no rows.
    """
    from datasets import ClassLabel

    check_columns(dataset.column_names, columns, source)
    if len(dataset) == 0:
        raise InputError(f"{source}: no rows. Give data with at least one example.")
    taken = dataset.select_columns(list(columns))
    if max_rows is not None:
        taken = taken.select(range(min(max_rows, len(dataset))))
    values = taken.with_format(None)[:]
    # The element of a list of class labels is its `feature`.
    features = {name: getattr(dataset.features[name], "feature", dataset.features[name]) for name in columns}
    class_names = {name: list(kind.names) for name, kind in features.items() if isinstance(kind, ClassLabel)}
    return Table([list(values[name]) for name in columns], source, "row", range(1, len(taken) + 1), class_names)


def _open_parquet(content: bytes, source: str) -> Dataset:
    import pyarrow.parquet
    from datasets import Dataset

    with _parquet_errors(source):
        return Dataset(pyarrow.parquet.read_table(io.BytesIO(content)))


def parquet_rows(
    file: BinaryIO, source: str, choose: Callable[[list[str]], Sequence[str]]
) -> Iterator[dict[str, Any]]:
    """Read columns of a Parquet file row by row; no more than a batch of rows is held.

    Args:
        file: The opened file.
        source: Its name, for messages.
        choose: Given the names of all columns, returns those to read.

    Raises:
        InputError: If it cannot be read as Parquet, or pyarrow, which reads it, is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(f"{source}: Parquet needs pyarrow, which is not installed: pip install pyarrow.")
    import pyarrow.parquet

    with _parquet_errors(source):
        table = pyarrow.parquet.ParquetFile(file)
    names = list(choose(list(table.schema_arrow.names)))
    batches = table.iter_batches(batch_size=1024, columns=names)
    while True:
        with _parquet_errors(source):
            batch = next(batches, None)
        if batch is None:
            return
        columns = [batch.column(name).to_pylist() for name in names]
        yield from (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


@contextlib.contextmanager
def _parquet_errors(source: str) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{source}: not a Parquet file that can be read ({first_line(error)}).") from error


def read_content(source: str) -> bytes:
    """Read a file as it is; a leading `~` is expanded.

    Raises:
        InputError: If it is missing or cannot be read.
    """
    try:
        return Path(source).expanduser().read_bytes()
    except FileNotFoundError:
        raise InputError(f"{source}: there is no such file. Check the path.") from None
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror}).") from error


def languages_on_disk(pattern: str) -> list[str]:
    """Return the codes that replace `{language}` in the names of existing files."""
    template = str(Path(pattern).expanduser())
    first, *rest = (re.escape(part) for part in template.split(PLACEHOLDER))
    name = re.compile(first + r"(?P<code>[^/\\]+)" + "(?P=code)".join(rest))
    matches = (name.fullmatch(path) for path in glob(escape(template).replace(PLACEHOLDER, "*")))
    return sorted(match["code"] for match in matches if match)


def _collect(rows: Rows, source: str, max_rows: int | None) -> Table:
    places, values = [], []
    for place, row in islice(_without_trailing_blanks(rows, source), max_rows):
        places.append(place)
        values.append(row)
    if not values:
        raise InputError(f"{source}: no rows. Give a file with at least one example.")
    return Table([list(column) for column in zip(*values, strict=True)], source, "line", places)


def _without_trailing_blanks(rows: Rows, source: str) -> Rows:
    """Drop blank rows at the end; a blank row between others is an error, since it would shift aligned rows."""
    blank = None
    for place, row in rows:
        if not row:
            blank = blank or place
        elif blank:
            raise InputError(f"{source}, line {blank}: the line is blank. Remove it, or fill in the missing example.")
        else:
            yield place, row
