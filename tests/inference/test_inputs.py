"""What `dlfa predict` is given: headers, CSV, Parquet, what does not fit the checkpoint, a pipe that waits."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.checkpoint import Checkpoint
from modeling_dlfa.inference.reading import FORMATS, Example, InputFormat, read_examples, read_source
from modeling_dlfa.inference.source import InputSource, ReadAhead

from ..online import ROOT
from ..tiny_checkpoints import ENTITIES, save_checkpoint

PAIR = ("premise", "hypothesis")


def read(kind: Any, name: str, content: str, own: tuple[str, ...] = (), columns: tuple[str, ...] = ()) -> Any:
    """Returns the texts, and what was said of a header."""
    notes: list[str] = []
    lines = enumerate(io.BytesIO(content.encode()), start=1)
    form = InputFormat(kind, name, columns, own)
    return [example.texts for example in read_examples(lines, form, "in", on_header=notes.append)], notes


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        read(*arguments, **options)
    return str(error.value)


HEADERS = {
    "pairs": ("premise\thypothesis\na\tb\n", PAIR, [["a", "b"]]),
    "with a label": ("premise\thypothesis\tlabel\na\tb\t0\n", PAIR, [["a", "b"]]),
    "another order": ("label\tHypothesis\tPremise\n0\tb\ta\n", PAIR, [["a", "b"]]),
    "another task's names": ("id\tsentence1\tsentence2\n7\ta\tb\n", PAIR, [["a", "b"]]),
    "nothing known of the checkpoint": ("text\tlabel\na\t1\n", (), [["a"]]),
    "its own name": ("review\nis good\n", ("review",), [["is good"]]),
    "a pair where the checkpoint says nothing": ("text\ttext_pair\na\tb\n", (), [["a", "b"]]),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_is_not_answered(case: str) -> None:
    content, own, expected = HEADERS[case]
    texts, (note,) = read("sequence", "tsv", content, own)
    assert texts == expected and note.startswith("in, line 1, names the columns; read: ")
    rows = [",".join(f'"{field}"' for field in line.split("\t")) for line in content.splitlines()]
    texts, (note,) = read("sequence", "csv", "\n".join(rows), own)
    assert texts == expected and note.startswith("in, line 1, names the columns; read: ")


def test_without_a_header_every_line_is_an_example() -> None:
    assert read("sequence", "tsv", "a text\nb\n") == ([["a text"], ["b"]], [])
    assert read("sequence", "tsv", "Premise one\thypothesis\nc\td\n", PAIR)[0] == [
        ["Premise one", "hypothesis"],
        ["c", "d"],
    ]
    assert read("sequence", "csv", "") == ([], [])


def test_headers_that_do_not_tell_are_refused() -> None:
    message = refused("sequence", "csv", "review,stars\ngood,5\n")
    assert message == (
        "in, line 1: the columns are 'review', 'stars'; which hold the texts? Name them with --columns."
    )
    assert read("sequence", "csv", "review,stars\ngood,5\n", columns=("review",)) == ([["good"]], [])
    assert "which hold the texts" in refused("sequence", "tsv", "review\tlabel\ngood\t1\n")
    twice = "premise\tpremise\na\tb\n"
    assert "'premise' must be there once" in refused("sequence", "tsv", twice, columns=("premise",))
    # What is separated otherwise, or quoted, would be read as text.
    remedy = "Rename the file to .csv, or give --input_format csv."  # It may be named so.
    assert remedy in refused("sequence", "tsv", "text,label\ngood,1\n")
    assert "separated by semicolons" in refused("sequence", "csv", "text;label\ngood;1\n")
    assert "in quotes" in refused("sequence", "tsv", '"premise"\t"hypothesis"\n"a"\t"b"\n', PAIR)


def test_csv_is_read_as_by_the_runner() -> None:
    content = 'text,label\n"a ""b"", c\nd",1\nlast,0\n\n'
    assert read("sequence", "csv", content)[0] == [['a "b", c\nd'], ["last"]]
    long = "x" * 200_000
    assert read("sequence", "csv", f"text\n{long}\n")[0] == [[long]]
    broken = b'text,label\na,1\nb\n"c"d,1\n\xff,1\n"e\nf",1\n,1\n\ng,1\n'
    lines, faults = enumerate(io.BytesIO(broken), start=1), []
    kept = list(read_examples(lines, InputFormat("sequence", "csv"), "in", faults.append))
    assert [(example.line, example.texts) for example in kept] == [(2, ["a"]), (6, ["e\nf"]), (10, ["g"])]
    expected = ["line 3: malformed, 1 field ", "line 4: malformed", "line 5: not UTF-8", "line 8: a text is blank"]
    for fault, start in zip(faults, [*expected, "line 9: the line is blank"], strict=True):
        assert str(fault).startswith(f"in, {start}")
    assert [example.number for example in kept] == [0, 4, 7]


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_parquet_a_batch_at_a_time(kind: Any, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    import pyarrow as arrow

    count = 3000
    texts: list[Any] = [f"text {index}" for index in range(count)]
    texts[5], texts[2000] = None, "  "
    columns = {"id": list(range(count)), "text": texts, "label": [0] * count}
    if kind == "token":
        columns = {"id": columns["id"], "tokens": [text and text.split(" ") for text in texts]}
    path = tmp_path / "in.parquet"
    pyarrow.write_table(arrow.table(columns), path, row_group_size=500)
    form = InputFormat.of(kind, str(path), None, [])
    source = InputSource(str(path), twice=True)
    with pytest.raises(InputError, match="in.parquet, row 6: '(text|tokens)' must be text"):
        list(read_source(source, form))
    source.rewind()
    faults: list[InputError] = []
    kept = list(read_source(source, form, faults.append))
    missing = 2 if kind == "sequence" else 1
    assert len(faults) == missing and len(kept) == count - missing
    assert kept[5] == Example(7, 6, ["text 6"] if kind == "sequence" else ["text", "6"])
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match="not a Parquet file that can be read"):
        list(read_source(InputSource(str(path), twice=True), form))


def test_what_does_not_fit_the_checkpoint_is_refused_with_its_line() -> None:
    two = "but the checkpoint was trained on 'premise' and 'hypothesis'. Give two"
    one = "but the checkpoint was trained on 'text'. Give one"
    assert refused("sequence", "tsv", "a text\n", PAIR).startswith(f"in, line 1: one text, {two}")
    assert refused("sequence", "tsv", "a\tb\nc\n", PAIR).startswith(f"in, line 2: one text, {two}")
    assert refused("sequence", "tsv", "a\tb\n", ("text",)).startswith(f"in, line 1: 2 texts, {one}")
    assert refused("sequence", "csv", "text,label\na,1\n", PAIR).startswith(f"in, line 1: one text, {two}")
    assert refused("sequence", "jsonl", '{"text": "a"}\n', PAIR).startswith(f"in, line 1: one text, {two}")
    pair = '{"text": "a"}\n{"text": "a", "text_pair": "b"}\n'
    assert refused("sequence", "jsonl", pair, ("text",)).startswith(f"in, line 2: 2 texts, {one}")
    assert read("sequence", "jsonl", pair)[0] == [["a"], ["a", "b"]]
    record = '{"premise": "a", "hypothesis": "b", "text": "c"}\n'
    assert read("sequence", "jsonl", record, PAIR)[0] == [["a", "b"]]
    with pytest.raises(InputError, match="--columns text: one text, but the checkpoint"):
        InputFormat.of("sequence", "in.tsv", None, ["text"], PAIR)


def test_texts_are_not_tagged_as_words() -> None:
    pairs = "Not one.\tIt is two.\n"
    assert "in, line 1: two texts of several words" in refused("token", "conll", pairs)
    assert "in, line 1: a tab, which separates texts" in refused("token", "lines", pairs)
    assert "there is no 'tokens'" in refused("token", "jsonl", '{"text": "a", "text_pair": "b"}\n')
    message = refused("token", "conll", "EU NNP B-ORG\nNot a word but a sentence .\n")
    assert message.startswith("in, line 2: 7 columns with spaces between, but 3 above")
    labelled = "premise\thypothesis\tlabel\nA cat sleeps.\tA dog runs.\tneutral\n"
    for header in ("premise\thypothesis\tlabel\n", "text\tlabel\n", "sentence1\tsentence2\n", "id\ttokens\tlabels\n"):
        assert "the first is not of words" in refused("token", "conll", header + "a\tb\n")
    assert "in, line 1: two texts" in refused("token", "conll", labelled.partition("\n")[2])
    assert "in, line 1: a text of several" in refused("token", "conll", "A text is not a word but many words.\tgood\n")
    assert read("token", "conll", "text\tNOUN\nlabel\tNOUN\n")[0] == [["text", "label"]]
    # Words with spaces in them, as Vietnamese has them, stay what they are.
    assert read("token", "conll", "Việt Nam\tPROPN\n10 000\tNUM\n")[0] == [["Việt Nam", "10 000"]]
    with pytest.raises(InputError, match="for which CSV has no layout"):
        InputFormat.of("token", "in.csv", None, [])
    assert set(FORMATS["token"]) == {"lines", "conll", "conllu", "jsonl", "parquet"}


def test_words_under_a_header_and_behind_a_mark() -> None:
    words, (note,) = read("token", "conll", "token\tner_tag\nAda\tB-PER\n\nist\tO\n")
    assert words == [["Ada"], ["ist"]] and "line 1, names the columns" in note
    assert read("token", "conll", "form\nlabel\n") == ([["form", "label"]], [])
    words, (note,) = read("token", "conll", "de:Ada\tB-PER\nde:a:b\tO\n\nde:ist\tO\n")
    assert words == [["Ada", "a:b"], ["ist"]] and "'de:' is taken away" in note
    assert "in, line 3: no 'de:' before the word" in refused("token", "conll", "de:Ada\tB-PER\n\nist\tO\n")
    assert read("token", "conll", "de:Ada\nist\n") == ([["de:Ada", "ist"]], [])
    assert [example.number for example in conllu()] == [0, 1]


def conllu() -> list[Example]:
    """Two sentences, with comments that stand alone between them."""
    row = "1\ta\t_\tX\t_\t_\t0\tx\t_\t_\n"
    lines = enumerate(io.BytesIO(f"{row}\n# alone\n\n{row}".encode()), start=1)
    return list(read_examples(lines, InputFormat("token", "conllu"), "in"))


def test_read_ahead_waits_for_one_and_gives_what_is_there() -> None:
    more, produced = threading.Event(), threading.Event()

    def items() -> Any:
        yield from range(5)
        produced.set()
        assert more.wait(60)
        yield 5
        raise InputError("broken")

    ahead = ReadAhead(items(), limit=10)
    assert produced.wait(60)
    assert ahead.take(3) == [0, 1, 2]
    assert ahead.take(10) == [3, 4]
    more.set()
    assert ahead.take(10) == [5]
    with pytest.raises(InputError, match="broken"):
        ahead.take(10)
    assert list(ReadAhead(iter("ab"), limit=1)) == ["a", "b"]


@pytest.mark.slow
def test_a_live_pipe_is_answered_while_it_is_open(tmp_path: Path) -> None:
    """Each answer must come before the next line is written: the writer waits for it."""
    model = save_checkpoint(tmp_path / "model", "sequence", ("yes", "no"))
    command = [sys.executable, "-m", "modeling_dlfa", "predict", str(model), "-", "--skip_bad_lines", "--quiet"]
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [*command, "--device", "cpu"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, **options
    )
    assert process.stdin is not None and process.stdout is not None
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        # What is broken behind an example does not keep its answer back.
        for content, line in ((b"a\tb\n\tbroken\n", b"1"), (b"c\td\n", b"3")):
            process.stdin.write(content)
            process.stdin.flush()
            answer = process.stdout.readline()
            if line == b"1":
                assert answer == b"line\tprediction\tyes\tno\n"
                answer = process.stdout.readline()
            assert answer.split(b"\t")[0] == line
        process.stdin.write(b"e\tf\n" * 3)
        rest, errors = process.communicate(timeout=100)
    finally:
        watchdog.cancel()
        process.kill()
    assert [row.split(b"\t")[0] for row in rest.splitlines()] == [b"4", b"5", b"6"]
    assert process.returncode == 0 and b"standard input, line 2: a text is blank" in errors


@pytest.mark.slow
def test_a_reader_that_leaves_ends_the_command(tmp_path: Path) -> None:
    """As `head` does; the thread that reads the pipe does not keep the command, nor break its end."""
    model = save_checkpoint(tmp_path / "model", "sequence", ("yes", "no"))
    command = [sys.executable, "-m", "modeling_dlfa", "predict", str(model), "-", "--skip_bad_lines", "--quiet"]
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [*command, "--device", "cpu"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, **options
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        process.stdin.write(b"a\tb\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b"c\td\n")
        process.stdin.flush()  # And stays open.
        assert process.wait(timeout=100) == 1
        errors = process.stderr.read()
        assert b"Fatal" not in errors and b"Traceback" not in errors
    finally:
        watchdog.cancel()
        process.kill()


def test_the_runner_records_what_its_models_read(tiny_encoder: Path, tiny_data: Path, tmp_path: Path) -> None:
    from modeling_dlfa.cli import main

    arguments = ["--model_name_or_path", str(tiny_encoder), "--train_file", str(tiny_data / "train.tsv")]
    arguments += [
        "--validation_file",
        str(tiny_data / "dev.tsv"),
        "--do_predict",
        "False",
        "--max_steps",
        "1",
        "--fusion_layers",
        "1",
    ]
    main("xnli", [*arguments, "--fusion_layers", "1", "--use_cpu", "True", "--output_dir", str(tmp_path / "out")])
    model = tmp_path / "out" / "models" / "aif-layer1-seed42"
    assert json.loads((model / "config.json").read_text(encoding="utf-8"))["text_columns"] == list(PAIR)
    assert Checkpoint.of(str(model)).text_columns == PAIR
    tagger = save_checkpoint(tmp_path / "tagger", "token", ENTITIES, text_columns=("tokens",))
    assert Checkpoint.of(str(tagger)).text_columns == ("tokens",)
    with pytest.raises(ValueError, match="text_columns='tokens' is not a list of names"):
        save_checkpoint(tmp_path / "wrong", "token", ENTITIES, text_columns="tokens")
