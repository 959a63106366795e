"""Asks the teacher once what may be mixed into each token, so that training reads a file and no second model."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.loading import Split, load_file
from ..data.mixup import MixupTable
from ..errors import InputError
from ..files.folders import free_file
from ..glyphs_dlfa import vocabulary_hash
from ..tasks import Task
from .chunks import Chunks
from .settings import Settings
from .teacher import Proposal, Question, RandomPieces, Teacher, make_proposer
from .words import Reader, Reading, Word

EXTENSION = ".safetensors"


def write_mixup_file(
    task: Task,
    train_file: str | os.PathLike,
    mixup_file: str | os.PathLike,
    settings: Settings,
    *,
    overwrite: bool = False,
) -> MixupTable:
    """Asks for every word that is one piece, and writes the answers beside the training data.

    With masks a row is read several times, each time with about a `switch_probability` of its words masked.
    What is finished of a stopped command is kept, as by `augment_file`.

    Args:
        task: Gives columns, labels and the longest input.
        train_file: The rows, as training reads them.
        mixup_file: What to write, a name in `.safetensors`, for `dlfa train --mixup`.
        settings: The teacher, the languages, and what is asked.
        overwrite: Whether the file may be replaced.

    Raises:
        InputError: A file is missing, malformed or in the way, or the teacher cannot be used.
    """
    output = Path(mixup_file)
    if output.suffix != EXTENSION:
        raise InputError(f"--mixup_file {output}: give a name that ends in {EXTENSION}.")
    free_file(str(output), "--mixup_file", overwrite=overwrite, inputs=[train_file])
    split = load_file(str(train_file), task, task.source_language, settings.max_train_samples)
    tokenizer, _, proposer = make_proposer(task.source_language, settings)
    source = _Source(split, Reader(task, tokenizer, settings.max_length), proposer, settings)
    record = {"task": task.name, "sha256": split.source.sha256, **settings.record()}
    chunks = Chunks(output, record, overwrite=overwrite)
    parts = [MixupTable.load(path) for path in chunks.compute(len(split), source.write)]
    table = MixupTable.join(parts, {**record, "vocabulary": vocabulary_hash(tokenizer)})
    table.save(output)
    chunks.remove()
    return table


@dataclass(frozen=True)
class _Source:
    """What the table is made of."""

    split: Split
    reader: Reader
    proposer: Teacher | RandomPieces
    settings: Settings

    def write(self, rows: range, path: Path) -> None:
        readings: list[Reading] = []
        owners: list[int] = []
        for row, found in zip(rows, self.reader(self.split, rows), strict=True):
            readings += found
            owners += [row] * len(found)
        questions, asked = [], []
        for index, (row, reading) in enumerate(zip(owners, readings, strict=True)):
            for words in self._rounds(reading):
                keys = [f"{self.settings.seed} mixup {row} {word.column} {word.place}" for word in words]
                questions.append(Question(reading, words, keys))
                asked.append(index)
        entries: list[dict[int, Proposal]] = [{} for _ in readings]
        for index, question, proposals in zip(asked, questions, self.proposer(questions), strict=True):
            for word, proposal in zip(question.words, proposals, strict=True):
                if len(proposal.ids):
                    entries[index][word.tokens[0]] = proposal
        encoded = [reading.inputs["input_ids"] for reading in readings]
        MixupTable.of_rows(encoded, entries, self.settings.top_k).save(path)

    def _rounds(self, reading: Reading) -> Sequence[list[Word]]:
        """The words that are asked for, those of each round as far apart as can be."""
        single = [word for word in reading.words if word.tokens[1] - word.tokens[0] == 1]
        rounds = 1 if self.settings.masking == "none" else math.ceil(1 / self.settings.switch_probability)
        return [words for start in range(rounds) if (words := single[start::rounds])]
