"""The study of language scaling: against closed forms, planted gains, and as a command."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.languages import LANGUAGES
from modeling_dlfa.results.results import Results, load_results
from modeling_dlfa.studies.language_scaling.command import run_language_scaling
from modeling_dlfa.studies.language_scaling.language_scaling import scale_languages
from modeling_dlfa.studies.language_scaling.orders import language_orders, shared_levels

from ...scored import Counts, make_command, make_scored, planted, write_command

XNLI = ["ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]


def scale(results: Results, counts: Counts, **options: int) -> dict:
    orders, _ = language_orders(results.targets, "en")
    entry = scale_languages(results, counts, orders, comparisons=len(results.fused), n_resamples=60, **options)
    return json.loads(json.dumps(entry, allow_nan=False))


def scores(results: Results, system: str) -> np.ndarray:
    """Mean over seeds in each target language, from the runs alone."""
    runs = [results.run_scores(run) for run in results.runs_of(system)]
    return np.mean([[run[code] for code in results.targets] for run in runs], axis=0)


def expected_worst(values: np.ndarray) -> list[float]:
    """The worst of n = 1, 2, ... languages on average: the k-th is it in the sets with it and n - 1 better ones."""
    total, values = len(values), np.sort(values)
    sizes, ranks = range(1, total + 1), range(1, total + 1)
    return [float(values @ [math.comb(total - k, n - 1) / math.comb(total, n) for k in ranks]) for n in sizes]


def test_random_sets_match_the_closed_forms() -> None:
    languages = ["en", "de", "fr", "ru", "zh", "tr", "sw"]
    results, counts = make_scored(languages, {"last": [1, 2], "aif-layer4": [1, 2]})
    entry = scale(results, counts)
    for system in ("last", "aif-layer4"):
        values = np.sort(scores(results, system))
        total = len(values)
        for point in entry["scores"]["random"][system]:
            n = point["n"]
            assert point["sets"] == math.comb(total, n)
            assert point["mean"]["mean"] == pytest.approx(values.mean())
            assert point["worst"]["mean"] == pytest.approx(expected_worst(values)[n - 1])
            assert n == 1 or point["spread"]["mean"] == pytest.approx(values.std(ddof=1))


def test_forty_languages_many_layers() -> None:
    languages = list(LANGUAGES)[:40]
    seeds = [1, 2, 3, 4, 5]
    systems = {"last": seeds, "aif-layer4": seeds, "aif-layer11": seeds, "aif-layer8": [2, 3, 4, 5, 6]}
    results, counts = make_scored(languages, systems)
    assert results.fused == ["aif-layer4", "aif-layer8", "aif-layer11"]
    entry = scale(results, counts)
    assert [order["name"] for order in entry["orders"]] == ["random", "similarity", "script", "data_size", "family"]
    for order in entry["orders"]:
        assert list(entry["scores"][order["name"]]) == ["last", "aif-layer4", "aif-layer8", "aif-layer11"]
        for system, points in entry["gains"][order["name"]].items():
            assert [point["n"] for point in points] == list(range(1, 40))
            if order["name"] == "random":
                means = [point["mean"]["mean"] for point in points]
                assert means == pytest.approx([means[-1]] * 39)
            final = entry["all_languages"][system]["mean"]["mean"]
            assert points[-1]["mean"]["mean"] == pytest.approx(final)
            recorded = results.require_summary().differences[system].values["macro_target"].mean
            assert final == pytest.approx(recorded)
    # What was planted, +10 points, is found through the correction; the worst language falls with n.
    for gains in entry["all_languages"].values():
        assert gains["mean"]["corrected"]["low"] > 0 and gains["mean"]["low"] > gains["mean"]["corrected"]["low"]
    worst = [point["worst"]["mean"] for point in entry["scores"]["random"]["last"]]
    assert all(later < earlier for earlier, later in zip(worst[:30], worst[1:30], strict=False))
    # Sets of nearly all languages are samples, and may all hold the worst one.
    assert all(later <= earlier + 1e-9 for earlier, later in zip(worst, worst[1:], strict=False))
    expected = expected_worst(scores(results, "last"))
    assert worst == pytest.approx(expected, abs=(max(expected) - min(expected)) / 10), "sampled sets mislead"
    assert worst[0] == pytest.approx(expected[0]) and worst[-1] == pytest.approx(expected[-1])
    above = [point["mean"]["above_zero"] for point in entry["gains"]["random"]["aif-layer4"]]
    assert above[0] < 0.9 and above[-1] == 1.0
    assert entry["comparisons"] == {"systems": 3, "trends": len(entry["trends"])}
    assert len(entry["trends"]) == 3 * (2 * 5 - 1 + 2)


def test_trends_are_lines_through_the_points_and_find_what_was_planted() -> None:
    order = [code for code in XNLI if code != "en"]
    entry = scale(*planted({code: 0.05 * shared_levels(code, "en") for code in order}, seeds=5))
    trends = {(trend["order"], trend["statistic"]): trend for trend in entry["trends"]}
    assert ("random", "mean") not in trends  # It is flat whatever the data are.
    for (name, statistic), trend in trends.items():
        if statistic != "language":
            points = entry["gains"][name]["aif-layer4"]
            heights = [point[statistic]["mean"] for point in points]
            expected = np.polyfit(np.log2([point["n"] for point in points]), heights, 1)[0]
            assert trend["mean"] == pytest.approx(expected)
        assert trend["corrected"]["low"] < trend["low"] < trend["mean"] < trend["high"] < trend["corrected"]["high"]
    slope = trends["similarity", "language"]
    assert slope["low"] < 0.05 < slope["high"] and slope["corrected"]["low"] > 0
    assert trends["similarity", "mean"]["corrected"]["high"] < 0  # Near languages come first, and gain most.
    flat = scale(*planted(dict.fromkeys(order, 0.1)))["trends"]
    assert all(trend["corrected"]["low"] < 0 < trend["corrected"]["high"] for trend in flat)


def test_what_cannot_be_compared_is_absent() -> None:
    entry = scale(*make_scored(["en", "de", "fr"], {"aif-layer4": [1]}))
    assert not entry["all_languages"] and not entry["trends"] and not any(entry["gains"].values())
    entry = scale(*make_scored(["en", "de"], {"last": [1], "aif-layer4": [1]}))
    assert not entry["trends"] and "spread" not in entry["all_languages"]["aif-layer4"]
    entry = scale(*make_scored(["en", "de", "fr"], {"last": [1], "aif-layer4": [2], "aif-layer8": [1]}))
    assert list(entry["all_languages"]) == ["aif-layer8"]
    with pytest.raises(InputError, match="Only en was tested"):
        scale(*make_scored(["en"], {"last": [1]}))


def test_the_command_reads_real_runs_and_writes_all_or_nothing(finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "scaling"
    path = run_language_scaling([finished, finished / "results.json"], output, n_resamples=50)
    study = json.loads(path.read_text(encoding="utf-8"))
    [entry] = study["results"]  # A run that is named twice counts once.
    assert entry["targets"] == ["de", "ar"] and entry["comparisons"]["systems"] == 1
    assert entry["sources"] == [str(finished), str(finished / "results.json")]
    text = (output / "language_scaling.md").read_text(encoding="utf-8")
    for picture in (output / "figures").iterdir():
        assert f"(figures/{picture.name})" in text
    assert len(list((output / "figures").iterdir())) == 3
    with pytest.raises(InputError, match="contains a study"):
        run_language_scaling([finished], output)
    broken = tmp_path / "broken"
    shutil.copytree(finished, broken)
    (broken / "predictions" / "last-seed1" / "ar.tsv").unlink()
    with pytest.raises(InputError, match="ar.tsv is missing"):
        run_language_scaling([broken], tmp_path / "none")
    (broken / "predictions" / "last-seed1" / "ar.tsv").write_text("row\tlabel\tprediction\n0\tneutral\tyes\n")
    with pytest.raises(InputError, match="does not contain XNLI predictions"):
        run_language_scaling([broken], tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_predictions_on_disk_are_the_counts(tmp_path: Path) -> None:
    results, counts = make_command(XNLI, {"last": [1, 2], "aif-layer4": [1, 2]})
    found = load_results(write_command(tmp_path / "run", results, counts)).counts()
    for run in results["runs"]:
        for code in XNLI:
            assert (found[run["name"]][code] == counts[run["name"]][code]).all()
    results["runs"][0]["test"]["de"]["accuracy"] += 0.1
    (tmp_path / "run" / "results.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match="evaluate it again"):
        load_results(tmp_path / "run").counts()


def test_the_command_tells_wrong_input_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        dlfa(["scaling", str(tmp_path / "absent"), "--output_dir", str(tmp_path / "x")])
    told = capsys.readouterr().err
    assert stop.value.code == 2 and told.startswith("error: ") and "cannot be read" in told and told.count("\n") == 1
