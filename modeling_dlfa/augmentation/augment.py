"""Code-switching: rows of labelled data with a share of their words switched into other languages, labels kept."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..command.wording import counted
from ..data.loading import Split, load_file
from ..data.places import draw
from ..errors import InputError
from ..files.folders import free_file
from ..languages import language_label
from ..pretrained_dlfa import file_sha256
from ..tasks import Task
from .chunks import Chunks
from .output import check_format, check_texts, write_rows
from .pieces import PieceLanguages
from .settings import Settings
from .teacher import Proposal, Question, RandomPieces, Teacher, make_proposer
from .words import Reader, Reading, Word

EXAMPLES = 5
# A text of the row, the place of the word in it, its first character, its length, and the piece that takes its place.
Switch = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Outcome:
    """What an augmented file holds.

    Attributes:
        rows: Rows or sentences, the original ones among them.
        words: Words of the copies that can be switched.
        switched: How many were, by the language of what took their place.
        examples: Some switched texts, each with the original before it.
        sums: SHA-256 of the source file, `input`, and of the written one, `output`.
    """

    rows: int
    words: int
    switched: dict[str, int]
    examples: list[tuple[str, str]] = field(default_factory=list)
    sums: dict[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Returns the outcome as JSON holds it."""
        shares = {name: count / max(self.words, 1) for name, count in self.switched.items()}
        return {**vars(self), "shares": shares}

    def summary(self) -> str:
        """Says in a few lines how many words were switched into which languages, with examples."""
        total = sum(self.switched.values())
        lines = [
            f"{counted(self.rows, 'row')}, {counted(self.words, 'word')} in the copies: {total:,} switched "
            f"({total / max(self.words, 1):.1%})"
        ]
        lines += [
            f"{'/'.join(map(language_label, name.split('/')))}: {count:,} ({count / max(self.words, 1):.1%})"
            for name, count in self.switched.items()
        ]
        lines += [line for original, copy in self.examples for line in (f"- {original}", f"+ {copy}")]
        return "\n  ".join(lines)


def augment_file(
    task: Task,
    train_file: str | os.PathLike,
    output_file: str | os.PathLike,
    settings: Settings,
    *,
    copies: int = 1,
    only_copies: bool = False,
    overwrite: bool = False,
) -> Outcome:
    """Writes labelled rows and copies of them with words switched into the target languages.

    Every draw depends on the seed, the copy, the row and the word's place alone. What is finished of a stopped command
    is kept in a folder beside the output file, and the same command goes on from there.

    Args:
        task: Gives columns, labels and the longest input.
        train_file: The rows, as training reads them.
        output_file: What to write: of texts `.tsv`, `.csv` or `.jsonl`, of words a word and its label a line (`.tsv`)
            or `.jsonl`; training reads it.
        settings: The teacher, the languages, and what is asked.
        copies: How many switched copies of every row.
        only_copies: Leave out the original rows.
        overwrite: Whether the output file may be replaced.

    Raises:
        InputError: A file is missing, malformed or in the way, or the teacher cannot be used.
    """
    output = Path(output_file)
    if copies < 1:
        raise InputError(f"--copies {copies}: give 1 or more.")
    free_file(str(output), "--output_file", overwrite=overwrite, inputs=[train_file])
    check_format(task, output)
    split = load_file(str(train_file), task, task.source_language, settings.max_train_samples)
    check_texts(task, output, split.texts)
    tokenizer, pieces, proposer = make_proposer(task.source_language, settings)
    switcher = Switcher(split, Reader(task, tokenizer, settings.max_length), pieces, proposer, settings)
    shaped_by = {"task": task.name, "sha256": split.source.sha256, "copies": copies, **settings.record()}
    chunks = Chunks(output, shaped_by, overwrite=overwrite)
    counts: Counter[str] = Counter()
    examples: list[tuple[str, str]] = []

    def rows() -> Iterator[tuple[list[Any], Any]]:
        if not only_copies:
            yield from zip(map(list, zip(*split.texts, strict=True)), split.labels, strict=True)
        for copy in range(copies):
            for found in chunks.compute(len(split), partial(switcher.write, copy), part=copy):
                content = json.loads(found.read_text(encoding="utf-8"))
                counts.update(content["counts"])
                for row, switches in enumerate(content["switches"], content["start"]):
                    texts = [switched(text[row], switches, column, pieces) for column, text in enumerate(split.texts)]
                    if switches and len(examples) < EXAMPLES:
                        examples.append((shown(text[row] for text in split.texts), shown(texts)))
                    yield texts, split.labels[row]

    written = write_rows(task, output, rows())
    chunks.remove()
    named = {name: counts[name] for name in pieces.groups}
    sums = {"input": str(split.source.sha256), "output": file_sha256(output)}
    return Outcome(written, counts[""], named, examples, sums)


class Switcher:
    """Draws the words to switch, asks for what takes their place, and draws among the answers.

    Args:
        split: The rows.
        reader: Encodes them.
        pieces: The pieces of the target languages.
        proposer: What is asked.
        settings: Of the command.
    """

    def __init__(
        self,
        split: Split,
        reader: Reader,
        pieces: PieceLanguages,
        proposer: Teacher | RandomPieces,
        settings: Settings,
    ) -> None:
        self.split, self.reader, self.pieces, self.proposer, self.settings = split, reader, pieces, proposer, settings

    def write(self, copy: int, rows: range, path: Path) -> None:
        """Writes the switches of some rows of a copy, and how many words there are (under "") and went to whom."""
        switches, counts = self.switch(copy, rows)
        content = {"start": rows.start, "counts": counts, "switches": [switches[row] for row in rows]}
        path.write_text(json.dumps(content), encoding="utf-8", newline="\n")

    def switch(self, copy: int, rows: range) -> tuple[dict[int, list[Switch]], Counter[str]]:
        """Returns the switches of each row of a copy, and counts as in `write`."""
        questions, owners = [], []
        counts: Counter[str] = Counter()
        for row, readings in zip(rows, self.reader(self.split, rows), strict=True):
            for reading in readings:
                words, keys = self._drawn(copy, row, reading)
                counts[""] += len(askable(reading, self.settings))
                questions.append(Question(reading, words, keys))
                owners.append(row)
        switches: dict[int, list[Switch]] = defaultdict(list)
        for row, question, proposals in zip(owners, questions, self.proposer(questions), strict=True):
            for word, key, proposal in zip(question.words, question.keys, proposals, strict=True):
                if len(proposal.ids):
                    piece = drawn_piece(proposal, key)
                    switches[row].append((word.column, word.place, word.start, len(word.text), piece))
                    counts[self.pieces.groups[self.pieces.owner[piece]]] += 1
        return switches, counts

    def _drawn(self, copy: int, row: int, reading: Reading) -> tuple[list[Word], list[str]]:
        drawn = {}
        for word in askable(reading, self.settings):
            key = f"{self.settings.seed} {copy} {row} {word.column} {word.place}"
            if draw(key) < self.settings.switch_probability:
                drawn[key] = word
        return list(drawn.values()), list(drawn)


def askable(reading: Reading, settings: Settings) -> list[Word]:
    """Returns the words of a reading that a proposer can be asked for: read as they are, those of one piece alone."""
    return [word for word in reading.words if settings.masking != "none" or word.tokens[1] - word.tokens[0] == 1]


def drawn_piece(proposal: Proposal, key: str) -> int:
    """Returns the piece that a word's key draws by the proposal's weights."""
    sums = np.cumsum(proposal.weights.astype(np.float64))
    return int(proposal.ids[np.searchsorted(sums, draw(key, "switch") * sums[-1], side="right")])


def switched(text: Any, switches: Iterable[Switch], column: int, pieces: PieceLanguages) -> Any:
    """Returns a text, or a sentence's list of words, with its switches made."""
    own = sorted((switch for switch in switches if switch[0] == column), key=lambda switch: -switch[1])
    if isinstance(text, list):
        words = list(text)
        for _, place, _, _, piece in own:
            words[place] = pieces.texts[piece]
        return words
    for _, _, start, length, piece in own:
        text = text[:start] + pieces.texts[piece] + text[start + length :]
    return text


def shown(texts: Iterable[Any]) -> str:
    """Returns a row's texts as one line."""
    return " | ".join(" ".join(text) if isinstance(text, list) else text for text in texts)
