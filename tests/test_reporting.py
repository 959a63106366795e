from __future__ import annotations

import copy
import json
import re
import statistics
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.languages import LANGUAGES, by_family
from modeling_dlfa.metrics import METRICS, paired_difference, summarise
from modeling_dlfa.reporting import markdown_table, plot_accuracy_by_language, summarise_runs, text_table, write_report

if TYPE_CHECKING:
    from matplotlib.collections import LineCollection

XNLI = ["ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]
Counts = dict[str, dict[str, np.ndarray]]


def make_runs(
    languages: list[str], systems: dict[str, list[int]], n: int = 60, collapsed: str = ""
) -> tuple[dict[str, Any], Counts]:
    """Results without a summary, of systems (name to seeds; `last` is the baseline, the others better), and counts."""
    rng = np.random.default_rng(0)
    level = {language: 0.8 if language == "en" else rng.uniform(0.5, 0.7) for language in languages}
    runs: list[dict[str, Any]] = []
    counts: Counts = {}
    for system, seeds in systems.items():
        for seed in seeds:
            name, gain = f"{system}-seed{seed}", 0.0 if system == "last" else 0.1
            counts[name] = {
                language: METRICS["accuracy"].counts((rng.random(n) < level[language] + gain).astype(int), np.ones(n))
                for language in languages
            }
            scores = {language: float(array[:, 0].mean()) for language, array in counts[name].items()}
            run = {"name": name, "system": system, "baseline": system == "last", "seed": seed}
            run |= {"collapsed": name == collapsed, "validation": {"accuracy": 0.7 + seed / 100, "n": 50}}
            runs.append(run | {"test": {code: {"accuracy": score, "n": n} for code, score in scores.items()}})
    results = {"task": "xnli", "metric": "accuracy", "source_language": "en", "languages": languages, "runs": runs}
    results |= {
        "model_name_or_path": "some/encoder",
        "command": "python examples/run_xnli.py --baseline --seeds 1 2 3",
    }
    return results | {"selection": "best checkpoint by English validation accuracy"}, counts


def make_results(languages: list[str], systems: dict[str, list[int]], **options: Any) -> dict[str, Any]:
    results, counts = make_runs(languages, systems, **options)
    results["summary"] = summarise_runs(results, counts, metric="accuracy", aligned=True, n_resamples=100)
    return json.loads(json.dumps(results, allow_nan=False))


CASES: dict[str, dict[str, Any]] = {
    "two systems": {"languages": XNLI, "systems": {"last": [1, 2, 3], "aif-layer4": [1, 2, 3]}},
    "one system": {"languages": XNLI, "systems": {"aif-layer4": [1, 2]}},
    "only the baseline": {"languages": ["en", "de"], "systems": {"last": [1, 2]}},
    "one seed": {"languages": ["en", "de"], "systems": {"last": [1], "aif-layer4": [1]}},
    "only the source": {"languages": ["en"], "systems": {"last": [1, 2], "aif-layer4": [1, 2]}},
    "no source": {"languages": ["de", "fr"], "systems": {"last": [1, 2], "aif-layer4": [1, 2]}},
    "own language": {"languages": ["en", "de", "qx"], "systems": {"aif|layer4": [7]}},
    "40 languages": {"languages": list(LANGUAGES)[:40], "systems": {"last": [1, 2], "aif-layer4": [1, 2]}},
    "many systems": {
        "languages": XNLI,
        "systems": {"aif-layer4-select-ratio16-layer_norm": [1, 2], "last": [1, 2], "mean": [1, 2], "concat": [1, 2]}
        | {f"aif-layer{layer}": [1, 2] for layer in range(5, 12)},
    },
}


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def results(request: pytest.FixtureRequest) -> dict[str, Any]:
    return make_results(**request.param)


def ordered(results: dict[str, Any]) -> list[str]:
    return [code for _, codes in by_family(results["languages"], results["source_language"]) for code in codes]


def test_summary_equals_means_and_deviations_of_the_runs() -> None:
    systems = {"aif-layer4": [1, 2, 3], "last": [1, 2, 3]}
    runs, counts = make_runs(["en", "de", "fr"], systems, collapsed="last-seed2")
    summary = summarise_runs(runs, counts, metric=METRICS["accuracy"], aligned=True, n_resamples=100)
    assert list(summary["systems"]) == ["last", "aif-layer4"]
    for name, system in summary["systems"].items():
        scores = [
            {language: values["accuracy"] for language, values in run["test"].items()}
            for run in runs["runs"]
            if run["system"] == name
        ]
        for language in runs["languages"]:
            values, actual = [score[language] for score in scores], system["languages"][language]
            assert actual["mean"] == pytest.approx(statistics.fmean(values))
            assert actual["std"] == pytest.approx(statistics.stdev(values))
            assert actual["low"] <= actual["mean"] <= actual["high"]
        for average in ("macro_all", "macro_target", "transfer_gap"):
            values = [getattr(summarise(score, "en"), average) for score in scores]
            assert system[average]["mean"] == pytest.approx(statistics.fmean(values))
            assert system[average]["std"] == pytest.approx(statistics.stdev(values))
        assert system["validation"] == {"mean": pytest.approx(0.72), "std": pytest.approx(0.01)}
        assert (system["runs"], system["seeds"]) == (3, [1, 2, 3])
    assert summary["systems"]["last"]["collapsed"] == ["last-seed2"]
    assert summary["systems"]["aif-layer4"]["collapsed"] == []


def test_differences_pair_the_seeds_that_both_have() -> None:
    runs, counts = make_runs(["en", "de"], {"last": [3, 1, 2], "aif": [2, 3, 4], "mean": [9]})
    summary = summarise_runs(runs, counts, metric="accuracy", aligned=True, n_resamples=100, seed=3)
    assert list(summary["differences"]) == ["aif"]
    difference = summary["differences"]["aif"]
    assert (difference["baseline"], difference["seeds"]) == ("last", [2, 3])
    system, baseline = (
        {code: np.stack([counts[f"{name}-seed{seed}"][code] for seed in (2, 3)]) for code in ("en", "de")}
        for name in ("aif", "last")
    )
    expected = paired_difference(
        system, baseline, metric=METRICS["accuracy"], aligned=True, n_resamples=100, seed=3
    ).macro_all
    assert difference["macro_all"] == expected.to_dict()
    text = markdown_table(runs | {"summary": summary})
    assert "mean shares no seed with the baseline" in text
    assert "paired by seed (seeds 2, 3)" in text


def test_test_sets_of_unequal_size_are_resampled_independently_and_said_to_be() -> None:
    runs, counts = make_runs(["en", "de"], {"last": [1], "aif": [1]})
    assert summarise_runs(runs, counts, metric="accuracy", aligned=True, n_resamples=9)["bootstrap"]["aligned"]
    for run in runs["runs"]:
        counts[run["name"]]["de"] = counts[run["name"]]["de"][:40]
        run["test"]["de"] = {"accuracy": float(counts[run["name"]]["de"][:, 0].mean()), "n": 40}
    summary = summarise_runs(runs, counts, metric="accuracy", aligned=True, n_resamples=9)
    assert summary["bootstrap"] == {"confidence": 0.95, "n_resamples": 9, "seed": 0, "aligned": False}
    text = markdown_table(runs | {"summary": summary})
    assert "the same examples in every language" not in text
    assert "en 60, de 40" in text


def test_contradictions_are_refused() -> None:
    runs, counts = make_runs(["en", "de"], {"last": [1, 2], "aif": [1, 2]})

    def refused(message: str, changed: dict[str, Any], kept: Counts = counts) -> None:
        with pytest.raises(InputError, match=message):
            summarise_runs(changed, kept, metric="accuracy", aligned=True, n_resamples=9)

    refused("no runs", runs | {"runs": []})
    refused("no predictions for de", runs, counts | {"aif-seed1": {"en": counts["aif-seed1"]["en"]}})
    refused("'last' has two runs with seed 1", runs | {"runs": runs["runs"][:1] * 2})
    wrong = copy.deepcopy(runs)
    wrong["runs"][1]["test"]["de"]["accuracy"] += 0.01
    refused("'last-seed2' records accuracy.*for de", wrong)
    two = copy.deepcopy(runs)
    for run in two["runs"]:
        run["baseline"] = True
    refused("one baseline, but last, aif", two)


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
    assert (mark in cell) == (value["low"] > 0 or value["high"] < 0)


def value_of(entry: dict[str, Any], key: str) -> Any:
    averages = {"average": "macro_all", "average, targets": "macro_target", "transfer gap": "transfer_gap"}
    return entry[averages[key]] if key in averages else entry["languages"][key]


def test_markdown_table_holds_the_numbers_of_the_json(results: dict[str, Any]) -> None:
    text, summary = markdown_table(results), results["summary"]
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
    assert len(averages.intersection(seen)) == sum(
        next(iter(summary["systems"].values()))[name] is not None
        for name in ("macro_all", "macro_target", "transfer_gap")
    )
    assert f"    {results['command']}\n" in text


def test_text_table_fits_a_terminal_and_holds_the_numbers_of_the_json(results: dict[str, Any]) -> None:
    text, summary = text_table(results), results["summary"]
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
        if value_of(next(iter(summary["systems"].values())), key if key in labels else label) is None:
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


def test_text_table_orders_languages_by_family() -> None:
    results = make_results(XNLI, {"last": [1]})
    assert re.findall(r"^[A-Z]\w+ \((\w\w)\)", text_table(results), flags=re.MULTILINE) == ordered(results)
    assert ordered(results)[0] == "en"


def test_notes_say_how_the_numbers_came_about() -> None:
    systems = {"last": [1, 2, 3], "aif": [1, 2, 3]}
    results = make_results(["en", "de"], systems, collapsed="aif-seed3")
    for text in (markdown_table(results), re.sub(r"\s+", " ", text_table(results))):
        assert "mean ± standard deviation over seeds 1, 2, 3." in text
        assert "3 seeds are few" in text
        assert "100 resamples of seeds and examples, the same examples in every language" in text
        assert "best checkpoint by English validation accuracy" in text
        assert re.search("Collapsed runs.*: aif-seed3", text)
        assert "Test examples: 60 in each language" in text
    one = markdown_table(make_results(["en", "de"], {"last": [4], "aif": [4]}))
    assert "in percent, of seed 4." in one
    assert "100 resamples of examples" in one
    assert re.search("Collapsed runs.*: none", one)
    assert "bootstrap interval" not in markdown_table(make_results(["en"], {"aif": [4]}))


def test_figure_is_a_readable_png(results: dict[str, Any], tmp_path: Path) -> None:
    from matplotlib.image import imread

    path = tmp_path / "figures" / "accuracy.png"
    plot_accuracy_by_language(results, path)
    height, width = imread(path).shape[:2]
    assert 800 <= width <= 2000
    assert 300 <= height <= 6000
    assert path.stat().st_size < 500_000


def test_figure_draws_every_score_and_interval(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **kwargs: drawn.append(figure))
    results = make_results(XNLI, {"last": [1, 2], "aif-layer4": [1, 2]})
    plot_accuracy_by_language(results, tmp_path / "unused.png")
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
    plot_accuracy_by_language(make_results(["en", "de"], {"last": [1]}), tmp_path / "figure.png")
    assert matplotlib.rcParams._get("backend") is backend  # type: ignore[attr-defined]
    assert dict(matplotlib.rcParams) == before


def test_report_is_written_and_points_to_its_figure(tmp_path: Path) -> None:
    results = make_results(XNLI, {"last": [1, 2], "aif-layer4": [1, 2]})
    write_report(results, tmp_path / "new")
    write_report(results, tmp_path / "new")
    report = (tmp_path / "new" / "results.md").read_text(encoding="utf-8")
    assert report.startswith("# XNLI: accuracy by language\n")
    assert markdown_table(results).strip() in report
    link = re.search(r"!\[[^\]]+\]\(([^)]+)\)", report)
    assert link is not None
    assert link.group(1) == "figures/accuracy_by_language.png"
    assert (tmp_path / "new" / link.group(1)).read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "accuracy_by_language.png",
        "results.md",
    ]
