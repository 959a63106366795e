"""The cost of testing n languages, measured in real processes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.results.results import load_results
from modeling_dlfa.studies.language_scaling.evaluation_cost import (
    PASSES,
    CostOptions,
    _pattern,
    measure_cost,
    numbers_of_languages,
)

NAMES = (
    "test-{language}.parquet",
    "{language}/test-{language}.tsv",
    "data/{language}/test.parquet",
    "harvest/test-{language}.tsv",
)


@pytest.mark.parametrize("name", NAMES)
def test_the_code_is_replaced_where_it_stands_for_the_language(name: str) -> None:
    files = {code: name.replace("{language}", code) for code in ("ar", "te", "de")}
    assert _pattern(files) == name
    assert _pattern({"ar": files["ar"]}) == files["ar"]


def test_files_without_a_common_name_have_no_pattern() -> None:
    assert _pattern({"ar": "one/ar.tsv", "de": "other/de.tsv"}) is None


def test_numbers_of_languages() -> None:
    assert [numbers_of_languages(total) for total in (1, 2, 3, 8, 14)] == [
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 4, 8],
        [1, 2, 4, 8, 14],
    ]


@pytest.mark.slow
def test_a_run_is_timed_with_its_own_model_and_files(finished: Path) -> None:
    results = load_results(finished)
    two = replace(results, languages=results.languages[:2])
    cost = measure_cost(two, CostOptions())
    assert cost["model"] == str(finished / "models" / "aif-layer1-seed1")
    assert [point["n"] for point in cost["points"]] == [1, 2]
    assert [point["examples"] for point in cost["points"]] == [37, 74]
    assert cost["points"][0]["tokens"] < cost["points"][1]["tokens"]
    for point in cost["points"]:
        assert 0 < min(point["passes"]) <= point["predict_seconds"] <= max(point["passes"])
        assert len(point["passes"]) == PASSES
        assert point["start_seconds"] > 0 and point["read_seconds"] > 0
        assert 2**25 < point["memory_before"] <= point["peak_memory"]
    assert cost["seconds_per_language"] is None  # Two points are no line with an error.


def test_what_is_not_here_is_one_clear_error(finished: Path, tmp_path: Path) -> None:
    results = load_results(finished)
    with pytest.raises(InputError, match="--cost_model"):
        measure_cost(replace(results, folder=tmp_path), CostOptions())
    sources = results.data.test.items()
    test = {code: replace(source, source=source.source.replace("test-", "gone-")) for code, source in sources}
    results = replace(results, data=replace(results.data, test=test))
    with pytest.raises(InputError, match="--cost_test_file"):
        measure_cost(results, CostOptions())
    shutil.copytree(finished / "models" / "aif-layer1-seed1", tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="could not be timed: .*model"):
        options = CostOptions(model=str(tmp_path / "model"), test_file=str(tmp_path / "gone-{language}.tsv"))
        measure_cost(results, options)
