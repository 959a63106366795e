"""The demo's steps, with a tiny checkpoint in place of the trained one; `make demo` itself takes minutes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import demo
import pytest

from modeling_dlfa.data import load_file
from modeling_dlfa.tasks import get_task

from .conftest import ROOT


@pytest.fixture
def shown(finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What the demo prints of a finished run."""
    run = json.loads((finished / "results.json").read_text(encoding="utf-8"))["runs"][-1]
    monkeypatch.setattr(demo, "OUTPUT", finished)
    monkeypatch.setattr(demo, "SYSTEM", run["system"])
    monkeypatch.setattr(demo, "SEED", run["seed"])
    demo.show_table()
    demo.show_answers()
    return capsys.readouterr().out


def test_it_shows_the_table_and_three_answers_of_the_reloaded_checkpoint(shown: str) -> None:
    assert "average, targets" in shown
    for _, premise, hypothesis, expected in demo.QUESTIONS:
        [line] = [line for line in shown.splitlines() if premise in line and hypothesis in line]
        assert line.endswith(("(right)", f"(wrong: {expected})"))


def test_a_checkpoint_without_its_code_is_an_error(finished: Path, tmp_path: Path) -> None:
    run = json.loads((finished / "results.json").read_text(encoding="utf-8"))["runs"][-1]["name"]
    for path in (finished / "models" / run).iterdir():
        if not path.name.endswith("_dlfa.py"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(SystemExit, match="does not load by the code beside it"):
        demo.ask(tmp_path)


def test_its_questions_are_three_languages_and_all_labels() -> None:
    assert len({code for code, *_ in demo.QUESTIONS}) == 3 and "en" not in {code for code, *_ in demo.QUESTIONS}
    assert sorted(question[3] for question in demo.QUESTIONS) == sorted(get_task("xnli").labels)


@pytest.mark.parametrize("question", demo.QUESTIONS)
def test_its_questions_use_the_words_of_the_corpus(question: tuple[str, str, str, str]) -> None:
    code, premise, hypothesis, _ = question
    text = (ROOT / "examples" / "demo" / "corpus" / f"scenes-{code}.txt").read_text(encoding="utf-8")
    split = list if code == "zh" else str.split
    known = set(split(text.lower().replace(".", " ").replace("।", " ")))
    for sentence in (premise, hypothesis):
        assert set(split(sentence.lower().replace(".", " ").replace("।", " "))) <= known


def test_it_trains_on_the_corpus_with_the_encoder_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "OUTPUT", tmp_path / "demo")
    demo.train(["--max_train_samples", "64", "--max_test_samples", "8", "--num_train_epochs", "1"])
    results = json.loads((tmp_path / "demo" / "results.json").read_text(encoding="utf-8"))
    assert {run["name"] for run in results["runs"]} == {f"{demo.SYSTEM}-seed{demo.SEED}", f"last-seed{demo.SEED}"}
    trained = ROOT / "examples" / "demo" / "corpus" / "train-en.tsv"
    assert len(load_file(str(trained), get_task("xnli"), "en")) == 6000
    assert (ROOT / results["model_name_or_path"] / "model.safetensors").is_file()
    assert results["data"]["train"]["sha256"] == hashlib.sha256(trained.read_bytes()).hexdigest()
    assert results["data"]["train"]["rows"] == 64 and len(results["languages"]) == 15
    assert demo.SYSTEM in results["summary"]["differences"]
    assert str(ROOT) not in results["command"].splitlines()[0]
    assert len(demo.ask(tmp_path / "demo" / "models" / f"{demo.SYSTEM}-seed{demo.SEED}")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_it_deletes_nothing_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(demo, "OUTPUT", tmp_path)
    monkeypatch.setattr(demo, "run_together", lambda commands: pytest.fail("It trains for minutes first."))
    with pytest.raises(SystemExit, match="is not empty"):
        demo.train()
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
