"""What lies in a study's folder: an earlier study may be replaced, what is not ours stays."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.studies.language_scaling.command import run_language_scaling
from modeling_dlfa.studies.report.report import build_report, write_report


def scaling(finished: Path, output: Path | str, *, overwrite: bool) -> None:
    run_language_scaling([finished], output, n_resamples=50, overwrite=overwrite)


def report(finished: Path, output: Path | str, *, overwrite: bool) -> None:
    write_report("Mine", build_report([finished]), output, overwrite=overwrite)


STUDIES = {"scaling": (scaling, "language_scaling.json"), "report": (report, "report.html")}


@pytest.mark.parametrize("study", STUDIES)
def test_an_earlier_study_may_be_replaced(study: str, finished: Path, tmp_path: Path) -> None:
    write, _ = STUDIES[study]
    write(finished, tmp_path / "out", overwrite=False)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="--overwrite"):
        write(finished, tmp_path / "out", overwrite=False)
    write(finished, tmp_path / "out", overwrite=True)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert before.keys() == after.keys() and all(before[path] < after[path] for path in before)


@pytest.mark.parametrize("study", STUDIES)
def test_what_is_not_ours_stays(study: str, finished: Path, tmp_path: Path) -> None:
    write, name = STUDIES[study]
    (tmp_path / name).write_text('{"mine": true}')
    with pytest.raises(InputError, match=f"contains {name}, which this command did not write"):
        write(finished, tmp_path, overwrite=True)
    assert (tmp_path / name).read_text() == '{"mine": true}'
    write(finished, tmp_path / "out", overwrite=False)
    [figure, *_] = sorted((tmp_path / "out" / "figures").iterdir())
    other = tmp_path / "other" / "figures" / figure.name
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    with pytest.raises(InputError, match="does not belong to an earlier study"):
        write(finished, tmp_path / "other", overwrite=True)
    assert other.read_text() == "mine" and len(list(other.parent.iterdir())) == 1


def test_a_page_of_ours_that_became_the_users_stays(finished: Path, tmp_path: Path) -> None:
    scaling(finished, tmp_path, overwrite=False)
    page = tmp_path / "language_scaling.md"
    page.write_text("# Mine\n", encoding="utf-8")
    with pytest.raises(InputError, match="contains language_scaling.md, which this command did not write"):
        scaling(finished, tmp_path, overwrite=True)
    assert page.read_text(encoding="utf-8") == "# Mine\n"


def test_figures_that_a_study_no_longer_shows_go_and_others_stay(finished: Path, tmp_path: Path) -> None:
    scaling(finished, tmp_path, overwrite=False)
    figures = tmp_path / "figures"
    old, mine = figures / "scaling-2-scores.svg", figures / "mine.svg"
    record = json.loads((tmp_path / "language_scaling.json").read_text(encoding="utf-8"))
    record["figures"] += ["figures/scaling-2-scores.svg", "../mine.svg", "figures/../../mine.svg"]
    (tmp_path / "language_scaling.json").write_text(json.dumps(record), encoding="utf-8")
    for path in (old, mine, tmp_path.parent / "mine.svg"):
        path.write_text("x", encoding="utf-8")
    scaling(finished, tmp_path, overwrite=True)
    assert not old.exists() and mine.exists() and (tmp_path.parent / "mine.svg").exists()


@pytest.mark.parametrize("study", STUDIES)
def test_an_empty_name(study: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="--output_dir is empty"):
        STUDIES[study][0](finished, "", overwrite=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["report", "scaling", "sweep"])
def test_a_missing_package_is_named_with_its_extra(
    verb: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # As if it were not installed.
    options = [str(finished), "--output_dir", str(tmp_path / "out")]
    with pytest.raises(SystemExit):
        dlfa([verb, *(["--results_dir", str(finished)] if verb == "sweep" else options)])
    message = f"error: dlfa {verb} needs matplotlib (not installed): pip install 'modeling-dlfa[studies]'"
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["scaling", "layers"])
def test_a_seed_that_numpy_does_not_take(
    verb: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"scaling": [str(finished)], "layers": ["--model_name_or_path", "x", "--aligned_file", "y"]}[verb]
    with pytest.raises(SystemExit):
        dlfa([verb, *options, "--output_dir", str(tmp_path / "out"), "--seed", "-1"])
    assert "error: --seed -1 is not a seed. Give a number from 0 to" in capsys.readouterr().err
