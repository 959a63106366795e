"""Tables and reports hold the numbers of results.json, marked only where they stand."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.languages import LANGUAGES, by_family
from modeling_dlfa.results.figures import scores_by_language
from modeling_dlfa.results.results import Results
from modeling_dlfa.results.tables import markdown_table, text_table, write_report
from modeling_dlfa.scoring.metrics import METRICS

from ..scored import make_runs, with_summary
from .made import CASES, XNLI, make_results


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def results(request: pytest.FixtureRequest) -> dict[str, Any]:
    return make_results(**request.param)


def ordered(results: dict[str, Any]) -> list[str]:
    return [code for _, codes in by_family(results["languages"], results["source_language"]) for code in codes]


NUMBER = r"[+-]?\d+\.\d"


def check_score(cell: str, value: dict[str, float | None] | None) -> None:
    if value is None:
        assert cell == "-"
        return
    numbers = [float(number) for number in re.findall(NUMBER, cell)]
    expected = [value["mean"]] if value["std"] is None else [value["mean"], value["std"]]
    assert numbers == pytest.approx([100 * number for number in expected if number is not None], abs=0.0501)
    assert ("±" in cell) == (value["std"] is not None)


def check_difference(cell: str, value: dict[str, float], mark: str) -> None:
    numbers = [float(number) for number in re.findall(NUMBER, cell)]
    assert numbers == pytest.approx([100 * value[key] for key in ("mean", "low", "high")], abs=0.0501)
    assert (mark in cell) == (value["p_adjusted"] <= 0.05)


def shown(results: dict[str, Any]) -> list[str]:
    """The averages that a table has: without the source language all languages are targets, which is said once."""
    system = next(iter(results["summary"]["systems"].values()))
    has_source = results["source_language"] in results["languages"]
    names = {"average": "macro_all", "average, targets": "macro_target", "transfer gap": "transfer_gap"}
    return [name for name, key in names.items() if system[key] is not None and (has_source or name != "average")]


def value_of(entry: dict[str, Any], key: str) -> Any:
    averages = {"average": "macro_all", "average, targets": "macro_target", "transfer gap": "transfer_gap"}
    return entry[averages[key]] if key in averages else entry["languages"][key]


def test_markdown_table_holds_the_numbers_of_the_json(results: dict[str, Any]) -> None:
    text, summary = markdown_table(Results.from_dict(results)), results["summary"]
    seen: list[str] = []
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]
        header, rule, *body = rows
        assert len({len(row) for row in rows}) == 1
        assert len(rows[0]) <= 24
        assert all(set(cell) <= {"-", ":"} for cell in rule)
        seen += header[1:]
        assert len(body) == len(summary["systems"]) + len(summary["differences"])
        cells = {row[0].replace("\\|", "|"): dict(zip(header[1:], row[1:], strict=True)) for row in body}
        for name, system in summary["systems"].items():
            for key, cell in cells[f"{name} (baseline)" if system["baseline"] else name].items():
                check_score(cell, value_of(system, key))
        for name, difference in summary["differences"].items():
            for key, cell in cells[f"{name} minus {difference['baseline']}"].items():
                check_difference(cell, value_of(difference, key), mark="**")
    averages = {"average", "average, targets", "transfer gap"}
    assert [key for key in seen if key not in averages] == ordered(results)
    assert [key for key in seen if key in averages] == shown(results)
    assert f"    {results['command']}\n" in text


def test_text_table_fits_a_terminal_and_holds_the_numbers_of_the_json(results: dict[str, Any]) -> None:
    text, summary = text_table(Results.from_dict(results)), results["summary"]
    assert max(map(len, text.splitlines())) <= 119
    names = {code: LANGUAGES[code].name if code in LANGUAGES else "" for code in results["languages"]}
    labels = {code: f"{name} ({code})" if name else code for code, name in names.items()}
    labels |= {"average": "average", "average, targets": "average, targets", "transfer gap": "transfer gap"}
    baseline = next((name for name, system in summary["systems"].items() if system["baseline"]), None)
    candidates = [name for name in summary["systems"] if name != baseline]
    n_blocks = len(re.findall(r"^English|^German", text, flags=re.MULTILINE)) // (
        1 + ("de" in labels and "en" in labels)
    )
    for key, label in labels.items():
        lines = re.findall(rf"^{re.escape(label)}  +(.*)$", text, flags=re.MULTILINE)
        if key not in (*results["languages"], *shown(results)):
            assert not lines
            continue
        assert len(lines) == n_blocks
        pattern = rf"{NUMBER} \[[^\]]*\]\*?|{NUMBER}(?: ± \d+\.\d)?"
        cells = [re.findall(pattern, line) for line in lines]
        if baseline is not None:
            for row in cells:
                check_score(row.pop(0), value_of(summary["systems"][baseline], key))
        flat = [cell for row in cells for cell in row]
        for name in candidates:
            check_score(flat.pop(0), value_of(summary["systems"][name], key))
            if name in summary["differences"]:
                check_difference(flat.pop(0), value_of(summary["differences"][name], key), mark="*")
        assert not flat
    headers = text.split("\n---")[0] if len(summary["systems"]) < 4 else text
    assert all(piece in headers for name in summary["systems"] for piece in textwrap.wrap(name, 22))


def test_a_transfer_gap_that_rounds_to_nothing_has_no_sign() -> None:
    results = make_results(["en", "de"], {"last": [1], "aif-layer4": [1]})
    for entries in (results["summary"]["systems"], results["summary"]["differences"]):
        for entry in entries.values():
            entry["transfer_gap"] = {"mean": -0.0002, "low": -0.0004, "high": 0.0001, "std": None}
    for text in (markdown_table(Results.from_dict(results)), text_table(Results.from_dict(results))):
        assert not re.search(r"-0\.0(?!\d)", text) and "+0.0 [+0.0, +0.0]" in text


def test_text_table_orders_languages_by_family() -> None:
    results = make_results(XNLI, {"last": [1]})
    assert re.findall(r"^[A-Z]\w+ \((\w\w)\)", text_table(Results.from_dict(results)), flags=re.MULTILINE) == ordered(
        results
    )
    assert ordered(results)[0] == "en"


def test_notes_say_how_the_numbers_came_about() -> None:
    systems = {"last": [1, 2, 3], "aif": [1, 2, 3]}
    results = make_results(["en", "de"], systems, collapsed="aif-seed3")
    for text in (
        markdown_table(Results.from_dict(results)),
        re.sub(r"\s+", " ", text_table(Results.from_dict(results))),
    ):
        assert "mean ± standard deviation over seeds 1, 2, 3." in text
        assert "3 seeds are few" in text
        assert "Student's t over the seeds plus the bootstrap error of the examples" in text
        assert "100 resamples of the examples, the same in every language" in text
        assert (
            "p <= 0.05 after Holm's correction, over all 2 differences in languages, and over 1 in each average."
            in text
        )
        assert "best checkpoint by English validation accuracy" in text
        assert re.search("Collapsed runs.*: aif-seed3", text)
        assert "Test examples: 60 in each language" in text
    one = markdown_table(Results.from_dict(make_results(["en", "de"], {"last": [4], "aif": [4]})))
    assert "in percent, of seed 4." in one
    assert "normal, the bootstrap error of the examples (100 resamples" in one and "One seed: " in one
    assert re.search("Collapsed runs.*: none", one)
    assert "95% intervals" not in markdown_table(Results.from_dict(make_results(["en"], {"aif": [4]})))


def test_what_stands_is_what_stands_after_correction() -> None:
    results = make_results(**CASES["40 languages"])
    cells = results["summary"]["differences"]["aif-layer4"]["languages"].values()
    alone = [cell for cell in cells if cell["low"] > 0 or cell["high"] < 0]
    standing = [cell for cell in cells if cell["p_adjusted"] <= 0.05]
    assert all((cell["p_value"] <= 0.05) == (cell in alone) for cell in cells), "p-values and intervals agree"
    assert 0 < len(alone) and len(standing) < len(alone), "the check cannot fail"
    filled = [
        line
        for line in scores_by_language(Results.from_dict(results)).axes[1].lines
        if line.get_marker() == "o" and line.get_markerfacecolor() != "white"
    ]
    averages = [results["summary"]["differences"]["aif-layer4"][key] for key in ("macro_all", "macro_target")]
    assert len(filled) == len(standing) + sum(entry["p_adjusted"] <= 0.05 for entry in averages)


def test_report_is_written_and_points_to_its_figure(tmp_path: Path) -> None:
    results = make_results(XNLI, {"last": [1, 2], "aif-layer4": [1, 2]})
    write_report(Results.from_dict(results), tmp_path / "new")
    write_report(Results.from_dict(results), tmp_path / "new")
    report = (tmp_path / "new" / "results.md").read_text(encoding="utf-8")
    assert report.startswith("# XNLI: accuracy by language\n")
    assert markdown_table(Results.from_dict(results)).strip() in report
    link = re.search(r"!\[[^\]]+\]\(([^)]+)\)", report)
    assert link is not None
    assert link.group(1) == "figures/accuracy_by_language.png"
    assert (tmp_path / "new" / link.group(1)).read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "accuracy_by_language.png",
        "results.md",
    ]


@pytest.mark.parametrize("missing", [{}, {"summary": None}], ids=["absent", "null"])
def test_results_without_a_summary_are_refused(missing: dict[str, None], tmp_path: Path) -> None:
    results, _ = make_runs(["en", "de"], {"last": [1], "aif": [1]})
    reports: list[Callable[..., object]] = [markdown_table, text_table, lambda r: write_report(r, tmp_path / "new")]
    for report in reports:
        with pytest.raises(InputError, match="no scores of test languages"):
            report(Results.from_dict(results | missing))
    assert not (tmp_path / "new").exists()


def test_f1_is_called_f1_and_counts_sentences_and_words(tmp_path: Path) -> None:
    """Token tasks: other names, sizes and notes, languages of unequal size, and no line for a uniform guess."""
    results, counts = make_runs(["en", "de"], {"last": [1, 2], "aif": [1, 2]})
    f1_counts = {}
    for name, languages in counts.items():
        f1_counts[name] = {
            language: np.column_stack([array[:, 0], *[array[:, 1]] * 2, array])
            for language, array in languages.items()
        }
        f1_counts[name]["de"] = f1_counts[name]["de"][:-7]
    for run in results["runs"]:
        run["validation"] = {"f1": 0.7}
        run["test"] = {code: METRICS["f1"].report(array) for code, array in f1_counts[run["name"]].items()}
    results |= {"task": "panx", "title": "PAN-X", "metric": "f1", "labels": ["O", "B-PER"]}
    results |= {"languages_without_file": ["th", "yo"], "data": {"train": {"source": "a.tsv", "rows": 9}}}
    results = with_summary(results, f1_counts)
    assert not results["summary"]["bootstrap"]["aligned"]
    accuracy = {
        system: 100
        * np.mean(
            [entry["accuracy"] for run in results["runs"] if run["system"] == system for entry in run["test"].values()]
        )
        for system in ("last", "aif")
    }
    for text in (
        markdown_table(Results.from_dict(results)),
        re.sub(r"\s+", " ", text_table(Results.from_dict(results))),
    ):
        assert "F1 in percent, mean ± standard deviation over seeds 1, 2." in text
        assert "paired by seed (seeds 1, 2) and sentence." in text
        assert "error of the sentences (100 resamples of the sentences)." in text
        assert "Test sentences: en 60, de 53." in text and "Test words: en 60, de 53." in text
        assert "train a.tsv (9 sentences)" in text
        assert "Skipped, no test file: th, yo." in text
        assert f"over languages and seeds: last {accuracy['last']:.1f}, aif {accuracy['aif']:.1f}." in text
        assert "example" not in text.replace("examples/", "")
    write_report(Results.from_dict(results), tmp_path)
    report = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert report.startswith("# PAN-X: F1 by language\n")
    assert "![F1 by language](figures/f1_by_language.png)" in report
    assert (tmp_path / "figures" / "f1_by_language.png").is_file()
