"""All saved models of a finished command, tested on other data: `--do_train False` with its output directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa import load_results
from modeling_dlfa.cli import main
from modeling_dlfa.errors import InputError
from modeling_dlfa.results.joining import join_results
from modeling_dlfa.results.results import Results


@pytest.fixture
def again(finished: Path, tiny_data: Path, tmp_path: Path) -> Callable[..., Results]:
    """Tests a finished command's models anew."""

    def run(*more: str, of: Path = finished, test_file: Path = tiny_data / "test-{language}.tsv") -> Results:
        given = ["--do_train", "False", "--model_name_or_path", str(of), "--test_file", str(test_file)]
        output = ["--output_dir", str(tmp_path / "again"), "--use_cpu", "True"]
        main("xnli", [*given, "--languages", "en", "de", "ar", *output, *more])
        return load_results(tmp_path / "again")

    return run


def test_all_models_give_the_scores_of_their_command(finished: Path, again: Callable[..., Results]) -> None:
    first, second = load_results(finished), again()
    assert [run.name for run in second.runs] == [run.name for run in first.runs]
    assert [run.baseline for run in second.runs] == [run.baseline for run in first.runs]
    assert second.seeds == first.seeds
    assert second.scores == first.scores
    assert second.compare("aif-layer1", "last") == first.compare("aif-layer1", "last")
    assert second.model_name_or_path == first.model_name_or_path


def test_other_data_have_their_own_scores(
    finished: Path, again: Callable[..., Results], tiny_data: Path, tmp_path: Path
) -> None:
    for code in ("en", "de", "ar"):
        lines = (tiny_data / f"test-{code}.tsv").read_text(encoding="utf-8").splitlines()
        (tmp_path / f"few-{code}.tsv").write_text("\n".join(lines[:4]) + "\n", encoding="utf-8")
    other = again(test_file=tmp_path / "few-{language}.tsv")
    assert {run.test["de"].n for run in other.runs} == {3}
    assert other.scores != load_results(finished).scores


def test_models_of_several_commands_are_compared_on_other_data(
    finished: Path, again: Callable[..., Results], tmp_path: Path
) -> None:
    again()
    shutil.move(tmp_path / "again", tmp_path / "first")
    moved = shutil.copytree(finished, tmp_path / "another")
    joined, counts = join_results([load_results(tmp_path / "first"), again(of=moved)])
    assert {run.name for run in joined.runs} == set(counts)


@pytest.fixture
def changed(finished: Path, tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], None]], Path]:
    """Returns a copy of the finished command whose results.json a function has changed."""

    def change(edit: Callable[[dict[str, Any]], None]) -> Path:
        copy = shutil.copytree(finished, tmp_path / "changed")
        content = json.loads((copy / "results.json").read_text(encoding="utf-8"))
        edit(content)
        (copy / "results.json").write_text(json.dumps(content), encoding="utf-8")
        return copy

    return change


def test_what_is_known_of_the_training_is_kept(
    again: Callable[..., Results], changed: Callable[[Callable[[dict[str, Any]], None]], Path]
) -> None:
    failed = [{"seed": 1, "warmup_steps": 0, "reason": "collapsed"}]

    def edit(content: dict[str, Any]) -> None:
        content["train_languages"] = ["en", "de"]
        content["selection"] = "last checkpoint"
        content["recipe"] |= {"peft": "lora", "retry_collapsed": 1, "max_length": 6}
        content["runs"][0] |= {"collapsed": True, "failed_attempts": failed}

    source = changed(edit)
    first, second = load_results(source), again(of=source)
    assert second.seen == ["en", "de"]  # So German is not a target of zero-shot transfer.
    assert second.selection == "last checkpoint"
    assert second.recipe["peft"] == "lora" and second.recipe["learning_rate"] == first.recipe["learning_rate"]
    assert second.recipe["max_length"] == 6
    assert second.data.train == first.data.train and second.data.validation == first.data.validation
    for old, new in zip(first.runs, second.runs, strict=True):
        assert (new.collapsed, new.failed_attempts) == (old.collapsed, old.failed_attempts)
        assert (new.train, new.validation) == (old.train, old.validation)


def test_commands_trained_by_other_recipes_are_not_joined(
    again: Callable[..., Results], changed: Callable[[Callable[[dict[str, Any]], None]], Path], tmp_path: Path
) -> None:
    again()
    shutil.move(tmp_path / "again", tmp_path / "first")
    other = again(of=changed(lambda content: content["recipe"].update(learning_rate=1e-5)))
    with pytest.raises(InputError, match="learning_rate"):
        join_results([load_results(tmp_path / "first"), other])


def test_validating_anew_counts(again: Callable[..., Results], tiny_data: Path, finished: Path) -> None:
    lines = (tiny_data / "dev.tsv").read_text(encoding="utf-8").splitlines()
    few = tiny_data / "few-dev.tsv"
    few.write_text("\n".join(lines[:5]) + "\n", encoding="utf-8")
    second = again("--validation_file", str(few))
    assert second.data.validation != load_results(finished).data.validation
    assert second.runs[0].validation != load_results(finished).runs[0].validation


def test_some_seeds_are_tested(again: Callable[..., Results]) -> None:
    assert {run.seed for run in again("--seeds", "2").runs} == {2}


REFUSED = {
    "unknown seed": (["--seeds", "3"], "its seeds are 1 2."),
    "seed": (["--seed", "2"], "--seeds says which of them to test"),
    "baseline": (["--baseline"], "--do_train False rules out"),
    "another fusion": (["--fusion", "mean"], "contradicts the checkpoint"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_contradictions_are_refused(
    case: str, again: Callable[..., Results], capsys: pytest.CaptureFixture[str]
) -> None:
    more, message = REFUSED[case]
    with pytest.raises(SystemExit):
        again(*more)
    assert message in capsys.readouterr().err


def test_parts_of_a_command_are_refused(
    again: Callable[..., Results],
    changed: Callable[[Callable[[dict[str, Any]], None]], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    shard = {"shard_index": 0, "num_shards": 2, "planned_runs": ["aif-layer1-seed1", "last-seed1"]}
    source = changed(lambda content: content.update(shard=shard))
    with pytest.raises(SystemExit):
        again(of=source)
    assert "Merge all shards with `dlfa merge` first." in capsys.readouterr().err
    (source / "results.json").unlink()
    with pytest.raises(SystemExit):
        again(of=source)
    assert "did not finish" in capsys.readouterr().err


def test_what_a_test_leaves_has_no_models(
    again: Callable[..., Results], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again()
    shutil.move(tmp_path / "again", tmp_path / "tested")
    with pytest.raises(SystemExit):
        again(of=tmp_path / "tested")
    assert "its command only tested" in capsys.readouterr().err


def test_training_from_an_output_directory_is_refused(
    finished: Path, xnli_arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main("xnli", [*xnli_arguments, "--model_name_or_path", str(finished)])
    assert "Give one of its models to train it further, or --do_train False" in capsys.readouterr().err


def test_an_output_directory_without_its_models_is_refused(
    finished: Path, again: Callable[..., Results], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(finished, tmp_path / "copy")
    shutil.rmtree(copy / "models" / "aif-layer1-seed2")
    with pytest.raises(SystemExit):
        again(of=copy)
    assert "models/aif-layer1-seed2" in capsys.readouterr().err
    file = copy / "results.json"
    named = '"models/aif-layer1-seed1"'
    assert named in (text := file.read_text(encoding="utf-8"))
    file.write_text(text.replace(named, "null"), encoding="utf-8")
    with pytest.raises(SystemExit):
        again(of=copy)
    assert "has no model of aif-layer1-seed1" in capsys.readouterr().err
