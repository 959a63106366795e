"""Every snippet of README and docs is run by a test of this folder, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from ..online import ROOT
from .snippets import PAGES, SNIPPETS

# What no test here runs: the installation, without which no test runs, and the benchmark, which takes minutes (in
# miniature it is run by test_bench.py), the page, which is served until it is stopped (test_serving.py), drawing a
# vocabulary with more glyphs than the tests' (test_table.py), and Optimum, which needs an older transformers
# (test_optimum.py).
NOT_RUN = ["README", "benchmarks", "glyphs", "prediction", "space", "space"]


def test_every_snippet_is_run() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py"))
    run = re.findall(r'\bmarked\("([^"]+)", "([^"]+)"\)', tests)
    assert len(set(run)) == len(run) > 20
    fenced = [line for text in PAGES.values() for line in re.findall(r"^```", text, re.MULTILINE)]
    assert 2 * len(SNIPPETS) == len(fenced), "a block without a language, which nobody can run"
    assert sorted(run) == sorted((page, mark) for page, _, mark, _ in SNIPPETS if mark)
    assert [page for page, _, mark, _ in SNIPPETS if not mark] == NOT_RUN


def test_links_lead_somewhere() -> None:
    for page, text in PAGES.items():
        folder = ROOT if page == "README" else ROOT / "docs"
        targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
        assert [name for name in targets if name and "://" not in name and not (folder / name).exists()] == [], page
