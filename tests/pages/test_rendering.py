"""Sections as Markdown: nothing of a text is markup, and what stands out does so on either kind of page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from modeling_dlfa.pages.model import Block, Code, Heading, Notes, Phrase, Section, Table, Text
from modeling_dlfa.pages.rendering import blocks_to_markdown, to_html, to_markdown

LINES = [
    "snake_case_names and _edges_ and __init__",
    "*stars* and `ticks`` and ~~strokes~~",
    "[a](b) ![a](b) [a][b] [a]: b",
    "a | b \\| c",
    "<b>bold</b> &amp; &#38; a < b <= c & d",
    "# one",
    "- one",
    "+ one",
    "1. one",
    "12) one",
    "> one",
    ">one",
    "===",
    "---",
    "- ",
    "C:\\*.tsv",
    "+1.2 [-0.3, +2.7] *",
]


def shown(markdown: str) -> list[Any]:
    """The lines of text that a reader sees, as GitHub parses them."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("gfm-like", {"html": True, "linkify": False})
    lines = [token.children for token in parser.parse(markdown) if token.type == "inline"]
    assert not {child.type for line in lines for child in line} & {"html_inline", "link_open", "image", "em_open"}
    return ["".join(child.content for child in line) for line in lines]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_shown_as_it_is_wherever_it_stands(line: str) -> None:
    strong = Phrase(line.strip(), strong=True)
    table = Table(line, (line, "n"), ((line, strong),))
    blocks: list[Block] = [Heading(line), Text(line), Notes((line, line)), table, Text(("It says: ", strong, "."))]
    said, end = " ".join(line.split()), "It says: " + line.strip() + "."
    # A list's item, a table's header and its cells are lines of their own.
    assert shown(blocks_to_markdown(blocks)) == [said, said, said, said, said, said, "n", said, said, end]


def test_phrases_stand_out_on_both_kinds_of_page() -> None:
    line = ("Encoder ", Phrase("org/`a`|b", code=True), ", ", Phrase("layer 2", strong=True), ".")
    table = Table("", ("", "n"), ((line, "1"),))
    markdown = blocks_to_markdown([Text(line), table])
    assert markdown.startswith("Encoder ``org/`a`|b``, **layer 2**.\n\n|  | n |\n| --- | ---: |\n| Encoder ``org/`a`")
    assert shown(markdown)[0] == shown(markdown)[3] == "Encoder org/`a`|b, layer 2."
    page = to_html("Page", [Section("One", (Text(line), table))])
    assert page.count("Encoder <code>org/`a`|b</code>, <strong>layer 2</strong>.") == 2
    assert 'aria-label="Table: One"' in page


def test_levels_of_headings_follow_the_title() -> None:
    sections = [Section("One", (Heading("Inside"),)), Section("Two", ())]
    assert to_markdown(sections) == "# One\n\n## Inside\n\n# Two\n"
    assert to_markdown(sections, "All") == "# All\n\n## One\n\n### Inside\n\n## Two\n"


def test_code_after_a_list_is_code() -> None:
    text = blocks_to_markdown([Notes(("one",)), Code("a\n\n  b"), Notes(("two",)), Notes(("three",))])
    parser = pytest.importorskip("markdown_it").MarkdownIt("gfm-like", {"linkify": False})
    tokens = parser.parse(text)
    assert [token.content for token in tokens if token.type == "code_block"] == ["a\n\n  b\n"]
    assert [token.type for token in tokens].count("bullet_list_open") == 3


def test_many_commands_take_little_room_and_are_told_apart() -> None:
    page = to_html("Page", [Section("One", (Code("a <b>\n\n  c"),))])
    assert "<code>a &lt;b&gt;\n</code><code>\n</code><code>  c</code></pre>" in page
    assert '<pre class="scroll" role="group" aria-label="Commands: One" tabindex="0">' in page


def test_a_column_of_numbers_is_set_to_the_right() -> None:
    rows = (("a", "1.0", "-", "aif"), ("b", "+2.0", Phrase("3", strong=True), ""))
    text = blocks_to_markdown([Table("", ("", "x", "y", "z"), rows)])
    assert text.splitlines()[1] == "| --- | ---: | ---: | --- |" and "| b | +2.0 | **3** |  |" in text


def test_a_row_without_a_cell_for_each_column_is_refused() -> None:
    with pytest.raises(ValueError, match="A row of 1 cells under a header of 2"):
        Table("", ("a", "b"), (("c",),))


def test_the_command_line_costs_no_template_and_no_figure(run_python: Callable[..., Any]) -> None:
    code = "import sys\nfrom modeling_dlfa.cli import run\ntry:\n    run(['--help'])\nexcept SystemExit:\n    pass\n"
    code += "import modeling_dlfa.pages.rendering\nprint({'jinja2', 'matplotlib'} & {*sys.modules})"
    assert run_python("-c", code).stdout.splitlines()[-1] == "set()"
