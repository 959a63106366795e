"""What a command says of its data: counted by hand on small files, and shown and recorded by the runner."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from modeling_dlfa.cli import main
from modeling_dlfa.data.description import describe, statistics_text
from modeling_dlfa.data.encoding import encode_words
from modeling_dlfa.data.loading import SourceInfo, Split, encode, length_sorted
from modeling_dlfa.data.windows import split_words
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import get_task

from .samples import SENTENCES, TOKENIZERS, split_of

XNLI, UDPOS = get_task("xnli"), get_task("udpos")


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_encoder)


def pairs(language: str, *texts: tuple[str, str], blank: tuple[str, ...] = ()) -> Split:
    first, second = ([pair[side] for pair in texts] for side in (0, 1))
    labels = [index % 2 for index in range(len(texts))]
    return Split(language, (first, second), labels, SourceInfo("memory", len(texts)), list(blank))


def test_counts_of_texts(tokenizer: PreTrainedTokenizerBase) -> None:
    """Eight tokens hold five pieces beside [CLS] and two [SEP]: one pair fits just so, one is cut."""
    english = pairs("en", ("the cat", "the dog runs"), ("the cat eats", "the dog runs"), ("", "cat"), blank=("x, 3",))
    german = pairs("de", ("die katze", "qqq hund"), ("\u4e2d \u4e2d", "zzz"))
    splits = [english, german]
    dataset = length_sorted(encode(splits, tokenizer, XNLI, 8))
    first, second = describe(splits, dataset, tokenizer, XNLI, 8)
    assert (first.rows, first.too_long, first.units, first.unknown) == (3, 1, 11, 0)
    assert first.labels == {"entailment": 2, "neutral": 1, "contradiction": 0}
    assert (first.blank, first.first_blank) == (1, "x, 3")
    assert (second.rows, second.too_long, second.units, second.unknown) == (2, 0, 7, 4)
    assert second.unknown_rate == pytest.approx(4 / 7)
    text = statistics_text({"train": [first], "test": [first, second]}, XNLI)
    assert text.splitlines()[0].split() == (
        "data rows entailment neutral contradiction blank cut unknown tokens".split()
    )
    assert text.splitlines()[3].split() == "test de 2 1 1 0 0 0 57.1%".split()
    assert "Warning: blank texts, kept as they are: train en 1 (first: x, 3), test en 1 (first: x, 3)." in text
    assert "Warning: labels without a training example: contradiction." in text
    assert "Warning: mostly unknown to the tokenizer, so hardly read: test de." in text


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("max_length", [9, 64])
def test_counts_of_words(name: str, max_length: int) -> None:
    """However sentences are cut into windows, a word counts once: it is unknown if one of its pieces is."""
    tokenizer = TOKENIZERS[name]()
    splits = [split_of(SENTENCES, "en"), split_of(SENTENCES[:2] * 2, "de")]
    dataset = length_sorted(encode_words(splits, tokenizer, UDPOS, max_length))
    for split, counted in zip(splits, describe(splits, dataset, tokenizer, UDPOS, max_length), strict=True):
        pieces = split_words(split.texts[0], tokenizer)
        assert counted.units == sum(map(len, split.texts[0])) == sum(counted.labels.values())
        assert counted.unknown == sum(tokenizer.unk_token_id in word for words in pieces for word in words)
        assert (counted.unknown > 0) == (name != "roberta" and "byte-level" not in name)  # Bytes know every letter.
        room = max_length - tokenizer.num_special_tokens_to_add()
        assert counted.too_long == sum(sum(map(len, words)) > room for words in pieces)


def test_tokenizers_without_a_token_for_the_unknown() -> None:
    tokenizer = TOKENIZERS["byte-level"]()
    tokenizer.unk_token = tokenizer.eos_token  # As GPT-2's.
    splits = [pairs("en", ("the cat", "sleeps"), ("a", "b"))]
    dataset = encode(splits, tokenizer, XNLI, 32)
    [counted] = describe(splits, dataset, tokenizer, XNLI, 32)
    assert counted.unknown == 0 and counted.units > 4


def test_the_runner_shows_and_records_what_the_data_are(
    xnli_arguments: list[str], tmp_path: Path, tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (tiny_data / "train.tsv").read_text(encoding="utf-8").splitlines()
    lines[4] = "\t" + lines[4].split("\t", 1)[1]
    train = tmp_path / "train.tsv"
    train.write_text("\n".join(lines) + "\n", encoding="utf-8")
    main("xnli", [*xnli_arguments, "--train_file", str(train), "--max_length", "8", "--max_steps", "2"])
    printed = capsys.readouterr().out
    assert printed.count("unknown tokens") == 1
    assert f"Warning: blank texts, kept as they are: train en 1 (first: {train}, line 5)." in printed
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    recorded = results["data_statistics"]
    assert list(recorded) == ["train", "validation", "test"] and list(recorded["test"]) == ["en", "de", "ar"]
    assert recorded["train"]["rows"] == sum(recorded["train"]["labels"].values()) == 96
    assert recorded["train"]["blank"] == 1 and recorded["validation"]["blank"] == 0
    for code in ("en", "de", "ar"):
        long = sum(
            len(f"{premise} {hypothesis}".split()) > 5
            for premise, hypothesis, _ in (
                line.split("\t") for line in (tiny_data / f"test-{code}.tsv").read_text("utf-8").splitlines()[1:]
            )
        )
        assert recorded["test"][code]["cut"] == long > 0
        assert (recorded["test"][code]["unknown"] > 0) == (code != "en")  # The tokenizer removes accents.
    assert "data_statistics" not in results["data"]


@pytest.mark.parametrize("kind", ["xnli", "panx"])
def test_training_data_of_one_class_is_refused(
    kind: str, xnli_arguments: list[str], tmp_path: Path, tiny_tags: Path
) -> None:
    train = tmp_path / "train.tsv"
    if kind == "xnli":
        train.write_text("premise\thypothesis\tlabel\na\tb\tneutral\nc\td\tneutral\n", encoding="utf-8")
        arguments, label = xnli_arguments, "every row of the training data has the label 'neutral' \\(2 rows read\\)"
    else:
        train.write_text("the\tO\ncat\tO\n\ndog\tO\n", encoding="utf-8")
        files = [
            "--validation_file",
            str(tiny_tags / "ner-dev.tsv"),
            "--test_file",
            str(tiny_tags / "ner-test-{language}.tsv"),
        ]
        arguments, label = [*xnli_arguments, *files], "every word of the training data has the label 'O'"
    refuses(kind, [*arguments, "--train_file", str(train)], label, tmp_path)


def refuses(task: str, arguments: list[str], message: str, tmp_path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(SystemExit) as exit_:
        main(task, arguments)
    assert exit_.value.code == 2
    assert isinstance(exit_.value.__cause__, InputError) and re.search(message, str(exit_.value.__cause__))
    assert not (tmp_path / "out").exists()


def test_an_encoder_without_tokenizer_is_refused(
    xnli_arguments: list[str], tiny_encoder: Path, tmp_path: Path
) -> None:
    """Transformers v5 makes an empty tokenizer of nothing; v4 raises an error of its own."""
    bare = tmp_path / "bare"
    shutil.copytree(tiny_encoder, bare, ignore=shutil.ignore_patterns("*token*", "vocab*", "special*"))
    assert {path.name for path in bare.iterdir()} == {"config.json", "model.safetensors"}
    arguments = [*xnli_arguments, "--model_name_or_path", str(bare)]
    refuses("xnli", arguments, "has no tokenizer: there is no tokenizer.json|Cannot load the tokenizer", tmp_path)


def test_text_that_the_tokenizer_does_not_know_is_refused(xnli_arguments: list[str], tmp_path: Path) -> None:
    train = tmp_path / "train.tsv"
    rows = [f"\u4e2d\u6587 \u8a9e\tcat\t{label}\n" for label in ("neutral", "entailment")]
    train.write_text("premise\thypothesis\tlabel\n" + "".join(rows), encoding="utf-8")
    message = r"75% of the tokens of the training data are unknown to the tokenizer of .*--tokenizer_name"
    refuses("xnli", [*xnli_arguments, "--train_file", str(train)], message, tmp_path)
