"""Switched copies of labelled rows: which words, which labels, how often, and again after a stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa.augmentation import Settings, augment_file, chunks, teacher
from modeling_dlfa.augmentation.masked_lm import MaskedLM
from modeling_dlfa.cli import run
from modeling_dlfa.data.loading import load_file
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import XNLI, get_task

from .planted import GERMAN, RUSSIAN, save_teacher, save_text

POS = get_task("udpos")
PREMISES = ["(the cat) sleeps, 2020 in the house", "cats sleeps", "2020 ,", "the hand in the house in the hand"]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A teacher that always answers `haus` and `кот`, and text."""
    folder = tmp_path_factory.mktemp("planted")
    return str(save_teacher(folder / "teacher", {"haus": 60.0, "кот": 60.0})), save_text(folder / "text")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "train.tsv"
    labels = ("entailment", "neutral", "contradiction", "neutral")
    lines = [f"{premise}\tthe cat\t{label}" for premise, label in zip(PREMISES, labels, strict=True)]
    path.write_text("\n".join(["premise\thypothesis\tlabel", *lines]) + "\n", encoding="utf-8")
    return path


def settings(planted: tuple[str, str], *languages: str, **values: Any) -> Settings:
    name, text = planted
    return Settings(name, languages, text, **{"switch_probability": 1.0, **values})


def test_all_words_are_switched_and_nothing_else(planted: tuple[str, str], rows: Path, tmp_path: Path) -> None:
    outcome = augment_file(XNLI, rows, tmp_path / "out.tsv", settings(planted, "ru"))
    found = load_file(tmp_path / "out.tsv", XNLI, "en")
    copied = ["(кот кот) кот, 2020 кот кот кот", "кот кот", "2020 ,", " ".join(["кот"] * 8)]
    assert found.texts == ([*PREMISES, *copied], ["the cat"] * 4 + ["кот кот"] * 4)
    assert found.labels == [0, 1, 2, 1] * 2
    assert (outcome.rows, outcome.words, outcome.switched) == (8, 24, {"ru": 24})
    assert outcome.record()["shares"] == {"ru": 1.0}
    assert outcome.examples[0] == (f"{PREMISES[0]} | the cat", f"{copied[0]} | кот кот")
    assert "24 switched (100.0%)\n  Russian (ru): 24 (100.0%)" in outcome.summary()
    assert not list(tmp_path.glob(".*parts"))


def test_shares_copies_and_seeds(planted: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    lines = [f"{'the cat sleeps ' * 8},the house,{label}" for label in ("entailment", "neutral")] * 20
    path.write_text("premise,hypothesis,label\n" + "\n".join(lines) + "\n", encoding="utf-8")

    def augmented(name: str, **values: Any) -> tuple[Any, list[str]]:
        options = settings(planted, "de", "ru", **{"switch_probability": 0.2, **values})
        outcome = augment_file(XNLI, path, tmp_path / f"{name}.jsonl", options, copies=3, only_copies=True)
        return outcome, (tmp_path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()

    first, lines = augmented("first", batch_size=7)
    assert len(lines) == first.rows == 120 and first.words == 3 * 40 * 26
    for count in first.switched.values():
        assert abs(count / first.words - 0.1) < 0.02, "a language is drawn as often as another"
    assert len({*lines[:40]} & {*lines[40:80]}) < 5, "copies differ"
    assert augmented("again", batch_size=2)[1] == lines
    assert augmented("other", seed=1)[1] != lines


def test_word_labels_stay_with_their_words(planted: tuple[str, str], tmp_path: Path) -> None:
    """Also in a sentence of several windows."""
    words = [("the", "DET"), ("cats", "NOUN"), (",", "PUNCT"), ("2020", "NUM"), ("sleeps", "VERB")]
    sentences = [words[:4], words[4:], words * 30]
    path = tmp_path / "train.conll"
    path.write_text("".join("".join(f"{w}\t{t}\n" for w, t in one) + "\n" for one in sentences), encoding="utf-8")
    for name in ("out.tsv", "out.jsonl"):
        outcome = augment_file(POS, path, tmp_path / name, settings(planted, "ru"), only_copies=True)
        found = load_file(tmp_path / name, POS, "en")
        assert [[POS.labels[label] for label in row] for row in found.labels] == [[t for _, t in s] for s in sentences]
        wanted = [[w if w in (",", "2020") else "кот" for w, _ in one] for one in sentences]
        assert found.texts[0] == wanted and outcome.switched == {"ru": 3 * 31}


def test_words_of_several_pieces_can_only_be_masked(planted: tuple[str, str], rows: Path, tmp_path: Path) -> None:
    augment_file(XNLI, rows, tmp_path / "out.tsv", settings(planted, "ru", masking="none"), only_copies=True)
    assert load_file(tmp_path / "out.tsv", XNLI, "en").texts[0][1] == "cats кот"


def test_random_pieces_ask_no_teacher(
    planted: tuple[str, str], rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teacher, "MaskedLM", None)
    options = settings(planted, "de", "ru", candidates="random", top_k=1)
    outcome = augment_file(XNLI, rows, tmp_path / "out.tsv", options, copies=20, only_copies=True)
    found = load_file(tmp_path / "out.tsv", XNLI, "en")
    words = " ".join(text for text in found.texts[1]).split()
    assert {*words} == {*GERMAN, *RUSSIAN} and len(words) == 160
    assert 0.35 < outcome.switched["de"] / outcome.words < 0.65


def test_the_control_of_the_same_language(planted: tuple[str, str], rows: Path, tmp_path: Path) -> None:
    _, text = planted
    name = str(save_teacher(tmp_path / "teacher", {"haus": 60.0, "кот": 60.0, "hand": 50.0}))
    options = Settings(name, (), text, candidates="same_language", switch_probability=1.0, top_k=1)
    outcome = augment_file(XNLI, rows, tmp_path / "out.tsv", options, only_copies=True)
    found = load_file(tmp_path / "out.tsv", XNLI, "en")
    assert found.texts[1] == ["hand hand"] * 4 and [*outcome.switched] == ["en"]
    assert found.texts[0][3].split()[1] != "hand", "a word does not take its own place"


def test_a_stopped_command_goes_on_where_it_was(
    planted: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "train.tsv"
    rows = "".join(f"the cat {'the ' * row}\tthe house\tneutral\n" for row in range(10))
    path.write_text(f"premise\thypothesis\tlabel\n{rows}", encoding="utf-8")
    monkeypatch.setattr(chunks, "ROWS", 3)
    options = settings(planted, "de", "ru", switch_probability=0.5)
    augment_file(XNLI, path, tmp_path / "whole.tsv", options, copies=2)
    asked, ask = [], teacher.Teacher.__call__

    def stops(self: teacher.Teacher, questions: Any) -> Any:
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append(len(questions))
        return ask(self, questions)

    monkeypatch.setattr(teacher.Teacher, "__call__", stops)
    with pytest.raises(KeyboardInterrupt):
        augment_file(XNLI, path, tmp_path / "out.tsv", options, copies=2)
    assert not (tmp_path / "out.tsv").exists() and asked == [3, 3, 3, 1, 3]
    with pytest.raises(InputError, match="unfinished work of another command"):
        augment_file(XNLI, path, tmp_path / "out.tsv", settings(planted, "de", seed=1), copies=2)
    asked.clear()
    outcome = augment_file(XNLI, path, tmp_path / "out.tsv", options, copies=2)
    assert asked == [3, 3, 1] and outcome.rows == 30
    assert (tmp_path / "out.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()


def test_the_command(planted: tuple[str, str], rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, text = planted
    arguments = ["augment", "xnli", "--train_file", str(rows), "--teacher", name, "--languages", "de", "ru"]
    arguments += ["--language_text", text, "--output_file", str(tmp_path / "out.tsv"), "--switch_probability", "1"]
    run([*arguments, "--report_file", str(tmp_path / "report.json"), "--top_k", "1", "--seed", "3"])
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["words"] == 24 and sum(report["switched"].values()) == 24 and report["seed"] == 3
    assert "out.tsv: 8 rows, 24 words in the copies: 24 switched (100.0%)" in printed
    with pytest.raises(SystemExit):
        run(arguments)
    assert "exists. Name another file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run([*arguments[:-4], "--output_file", str(tmp_path / "new.tsv"), "--report_file", str(tmp_path / "new.tsv")])
    assert "is also another output" in capsys.readouterr().err and not (tmp_path / "new.tsv").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"masking": "hidden"}, "--masking hidden does not exist"),
        ({"top_k": 0}, "--top_k 0"),
        ({"temperature": 0.0}, "--temperature 0.0"),
        ({"switch_probability": 1.5}, "--switch_probability 1.5"),
        ({"languages": ["xx"]}, "the script of 'xx' is not known"),
        ({"languages": []}, "name the target languages"),
        ({"candidates": "same_language"}, "--languages has no effect"),
    ],
)
def test_wrong_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**{"teacher": "planted", "languages": ["ru"], **values})


def test_wrong_input_is_refused_before_any_work(planted: tuple[str, str], rows: Path, tmp_path: Path) -> None:
    for output, languages, message in (
        ("out.parquet", ["ru"], "does not tell its format"),
        ("train.tsv", ["ru"], "is the input"),
        ("out.tsv", ["en"], "--languages names en"),
        ("out.tsv", ["tr"], "no file for 'tr'"),
    ):
        with pytest.raises(InputError, match=message):
            augment_file(XNLI, rows, tmp_path / output, settings(planted, *languages))
    with pytest.raises(InputError, match="has no place for 'a.tb'.*jsonl"):
        path = tmp_path / "train.jsonl"
        path.write_text('{"premise": "a\\tb", "hypothesis": "c", "label": "neutral"}\n', encoding="utf-8")
        augment_file(XNLI, path, tmp_path / "out.tsv", settings(planted, "ru"))


def test_a_plain_encoder_is_no_teacher(tiny_encoder: Path) -> None:
    with pytest.raises(InputError, match="has no head of a masked language model.*dlfa fit-mlm-head"):
        MaskedLM(str(tiny_encoder))
