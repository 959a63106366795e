"""Sentence pairs as rows, records and files of every format."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import datasets

from modeling_dlfa.data.loading import SourceInfo, Split
from modeling_dlfa.tasks import get_task

from .samples import write

TASK = get_task("xnli")
ROWS = [
    ("The cat sat on the mat.", "A cat is sitting.", "entailment"),
    ('He said "no" and left.', "He was angry, very angry.", "neutral"),
    ("Es regnet in Köln.", "Die Straße ist trocken.", "contradiction"),
    ("她回家了。", "她在家。", "neutral"),
]
RECORDS = [dict(zip(("premise", "hypothesis", "label"), row, strict=True)) for row in ROWS]
LABEL_IDS = [0, 1, 2, 1]


def tsv(rows: Iterable[tuple[str, ...]] = ROWS, end: str = "\n") -> str:
    return end.join("\t".join(row) for row in [("premise", "hypothesis", "label"), *rows]) + end


def write_csv(path: Path) -> None:
    datasets.Dataset.from_list(RECORDS).to_csv(path)


def write_json_lines(path: Path) -> None:
    write(path, "".join(json.dumps(record) + "\n" for record in RECORDS))


def write_parquet(path: Path) -> None:
    datasets.Dataset.from_list(RECORDS).to_parquet(path)


def write_class_label_parquet(path: Path) -> None:
    """As `datasets` writes it, with the label names in an order that is not ours."""
    names = datasets.ClassLabel(names=["contradiction", "entailment", "neutral"])
    datasets.Dataset.from_list(RECORDS).cast_column("label", names).to_parquet(path)


def split_of(rows: list[tuple[str, str, str]], language: str = "en") -> Split:
    labels = [TASK.labels.index(label) for _, _, label in rows]
    texts = ([row[0] for row in rows], [row[1] for row in rows])
    return Split(language, texts, labels, SourceInfo("memory", len(rows)))
