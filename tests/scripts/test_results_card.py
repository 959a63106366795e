"""Cards of measured results: what stands between the marks comes from results.json, what stands around them stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from results_card import BEGIN, END, main, results_section

from modeling_dlfa.results.results import Results


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "cards" / "measured.md"
    path.parent.mkdir()
    path.write_text(f"# Measured\n\nBefore.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n", encoding="utf-8")
    return path


def test_it_holds_the_scores_and_keeps_what_stands_around_them(finished: Path, card: Path) -> None:
    main([str(finished), str(card), "--hardware", "One core."])
    text = card.read_text(encoding="utf-8")
    assert text.startswith(f"# Measured\n\nBefore.\n\n{BEGIN}\n\nOne core.\n") and text.endswith(f"{END}\n\nAfter.\n")
    assert "\nold\n" not in text
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    for name, system in results["summary"]["systems"].items():
        cells = [
            f"{100 * system[key]['mean']:.1f} ± {100 * system[key]['std']:.1f}"
            for key in ("validation", "macro_target")
        ]
        assert f"| {name} | {' | '.join(cells)} |" in text
    assert results["command"] in text and f"torch {results['versions']['torch']}" in text
    figure = card.parent / "figures" / "measured.png"
    assert figure.read_bytes() == (finished / "figures" / "accuracy_by_language.png").read_bytes()
    assert "](figures/measured.png)" in text


def test_directories_of_one_name_keep_their_figures(finished: Path, card: Path, tmp_path: Path) -> None:
    sources = [Path(shutil.copytree(finished, tmp_path / "runs" / name / "out")) for name in ("a", "b")]
    for source in sources:
        (source / "figures" / "accuracy_by_language.png").write_bytes(source.parent.name.encode())
    main([*map(str, sources), str(card), "--hardware", "One core."])
    text = card.read_text(encoding="utf-8")
    for name in ("a", "b"):
        assert (card.parent / "figures" / f"measured-{name}-out.png").read_bytes() == name.encode()
        assert f"](figures/measured-{name}-out.png)" in text and f"({name}-out)" in text


def test_a_figure_of_another_card_is_left(finished: Path, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(finished), str(card), "--hardware", "One core."])
    other = card.with_name("other.md")
    card.rename(other)
    shutil.copy(other, card)
    before = card.read_bytes()
    for sources in ([finished], [finished, finished]):
        with pytest.raises(SystemExit):
            main([*map(str, sources), str(card), "--hardware", "One core."])
    printed = capsys.readouterr().err
    assert f"figures/measured.png is a figure of {other}" in printed and "named more than once" in printed
    assert card.read_bytes() == before


def test_written_again_it_is_the_same(finished: Path, card: Path) -> None:
    main([str(finished), str(card), "--hardware", "One core."])
    once = card.read_bytes()
    main([str(finished), str(card), "--hardware", "One core."])
    assert card.read_bytes() == once


def test_several_results_have_a_figure_each(finished: Path, card: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished, other, ignore=shutil.ignore_patterns("models", "runs"))
    main([str(finished), str(other), str(card), "--hardware", "One core."])
    text = card.read_text(encoding="utf-8")
    for name in (finished.name, "other"):
        assert f"](figures/measured-{name}.png)" in text and (card.parent / f"figures/measured-{name}.png").is_file()


def test_the_last_layer_is_not_selected_among_the_fused(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    selected = "Selected among the fused systems on en validation data: **aif-layer1**."
    assert selected in results_section(Results.from_dict(results), "figure.png", "Both")
    results["runs"] = [run | {"fusion": "last"} for run in results["runs"]]
    assert "Selected among" not in results_section(Results.from_dict(results), "figure.png", "The last layer alone")


def test_a_card_without_marks_stays_as_it_is(finished: Path, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card.write_text(f"# By hand\n{BEGIN}\n", encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        main([str(finished), str(card), "--hardware", "One core."])
    assert caught.value.code == 2 and END in capsys.readouterr().err
    assert card.read_text(encoding="utf-8") == f"# By hand\n{BEGIN}\n"


def test_results_without_scores_are_refused(
    finished: Path, card: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    del results["summary"]
    (tmp_path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    before = card.read_bytes()
    with pytest.raises(SystemExit):
        main([str(tmp_path), str(card), "--hardware", "One core."])
    assert "no scores of test languages" in capsys.readouterr().err and card.read_bytes() == before
