"""Every format of sequences, file names with the language in them, and what is wrong with a file, with its line."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import datasets
import pytest

from modeling_dlfa.data.loading import expand_files, load_file
from modeling_dlfa.errors import InputError

from .pairs import (
    LABEL_IDS,
    RECORDS,
    ROWS,
    TASK,
    tsv,
    write_class_label_parquet,
    write_csv,
    write_json_lines,
    write_parquet,
)
from .samples import write

HEADER = "premise\thypothesis\tlabel\n"


def test_the_language_in_the_name(tmp_path: Path) -> None:
    for language in ("ar", "en"):
        write(tmp_path / "[1]" / language / f"dev-{language}.tsv", tsv())
    files = expand_files(str(tmp_path / "[1]" / "{language}" / "dev-{language}.tsv"), ["en", "ar"])
    assert list(files) == ["en", "ar"]
    assert files["ar"] == tmp_path / "[1]" / "ar" / "dev-ar.tsv"


def test_a_plain_path_is_of_one_language(tmp_path: Path) -> None:
    path = write(tmp_path / "{x}.tsv", tsv())
    assert expand_files(str(path), ["sw"]) == {"sw": path}


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "dev-en.tsv", tsv())
    assert expand_files("~/dev-{language}.tsv", ["en"]) == {"en": tmp_path / "dev-en.tsv"}


def test_a_missing_language_names_those_that_exist(tmp_path: Path) -> None:
    for language in ("en", "ar"):
        write(tmp_path / "[1]" / language / f"dev-{language}.tsv", tsv())
    write(tmp_path / "[1]" / "de" / "dev-fr.tsv", tsv())
    pattern = str(tmp_path / "[1]" / "{language}" / "dev-{language}.tsv")
    with pytest.raises(InputError, match=r"no file for 'bg', 'de' \(.*dev-bg\.tsv\)\. There are files for: ar en\."):
        expand_files(pattern, ["en", "bg", "de"])


@pytest.mark.parametrize(
    ("name", "languages", "message"),
    [
        ("none-{language}.tsv", ["en", "ar"], "no file for 'en', 'ar' .*No file matches the name"),
        ("dev-{lang}.tsv", ["en"], "Write {language}"),
        ("dev-en.tsv", ["en", "ar"], "one file is given for 2 languages. Write {language}"),
        ("nothing.tsv", ["en"], "there is no such file"),
    ],
)
def test_wrong_names(tmp_path: Path, name: str, languages: list[str], message: str) -> None:
    write(tmp_path / "dev-en.tsv", tsv())
    with pytest.raises(InputError, match=message):
        expand_files(str(tmp_path / name), languages)


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("a.tsv", lambda path: write(path, tsv())),
        ("a.TSV", lambda path: write(path, tsv())),
        ("a.csv", write_csv),
        ("a.json", write_json_lines),
        ("a.jsonl", write_json_lines),
        ("a.parquet", write_parquet),
        ("a.parquet", write_class_label_parquet),
    ],
)
def test_formats_agree(tmp_path: Path, name: str, writer: Callable[[Path], object]) -> None:
    path = tmp_path / name
    writer(path)
    split = load_file(path, TASK, "en")
    assert split.texts == ([row[0] for row in ROWS], [row[1] for row in ROWS])
    assert split.labels == LABEL_IDS
    assert (len(split), split.language) == (4, "en")
    content = path.read_bytes()
    assert split.source.to_dict() == {
        "source": str(path),
        "rows": 4,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "revision": None,
        "config": None,
        "split": None,
    }
    assert json.loads(json.dumps(split.source.to_dict())) == split.source.to_dict()


@pytest.mark.parametrize(
    "content",
    [
        tsv(end="\r\n"),
        "\ufeff" + tsv(),
        tsv() + "\n\n",
        tsv().rstrip("\n"),
        tsv().replace("neutral", " 1 ").replace("entailment", "0"),
        "label\tid\tpremise\thypothesis\n" + "".join(f"{c}\t9\t{a}\t{b}\n" for a, b, c in ROWS),
    ],
    ids=["crlf", "byte-order-mark", "blank-end", "no-final-newline", "class-ids", "other-columns"],
)
def test_harmless_variants(tmp_path: Path, content: str) -> None:
    split = load_file(write(tmp_path / "a.tsv", content), TASK, "en")
    assert split.texts == ([row[0] for row in ROWS], [row[1] for row in ROWS])
    assert split.labels == LABEL_IDS


def test_tsv_has_no_quoting_and_no_exotic_line_ends(tmp_path: Path) -> None:
    rows = [('"an open quote', "next\u2028line\x85 and \x0b", "neutral"), ('"quoted"', "''", "neutral")]
    split = load_file(write(tmp_path / "a.tsv", tsv(rows)), TASK, "en")
    assert split.texts == ([rows[0][0], rows[1][0]], [rows[0][1], rows[1][1]])


def test_csv_line_breaks_in_quotes_and_the_lines_of_errors(tmp_path: Path) -> None:
    good = 'premise,hypothesis,label\n"two\nlines","a ""b""",neutral\n'
    assert load_file(write(tmp_path / "a.csv", good), TASK, "en").texts == (["two\nlines"], ['a "b"'])
    with pytest.raises(InputError, match=r"a\.csv, line 4: unknown label 'maybe'"):
        load_file(write(tmp_path / "a.csv", good + "x,y,maybe\n"), TASK, "en")


def test_max_samples_takes_the_first_rows_and_reads_no_further(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", tsv() + "malformed\n")
    split = load_file(path, TASK, "en", max_samples=2)
    assert (split.labels, split.source.rows, split.source.bytes) == ([0, 1], 2, path.stat().st_size)
    write_parquet(tmp_path / "a.parquet")
    assert load_file(tmp_path / "a.parquet", TASK, "en", max_samples=3).labels == [0, 1, 2]
    assert len(load_file(tmp_path / "a.parquet", TASK, "en", max_samples=99)) == 4
    with pytest.raises(InputError, match="number of samples is 0"):
        load_file(path, TASK, "en", max_samples=0)


def test_label_names_that_are_digits_go_before_class_ids(tmp_path: Path) -> None:
    task = replace(TASK, labels=("1", "0"))
    rows = [("a", "b", "1"), ("a", "b", "0")]
    assert load_file(write(tmp_path / "a.tsv", tsv(rows)), task, "en").labels == [0, 1]


def test_one_text_column(tmp_path: Path) -> None:
    task = replace(TASK, text_columns=("hypothesis",))
    split = load_file(write(tmp_path / "a.tsv", tsv()), task, "en")
    assert split.texts == ([row[1] for row in ROWS],)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "", r"a\.tsv: no rows"),
        ("a.tsv", HEADER + "\n\n", r"a\.tsv: no rows"),
        ("a.jsonl", "\n", r"a\.jsonl: no rows"),
        ("a.txt", tsv(), r"extension '\.txt'\. Use one of \.tsv, \.csv, \.json, \.jsonl, \.parquet"),
        ("a", tsv(), r"extension ''"),
        ("dev-{language}.tsv", tsv(), "replaced in the names of training and test files"),
        ("a.tsv", "premise\tlabel\nx\t0\n", "missing column 'hypothesis'; the first line names 'premise', 'la"),
        ("a.csv", tsv(), "missing columns 'premise', 'hypothesis', 'label'; the first line names 'premise\thypo"),
        ("a.tsv", HEADER.replace("\n", "\tlabel\n") + "a\tb\t0\t1\n", "more than one column 'label'"),
        ("a.tsv", HEADER + "a\tb\tneutral\na\tneutral\n", "line 3: malformed, 2 fields where the header has 3"),
        ("a.tsv", HEADER + "a\tb\tneutral\td\n", "line 2: malformed, 4 fields where the header has 3"),
        ("a.tsv", HEADER + "a\tb\tneutral\n\na\tb\tneutral\n", "line 3: the line is blank"),
        ("a.tsv", HEADER + "a\tb\t\n", r"a\.tsv, line 2: no label.*'entailment', 'neutral', 'contradiction'"),
        ("a.tsv", HEADER + "a\tb\t-1\n", "line 2: no label"),
        ("a.tsv", HEADER + "a\tb\tneutral\na\tb\tNeutral\n", "line 3: unknown label 'Neutral'. Known: 'entail"),
        ("a.tsv", HEADER + "a\tb\t3\n", "line 2: unknown label '3'.* or 0 to 2"),
        ("a.tsv", (HEADER + "a\tb\t0\nä\tb\t0\n").encode("latin-1"), "line 3: not UTF-8"),
        ("a.tsv", tsv().encode("utf-16"), "line 1: not UTF-8"),
        ("a.csv", 'premise,hypothesis,label\na,b,0\n"a,b,0\nc,d,0\n', r"line 3: malformed \(unexpected end of"),
        ("a.csv", 'premise,hypothesis,label\n"a"x,b,0\n', "line 2: malformed"),
        ("a.jsonl", '{"premise": "a"\n', "line 1: malformed JSON"),
        ("a.json", '[{"premise": "a"}]\n', "line 1: malformed, expected a JSON object a line"),
        ("a.jsonl", '{"premise": "a", "hypothesis": "b"}\n', "line 1: missing column 'label'; there are 'prem"),
        ("a.jsonl", '{"premise": "a", "hypothesis": "b", "label": null}', "line 1: no label"),
        ("a.jsonl", '{"premise": "a", "hypothesis": "b", "label": true}', "line 1: unknown label 'True'"),
        ("a.jsonl", '{"premise": 1, "hypothesis": "b", "label": 0}', "line 1: column 'premise' is 1, not text"),
        ("a.tsv", HEADER + "a\tb\x00\tneutral\n", r"a\.tsv, line 2: a NUL byte, which text does not have"),
        ("a.tsv", HEADER.encode("utf-16-le"), "line 1: a NUL byte.*not UTF-8 but UTF-16: convert it"),
        ("a.jsonl", '{"premise": "\\u0000", "hypothesis": "b", "label": 0}', "column 'premise' holds a NUL char"),
        ("a.jsonl", '{"premise": "a", "hypothesis": "x\\ud83d", "label": 0}',
         r"a\.jsonl, line 1: column 'hypothesis' holds half a surrogate pair \('\\ud83d'\), which is not a char"),
        ("a.jsonl", '{"premise": ' + "[" * 100_000, r"line 1: malformed JSON \("),
        ("a.jsonl", '{"premise": ' + "1" * 5_000 + "}", r"line 1: malformed JSON \(Exceeds the limit"),
        ("a.csv", tsv(), r"separated by tabs, those of a \.csv file by commas\. Rename the file to \.tsv\."),
        ("a.tsv", HEADER.replace("\t", ","), r"those of a \.tsv file by tabs\. Rename the file to \.csv\."),
        ("a.csv", HEADER.replace("\t", "; "), r"semicolons, those of a \.csv .*\. Convert the file\."),
        ("a.tsv", HEADER.replace("\t", "|"), r"by bars, those of a \.tsv file by tabs\. Convert the file\."),
        ("a.tsv", '"premise"\t"hypothesis"\t"label"\n', r"in quotes or padded, which a \.tsv file"),
        ("a.tsv", "a\tb\tneutral\n", "Rename the columns to .*, or add a first line with these names"),
        ("a.parquet", "not parquet", r"a\.parquet: not a Parquet file that can be read"),
    ],
)  # fmt: skip
def test_one_clear_error(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        load_file(write(tmp_path / name, content), TASK, "en")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_fields_of_any_length(tmp_path: Path, name: str) -> None:
    """The csv module takes 131,072 characters unless it is told otherwise."""
    long = "long " * 60_000
    content = tsv([(long, "short", "neutral")])
    content = content if name == "a.tsv" else content.replace("\t", ",")
    limit = csv.field_size_limit(131_072)
    try:
        assert load_file(write(tmp_path / name, content), TASK, "en").texts == ([long], ["short"])
    finally:
        csv.field_size_limit(limit)


def test_a_wrong_delimiter_is_not_answered_by_renaming(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load_file(write(tmp_path / "a.csv", tsv()), TASK, "en")
    assert "Rename the columns" not in str(error.value)


def test_blank_texts_are_kept_and_known(tmp_path: Path) -> None:
    rows = [ROWS[0], (" ", "b", "neutral"), ("a", "\u3000", "neutral"), ("", "", "neutral")]
    path = write(tmp_path / "a.tsv", tsv(rows))
    split = load_file(path, TASK, "en")
    assert split.blank == [f"{path}, line {line}" for line in (3, 4, 5)]
    assert split.texts[0] == [row[0] for row in rows]


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tsv: there is no such file"):
        load_file(tmp_path / "none.tsv", TASK, "en")
    (tmp_path / "folder.tsv").mkdir()
    with pytest.raises(InputError, match=r"folder\.tsv: cannot be read \(Is a directory\)"):
        load_file(tmp_path / "folder.tsv", TASK, "en")


def test_parquet_rows_without_label_or_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    datasets.Dataset.from_list([*RECORDS, {**RECORDS[0], "label": None}]).to_parquet(path)
    with pytest.raises(InputError, match=r"a\.parquet, row 5: no label"):
        load_file(path, TASK, "en")
    datasets.Dataset.from_list([*RECORDS, {**RECORDS[0], "premise": None}]).to_parquet(path)
    with pytest.raises(InputError, match=r"a\.parquet, row 5: column 'premise' is None, not text"):
        load_file(path, TASK, "en")
    datasets.Dataset.from_list(RECORDS).remove_columns("label").to_parquet(path)
    with pytest.raises(InputError, match="missing column 'label'; there are 'premise', 'hypothesis'"):
        load_file(path, TASK, "en")
    datasets.Dataset.from_list(RECORDS).select([]).to_parquet(path)
    with pytest.raises(InputError, match="no rows"):
        load_file(path, TASK, "en")
