"""Tagged words from every format, and the language's mark before the words of PAN-X."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from modeling_dlfa.data.loading import load_file
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import get_task

from .samples import write

PANX = get_task("panx")
WORDS = [["Paris", "is", "big"], ["Ah"]]
TAGS = [["B-LOC", "O", "O"], ["O"]]


def write_as(path: Path, tags: list[list[Any]], **features: Any) -> Path:
    data = datasets.Dataset.from_dict({"tokens": WORDS, "ner_tags": tags})
    if features:
        names = datasets.Sequence(datasets.ClassLabel(**features))
        data = data.cast_column("ner_tags", names)
    if path.suffix == ".parquet":
        data.to_parquet(path)
    else:
        data.to_json(path)
    return path


def test_formats_agree(tmp_path: Path) -> None:
    ids = [[PANX.labels.index(tag) for tag in tags] for tags in TAGS]
    rows = zip(WORDS, TAGS, strict=True)
    text = "\n\n".join("\n".join(map("\t".join, zip(*row, strict=True))) for row in rows)
    names = [*PANX.labels[::-1]]
    other_ids = [[names.index(tag) for tag in tags] for tags in TAGS]
    paths = [
        write(tmp_path / "a.tsv", text),
        write_as(tmp_path / "a.jsonl", TAGS),
        write_as(tmp_path / "b.jsonl", ids),
        write_as(tmp_path / "a.parquet", TAGS),
        write_as(tmp_path / "b.parquet", other_ids, names=names),
    ]
    for path in paths:
        split = load_file(path, PANX, "en")
        assert (split.texts, split.labels, split.source.rows) == ((WORDS,), ids, 2), path
        assert load_file(path, PANX, "en", max_samples=1).texts == (WORDS[:1],)


def test_words_without_annotation_are_left_out(tmp_path: Path) -> None:
    task = get_task("udpos")
    path = write(tmp_path / "a.tsv", "al\t_\na\tADP\nel\tDET\n\nal\t_\n\nx\tX\n")
    split = load_file(path, task, "es")
    assert split.texts == ([["a", "el"], ["x"]],)
    assert split.source.rows == 2
    with pytest.raises(InputError, match="line 1: unknown label '_'"):
        load_file(path, replace(task, unlabelled=()), "es")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "x\tO\ny\tB-MISC\n", r"a\.tsv, line 2: unknown label 'B-MISC'\. Known: 'O', 'B-PER'"),
        (
            "a.jsonl",
            '{"tokens": ["a"], "ner_tags": ["O", "O"]}',
            "line 1: columns 'tokens' and 'ner_tags' must be",
        ),
        ("a.jsonl", '{"tokens": "a", "ner_tags": "O"}', "line 1: columns 'tokens' and 'ner_tags' must be lists"),
        ("a.jsonl", '{"tokens": ["a", 1], "ner_tags": [0, 0]}', "line 1, word 2: the word is 1, not text"),
        ("a.jsonl", '{"tokens": ["a", "b"], "ner_tags": [0, -1]}', "line 1, word 2: no label. Remove the word"),
        (
            "a.jsonl",
            '{"tokens": ["\\udc00"], "ner_tags": [0]}',
            "line 1, word 1: the word holds half a surrogate pair",
        ),
        ("a.jsonl", '{"tokens": ["a"], "tags": [0]}', "missing column 'ner_tags'"),
        ("a.jsonl", '{"tokens": [], "ner_tags": []}', "no word has a label"),
        ("a.csv", "tokens,ner_tags\na,O\n", "labels words, for which CSV has no layout. Use one of .tsv"),
        ("a.xml", "<a/>", "cannot tell the format"),
    ],
)
def test_one_clear_error(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_file(write(tmp_path / name, content), PANX, "en")


def test_language_marks_of_panx_are_removed(tmp_path: Path) -> None:
    """As its authors distribute it, every word has its language before it, a colon too."""
    path = write(tmp_path / "de.tsv", "de:Berlin\tB-LOC\nde::\tO\nde:de:x\tO\n\nde:\u00a0\tO\n")
    split = load_file(path, PANX, "de")
    assert (split.texts, split.prefix) == (([["Berlin", ":", "de:x"], ["\u00a0"]],), "de:")
    assert split.blank == [f"{path}, line 5"]


@pytest.mark.parametrize(
    "content", ["de:Berlin\tB-LOC\nist\tO\n", "http:a\tO\nhttp:b\tO\n", "a\tO\n"]
)  # fmt: skip
def test_nothing_else_is_taken_for_a_mark(tmp_path: Path, content: str) -> None:
    split = load_file(write(tmp_path / "de.tsv", content), PANX, "de")
    assert split.texts[0] == [[line.split("\t")[0] for line in content.splitlines()]] and not split.prefix


def test_marks_of_some_words_are_told_and_of_most_refused(tmp_path: Path) -> None:
    some = load_file(write(tmp_path / "de.tsv", "de:Anton\tB-PER\nW\tO\nde:x\tO\nY\tO\n"), PANX, "de")
    assert (some.marked, some.prefix, some.texts[0]) == (2, "", [["de:Anton", "W", "de:x", "Y"]])
    path = write(tmp_path / "most.tsv", "de:Anton\tB-PER\nW\tO\nde:x\tO\n")
    with pytest.raises(InputError, match=r"most\.tsv: 2 of 3 words begin with 'de:', the language's mark"):
        load_file(path, PANX, "de")


def test_a_name_twice_in_a_json_line_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"tokens": ["a"], "ner_tags": ["O"], "tokens": ["b"]}\n')
    with pytest.raises(InputError, match=r"a\.jsonl, line 1: .*'tokens' appears twice"):
        load_file(path, PANX, "de")


def test_marks_of_another_language_are_another_languages_file(tmp_path: Path) -> None:
    path = write(tmp_path / "de.tsv", "en:Berlin\tB-LOC\nen:is\tO\n")
    with pytest.raises(InputError, match=r"de\.tsv: every word begins with 'en:', .* was given for 'de'\. Give"):
        load_file(path, PANX, "de")
