"""Translations from a file: which rows, which columns, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.studies.layer_analysis.aligned_text import read_aligned


def write(path: Path, rows: int = 60, header: str = "de\ten\tfr", gaps: tuple[int, ...] = ()) -> Path:
    lines = [header, *("\t".join(f"{code} {row}" for code in "def") for row in range(rows))]
    for row in gaps:
        lines[row + 1] = f"d {row}\t\tf {row}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_columns_and_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "text.tsv")
    found = read_aligned(path, ["all"])
    assert list(found.texts) == ["de", "en", "fr"] and len(found) == found.available == 60
    assert found.texts["en"][7] == "e 7" and len(found.sha256) == 64
    some = read_aligned(path, ["fr", "de"], max_sentences=50, seed=1)
    assert list(some.texts) == ["fr", "de"] and len(some) == 50 and some.rows == sorted(set(some.rows))
    assert some.texts["de"] == [f"d {row}" for row in some.rows]
    assert read_aligned(path, ["fr", "de"], 50, seed=1).rows == some.rows
    assert read_aligned(path, ["fr", "de"], 50, seed=2).rows != some.rows


def test_rows_without_a_translation_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "text.tsv", gaps=(3, 59))
    found = read_aligned(path, ["de", "en"])
    assert len(found) == found.available == 58 and found.rows[3] == 4 and found.texts["en"][3] == "e 4"
    assert len(read_aligned(path, ["de", "fr"])) == 60


def test_what_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path / "text.tsv")
    with pytest.raises(InputError, match="missing column 'xx'"):
        read_aligned(path, ["de", "xx"])
    with pytest.raises(InputError, match=r"there is no column 'EN', 'fr-FR'\. Did you mean en fr\?"):
        read_aligned(path, ["de", "EN", "fr-FR"])
    with pytest.raises(InputError, match="'de' is given more than once"):
        read_aligned(path, ["de", "de"])
    with pytest.raises(InputError, match="leaves nothing to compare"):
        read_aligned(path, ["de"])
    with pytest.raises(InputError, match="no such file"):
        read_aligned(tmp_path / "none.tsv", ["all"])
    with pytest.raises(InputError, match=r"header of \.tsv files only"):
        read_aligned(write(tmp_path / "text.csv"), ["all"])
    with pytest.raises(InputError, match=r"too few sentences, 30 \(rows .* Give 40 or more"):
        read_aligned(write(tmp_path / "few.tsv", rows=30), ["all"])
    with pytest.raises(InputError, match="more than one column 'de'|more than once"):
        read_aligned(write(tmp_path / "twice.tsv", header="de\ten\tde"), ["all"])
