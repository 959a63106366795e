"""Reads raw and aligned text for pre-training: each sentence once, and the groups of sentences that say the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modeling_dlfa.errors import InputError

LANGUAGES = ("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
LINE_ALIGNED = "line_aligned"  # The groups that `read_text` finds there.
PAIRS_HEADER = ["lang", "en", "text", "source"]


@dataclass
class Text:
    """Sentences of all languages.

    Attributes:
        sentences: Each sentence once, even where several files or languages hold it.
        languages: Index into `LANGUAGES` for each sentence; English where English has it too (untranslated lines).
        groups: For each file of aligned text the groups of sentences with one meaning, as indices of `sentences`.
        files: Name, size in bytes, SHA-256 and lines of each file read.
    """

    sentences: list[str] = field(default_factory=list)
    languages: list[int] = field(default_factory=list)
    groups: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)

    def add(self, sentence: str, language: int) -> int | None:
        """Index of a sentence, new or known; None for an empty one."""
        sentence = " ".join(sentence.split())
        if not sentence:
            return None
        index = self._index.setdefault(sentence, len(self.sentences))
        if index == len(self.sentences):
            self.sentences.append(sentence)
            self.languages.append(language)
        return index

    def add_group(self, file: str, members: list[tuple[str, int]]) -> None:
        """Adds sentences with one meaning; a group of which less than two differ is raw text."""
        indices = [self.add(sentence, language) for sentence, language in members]
        group = tuple(dict.fromkeys(index for index in indices if index is not None))
        if len({self.languages[index] for index in group}) > 1:
            self.groups.setdefault(file, []).append(group)

    def by_language(self) -> list[list[str]]:
        """The sentences of each language of `LANGUAGES`, in the order read."""
        result: list[list[str]] = [[] for _ in LANGUAGES]
        for sentence, language in zip(self.sentences, self.languages, strict=True):
            result[language].append(sentence)
        return result


def read_text(text_dir: Path, line_aligned: str | None = None) -> Text:
    """Reads a folder of raw text and aligned text.

    Args:
        text_dir: Folder of `{lang}.txt` (a sentence a line) and `*.tsv`: either a header of language codes and a group
            of aligned sentences a row, where a cell may be empty, or the header `lang en text source` and a sentence
            pair a row. UTF-8, no quoting.
        line_aligned: Path with `{language}` of further raw text whose lines are aligned across languages.

    Returns:
        The sentences, groups and a record of the files.

    Raises:
        InputError: The folder has no such file, a header is unknown, or a row is malformed.
    """
    text = Text()
    raw = [text_dir / f"{language}.txt" for language in LANGUAGES]
    tables = sorted(text_dir.glob("*.tsv"))
    if not tables and not any(path.is_file() for path in raw):
        raise InputError(
            f"{text_dir} has no {{lang}}.txt and no .tsv file. Give the folder of the text as --text_dir."
        )
    for language, path in enumerate(raw):
        if path.is_file():
            for line in _lines(path, text):
                text.add(line, language)
    for path in tables:
        _read_table(path, text)
    if line_aligned is not None:
        paths = [Path(line_aligned.replace("{language}", language)) for language in LANGUAGES]
        columns = [list(_lines(path, text)) if path.is_file() else [] for path in paths]
        lengths = {len(column) for column in columns if column}
        if len(lengths) != 1:
            raise InputError(
                f"{line_aligned} matches files of {sorted(lengths)} lines. Aligned files are equally long."
            )
        known = [language for language, column in enumerate(columns) if column]
        for row in zip(*(columns[language] for language in known), strict=True):
            text.add_group(LINE_ALIGNED, list(zip(row, known, strict=True)))
    return text


def _lines(path: Path, text: Text) -> Iterator[str]:
    data = path.read_bytes()
    lines = data.decode("utf-8-sig").split("\n")
    if lines[-1] == "":
        lines.pop()
    text.files.append(
        {"file": path.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "lines": len(lines)}
    )
    yield from lines


def _read_table(path: Path, text: Text) -> None:
    lines = _lines(path, text)
    header = next(lines, "").rstrip("\r").split("\t")
    pairs = header == PAIRS_HEADER
    if not pairs and not all(language in LANGUAGES for language in header):
        raise InputError(f"{path.name} has the header {header}. Use language codes or {' '.join(PAIRS_HEADER)}.")
    for number, line in enumerate(lines, start=2):
        cells = line.rstrip("\r").split("\t")
        if len(cells) != len(header) or (pairs and cells[0] not in LANGUAGES):
            raise InputError(f"{path.name}:{number} does not fit its header {header}. Mend or remove the row.")
        if pairs:
            text.add_group(path.name, [(cells[1], 0), (cells[2], LANGUAGES.index(cells[0]))])
        else:
            text.add_group(
                path.name, [(cell, LANGUAGES.index(name)) for name, cell in zip(header, cells, strict=True)]
            )
