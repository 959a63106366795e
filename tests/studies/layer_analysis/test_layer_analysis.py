"""A whole layer analysis of a tiny encoder, before and after fine-tuning, and the command."""

from __future__ import annotations

import html
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib import rc_context
from transformers import AutoTokenizer

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.pages.rendering import to_html, to_markdown
from modeling_dlfa.studies.layer_analysis.figures import PAPER, plot_layers
from modeling_dlfa.studies.layer_analysis.inputs import LayerAnalysisArguments
from modeling_dlfa.studies.layer_analysis.layer_analysis import run_layer_analysis
from modeling_dlfa.studies.layer_analysis.sections import ANALYSIS, analysis_sections, analysis_summary
from modeling_dlfa.studies.report.report import build_report

from ...conftest import WORDS

LANGUAGES = ["en", "de", "nl", "ar", "tr"]
THREE = [{"layer": layer, "upward": layer != 1.2, "support": 1.0} for layer in (0.6, 1.2, 1.9)]
FIGURES = {"layers", "families", *(f"languages-cosine-layer{layer}" for layer in range(4))}


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 sentences in five languages; Dutch is German, and Turkish Arabic, but for one word each."""
    path = tmp_path_factory.mktemp("aligned") / "text.tsv"
    rng, lines = random.Random(0), ["\t".join(LANGUAGES)]
    for _ in range(60):
        chosen = rng.choices(range(14), k=rng.randint(3, 9))
        en, de, ar = (" ".join(WORDS[code][index] for index in chosen) for code in ("en", "de", "ar"))
        lines.append("\t".join([en, de, f"the {de}", ar, f"dog {ar}"]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def arguments(aligned: Path, tiny_encoder: Path, tiny_tags: Path) -> Callable[..., LayerAnalysisArguments]:
    """Makes arguments of a small analysis."""

    def make(output: Path, **values: Any) -> LayerAnalysisArguments:
        given: dict[str, Any] = {
            "model_name_or_path": str(tiny_encoder),
            "aligned_file": str(aligned),
            "pos_train_file": str(tiny_tags / "pos-train.tsv"),
            "pos_test_file": str(tiny_tags / "pos-test-{language}.tsv"),
            "figure_similarity": "cosine",
            "n_resamples": 40,
            "n_permutations": 99,
            "device": "cpu",
            "output_dir": str(output),
        }
        return LayerAnalysisArguments(**{**given, **values})

    return make


@pytest.fixture(scope="module")
def analysed(
    arguments: Callable[..., LayerAnalysisArguments], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Output directory and results of a whole analysis; tests only read it."""
    output = tmp_path_factory.mktemp("analysis") / "out"
    told: list[str] = []
    results = run_layer_analysis(arguments(output), told.append)
    assert told[0] == "en: hidden states of 60 sentences" and "layer 3: part-of-speech probe" in told
    return output, results


def test_what_is_written(analysed: tuple[Path, dict[str, Any]]) -> None:
    output, results = analysed
    assert json.loads((output / "layer_analysis.json").read_text(encoding="utf-8")) == json.loads(json.dumps(results))
    assert "NaN" not in (output / "layer_analysis.json").read_text(encoding="utf-8")
    assert {path.name for path in (output / "figures").iterdir()} == {
        f"{name}.{kind}" for name in FIGURES for kind in ("png", "pdf")
    }
    for path in (output / "figures").iterdir():
        start = path.read_bytes()[:8]
        assert path.stat().st_size > 5000 and (start == b"\x89PNG\r\n\x1a\n" or start.startswith(b"%PDF"))
    report = (output / "layer_analysis.md").read_text(encoding="utf-8")
    assert report == to_markdown(analysis_sections(results), form="png")
    for figure in results["figures"]:
        assert f"]({figure})" in report and (output / figure).is_file()
    assert results["command"] in report and "Skipped, no part-of-speech file: nl tr" in report


def test_the_report_takes_it_in_with_all_figures(analysed: tuple[Path, dict[str, Any]]) -> None:
    output, results = analysed
    [section] = build_report([output], [ANALYSIS])
    assert [f"figures/{picture.name}.png" for picture in section.pictures] == [
        name.replace("figures/", "figures/part1-") for name in results["figures"]
    ]
    page = to_html("Report", [section])
    assert page.count("<img") == page.count("<source") == len(FIGURES) and results["command"] in html.unescape(page)


def test_the_curves(analysed: tuple[Path, dict[str, Any]]) -> None:
    _, results = analysed
    curves = results["curves"]
    assert list(curves) == ["cosine", "cka", "retrieval", "language", "pos", "pos_transfer"]
    for curve in curves.values():
        assert len(curve["layers"]) == results["n_layers"] == 4
        assert all(-1 <= entry["low"] <= entry["high"] <= 1 for entry in curve["layers"])
        assert curve["best_layer"] in curve["tied_with_best"]
    # The tag of a word is its place in a list, which its embedding tells.
    assert curves["pos"]["layers"][0]["mean"] > 0.75 > 0.5 > curves["pos"]["chance"]
    assert list(curves["pos_transfer"]["languages"]) == ["de", "ar"]
    transferred = curves["pos_transfer"]
    average = sum(values[2] for values in transferred["languages"].values()) / 2
    assert transferred["layers"][2]["mean"] == pytest.approx(average)
    assert curves["language"]["chance"] == 0.2 and curves["retrieval"]["chance"] == 1 / 60
    assert results["pos"]["languages_without_file"] == ["nl", "tr"]
    assert results["probes_not_converged"] == {"language": [], "pos": []}


def test_what_is_alike_is_found_alike(analysed: tuple[Path, dict[str, Any]]) -> None:
    _, results = analysed
    de, nl, ar, tr = (LANGUAGES.index(code) for code in ("de", "nl", "ar", "tr"))
    for name in ("cka", "cosine"):
        for layer in results["families"]["similarities"][name]:
            matrix = layer["matrix"]
            assert matrix[de][nl] > matrix[de][ar] and matrix[ar][tr] > matrix[ar][nl]
            assert abs(layer["order"].index("de") - layer["order"].index("nl")) == 1
            assert 0 < layer["cophenetic"]["p_value"] <= layer["cophenetic"]["p_value_holm"] <= 1
    retrieval = results["retrieval"][0]
    assert retrieval[de][nl] > 0.9 and retrieval[nl][de] > 0.9


def test_the_words_of_a_report(analysed: tuple[Path, dict[str, Any]]) -> None:
    _, results = analysed

    def flat(told: dict[str, Any]) -> str:
        return " ".join(analysis_summary(told).split())

    summary = analysis_summary(results)
    assert max(map(len, summary.splitlines())) <= 119
    for curve in results["curves"].values():
        assert f"{curve['title']}: highest at layer {curve['best_layer']}" in flat(results)
    told = dict(results, profiles={**results["profiles"], "crossings": []})
    assert "the profiles do not cross." in flat(told)
    weak = {"layer": 1.5, "upward": True, "support": 0.5}
    told["profiles"]["crossings"] = [weak]
    assert "no crossing that 95% of the resamples have; crossings of all sentences: layer 1.5 (in 50%" in flat(told)
    told["profiles"]["crossings"] = [weak, {"layer": 2.3, "upward": True, "support": 0.99}]
    assert "crossing at layer 2.3 (structure leads above)" in flat(told)
    told["profiles"]["crossings"] = THREE
    assert "layer 0.6 (structure leads above), layer 1.2 (sharing leads above) and layer 1.9 (" in flat(told)


def test_three_crossings_leave_the_panels_their_room(analysed: tuple[Path, dict[str, Any]]) -> None:
    _, results = analysed
    with rc_context(PAPER):
        figure = plot_layers(dict(results, profiles={**results["profiles"], "crossings": THREE}))
        figure.draw_without_rendering()
    left, right = figure.axes
    assert min(ax.get_position().width for ax in (left, right)) > 0.35
    assert [text.get_text() for text in right.texts] == ["0.6", "1.2", "1.9"]


def test_a_second_call_is_quick_and_the_same(
    analysed: tuple[Path, dict[str, Any]], arguments: Callable[..., LayerAnalysisArguments], tmp_path: Path
) -> None:
    output, results = analysed
    assert results["tokens_computed"] > 0
    again = run_layer_analysis(arguments(tmp_path / "out", states_dir=str(output / "states"), batch_size=5))
    assert again["tokens_computed"] == 0
    varying = ("created", "seconds", "tokens_computed")
    assert {**again, **dict.fromkeys(varying)} == {**results, **dict.fromkeys(varying)}
    with pytest.raises(InputError, match="contains a study.*--overwrite"):
        run_layer_analysis(arguments(tmp_path / "out"))
    replaced = run_layer_analysis(
        arguments(
            tmp_path / "out",
            states_dir=str(output / "states"),
            overwrite=True,
            figure_similarity="cka",
            pos_train_file=None,
            pos_test_file=None,
            languages=["en", "de", "ar"],
        )
    )
    assert list(replaced["curves"]) == ["cosine", "cka", "retrieval", "language"] and replaced["pos"] is None
    assert "takes at least four languages" in replaced["families"]["not_compared"]
    assert {path.name for path in (tmp_path / "out" / "figures").glob("*.png")} == {"layers.png"}
    assert "takes at least four languages" in analysis_summary(replaced) and "takes at least four languages" in str(
        analysis_sections(replaced)
    )


def test_a_dlfa_checkpoint(
    arguments: Callable[..., LayerAnalysisArguments], tiny_encoder: Path, tmp_path: Path
) -> None:
    DlfaForSequenceClassification.from_backbone(tiny_encoder, fusion_layers=1).save_pretrained(tmp_path / "dlfa")
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path / "dlfa")
    results = run_layer_analysis(
        arguments(
            tmp_path / "out",
            model_name_or_path=str(tmp_path / "dlfa"),
            pos_train_file=None,
            pos_test_file=None,
            languages=["de", "en"],
        )
    )
    assert results["fusion_layers"] == [1]
    assert "fuses layer 1 with the last one" in (tmp_path / "out" / "layer_analysis.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"aligned_file": "none.tsv"}, "none.tsv: there is no such file"),
        ({"languages": ["en", "xx"]}, "missing column 'xx'"),
        ({"max_sentences": 20}, "--max_sentences 20 is too few. Give 40"),
        ({"n_permutations": 1}, "--n_permutations 1 is too few"),
        ({"batch_size": 0}, "--batch_size 0 is too few"),
        ({"pos_test_file": None}, "need both --pos_train_file and --pos_test_file"),
        ({"pos_test_file": "none-{language}.tsv"}, "no file exists for any of en de nl ar tr"),
        ({"figure_similarity": "mean"}, "no similarity 'mean'. Choose: cka, cosine, centroids"),
        ({"model_name_or_path": "nowhere/there"}, "Cannot load nowhere/there"),
    ],
)
def test_wrong_input_is_told_before_anything_is_computed(
    values: dict[str, Any], message: str, arguments: Callable[..., LayerAnalysisArguments], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        run_layer_analysis(arguments(tmp_path / "out", **values))
    assert not (tmp_path / "out").exists()


def test_a_language_without_a_family_and_too_few_tagged_sentences(
    arguments: Callable[..., LayerAnalysisArguments], aligned: Path, tmp_path: Path
) -> None:
    strange = tmp_path / "strange.tsv"
    strange.write_text(aligned.read_text(encoding="utf-8").replace("\ttr\n", "\tqq\n", 1), encoding="utf-8")
    with pytest.raises(InputError, match="The families of 'qq' are not known"):
        run_layer_analysis(arguments(tmp_path / "out", aligned_file=str(strange)))
    few = tmp_path / "few-en.tsv"
    few.write_text("cat\tNOUN\n\n" * 5, encoding="utf-8")
    with pytest.raises(InputError, match="few-en.tsv: too few sentences: 5"):
        run_layer_analysis(arguments(tmp_path / "out", pos_test_file=str(tmp_path / "few-{language}.tsv")))


def test_the_command(aligned: Path, tiny_encoder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["layers", "--model_name_or_path", str(tiny_encoder)]
    command += ["--aligned_file", str(aligned), "--output_dir", str(tmp_path / "out"), "--device", "cpu"]
    command += ["--languages", "en", "de", "--n_resamples", "20"]
    dlfa(command)
    done = capfd.readouterr()
    assert "linear CKA" in done.out and "layer_analysis.md" in done.out and "LOAD REPORT" not in done.err
    assert (tmp_path / "out" / "layer_analysis.json").is_file()
    with pytest.raises(SystemExit) as stop:
        dlfa(command)
    failed = capfd.readouterr()
    assert stop.value.code == 2 and failed.out == ""
    assert failed.err.startswith("error: ") and failed.err.count("\n") == 1


def test_a_library_that_is_missing(
    arguments: Callable[..., LayerAnalysisArguments], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(InputError, match=r"needs scipy \(not installed\): pip install 'modeling-dlfa\[studies\]'"):
        run_layer_analysis(arguments(tmp_path / "out"))
