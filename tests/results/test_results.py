"""Results as an object: the numbers of the file, differences of any two systems, and clear refusals."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modeling_dlfa import load_results
from modeling_dlfa.errors import InputError
from modeling_dlfa.results.format import FORMAT
from modeling_dlfa.results.results import Results
from modeling_dlfa.results.tables import text_table

from ..scored import make_command, write_command


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output directory with three systems, three seeds and predictions."""
    systems = dict.fromkeys(("last", "aif-layer1", "aif-layer2"), [1, 2, 3])
    results, counts = make_command(["en", "de", "ar"], systems)
    return write_command(tmp_path_factory.mktemp("whole") / "run", results, counts)


def test_scores_and_table_are_those_of_the_file(finished: Path) -> None:
    results, content = load_results(finished), json.loads((finished / "results.json").read_text(encoding="utf-8"))
    assert results.to_dict() == content and results.folder == finished
    summary = content["summary"]["systems"]
    assert results.systems == ["last", "aif-layer1"]
    for name, scores in results.scores.items():
        assert set(scores) == {"en", "de", "ar", "macro_all", "macro_target", "transfer_gap"}
        assert scores["de"] == summary[name]["languages"]["de"]["mean"]
        assert scores["macro_all"] == pytest.approx(np.mean([scores[code] for code in ("en", "de", "ar")]))
    assert results.table() == text_table(Results.from_dict(content)) and results.table("markdown").startswith(
        "|  | en |"
    )
    assert load_results(finished / "results.json").scores == results.scores
    assert "xnli: 4 runs, 3 languages" in repr(results)


def test_the_difference_to_the_baseline_is_the_recorded_one(finished: Path) -> None:
    results = load_results(finished)
    found, recorded = results.compare("aif-layer1", "last"), results.to_dict()["summary"]["differences"]["aif-layer1"]
    assert set(found) == set(results.scores["last"])
    assert found["ar"].to_dict().items() <= recorded["languages"]["ar"].items()
    assert found["macro_target"].mean == recorded["macro_target"]["mean"]


def test_any_two_systems_are_compared_from_their_predictions(whole: Path) -> None:
    results = load_results(whole)
    one, other = results.systems[1:]
    found = results.compare(other, one)
    for key, value in found.items():
        assert value.mean == pytest.approx(results.scores[other][key] - results.scores[one][key])
        assert value.low < value.mean < value.high
    turned = results.compare(one, other)
    assert turned["de"].mean == pytest.approx(-found["de"].mean)
    assert results.compare("last", one)["de"].mean == pytest.approx(-results.compare(one, "last")["de"].mean)


def test_what_cannot_be_compared(whole: Path, tmp_path: Path) -> None:
    results = load_results(whole)
    one, other = results.systems[1:]
    with pytest.raises(InputError, match="no system 'aif' in these results. Choose from 'last', 'aif-layer1', "):
        results.compare("aif", "last")
    with pytest.raises(InputError, match="compared with itself"):
        results.compare(one, one)
    with pytest.raises(InputError, match="were not read from a folder"):
        replace(results, folder=None).compare(other, one)
    shutil.copyfile(whole / "results.json", tmp_path / "results.json")
    with pytest.raises(InputError, match="intervals need the predictions"):
        load_results(tmp_path).compare(other, one)
    with pytest.raises(InputError, match="There is no form 'html'. Choose 'text' or 'markdown'"):
        results.table("html")


def test_a_data_frame(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    results = load_results(whole)
    frame = results.to_pandas()
    assert list(frame.index) == results.systems and frame.loc["last", "de"] == results.scores["last"]["de"]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="needs pandas, which is not installed: pip install pandas"):
        results.to_pandas()


def test_writing_and_reading_are_each_others_reverse(finished: Path, tmp_path: Path) -> None:
    results = load_results(finished)
    results.write(tmp_path / "results.json")
    assert (tmp_path / "results.json").read_bytes() == (finished / "results.json").read_bytes()


def test_files_that_are_not_results(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    with pytest.raises(InputError, match="cannot be read"):
        load_results(tmp_path)
    for content in ("{", "[1]", '{"runs": []}'):
        file.write_text(content)
        with pytest.raises(InputError, match=r"results\.json (cannot be read|is not what `dlfa train` writes)"):
            load_results(file)
    content = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    for damaged in ({"runs": [{"name": "last-seed1"}]}, {"languages": None}, {"summary": {"systems": {}}}):
        file.write_text(json.dumps({**content, **damaged}))
        with pytest.raises(InputError, match="is not what `dlfa train` writes: it lacks '.*'. Give the output dir"):
            load_results(file)
    assert content["schema_version"] == FORMAT
    for other in (FORMAT - 1, FORMAT + 1, None):
        file.write_text(json.dumps({**content, "schema_version": other}))
        with pytest.raises(InputError, match=f"has format {other}; .* reads format {FORMAT}. Update"):
            load_results(file)
    file.write_text(json.dumps({name: value for name, value in content.items() if name != "schema_version"}))
    with pytest.raises(InputError, match="has format 1; "):
        load_results(file)
    del content["summary"]
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="no scores of test languages"):
        _ = load_results(file).scores
