"""Training data of several languages, set aside for validation, drawn evenly, and under other names."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from modeling_dlfa.cli import main
from modeling_dlfa.data.splits import SourceInfo, Split
from modeling_dlfa.errors import InputError
from modeling_dlfa.results.results import load_results
from modeling_dlfa.training.train_data import draw_evenly, set_aside

from ..commands import assert_refused, read


def split_of(labels: list[int], language: str = "en") -> Split:
    texts = [f"{language}{row}" for row in range(len(labels))]
    return Split(language, (texts,), labels, SourceInfo("memory", len(labels)))


def test_labels_are_drawn_evenly_as_far_as_they_go() -> None:
    split = split_of([0] * 50 + [1] * 20 + [2] * 3)
    drawn = draw_evenly(split, 30, seed=1)
    counts = Counter(drawn.labels)
    assert counts[2] == 3 and {counts[0], counts[1]} <= {13, 14} and len(drawn) == drawn.source.rows == 30
    assert drawn.texts[0] == draw_evenly(split, 30, seed=1).texts[0] != draw_evenly(split, 30, seed=2).texts[0]
    assert [split.labels[int(text[2:])] for text in drawn.texts[0]] == drawn.labels
    assert len(draw_evenly(split, 500, seed=1)) == 73
    assert drawn.source.drawn == "drawn evenly over labels with seed 1"


@pytest.mark.parametrize("aligned", [True, False])
def test_no_translation_of_a_validation_row_is_trained_on(aligned: bool) -> None:
    splits = [split_of([0, 1] * 20), split_of([0, 1] * 20, "de"), split_of([0, 1] * 3, "fr")]
    (english, german, french), validation = set_aside(splits, 0.1, 3, aligned=aligned)
    assert len(validation) == 4 and len(english) == 36 and len(french) == 6
    assert sorted(validation.texts[0] + english.texts[0]) == sorted(splits[0].texts[0])
    held = {text[2:] for text in validation.texts[0]}
    assert len(held & {text[2:] for text in german.texts[0]}) == (0 if aligned else 4)
    assert validation.source.drawn == "0.1 of 40 rows, drawn with seed 3"
    assert english.source.drawn == f"without {validation.source.drawn}, for validation"
    with pytest.raises(InputError, match="of 6 training rows is 0"):
        set_aside(splits[2:], 0.05, 3, aligned=aligned)


def test_what_is_blank_stays_with_its_rows() -> None:
    texts = Split(
        "en", (["a", " ", "c"], ["x", "y", ""]), [0, 1, 0], SourceInfo("memory", 3), blank=["row 2", "row 3"]
    )
    assert texts.select([0, 2], "drawn").blank == ["row 3"]
    words = Split("en", ([["a", ""], ["b"], ["", ""]],), [[0, 1], [0], [0, 0]], SourceInfo("memory", 3))
    words.blank = ["line 2", "line 6", "line 7"]
    assert words.select([2], "drawn").blank == ["line 6", "line 7"]


def rename(path: Path, target: Path) -> None:
    with path.open(encoding="utf-8") as file, target.open("w", encoding="utf-8", newline="") as renamed:
        rows = csv.reader(file, delimiter="\t")
        next(rows)
        csv.writer(renamed).writerows([["first", "second", "gold"], *rows])


def test_two_languages_other_names_and_drawn_rows(tiny_data: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    for language, name in (("en", "train"), ("de", "test-de")):
        rename(tiny_data / f"{name}.tsv", tmp_path / f"train-{language}.csv")
    for language in ("en", "de", "ar"):
        rename(tiny_data / f"test-{language}.tsv", tmp_path / f"test-{language}.csv")
    arguments = ["--model_name_or_path", str(tiny_encoder), "--fusion_layers", "1", "--use_cpu", "True"]
    arguments += ["--train_languages", "en", "de", "--train_file", str(tmp_path / "train-{language}.csv")]
    arguments += ["--test_file", str(tmp_path / "test-{language}.csv"), "--output_dir", str(tmp_path / "out")]
    arguments += ["--text_columns", "first", "second", "--label_column", "gold", "--validation_fraction", "0.25"]
    arguments += ["--max_train_samples", "21", "--train_samples_strategy", "balanced", "--num_train_epochs", "1"]
    main("xnli", arguments)
    results = read(tmp_path / "out" / "results.json")
    assert results["train_languages"] == ["en", "de"] and results["text_columns"] == ["first", "second"]
    data = results["data"]
    assert data["train"]["rows"] == 42 and data["train"]["source"].endswith("train-{language}.csv")
    assert [data["train_by_language"][code]["rows"] for code in ("en", "de")] == [21, 21]
    assert data["validation"]["drawn"] == "0.25 of 96 rows, drawn with seed 42" and data["validation"]["rows"] == 24
    assert set(results["data_statistics"]["train"]["en"]["labels"].values()) == {7}
    system = results["summary"]["systems"]["aif-layer1"]
    scores = {code: entry["mean"] for code, entry in system["languages"].items()}
    assert system["macro_target"]["mean"] == pytest.approx(scores["ar"])
    assert system["transfer_gap"]["mean"] == pytest.approx(scores["en"] - scores["ar"])
    assert load_results(tmp_path / "out").targets == ["ar"]
    page = (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    for told in ("Trained on en, de.", "| average, targets (not en, de) |", "all languages except en and de"):
        assert told in page, told
    assert "Of the training rows: en 21, de 21." in page and "0.25 of 96 rows, drawn with seed 42" in page
    card = (tmp_path / "out" / "models" / "aif-layer1-seed42" / "README.md").read_text(encoding="utf-8")
    assert "fine-tuned on English and German labels" in card and "trained on labels in English and German only" in card


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--train_languages", "en", "xx"], "Unknown language code 'xx'"),
        (["--train_languages", "en", "en"], "is given more than once"),
        (["--train_languages", "en", "de"], "one file is given for 2 languages"),
        (["--validation_fraction", "0.1"], "--validation_file and --validation_fraction both give validation data"),
        (["--validation_fraction", "1"], "is not a share"),
        (["--validation_file", ""], "--validation_fraction 0.1 takes validation data from the training file"),
        (["--train_samples_strategy", "balanced"], "has no effect without --max_train_samples"),
        (["--text_columns", "label"], "'label' is both a text column and the label column"),
        (["--text_columns", "a", "b"], "missing columns 'a', 'b'"),
        (["--do_train", "False", "--max_train_samples", "3"], "--do_train False excludes"),
    ],
)
def test_what_makes_no_sense_is_refused(
    more: list[str], expected: str, xnli_arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused([*xnli_arguments, *more], expected, capsys)
