"""`dlfa predict`: any input, answers in its order, the runner's own numbers, and nothing half-written."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, pipeline

from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.checkpoint import Checkpoint
from modeling_dlfa.inference.predictor import Predictor, group_by_length
from modeling_dlfa.inference.reading import Example
from modeling_dlfa.tasks import XNLI

from ..commands import read_words
from ..online import ROOT
from ..tiny_checkpoints import ENTITIES, corpus_pairs, letter_tokenizer, save_checkpoint

PAIRS = [pair for code in XNLI.languages for pair in corpus_pairs(code)[:3]]


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("model") / "sequence", "sequence", XNLI.labels)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("model") / "token", "token", ENTITIES, max_length=32)


def run(*arguments: Any) -> None:
    dlfa(["predict", *map(str, arguments), "--device", "cpu"])


def fails(capfd: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """Returns the one message with which the command ends; it must have answered nothing."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    captured = capfd.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert stop.value.code == 2 and len(errors) == 1 and captured.out == "", captured
    return errors[0]


def rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def test_pairs_of_all_languages_as_the_pipeline(sequence: Path, tmp_path: Path) -> None:
    (tmp_path / "in.tsv").write_text("".join("\t".join(pair) + "\n" for pair in PAIRS), encoding="utf-8")
    run(sequence, tmp_path / "in.tsv", "--output_file", tmp_path / "out.tsv", "--batch_size", 7)
    header, *found = rows(tmp_path / "out.tsv")
    assert header == ["line", "prediction", *XNLI.labels] and len(found) == len(PAIRS) == 45
    classify = pipeline("text-classification", model=str(sequence), top_k=None, device="cpu")
    for number, ((text, pair), row) in enumerate(zip(PAIRS, found, strict=True), start=1):
        expected = classify({"text": text, "text_pair": pair})
        assert row[:2] == [str(number), expected[0]["label"]]
        shares = {entry["label"]: entry["score"] for entry in expected}
        assert [float(share) for share in row[2:]] == pytest.approx([shares[name] for name in XNLI.labels], abs=2e-6)
    run(sequence, tmp_path / "in.tsv", "--output_file", tmp_path / "out.jsonl", "--buffer_size", 4)
    for row, line in zip(found, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines(), strict=True):
        record = json.loads(line)
        assert (str(record["line"]), record["label"], record["score"]) == (*row[:2], max(record["scores"].values()))
        assert list(record["scores"].values()) == pytest.approx([float(share) for share in row[2:]], abs=2e-6)


def test_words_as_the_runner_labels_them(tiny_encoder: Path, tiny_tags: Path, tmp_path: Path) -> None:
    """The same windows: long sentences, words of several pieces, and one that is nothing to the tokenizer."""
    from modeling_dlfa.cli import main

    arguments = ["--model_name_or_path", str(tiny_encoder), "--train_file", str(tiny_tags / "ner-train.tsv")]
    arguments += ["--validation_file", str(tiny_tags / "ner-dev.tsv"), "--languages", "ar", "--use_cpu", "True"]
    arguments += ["--test_file", str(tiny_tags / "ner-test-{language}.tsv"), "--fusion_layers", "1"]
    arguments += ["--max_steps", "12", "--learning_rate", "2e-2", "--output_dir", str(tmp_path / "out")]
    main("panx", arguments)
    expected = tmp_path / "out" / "predictions" / "aif-layer1-seed42" / "ar.tsv"
    model = tmp_path / "out" / "models" / "aif-layer1-seed42"
    run(model, tiny_tags / "ner-test-ar.tsv", "--output_file", tmp_path / "found.tsv", "--buffer_size", 6)
    header, *found = rows(tmp_path / "found.tsv")
    assert header[:3] == ["sentence", "word", "prediction"] and len(header) == 3 + 7
    assert [row[:3] for row in found] == [[row[0], row[1], row[3]] for row in rows(expected)[1:]]
    assert len({row[2] for row in found}) > 1 and "\u200b" in {row[1] for row in found}
    assert all(sum(map(float, row[3:])) == pytest.approx(1, abs=1e-5) for row in found)
    (tmp_path / "in.jsonl").write_text(
        "".join(json.dumps({"tokens": words}) + "\n" for words in read_words(expected)), encoding="utf-8"
    )
    run(model, tmp_path / "in.jsonl", "--output_file", tmp_path / "found.jsonl")
    lines = (tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines()
    again = [
        [str(record["sentence"]), entry["word"], entry["label"]]
        for record in map(json.loads, lines)
        for entry in record["words"]
    ]
    assert again == [row[:3] for row in found]


def test_batches_hold_little_padding_and_every_input_once() -> None:
    lengths = np.random.default_rng(0).integers(4, 120, size=50).tolist()
    batches = group_by_length(lengths, 8)
    assert sorted(index for batch in batches for index in batch) == list(range(50))
    assert max(map(len, batches)) == 8
    longest = [lengths[batch[0]] for batch in batches]
    assert longest == sorted(longest, reverse=True) and longest[0] == max(lengths)
    assert all(4 * lengths[index] >= 3 * lengths[batch[0]] for batch in batches for index in batch)
    assert group_by_length([7] * 20, 8) == [list(range(8)), list(range(8, 16)), list(range(16, 20))]
    assert group_by_length([], 8) == []


def test_order_does_not_depend_on_batch_or_buffer_and_memory_is_bounded(sequence: Path) -> None:
    checkpoint = Checkpoint.of(str(sequence))
    compute, seen, taken = checkpoint.load(), [], []

    def watched(batch: Mapping[str, torch.Tensor]) -> Any:
        seen.append(tuple(batch["input_ids"].shape))
        return compute(batch)

    rng = random.Random(0)
    texts = [[" ".join(rng.choices(PAIRS[20][0].split(), k=rng.randint(1, 12)))] for _ in range(40)]

    def examples() -> Any:
        for number, text in enumerate(texts):
            taken.append(number)
            yield Example(number + 1, number, text)

    whole = list(Predictor(checkpoint, watched, batch_size=8).stream(examples()))
    lengths = [len(checkpoint.tokenizer(*text)["input_ids"]) for text in texts]
    assert [shape[0] for shape in seen] == [len(group) for group in group_by_length(lengths, 8)]
    assert [shape[1] for shape in seen] == sorted((shape[1] for shape in seen), reverse=True)
    seen.clear()
    alike = [Example(number, number, texts[0]) for number in range(40)]
    assert len(list(Predictor(checkpoint, watched, batch_size=8).stream(alike))) == 40
    assert [shape[0] for shape in seen] == [8] * 5
    taken.clear()
    stream = Predictor(checkpoint, compute, batch_size=3, buffer_size=10).stream(examples())
    first = next(stream)
    assert len(taken) == 10
    for one, other in zip([first, *stream], whole, strict=True):
        assert one.example == other.example
        np.testing.assert_allclose(one.scores, other.scores, atol=2e-6)


def test_nothing_is_half_written(sequence: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.tsv").write_text("a\tb\n" * 9 + "a\tb\tc\n" + "a\tb\n", encoding="utf-8")
    output = tmp_path / "out.tsv"
    for extra in ([], ["--output_file", output]):
        message = fails(capfd, sequence, tmp_path / "in.tsv", "--buffer_size", 2, *extra)
        assert "in.tsv, line 10: malformed, 3 columns" in message
    assert [path.name for path in tmp_path.iterdir()] == ["in.tsv"]
    run(sequence, tmp_path / "in.tsv", "--output_file", output, "--skip_bad_lines")
    assert [row[0] for row in rows(output)] == ["line", *map(str, range(1, 10)), "11"]
    err = capfd.readouterr().err
    assert "skipped: " in err and "in.tsv, line 10: " in err and "1 broken example left out" in err
    assert "exists" in fails(capfd, sequence, tmp_path / "in.tsv", "--output_file", output)
    before = output.read_text(encoding="utf-8")
    # What fails in the middle leaves what was there before.
    (tmp_path / "bad.tsv").write_text("a\tb\tc\n", encoding="utf-8")
    overwrite = ["--output_file", output, "--overwrite", "--skip_bad_lines"]
    assert "nothing to predict" in fails(capfd, sequence, tmp_path / "bad.tsv", *overwrite)
    assert output.read_text(encoding="utf-8") == before and len(list(tmp_path.iterdir())) == 3


@pytest.mark.slow
def test_standard_input_and_output(sequence: Path) -> None:
    def ask(content: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "modeling_dlfa", "predict", str(sequence), "-", "--device", "cpu", *arguments]
        options: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "cwd": ROOT}
        return subprocess.run(command, input=content, env={**os.environ, "PYTHONPATH": str(ROOT)}, **options)

    good = ask("".join("\t".join(pair) + "\n" for pair in PAIRS[:4]), "--output_format", "jsonl")
    assert good.returncode == 0, good.stderr
    assert [json.loads(line)["line"] for line in good.stdout.splitlines()] == [1, 2, 3, 4]
    assert "4/4" in good.stderr
    bad = ask("a\tb\n\tb\n")
    assert bad.returncode == 2 and bad.stdout == "" and "standard input, line 2: a text is blank" in bad.stderr


def test_other_checkpoints_and_options(
    sequence: Path, token: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = letter_tokenizer()
    names = {0: "yes", 1: "no"}
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=160, id2label=names, **sizes)
    config.label2id = {"yes": 0, "no": 1}
    BertForSequenceClassification(config).save_pretrained(tmp_path / "bert")
    save_tokenizer(tokenizer, tmp_path / "bert")
    (tmp_path / "in.csv").write_text("a text\n", encoding="utf-8")
    bert = tmp_path / "bert"
    run(bert, tmp_path / "in.csv", "--input_format", "tsv", "--dtype", "bfloat16", "--quiet")
    assert capfd.readouterr().out.splitlines()[0] == "line\tprediction\tyes\tno"
    assert "Name them with --columns" in fails(capfd, sequence, tmp_path / "in.csv")
    assert "its extension does not tell" in fails(capfd, sequence, tmp_path / "in.dat")
    (tmp_path / "in.txt").write_text("a b\n", encoding="utf-8")
    assert "Give --input_format lines|conll" in fails(capfd, token, tmp_path / "in.txt")
    assert "--max_length 161 is not between 4 and 160" in fails(
        capfd, sequence, tmp_path / "in.txt", "--max_length", 161
    )
    (tmp_path / "in.txt").write_text("word " * 200 + "\n", encoding="utf-8")
    run(sequence, tmp_path / "in.txt")
    printed = capfd.readouterr()
    assert "1 text longer than 160 tokens: cut" in printed.err
    monkeypatch.chdir(tmp_path)
    run(sequence, "in.txt", "--output_file", "-")
    assert capfd.readouterr().out == printed.out and not Path("-").exists()
    config.architectures = ["BertModel"]
    config.save_pretrained(bert)
    assert "not a classifier of texts or words" in fails(capfd, bert, tmp_path / "in.txt")
    code = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}, "architectures": ["OwnForTokenClassification"]}
    (bert / "config.json").write_text(json.dumps(code), encoding="utf-8")
    (bert / "own.py").write_text("raise SystemExit('foreign code ran')\n", encoding="utf-8")
    assert "only with --trust_remote_code" in fails(capfd, bert, tmp_path / "in.txt")


def test_from_python_answers_are_those_of_the_command(sequence: Path, token: Path, tmp_path: Path) -> None:
    texts = [("A cat sleeps.", "An animal sleeps."), ("It rains.", "It is dry " * 90)]
    (tmp_path / "in.tsv").write_text("".join("\t".join(pair) + "\n" for pair in texts), encoding="utf-8")
    run(sequence, tmp_path / "in.tsv", "--output_file", tmp_path / "out.jsonl")
    predictor = Predictor(sequence, device="cpu")
    answers = predictor(texts)
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [{"line": line, **answer} for line, answer in enumerate(answers, 1)] == [json.loads(line) for line in lines]
    assert predictor.shortened == 1 and predictor(iter(texts)) == answers and predictor([]) == []
    words = [["Ada", "Lovelace"], ["Paris"] * 300]
    (tmp_path / "in.txt").write_text("".join(" ".join(sentence) + "\n" for sentence in words), encoding="utf-8")
    run(token, tmp_path / "in.txt", "--input_format", "lines", "--output_file", tmp_path / "words.jsonl")
    found = Predictor(token, device="cpu")(words)
    lines = (tmp_path / "words.jsonl").read_text(encoding="utf-8").splitlines()
    assert found == [json.loads(line)["words"] for line in lines] and [len(answer) for answer in found] == [2, 300]


def test_wrong_inputs_from_python(sequence: Path, token: Path) -> None:
    texts, words = Predictor(sequence, device="cpu"), Predictor(token, device="cpu")
    for predictor, inputs, expected in (
        (texts, "a text", "One string was given, which would be read letter by letter"),
        (texts, [("a", "b"), ("a", "b", "c")], "input 1 has 3 texts"),
        (texts, [3], "input 0 is 3. Give a text, or a pair of texts"),
        (texts, [("a", " ")], "input 0: a text is blank"),
        (texts, [("a", "\ud800")], "half a surrogate pair"),
        (words, ["Ada Lovelace"], "input 0 is 'Ada Lovelace'. Give a list of words"),
        (words, [[]], "input 0 has no words"),
        (texts, [("a", None)], "input 0 holds None, which is not a text"),
        (texts, None, "The inputs are NoneType. Give a list of texts"),
    ):
        with pytest.raises(InputError) as error:
            predictor(inputs)
        assert expected in str(error.value)
    with pytest.raises(InputError, match="absent: there is no such folder"):
        Predictor(sequence / "absent")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"backend": "onnx"}, r"backend='onnx' is not a function.*load_onnx"),
        ({"batch_size": "a"}, "whole numbers, at least 1"),
        ({"devcie": "cpu"}, "There is no argument 'devcie'. Choose from trust_remote_code"),
    ]
    for options, message in wrong:
        with pytest.raises(InputError, match=message):
            Predictor(sequence, **options)


def test_what_was_meant_is_said(
    sequence: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = tmp_path / "in.tsv"
    texts.write_text("premise\thypothesis\na\tb\n", encoding="utf-8")
    output = tmp_path / "runs"
    shutil.copytree(sequence, output / "models" / "aif-layer1-seed1")
    message = fails(capfd, output, texts)
    assert f"is the output directory of a command. Name one of its models, such as {output / 'models'}" in message
    assert f"{tmp_path} is a folder. Give a file" in fails(capfd, sequence, tmp_path)
    assert "--columns foo foo names 'foo' twice" in fails(capfd, sequence, texts, "--columns", "foo", "foo")
    message = fails(capfd, sequence, texts, "--backend", "onnx")
    assert message.endswith(f"in {sequence}. Make it with `dlfa export`, or name another file with --onnx_file.")
