"""All saved models of a finished command, tested on other data: `--do_train False` with its output directory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from modeling_dlfa import load_results
from modeling_dlfa.cli import main
from modeling_dlfa.results.joining import join_results
from modeling_dlfa.results.results import Results


@pytest.fixture
def again(finished: Path, tiny_data: Path, tmp_path: Path) -> Callable[..., Results]:
    """Tests a finished command's models anew."""

    def run(of: Path = finished, test_file: Path = tiny_data / "test-{language}.tsv") -> Results:
        given = ["--do_train", "False", "--model_name_or_path", str(of), "--test_file", str(test_file)]
        output = ["--output_dir", str(tmp_path / "again"), "--use_cpu", "True"]
        main("xnli", [*given, "--languages", "en", "de", "ar", *output])
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
