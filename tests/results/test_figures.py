"""The figure draws every score and interval, is readable, and leaves matplotlib as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from modeling_dlfa.languages import by_family
from modeling_dlfa.results.figures import plot_scores_by_language, scores_by_language
from modeling_dlfa.results.results import Results

from .made import CASES, XNLI, make_results

if TYPE_CHECKING:
    from matplotlib.collections import LineCollection


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def results(request: pytest.FixtureRequest) -> dict[str, Any]:
    return make_results(**request.param)


def test_without_the_source_language_the_figure_draws_one_average() -> None:
    figure = scores_by_language(Results.from_dict(make_results(["de", "fr"], {"last": [1, 2], "aif-layer4": [1, 2]})))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][2:] == ["targets"]
    both = scores_by_language(Results.from_dict(make_results(["en", "fr"], {"last": [1, 2], "aif-layer4": [1, 2]})))
    assert [label.get_text() for label in both.axes[0].get_yticklabels()][2:] == ["all", "targets"]


def test_figure_is_a_readable_png(results: dict[str, Any], tmp_path: Path) -> None:
    from matplotlib.image import imread

    path = tmp_path / "figures" / "accuracy.png"
    plot_scores_by_language(Results.from_dict(results), path)
    height, width = imread(path).shape[:2]
    assert 800 <= width <= 2000
    assert 300 <= height <= 6000
    assert path.stat().st_size < 500_000


def test_figure_draws_every_score_and_interval(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **kwargs: (drawn.append(figure), path.touch()))
    results = make_results(XNLI, {"last": [1, 2], "aif-layer4": [1, 2]})
    plot_scores_by_language(Results.from_dict(results), tmp_path / "unused.png")
    scores, differences = drawn[0].axes
    for axis, entries in ((scores, results["summary"]["systems"]), (differences, results["summary"]["differences"])):
        expected = {
            tuple(round(100 * value[key], 6) for key in ("low", "high"))
            for entry in entries.values()
            for value in [*entry["languages"].values(), entry["macro_all"], entry["macro_target"]]
        }
        segments = [segment for lines in axis.collections for segment in cast("LineCollection", lines).get_segments()]
        assert {(round(segment[0, 0], 6), round(segment[1, 0], 6)) for segment in segments} == expected
        marks = {round(float(x), 6) for line in axis.lines for x in np.asarray(line.get_xdata())}
        assert marks >= {round(100 * value["mean"], 6) for entry in entries.values() for value in [entry["macro_all"]]}
    assert [text.get_text() for text in scores.get_yticklabels()][:2] == ["English (en)", "German (de)"]
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == ["last (baseline)", "aif-layer4", "uniform guess (33.3)"]
    families = [text.get_text() for text in differences.texts]
    assert families == [*(family for family, _ in by_family(XNLI, "en")), "average"]


def test_figure_leaves_matplotlib_alone(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    backend = matplotlib.rcParams._get("backend")  # type: ignore[attr-defined]
    plot_scores_by_language(Results.from_dict(make_results(["en", "de"], {"last": [1]})), tmp_path / "figure.png")
    assert matplotlib.rcParams._get("backend") is backend  # type: ignore[attr-defined]
    assert dict(matplotlib.rcParams) == before


def test_figure_axis_names_task_and_metric(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **kwargs: (drawn.append(figure), path.touch()))
    plot_scores_by_language(Results.from_dict(make_results(["en", "de"], {"last": [1]})), tmp_path / "unused.png")
    assert drawn[0].axes[0].get_xlabel() == "XNLI accuracy (%), 95% intervals"
