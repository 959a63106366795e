"""The page that `make test-versions VERSIONS=all` writes says what passed, failed and was not run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .. import versions_table

FOUND = """<testsuites><testsuite>
<testcase name="test_another_line_computes_the_same[5.10.4]"/>
<testcase name="test_another_line_computes_the_same[4.57.6]"><failure message="no"/></testcase>
<testcase name="test_every_way_of_saving_is_read[5.10.4-package]"/>
<testcase name="test_every_way_of_saving_is_read[5.10.4-remote]"><error message="no"/></testcase>
<testcase name="test_tokenizers_give_the_same_ids[5.10.4]"><skipped/></testcase>
<testcase name="test_of_something_else[5.10.4]"/>
</testsuite></testsuites>"""


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results.xml").write_text(FOUND, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "results.xml"), str(tmp_path / "versions.md")])
    versions_table.main()
    page = (tmp_path / "versions.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["| transformers", "| 4.57.6", "| 5.10.4"]
    cells = list(versions_table.CELLS)
    newer = dict(zip(cells, (cell.removesuffix(" |") for cell in rows[2][1:]), strict=True))
    assert rows[1][1] == "**fails**" and newer.pop("test_another_line_computes_the_same") == "yes"
    assert newer.pop("test_every_way_of_saving_is_read") == "**fails**" and set(newer.values()) == {"not run"}
    assert f"1 of {2 * len(cells)} cells" in page
