"""Results of several commands as one: what belongs together, and what does not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.results.joining import join_results
from modeling_dlfa.results.results import Results, load_results
from modeling_dlfa.results.summary import summarise_runs

from ..scored import Counts, make_command, with_summary, write_command

LANGUAGES = ["en", "de", "zh"]
SYSTEMS = ["last", "aif-layer4", "aif-layer4+glyphs", "aif-layer4+permuted"]
SEEDS = [1, 2]
CONFIG = {"pooling": "mean", "reduction_ratio": 4, "glyph_kernel_size": 1, "glyph_size": 0}
FILE = {"source": "train.tsv", "rows": 8, "sha256": "a" * 64}


@pytest.fixture(scope="module")
def whole() -> tuple[dict[str, Any], Counts]:
    """All systems as one command would have trained them."""
    results, counts = make_command(LANGUAGES, dict.fromkeys(SYSTEMS, SEEDS), n=40)
    for run in results["runs"]:
        run |= {"fusion": "last" if run["system"] == "last" else "aif", "config": dict(CONFIG)}
        if "+" in run["system"]:
            run["config"] |= {"glyph_size": 6, "glyph_table": run["system"].endswith("glyphs") or "permuted"}
    return results | {"data": {"train": FILE, "test": {}}, "model_commit": None}, counts


def part(whole: tuple[dict[str, Any], Counts], folder: Path, *systems: str, **changed: Any) -> Results:
    """The directory of a command that trained some of the systems."""
    results, counts = copy.deepcopy(whole)
    results["runs"] = [run for run in results["runs"] if run["system"] in systems]
    results = {**results, "recipe": {**results["recipe"], "glyphs": f"sha256 of {folder.name}"}, **changed}
    results["command"] = f"dlfa train {' '.join(systems)}"
    counts = {run["name"]: counts[run["name"]] for run in results["runs"]}
    return load_results(write_command(folder, with_summary(results, counts), counts))


def edit(folder: Path, run: str, code: str, old: str, new: str) -> None:
    file = folder / "predictions" / run / f"{code}.tsv"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_parts_make_the_whole(whole: tuple[dict[str, Any], Counts], tmp_path: Path) -> None:
    parts = [part(whole, tmp_path / "one", "last", "aif-layer4"), part(whole, tmp_path / "two", *SYSTEMS[2:])]
    joined, counts = join_results(parts)
    expected = summarise_runs(Results.from_dict(whole[0]), whole[1], aligned=True)
    assert joined.require_summary().to_dict() == expected.to_dict()
    assert joined.systems == SYSTEMS and joined.baseline == "last" and counts.keys() == whole[1].keys()
    assert joined.command == "dlfa train last aif-layer4\ndlfa train aif-layer4+glyphs aif-layer4+permuted"
    assert "glyphs" not in joined.recipe and joined.folder is None
    alone, _ = join_results(parts[:1])
    assert alone is parts[0]


def test_a_baseline_can_be_a_command_of_its_own(whole: tuple[dict[str, Any], Counts], tmp_path: Path) -> None:
    results, counts = copy.deepcopy(whole)
    for run in results["runs"]:
        run["baseline"] = False
    apart = (results, counts)
    joined, _ = join_results([part(apart, tmp_path / "one", "aif-layer4"), part(apart, tmp_path / "two", "last")])
    assert joined.baseline == "last" and [*joined.require_summary().differences] == ["aif-layer4"]


def test_a_run_in_two_commands_counts_once_and_must_be_the_same(
    whole: tuple[dict[str, Any], Counts], tmp_path: Path
) -> None:
    parts = [part(whole, tmp_path / name, "last", system) for name, system in zip("ab", SYSTEMS[1:3], strict=True)]
    joined, _ = join_results(parts)
    assert [run.name for run in joined.runs if run.system == "last"] == ["last-seed1", "last-seed2"]
    # One prediction more is wrong and one less: the score stays.
    edit(tmp_path / "b", "last-seed2", "zh", "\tneutral\tneutral\n", "\tneutral\tcontradiction\n")
    edit(tmp_path / "b", "last-seed2", "zh", "\tneutral\tentailment\n", "\tneutral\tneutral\n")
    with pytest.raises(InputError, match="both hold last-seed2, with other predictions. Train each system in one"):
        join_results(parts)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_name_or_path": "other/encoder"}, "model_name_or_path: some/encoder, other/encoder"),
        ({"recipe": {"max_length": 128}}, "recipe.max_length: 64, 128"),
        ({"data": {"train": {**FILE, "sha256": "b" * 64}, "test": {}}}, "data.train.sha256"),
        ({"labels": ["neutral", "entailment", "contradiction"]}, "labels"),
    ],
)
def test_what_differs_in_more_than_its_fusion_is_refused(
    changed: dict[str, Any], message: str, whole: tuple[dict[str, Any], Counts], tmp_path: Path
) -> None:
    one = part(whole, tmp_path / "one", "last", "aif-layer4")
    moved = {"data": {"train": {**FILE, "source": "elsewhere/train.tsv"}, "test": {}}}
    join_results([one, part(whole, tmp_path / "same", "aif-layer4+glyphs", **moved)])
    other = part(whole, tmp_path / "two", "aif-layer4+glyphs", **changed)
    with pytest.raises(InputError, match=f"one and .*two cannot be compared.*{message}"):
        join_results([one, other])


def test_other_seeds_languages_options_and_examples_are_refused(
    whole: tuple[dict[str, Any], Counts], tmp_path: Path
) -> None:
    one = part(whole, tmp_path / "one", "last", "aif-layer4+glyphs")
    results, counts = copy.deepcopy(whole)
    results["runs"] = [run for run in results["runs"] if run["seed"] == 1]
    with pytest.raises(InputError, match=r"seeds: \[1, 2\], \[1\]"):
        join_results([one, part((results, counts), tmp_path / "seeds", "aif-layer4+permuted")])
    results, counts = copy.deepcopy(whole)
    fewer = {name: {code: found[code] for code in ("en", "de")} for name, found in counts.items()}
    results["languages"] = ["en", "de"]
    with pytest.raises(InputError, match="languages: "):
        join_results([one, part((results, fewer), tmp_path / "languages", "aif-layer4+permuted")])
    for name, value, message in (
        ("pooling", "cls", "pooling: mean, cls"),
        ("glyph_kernel_size", 3, "aif-layer4: glyph_kernel_size: 1, 3"),
    ):
        results, counts = copy.deepcopy(whole)
        for run in results["runs"]:
            run["config"][name] = value
        with pytest.raises(InputError, match=message):
            join_results([one, part((results, counts), tmp_path / name, "aif-layer4+permuted")])
    labels = part(whole, tmp_path / "labels", "aif-layer4+permuted")
    edit(tmp_path / "labels", "aif-layer4+permuted-seed1", "de", "neutral\tneutral", "entailment\tentailment")
    with pytest.raises(InputError, match="the test examples in de"):
        join_results([one, labels])
