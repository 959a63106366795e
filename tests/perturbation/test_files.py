"""Files with visual noise: everything but the chosen words stays, as the readers of training see it."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest

from modeling_dlfa.cli import run
from modeling_dlfa.data.loading import load_file
from modeling_dlfa.errors import InputError
from modeling_dlfa.perturbation import perturb_file
from modeling_dlfa.tasks import get_task

XNLI, NER = (get_task(name) for name in ("xnli", "ner"))
PAIRS = [
    ("A paper about trees.", 'She said "no" twice, twice.', "entailment"),
    ("Кот спит на окне.", "Он очень устал, а она нет.", "neutral"),
    ("แมวนอนหลับ iPhone", "中文 没有 噪音", "contradiction"),
] * 20


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def tsv(path: Path) -> Path:
    lines = ["premise\thypothesis\tlabel\tsource", *("\t".join([*pair, "a source"]) for pair in PAIRS)]
    return write(path, "\n".join(lines) + "\n")


def test_texts_of_pairs(tmp_path: Path) -> None:
    path, output = tsv(tmp_path / "a.tsv"), tmp_path / "noisy.tsv"
    outcome = perturb_file(path, output, "homoglyphs", share=0.5, seed=1)
    before, after = load_file(path, XNLI, "en"), load_file(output, XNLI, "en")
    assert before.labels == after.labels and outcome.rows == len(before) == len(PAIRS)
    words = [
        (old, new)
        for texts, noisy in zip(before.texts, after.texts, strict=True)
        for text, changed in zip(texts, noisy, strict=True)
        for old, new in zip(text.split(" "), changed.split(" "), strict=True)
    ]
    changed = sum(old != new for old, new in words)
    total = outcome.changer.total
    assert 0.3 * len(words) < changed <= total.changed <= total.chosen < 0.7 * total.words
    counts = outcome.changer.counts
    assert counts["Latn"].changed and counts["Cyrl"].changed and not counts["Hani"].changed


def test_other_columns_and_values_stay(tmp_path: Path) -> None:
    perturb_file(tsv(tmp_path / "a.tsv"), tmp_path / "b.tsv", "leetspeak", share=1.0)
    lines = (tmp_path / "b.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "premise\thypothesis\tlabel\tsource"
    assert lines[1] == '4 p4p3r 480u7 7r335.\t5h3 541d "n0" 7w1c3, 7w1c3.\tentailment\ta source'


def test_columns_of_ones_own(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "frage\tantwort\nBeste Antwort\tBeste Antwort\n")
    perturb_file(path, tmp_path / "b.tsv", "leetspeak", share=1.0, columns=["antwort"])
    assert (tmp_path / "b.tsv").read_text() == "frage\tantwort\nBeste Antwort\t83573 4n7w0r7\n"
    with pytest.raises(InputError, match="a.conll has a word a line"):
        perturb_file(write(tmp_path / "a.conll", "a O\n"), tmp_path / "b.conll", "leetspeak", columns=["antwort"])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_words_with_tags(end: str, tmp_path: Path) -> None:
    lines = ["-DOCSTART- -X- O", "", "Boris NNP B-PER", "saß VBD O", "", "", "Paris NNP B-LOC"]
    path = write(tmp_path / "a.conll", b"\xef\xbb\xbf" + end.join(lines).encode())
    outcome = perturb_file(path, tmp_path / "b.conll", "leetspeak", share=1.0)
    expected = ["-DOCSTART- -X- O", "", "80r15 NNP B-PER", "54ß VBD O", "", "", "P4r15 NNP B-LOC"]
    assert (tmp_path / "b.conll").read_bytes() == end.join(expected).encode()
    assert outcome.rows == 2 and outcome.changer.total.words == 3


def test_language_marks_stay(tmp_path: Path) -> None:
    path = write(tmp_path / "de.tsv", "de:Berlin\tB-LOC\nde::\tO\nde:de:x\tO\n\nde:Bonn\tB-LOC\n")
    perturb_file(path, tmp_path / "noisy-de.tsv", "leetspeak", share=1.0)
    split = load_file(tmp_path / "noisy-de.tsv", NER, "de")
    assert (split.texts, split.prefix) == (([["83rl1n", ":", "d3:x"], ["80nn"]],), "de:")


def test_a_table_and_tagged_words_are_told_apart_in_tsv(tmp_path: Path) -> None:
    words = write(tmp_path / "words.tsv", "text\tO\nBoris\tB-PER\n")
    perturb_file(words, tmp_path / "a.tsv", "leetspeak", share=1.0)
    assert (tmp_path / "a.tsv").read_text() == "73x7\tO\n80r15\tB-PER\n"
    table = write(tmp_path / "table.tsv", "text\tlabel\nBoris\t1\n")
    perturb_file(table, tmp_path / "b.tsv", "leetspeak", share=1.0)
    assert (tmp_path / "b.tsv").read_text() == "text\tlabel\n80r15\t1\n"
    unnamed = write(tmp_path / "unnamed.tsv", "A text with far more words than one has.\tanother text\n")
    with pytest.raises(InputError, match="line 1: a text of several words, .*Name the columns"):
        perturb_file(unnamed, tmp_path / "c.tsv", "leetspeak")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "premise\thypothesis\tlabel\na\tb\n", "line 2: malformed, 2 fields where the header has 3"),
        ("a.tsv", "premise\thypothesis\tlabel\na\tb\tc\n\na\tb\tc\n", "line 3: the line is blank"),
        ("a.tsv", b"premise\thypothesis\n\xff\tb\n", "line 2: not UTF-8"),
        ("a.tsv", "", "nothing to change"),
        ("a.tsv", "frage\tantwort\tlabel\na\tb\tc\n", "which hold the texts"),
        ("a.csv", "premise,hypothesis\na,b\n", "a.csv is none of .tsv, "),
        ("a.conllu", "1\ta\n", "Convert it: training reads these, too."),
    ],
)
def test_nothing_is_written_of_a_broken_file(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(InputError) as caught:
        perturb_file(path, tmp_path / f"noisy-{name}", "leetspeak")
    assert message in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_standard_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Standard input is not read here"):
        perturb_file("-", tmp_path / "b.tsv", "leetspeak")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    with path.open("w") as file:
        file.write("premise\thypothesis\tlabel\n")
        for _ in range(8000):
            file.write(f"{'x' * 1000} paper\t{'y' * 1000}\tneutral\n")
    perturb_file(tsv(tmp_path / "small.tsv"), tmp_path / "warm.tsv", "leetspeak")  # What is loaded once.
    tracemalloc.start()
    perturb_file(path, tmp_path / "b.tsv", "leetspeak")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size / 4


def test_the_command_for_all_languages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "noisy").mkdir()
    for code, words in (("en", "paper tree sea"), ("ru", "кот рука сова"), ("th", "แมว นอน หลับ")):
        row = f"{words} {words} {words}"
        write(tmp_path / f"test-{code}.tsv", "premise\thypothesis\tlabel\n" + f"{row}\t{row}\tneutral\n" * 50)
    options = ["--noise", "homoglyphs", "--share", "0.5", "--seed", "3"]
    argv = ["perturb", str(tmp_path / "test-{language}.tsv"), *options]
    report = tmp_path / "report.json"
    run([*argv, "--output_file", str(tmp_path / "noisy/test-{language}.tsv"), "--report_file", str(report)])
    shown = capsys.readouterr()
    assert "test-ru.tsv: 50 rows, 900 words: " in shown.out and "\n  Cyrillic: " in shown.out
    assert "Thai: no noise of this kind, left as it is\n" in shown.out
    assert shown.err == f"warning: {tmp_path / 'noisy/test-th.tsv'}: nothing is changed.\n"
    assert (tmp_path / "noisy/test-th.tsv").read_bytes() == (tmp_path / "test-th.tsv").read_bytes()
    written = json.loads(report.read_text(encoding="utf-8"))
    assert (written["noise"], written["share"], written["seed"]) == ("homoglyphs", 0.5, 3)
    ru = written["files"][str(tmp_path / "noisy/test-ru.tsv")]
    assert ru["scripts"]["Cyrl"]["changed"] == ru["changed"] > 300 and ru["rows"] == 50

    def places(code: str) -> list[bool]:
        texts = [(tmp_path / folder / f"test-{code}.tsv").read_text("utf-8") for folder in ("", "noisy")]
        return [old != new for old, new in zip(*(text.split() for text in texts), strict=True)]

    assert places("en") == places("ru")  # Rows are aligned, and so is the noise.
    run([*argv, "--languages", "ru", "en", "--output_file", str(tmp_path / "again-{language}.tsv")])
    for code in ("en", "ru"):
        assert (tmp_path / f"again-{code}.tsv").read_bytes() == (tmp_path / f"noisy/test-{code}.tsv").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["a.tsv", "--output_file", "b-{language}.tsv"], "into both names"),
        (["a-{language}.tsv", "--output_file", "b.tsv"], "into both names"),
        (["b-{language}.tsv", "--output_file", "c-{language}.tsv"], "no file exists for any language"),
        (["a.tsv", "--output_file", "b.tsv", "--languages", "en"], "--languages needs {language} in the file names"),
        (["a.tsv", "--output_file", "a.tsv", "--overwrite"], "is the input, which it would replace"),
        (["a.tsv", "--output_file", "old.tsv"], "exists. Name another file, or replace it with --overwrite"),
        (["a.tsv", "--output_file", "new/b.tsv"], "its folder does not exist"),
        (["a.tsv", "--output_file", "b.csv"], "Keep the extension .tsv"),
        (["a.tsv", "--output_file", "b.tsv", "--share", "0"], "give a number above 0"),
        (["a.tsv", "--output_file", "b.tsv", "--report_file", "old.tsv"], "--report_file old.tsv exists"),
        (["a.tsv", "--output_file", "b.tsv", "--report_file", "./b.tsv"], "is also another output of this command"),
        (["absent.tsv", "--output_file", "b.tsv"], "there is no such file"),
    ],
)
def test_nothing_of_the_users_is_lost(
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    tsv(Path("a.tsv"))
    tsv(Path("a-en.tsv"))
    write(Path("old.tsv"), "mine")
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    with pytest.raises(SystemExit) as stop:
        run(["perturb", "--noise", "leetspeak", *options])
    (line,) = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2 and message in line
    assert {name: Path(name).read_bytes() for name in os.listdir()} == before
