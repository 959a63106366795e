"""How the figures tell systems apart."""

from __future__ import annotations

import pytest

from modeling_dlfa.studies.language_scaling.figures import scores_against_n

CONTROLS = ("permuted", "gaussian", "script", "ngrams")


def looks(*systems: str) -> dict[str, tuple[str, str]]:
    """Colour and line of each system where all are drawn in one figure."""
    value = {"mean": 0.5, "low": 0.4, "high": 0.6}
    points = [{"n": 1, "mean": value, "worst": value}]
    entry = {"baseline": "last", "systems": dict.fromkeys(systems), "targets": ["de"]}
    entry |= {
        "orders": [{"name": "random", "title": "at random"}],
        "scores": {"random": dict.fromkeys(systems, points)},
    }
    drawn = scores_against_n(entry).axes[0].lines
    return {str(line.get_label()): (str(line.get_color()), str(line.get_linestyle())) for line in drawn}


def test_a_table_has_one_colour_and_a_fusion_one_line() -> None:
    fusions, tables = ("aif", "aif-layer8", "aif-layers4+8"), ("glyphs", *CONTROLS)
    with_table = {f"{fusion}+{table}": (fusion, table) for fusion in fusions for table in tables}
    found = looks("last", *fusions[1:], *with_table)
    assert len(set(found.values())) == len(found) == 18
    for name, (fusion, table) in with_table.items():
        colour, line = found[name]
        assert colour == found[f"aif+{table}"][0] and line == found[f"{fusion}+glyphs"][1]
    assert found["aif-layers4+8"][1] == found["aif-layers4+8+glyphs"][1]


@pytest.mark.parametrize("end", ["", "+glyphs"])
def test_many_layers_are_told_apart(end: str) -> None:
    found = looks("last", *(f"aif-layer{layer}{end}" for layer in range(12)))
    assert len(set(found.values())) == 13
