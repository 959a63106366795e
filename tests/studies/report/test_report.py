"""The report: everything of the results is in it, escaped, and nothing of it is fetched from anywhere."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from modeling_dlfa.errors import InputError
from modeling_dlfa.languages import LANGUAGES, language_label
from modeling_dlfa.pages.figures import SURFACES
from modeling_dlfa.pages.model import Code, Heading, Notes, Phrase, Picture, Section, Table, Text, difference
from modeling_dlfa.pages.rendering import to_html, to_markdown
from modeling_dlfa.studies.language_scaling.command import run_language_scaling
from modeling_dlfa.studies.language_scaling.sections import SCALING, corrected_difference
from modeling_dlfa.studies.layer_sweep.agreement_sections import AGREEMENT
from modeling_dlfa.studies.layer_sweep.sections import SWEEP
from modeling_dlfa.studies.report.report import build_report, write_report

from ...scored import make_command, write_command
from ..layer_sweep.planted import VALIDATION, agreement, planted
from .page import Page, check_stands_alone

XNLI = ["ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]
HOSTILE = '<script>alert("1")</script>&amp; "quoted" `code` *x* | [a](http://example.org) $\\frac{1}{0}$'


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    systems = {"last": [1, 2, 3], "aif-layer4": [1, 2, 3], "aif-layer8": [1, 2, 3]}
    results, counts = make_command(XNLI, systems, n=200, collapsed="last-seed2")
    return write_command(tmp_path_factory.mktemp("runs") / "xnli", results, counts)


@pytest.fixture(scope="module")
def report(command: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    folder = tmp_path_factory.mktemp("report")
    run_language_scaling([command], folder / "scaling", n_resamples=40)
    path = write_report("Results", build_report([command, folder / "scaling"], [SCALING]), folder / "report")
    return path, check_stands_alone(path.read_text(encoding="utf-8"))


def test_every_language_system_and_difference_is_in_a_table(command: Path, report: tuple[Path, Page]) -> None:
    results = json.loads((command / "results.json").read_text(encoding="utf-8"))
    summary, page = results["summary"], report[1]
    [table] = [table for table in page.tables if table["caption"].startswith("Every language")]
    head = [cell["text"] for cell in table["head"]]
    systems = ["last (baseline)", "aif-layer4", "aif-layer4 minus last", "aif-layer8", "aif-layer8 minus last"]
    assert head == ["language", *systems]
    assert [row[0]["text"] for row in table["rows"]][0] == "English (en)"
    assert {row[0]["text"] for row in table["rows"]} == {language_label(code) for code in XNLI}
    labels = {language_label(code): code for code in XNLI}
    for row in table["rows"]:
        code = labels[row[0]["text"]]
        for name, cell in zip(head[1:], row[1:], strict=True):
            system = name.removesuffix(" (baseline)").removesuffix(" minus last")
            entry = summary["differences" if "minus" in name else "systems"][system]["languages"][code]
            assert float(cell["text"].split()[0]) == pytest.approx(100 * entry["mean"], abs=0.0501)
            if "minus" in name:
                low, high = (float(number) for number in re.findall(r"[+-]\d+\.\d", cell["text"])[1:])
                # The recorded interval, marked only if it stands after correction for all 30 comparisons.
                assert (low, high) == pytest.approx((100 * entry["low"], 100 * entry["high"]), abs=0.0501)
                assert cell["strong"] == ("*" in cell["text"]) == (entry["p_adjusted"] <= 0.05)
                assert not cell["strong"] or low >= 0 or high <= 0
    overview = page.tables[0]
    assert [row[1]["text"] for row in overview["rows"]] == ["aif-layer4", "aif-layer8"]
    assert "marks are corrected for all 2 lines" in overview["caption"]
    text = " ".join(data for _, data in page.texts)
    assert "last-seed2" in text and results["command"] in text


def test_markdown_has_the_same_tables(report: tuple[Path, Page]) -> None:
    text = report[0].with_suffix(".md").read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) == len(report[1].tables)
    for table, expected in zip(tables, report[1].tables, strict=True):
        rows = [[cell.strip() for cell in line.split(" | ")] for line in table.splitlines()]
        assert len({len(row) for row in rows}) == 1
        assert len(rows) - 2 == len(expected["rows"])
    for name in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (report[0].parent / name).read_bytes().startswith(b"<?xml")
    assert [token.type for token in parse(text)].count("table_open") == len(tables)


def parse(text: str) -> list[Any]:
    """The parts of a Markdown page, as GitHub reads it."""
    return pytest.importorskip("markdown_it").MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text)


def test_every_text_is_escaped_wherever_it_stands() -> None:
    def draw() -> Figure:
        figure = Figure()
        figure.suptitle(HOSTILE)
        return figure

    picture = Picture("p", HOSTILE, HOSTILE, draw)
    table = Table(HOSTILE, (HOSTILE, "n"), ((HOSTILE, Phrase(HOSTILE, strong=True)),))
    blocks = (Heading(HOSTILE), Text(HOSTILE), Notes((HOSTILE,)), Code(HOSTILE), table, picture)
    section = Section(HOSTILE, blocks)
    page = check_stands_alone(to_html(HOSTILE, [section]))
    shown = [data.strip() for tag, data in page.texts if tag != "style" and data.strip()]
    # Title, heading, navigation, h2, h3, p, li, pre, caption, head, row header, strong cell, caption of the picture.
    assert Counter(shown)[HOSTILE] == 13
    assert not [tag for tag, _ in page.tags if tag in ("script", "svg")]
    assert [values["alt"] for tag, values in page.tags if tag == "img"] == [HOSTILE]
    text = to_markdown([section], HOSTILE)
    assert "<script" not in text.replace("    <script", "")
    read = [token for token in parse(text) if token.type in ("inline", "code_block")]
    code = [token.content.strip() for token in read if token.type == "code_block"]
    lines = [token.children for token in read if token.type == "inline"]
    assert code == [HOSTILE] and not {child.type for line in lines for child in line} & {"html_inline", "link_open"}
    # Title, h2, h3, p, li, caption, header, row header, strong cell, caption of the picture.
    shown = ["".join(child.content for child in line) for line in lines]
    assert Counter(shown)[HOSTILE] == 10
    [image] = [child for line in lines for child in line if child.type == "image"]
    assert image.attrs["src"] == "figures/p.svg" and "".join(part.content for part in image.children) == HOSTILE


def test_hostile_results_do_no_harm(tmp_path: Path) -> None:
    results, counts = make_command(["en", "de", "fr"], {"last": [1], "aif-layer4": [1]}, n=30)
    results |= {"title": HOSTILE, "command": HOSTILE, "model_name_or_path": HOSTILE, "selection": HOSTILE}
    renamed = json.loads(json.dumps(results).replace('"aif-layer4"', json.dumps("aif $\\frac{ <b> --> x")))
    folder = write_command(tmp_path / "run", renamed, counts)
    page = check_stands_alone(to_html("Report", build_report([folder])))
    assert any(HOSTILE in data for tag, data in page.texts if tag == "code")
    assert any(
        cell["text"] == "aif $\\frac{ <b> --> x" for table in page.tables for row in table["rows"] for cell in row
    )
    assert not [tag for tag, _ in page.tags if tag == "b"]


def test_forty_languages_fit(tmp_path: Path) -> None:
    results, counts = make_command(list(LANGUAGES)[:40], {"last": [1, 2], "aif-layer4": [1, 2]}, n=40)
    page = check_stands_alone(to_html("Report", build_report([write_command(tmp_path / "run", results, counts)])))
    assert max(len(table["rows"]) for table in page.tables) == 40


def test_results_without_predictions_show_what_was_recorded(command: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copyfile(command / "results.json", tmp_path / "run" / "results.json")
    alone = build_report([tmp_path / "run"])
    tables = [[block for block in section.blocks if isinstance(block, Table)] for section in alone]
    beside = [[block for block in one.blocks if isinstance(block, Table)] for one in build_report([command])]
    assert [[table.rows for table in tables[1]]] == [[table.rows for table in beside[1]]]


def test_predictions_count_although_the_source_language_was_not_tested(tmp_path: Path) -> None:
    results, counts = make_command(["de", "fr"], {"last": [1, 2], "aif-layer4": [1, 2]}, n=40)
    sections = build_report([write_command(tmp_path / "run", results, counts)])
    assert [section.title for section in sections][0] == "Overview"
    page = check_stands_alone(to_html("Report", sections))
    assert not any("do not lie beside the results" in data for _, data in page.texts)
    headers = [block.header for section in sections for block in section.blocks if isinstance(block, Table)]
    assert ("system", "seeds", "en validation", "average, targets") in headers
    source, counts = make_command(["en"], {"last": [1, 2], "aif-layer4": [1, 2]}, n=40)
    assert len(build_report([write_command(tmp_path / "source", source, counts)])) == 1


def test_every_study_comes_in_by_its_record(command: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(command, folder)
    gains = {layer: {"de": 0.3} for layer in range(2)}
    SWEEP.write(planted(gains, {0: 0.6, 1: 0.7}), folder)
    AGREEMENT.write(agreement(VALIDATION), folder)
    (folder / "notes.md").write_text("# Mine", encoding="utf-8")
    sections = build_report([folder], [SWEEP, AGREEMENT, SCALING])
    assert [section.title for section in sections][2:] == [
        "XNLI: which layer to fuse",
        "XNLI: does one pass rank the layers as a full sweep does?",
    ]
    page = check_stands_alone(to_html("Report", sections))
    # What stands out in the study's own page does so here as well.
    assert ("strong", "Selected, by en validation accuracy alone: layer 1") in page.texts
    assert ("code", "org/encoder") in page.texts
    for section, name in zip(sections[2:], ("layer_sweep.md", "one_pass_agreement.md"), strict=True):
        own = (folder / name).read_text(encoding="utf-8")
        assert to_markdown([section], form="png").replace("part1-", "") == own
    assert [values["alt"] for tag, values in page.tags if tag == "img"][1] == "Differences by layer and language"
    single = build_report([folder / "layer_sweep.json"], [SWEEP, AGREEMENT, SCALING])
    assert [section.title for section in single] == ["XNLI: which layer to fuse"]


def test_figures_follow_light_and_dark(report: tuple[Path, Page]) -> None:
    drawn = {"source": [], "img": []}
    for tag, values in report[1].tags:
        if tag in drawn:
            data = values["srcset" if tag == "source" else "src"].partition(",")[2]
            drawn[tag].append(base64.b64decode(data).decode("utf-8"))
    assert len(drawn["img"]) == len(drawn["source"]) > 3
    for light, dark in zip(drawn["img"], drawn["source"], strict=True):
        texts = [re.findall(r"<text[^>]*>([^<]*)</text>", one) for one in (light, dark)]
        assert texts[0] == texts[1] and texts[0]
        # Each on the page's own ground, its letters in ink that is seen there.
        assert SURFACES["light"] in light and SURFACES["dark"] not in light
        assert SURFACES["dark"] in dark and SURFACES["light"] not in dark.replace("stroke: #ffffff", "").replace(
            "fill: #ffffff", ""
        )
    files = sorted((report[0].parent / "figures").iterdir())
    assert sorted(path.read_text(encoding="utf-8") for path in files) == sorted(drawn["img"])


def test_wrong_input_is_one_clear_error_and_nothing_is_replaced(report: tuple[Path, Page], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "language_scaling.json").write_text("{}")
    (tmp_path / "results.json").write_text('{"runs": []}')
    for source, message in (
        (tmp_path / "absent", "contains no results"),
        (tmp_path / "empty", "contains no results"),
        (report[0].with_suffix(".md"), "contains no results"),
        (tmp_path / "language_scaling.json", "not what `dlfa scaling` writes"),
        (tmp_path / "results.json", "not what `dlfa train` writes"),
    ):
        with pytest.raises(InputError, match=message):
            build_report([source], [SCALING])
    before = report[0].read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        write_report("Other", [], report[0].parent)
    assert report[0].read_bytes() == before
    with pytest.raises(InputError, match="is a file"):
        write_report("Other", [], tmp_path / "results.json")


def test_differences_are_marked_only_where_they_may_be() -> None:
    value = {"mean": 0.012, "low": 0.004, "high": 0.02}
    assert difference(value, strong=True) == Phrase("+1.2 [+0.4, +2.0] *", strong=True)
    assert difference(value) == Phrase("+1.2 [+0.4, +2.0]")
    found = {"mean": 0.012, "low": 0.004, "high": 0.02, "corrected": {"low": 0.003, "high": 0.02}}
    assert corrected_difference(found) == Phrase("+1.2 [+0.3, +2.0] *", strong=True)
    found |= {"mean": -0.0001, "corrected": {"low": -0.02, "high": 0.02}}
    assert corrected_difference(found) == Phrase("+0.0 [-2.0, +2.0]")
    assert difference({"mean": 0.0, "low": -0.0012, "high": 0.001}, digits=2).text == "+0.00 [-0.12, +0.10]"


def test_figures_are_the_same_each_time_and_leave_matplotlib_alone(command: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    one, two = (to_html("Report", build_report([command])) for _ in range(2))
    assert one == two and dict(mpl.rcParams) == before
