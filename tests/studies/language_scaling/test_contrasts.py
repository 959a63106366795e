"""Differences of two systems by language and by script."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.results.results import Results
from modeling_dlfa.statistics.comparisons import holm
from modeling_dlfa.studies.language_scaling.command import run_language_scaling
from modeling_dlfa.studies.language_scaling.contrasts import by_script, check_pairs, contrasts
from modeling_dlfa.studies.language_scaling.draws import draw_scores

from ...scored import Counts, make_command, make_scored, planted, with_summary, write_command

TARGETS = ["de", "fr", "el", "ru", "zh"]
SCRIPTS = {"Latn": ["de", "fr"], "Grek": ["el"], "Cyrl": ["ru"], "Hans": ["zh"]}
GLYPHS, CONTROL = "aif-layer4+glyphs", "aif-layer4+permuted"


def compared(results: Results, counts: Counts, *pairs: tuple[str, str], n_resamples: int = 60) -> list[dict]:
    draws_of = partial(draw_scores, results, counts, n_resamples=n_resamples, seed=0)
    return contrasts(pairs, results, by_script(results.targets, "en"), draws_of)


def test_languages_are_grouped_by_script_the_closest_first() -> None:
    assert by_script(["zh", "ru", "fr", "el", "de"], "en") == SCRIPTS
    assert list(by_script(["de", "qx", "ar", "ru", "hi"], "hi")) == ["Deva", "Latn", "Cyrl", "Arab", ""]


def test_a_script_is_the_mean_of_its_languages_and_what_was_planted_is_found() -> None:
    results, counts = planted({"de": 0.0, "fr": 0.0, "el": 0.1, "ru": 0.1, "zh": 0.1}, seeds=5)
    [found] = compared(results, counts, ("aif-layer4", "last"))
    assert found["seeds"] == [0, 1, 2, 3, 4] and list(found["scripts"]) == list(SCRIPTS)
    scores = {run.name: results.run_scores(run) for run in results.runs}
    by_language = {
        code: np.mean([scores[f"aif-layer4-seed{seed}"][code] - scores[f"last-seed{seed}"][code] for seed in range(5)])
        for code in TARGETS
    }
    for code in TARGETS:
        assert found["languages"][code]["mean"] == pytest.approx(by_language[code])
    for script, codes in SCRIPTS.items():
        entry = found["scripts"][script]
        assert entry["mean"] == pytest.approx(np.mean([by_language[code] for code in codes]))
        assert (entry["p_adjusted"] <= 0.05) == (script != "Latn"), "planted beyond Latin alone"
        assert (entry["p_value"] <= 0.05) == (entry["low"] > 0 or entry["high"] < 0)
    assert found["mean"]["mean"] == pytest.approx(np.mean([*by_language.values()]))


def test_differences_are_those_of_the_results_and_antisymmetric() -> None:
    results, counts = make_scored(["en", *TARGETS], {"last": [1, 2], GLYPHS: [1, 2], CONTROL: [2, 3]})
    gain, there, back = compared(results, counts, (GLYPHS, "last"), (GLYPHS, CONTROL), (CONTROL, GLYPHS))
    assert there["seeds"] == back["seeds"] == [2] and gain["seeds"] == [1, 2]
    recorded = results.require_summary().differences[GLYPHS].values
    assert gain["mean"]["mean"] == pytest.approx(recorded["macro_target"].mean)
    assert all(gain["languages"][code]["mean"] == pytest.approx(recorded[code].mean) for code in TARGETS)
    for key in ("languages", "scripts"):
        for name, entry in there[key].items():
            assert entry["mean"] == pytest.approx(-back[key][name]["mean"])
            assert entry["low"] == pytest.approx(-back[key][name]["high"])
        cells = [entry for one in (gain, there, back) for entry in one[key].values()]
        expected = holm([entry["p_value"] for entry in cells])
        assert [entry["p_adjusted"] for entry in cells] == pytest.approx(expected.tolist())


def test_pairs_that_do_not_exist_are_named() -> None:
    results, _ = make_scored(["en", "de"], {"last": [1], GLYPHS: [1], CONTROL: [2]})
    check_pairs([(GLYPHS, "last")], results)
    for pair, message in (
        ((GLYPHS, "aif+glyphs"), f"no system 'aif.glyphs' in the results of XNLI. Choose from 'last', '{GLYPHS}'"),
        ((GLYPHS, GLYPHS), "is compared with itself"),
        ((GLYPHS, CONTROL), "share no seed"),
    ):
        with pytest.raises(InputError, match=message.replace("+", r"\+")):
            check_pairs([pair], results)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two directories: the baseline and the glyphs, and a control of a later command."""
    results, counts = make_command(["en", *TARGETS], dict.fromkeys(("last", "aif-layer4", GLYPHS, CONTROL), [1, 2]))
    folder, written = tmp_path_factory.mktemp("runs"), []
    for name, systems in (("glyphs", ("last", "aif-layer4", GLYPHS)), ("control", (CONTROL,))):
        some = [run for run in results["runs"] if run["system"] in systems]
        own = {run["name"]: counts[run["name"]] for run in some}
        part = with_summary({**results, "runs": some}, own, n_resamples=10)
        written.append(str(write_command(folder / name, part, own)))
    return written


def test_systems_of_several_commands_stand_in_one_study(runs: list[str], tmp_path: Path) -> None:
    pair = ["--difference", GLYPHS, CONTROL]
    dlfa(["scaling", *runs, *pair, "--n_resamples", "20", "--max_subsets", "4", "--output_dir", str(tmp_path / "out")])
    [entry] = json.loads((tmp_path / "out" / "language_scaling.json").read_text(encoding="utf-8"))["results"]
    assert list(entry["systems"]) == ["last", GLYPHS, CONTROL, "aif-layer4"] and entry["sources"] == runs
    for order in entry["orders"]:
        assert entry["scores"][order["name"]].keys() == entry["systems"].keys()
        assert entry["gains"][order["name"]].keys() == entry["systems"].keys() - {"last"}
    assert "script" in [order["name"] for order in entry["orders"]]
    assert [one["system"] for one in entry["contrasts"]] == [GLYPHS, CONTROL, "aif-layer4"]
    page = (tmp_path / "out" / "language_scaling.md").read_text(encoding="utf-8")
    assert f"from {runs[0]}, {runs[1]}." in page.replace("\\", "")
    assert page.count("Latin (de, fr)") == 2 and page.count("all target languages") == 2
    assert f"{GLYPHS} minus {CONTROL}" in page.replace("\\", "") and "Chinese (zh) | Chinese |" in page
    assert "after Holm's correction for all 12 cells of scripts" in page
    figure = (tmp_path / "out" / "figures" / "scaling-1-differences.svg").read_text(encoding="utf-8")
    assert all(f">{label}<" in figure for label in ("all target languages", "German (de)", "Cyrillic"))
    drawn = (tmp_path / "out" / "figures" / "scaling-1-scores.svg").read_text(encoding="utf-8")
    assert all(f">{system}<" in drawn for system in entry["systems"])


def test_wrong_pairs_cost_no_work(runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for names, message in (
        ([GLYPHS], "--difference takes systems in pairs, but got 1"),
        ([GLYPHS, "aif-layer8+permuted"], "--difference: there is no system 'aif-layer8+permuted'"),
    ):
        with pytest.raises(SystemExit) as stop:
            dlfa(["scaling", *runs, "--difference", *names, "--output_dir", str(tmp_path / "out")])
        assert stop.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "out" / "language_scaling.json").exists()


def test_tasks_stay_apart(runs: list[str], tmp_path: Path) -> None:
    results, counts = make_command(["en", "de", "ru"], {"last": [1], "aif-layer8": [1]})
    other = write_command(tmp_path / "pawsx", results | {"task": "pawsx", "title": "PAWS-X"}, counts)
    path = run_language_scaling([runs[1], other, runs[0]], tmp_path / "out", n_resamples=10, max_subsets=4)
    entries = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert [(entry["task"], len(entry["sources"])) for entry in entries] == [("xnli", 2), ("pawsx", 1)]
    assert [entry["comparisons"]["systems"] for entry in entries] == [3, 1]
