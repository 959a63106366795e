"""What a label means, by one rule in every format: names, class ids, and labels that are digits themselves."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from modeling_dlfa.data.labels import MultiLabelReader, read_number
from modeling_dlfa.data.loading import load_file
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import Task, get_task

STARS = Task(
    name="stars",
    title="Stars",
    kind="sequence",
    text_columns=("text",),
    label_column="stars",
    labels=("1", "2", "3", "4", "5"),
    languages=("en", "de"),
    metric="accuracy",
)
Writer = Callable[[Path, Task, Sequence[Any]], Path]


def records(task: Task, labels: Sequence[Any]) -> list[dict[str, Any]]:
    texts = {name: f"some {name}" for name in task.text_columns}
    return [{**texts, task.label_column: label} for label in labels]


def write_delimited(path: Path, task: Task, labels: Sequence[Any]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        rows.writerow([*task.text_columns, task.label_column])
        rows.writerows(record.values() for record in records(task, labels))
    return path


def write_json_lines(path: Path, task: Task, labels: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records(task, labels)), encoding="utf-8")
    return path


def write_parquet(path: Path, task: Task, labels: Sequence[Any], names: Sequence[str] | None = None) -> Path:
    data = datasets.Dataset.from_list(records(task, labels))
    if names is not None:
        data = data.cast_column(task.label_column, datasets.ClassLabel(names=list(names)))
    data.to_parquet(path)
    return path


FORMATS: list[tuple[str, Writer]] = [
    ("a.csv", write_delimited),
    ("a.tsv", write_delimited),
    ("a.jsonl", write_json_lines),
    ("a.parquet", write_parquet),
]
TYPED = FORMATS[2:]


@pytest.mark.parametrize(("name", "write"), FORMATS)
def test_strings_of_digits_are_names_in_every_format(tmp_path: Path, name: str, write: Writer) -> None:
    path = write(tmp_path / name, STARS, ["1", "2", "3", "3", "1"])
    assert load_file(path, STARS, "en").labels == [0, 1, 2, 2, 0]


@pytest.mark.parametrize(("name", "write"), TYPED)
def test_numbers_spell_names_where_they_can_mean_nothing_else(tmp_path: Path, name: str, write: Writer) -> None:
    path = write(tmp_path / name, STARS, [1, 5, 3])
    assert load_file(path, STARS, "en").labels == [0, 4, 2]


@pytest.mark.parametrize(("name", "write"), TYPED)
def test_numbers_that_could_be_either_are_refused(tmp_path: Path, name: str, write: Writer) -> None:
    path = write(tmp_path / name, STARS, [3, 1, 4])
    with pytest.raises(InputError) as error:
        load_file(path, STARS, "en")
    message = str(error.value)
    assert "1: the number 3 can mean the label '3' or, as a class id, the label '4'." in message
    assert 'Write labels as strings ("3")' in message and "ClassLabel" in message
    assert path.name in message


@pytest.mark.parametrize(("name", "write"), FORMATS)
def test_a_class_id_is_not_taken_for_a_star(tmp_path: Path, name: str, write: Writer) -> None:
    """Both "0" and "1" would become the first label, or every star the one above it."""
    labels: list[Any] = [0, 1, 2, 4] if (name, write) in TYPED else ["0", "1", "2", "4"]
    with pytest.raises(InputError, match="unknown label '0'. Known: '1', .*'5', a number stands for the label"):
        load_file(write(tmp_path / name, STARS, labels), STARS, "en")


def test_names_of_class_labels_are_strings(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", STARS, ["2", "1", "3"], ["3", "2", "1"])
    assert load_file(path, STARS, "en").labels == [1, 0, 2]


def test_names_that_only_count_say_no_more_than_the_numbers(tmp_path: Path) -> None:
    """`ClassLabel(num_classes=5)` has the names "0" to "4"."""
    counting = [str(number) for number in range(5)]
    path = write_parquet(tmp_path / "a.parquet", STARS, [1, 3], counting)
    with pytest.raises(
        InputError, match="row 1: the number 1 can mean the label '1' or, as a class id, the label '2'"
    ):
        load_file(path, STARS, "en")
    path = write_parquet(tmp_path / "b.parquet", get_task("xnli"), [2, 0, 1], counting[:3])
    assert load_file(path, get_task("xnli"), "en").labels == [2, 0, 1]


@pytest.mark.parametrize("names", [None, ("0", "1")], ids=["integers", "class-label"])
def test_pawsx_has_labels_that_are_their_own_class_ids(tmp_path: Path, names: Sequence[str] | None) -> None:
    task = get_task("pawsx")
    assert load_file(write_parquet(tmp_path / "a.parquet", task, [0, 1, 1], names), task, "en").labels == [0, 1, 1]
    for name, write in FORMATS:
        assert load_file(write(tmp_path / name, task, ["0", "1", "1"]), task, "en").labels == [0, 1, 1]
    assert load_file(write_json_lines(tmp_path / "n.jsonl", task, [0, 1]), task, "en").labels == [0, 1]


@pytest.mark.parametrize("names", [None, get_task("xnli").labels], ids=["integers", "class-label"])
def test_xnli_has_class_ids(tmp_path: Path, names: Sequence[str] | None) -> None:
    task = get_task("xnli")
    assert load_file(write_parquet(tmp_path / "a.parquet", task, [0, 2, 1], names), task, "en").labels == [0, 2, 1]
    for name, write in FORMATS:
        assert load_file(write(tmp_path / name, task, ["0", "2", "1"]), task, "en").labels == [0, 2, 1]


def test_labels_below_zero(tmp_path: Path) -> None:
    task = replace(STARS, labels=("-1", "0", "1"))
    assert load_file(write_delimited(tmp_path / "a.csv", task, ["-1", "1", "0"]), task, "en").labels == [0, 2, 1]
    assert load_file(write_json_lines(tmp_path / "a.jsonl", task, [-1, 1, 0]), task, "en").labels == [0, 2, 1]
    with pytest.raises(
        InputError, match="line 1: the number 1 can mean the label '1' or, as a class id, the label '0'"
    ):
        load_file(write_json_lines(tmp_path / "a.jsonl", task, [1, 0]), task, "en")
    with pytest.raises(InputError, match="line 2: no label"):
        load_file(write_json_lines(tmp_path / "a.jsonl", STARS, [5, -1]), STARS, "en")


def test_the_rule_holds_for_words(tmp_path: Path) -> None:
    task = replace(get_task("udpos"), labels=("1", "2", "3"))
    path = tmp_path / "a.jsonl"
    for tags, expected in (([["1", "3"]], [[0, 2]]), ([[1, 3]], [[0, 2]])):
        path.write_text(json.dumps({"tokens": ["a", "b"], "upos": tags[0]}), encoding="utf-8")
        assert load_file(path, task, "en").labels == expected
    path.write_text(json.dumps({"tokens": ["a", "b"], "upos": [2, 1]}), encoding="utf-8")
    with pytest.raises(
        InputError, match="line 1, word 1: the number 2 can mean the label '2' or, as a class id, the "
    ):
        load_file(path, task, "en")


def test_several_labels_are_names_ids_or_joined_names() -> None:
    read = MultiLabelReader(("joy", "anger"), [])
    for value in (["joy", "anger"], "joy|anger", " anger | joy ", [0, 1]):
        assert read(value) == [1.0, 1.0], value
    assert read("") == read([]) == [0.0, 0.0] and read("anger") == read(1) == [0.0, 1.0]
    assert MultiLabelReader(("joy", "anger"), [[0]], ["anger", "joy"])([0]) == [0.0, 1.0]
    for wrong, expected in ((None, "no labels"), ("fear", "unknown label 'fear'"), ([2], "unknown label '2'")):
        with pytest.raises(InputError, match=expected):
            read(wrong)


def test_numbers() -> None:
    assert read_number(" 2.5 ") == 2.5 and read_number(3) == 3.0
    for wrong in ("", None, "nan", "x", True, float("inf"), [1]):
        with pytest.raises(InputError, match="is not a number"):
            read_number(wrong)
