"""Which languages, examples as the tokenizer encodes them, their order, and real data read whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from modeling_dlfa.data.loading import (
    SourceInfo,
    Split,
    encode,
    expand_files,
    languages_without_file,
    length_sorted,
    load_file,
    resolve_languages,
    rows_are_aligned,
)
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import get_task

from .pairs import ROWS, TASK, split_of, tsv
from .samples import word_piece, write

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = word_piece()
    tokenizer.model_max_length = 128
    return tokenizer


def test_all_languages_or_a_list() -> None:
    assert resolve_languages(["all"], TASK) == list(TASK.languages)
    assert resolve_languages(["zh", "ar"], TASK) == ["zh", "ar"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (["ar", "xx", "yy"], r"Unknown language code 'xx', 'yy'\. XNLI has: ar bg .* zh"),
        (["all", "ar"], "Unknown language code 'all'"),
        (["ar", "bg", "ar"], "Language 'ar' is given more than once"),
        ([], "No language is given. XNLI has: ar"),
    ],
)
def test_wrong_languages(spec: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_languages(spec, TASK)


def test_all_are_those_that_have_a_file(tmp_path: Path) -> None:
    for language in ("ar", "en", "xx"):
        write(tmp_path / f"dev-{language}.tsv", tsv())
    pattern = str(tmp_path / "dev-{language}.tsv")
    assert resolve_languages(["all"], TASK, pattern) == ["ar", "en"]
    assert resolve_languages(["all"], TASK, str(tmp_path / "dev-en.tsv")) == list(TASK.languages)
    assert resolve_languages(["bg"], TASK, pattern) == ["bg"]  # Which `expand_files` will miss.
    assert languages_without_file(["all"], TASK, ["ar", "en"]) == [c for c in TASK.languages if c not in ("ar", "en")]
    assert languages_without_file(["ar"], TASK, ["ar"]) == []
    with pytest.raises(InputError, match=r"no file for any language of XNLI \(ar bg"):
        resolve_languages(["all"], TASK, str(tmp_path / "none-{language}.tsv"))


def test_rows_are_those_of_the_tokenizer(tokenizer: PreTrainedTokenizerFast) -> None:
    splits = [split_of(ROWS[:3], "en"), split_of(ROWS[2:], "zh")]
    dataset = encode(splits, tokenizer, TASK)
    assert len(dataset) == 5
    assert dataset["language"][:] == [0, 0, 0, 1, 1]
    assert dataset["row"][:] == [0, 1, 2, 0, 1]
    assert dataset["labels"][:] == [0, 1, 2, 2, 1]
    for example in dataset:
        split, row = splits[example["language"]], example["row"]
        expected = tokenizer(split.texts[0][row], split.texts[1][row])
        for name in ("input_ids", "attention_mask", "token_type_ids"):
            assert example[name] == expected[name]
        assert example["length"] == len(expected["input_ids"])
    assert set(dataset.column_names) == {
        "input_ids", "attention_mask", "token_type_ids", "labels", "length", "language", "row",
    }  # fmt: skip


def test_token_type_ids_only_where_the_model_has_them(tokenizer: PreTrainedTokenizerFast) -> None:
    roberta_like = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, model_input_names=["input_ids", "attention_mask"]
    )
    assert "token_type_ids" not in encode([split_of(ROWS)], roberta_like, TASK).column_names


def test_truncation_takes_from_the_longer_text_and_does_not_pad(tokenizer: PreTrainedTokenizerFast) -> None:
    long, short = "cat " * 50, "cat sat"
    rows = [(long, short, "neutral"), (short, long, "neutral"), (short, short, "neutral")]
    dataset = encode([split_of(rows)], tokenizer, TASK, max_length=12)
    short_ids = tokenizer(short, add_special_tokens=False)["input_ids"]
    assert dataset["length"][:] == [12, 12, 3 + 2 * len(short_ids)]
    assert dataset[0]["input_ids"][-1 - len(short_ids) : -1] == short_ids
    assert dataset[1]["input_ids"][1 : 1 + len(short_ids)] == short_ids


def test_one_text_column(tokenizer: PreTrainedTokenizerFast) -> None:
    split = Split("en", (["cat sat"],), [0], SourceInfo("memory", 1))
    dataset = encode([split], tokenizer, replace(TASK, text_columns=("text",)), max_length=8)
    assert dataset[0]["input_ids"] == tokenizer("cat sat")["input_ids"]


def test_maximum_length_that_does_not_fit(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(InputError, match="3 tokens leaves no room .* adds 3 special tokens"):
        encode([split_of(ROWS)], tokenizer, TASK, max_length=3)
    with pytest.raises(InputError, match="129 tokens is more than the 128"):
        encode([split_of(ROWS)], tokenizer, TASK, max_length=129)


@pytest.mark.slow
def test_nothing_is_written_and_processes_agree(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    write(tmp_path / "a.tsv", tsv(ROWS * 30))
    program = (
        "import hashlib, json\n"
        "from transformers import AutoTokenizer\n"
        "from modeling_dlfa.data.loading import encode, length_sorted, load_file\n"
        "from modeling_dlfa.tasks import get_task\n"
        "task = get_task('xnli')\n"
        "splits = [load_file('a.tsv', task, 'en'), load_file('a.tsv', task, 'de', max_samples=7)]\n"
        "dataset = length_sorted(encode(splits, AutoTokenizer.from_pretrained('tokenizer'), task, 20))\n"
        "assert not dataset.cache_files\n"
        "print(hashlib.sha256(json.dumps(dataset[:], sort_keys=True).encode()).hexdigest(), len(dataset))\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_", "HUGGINGFACE_"))}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    before = sorted(tmp_path.rglob("*"))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=120) for process in processes]
    assert all(process.returncode == 0 for process in processes), outputs
    assert outputs[0][0] == outputs[1][0]
    assert outputs[0][0].split()[1] == "127"
    assert "Tokenising" in outputs[0][1]
    assert sorted(tmp_path.rglob("*")) == before


def test_length_sorted_is_stable_and_keeps_the_origin(tokenizer: PreTrainedTokenizerFast) -> None:
    splits = [split_of(ROWS * 3, "en"), split_of(ROWS * 2, "de")]
    dataset = encode(splits, tokenizer, TASK, max_length=32)
    ordered = length_sorted(dataset)
    key = [(-example["length"], example["language"], example["row"]) for example in ordered]
    assert key == sorted(key)
    original = {(example["language"], example["row"]): example for example in dataset}
    assert len(original) == len(ordered) == 20
    assert all(original[example["language"], example["row"]] == example for example in ordered)


def test_rows_are_aligned() -> None:
    english, german = split_of(ROWS, "en"), split_of(ROWS, "de")
    assert rows_are_aligned([english, german], TASK)
    assert rows_are_aligned([english], TASK)
    assert not rows_are_aligned([english, split_of(ROWS[:3], "de")], TASK)
    assert not rows_are_aligned([english, split_of(ROWS[::-1], "de")], TASK)
    assert not rows_are_aligned([english, german], replace(TASK, aligned_rows=False))


@pytest.mark.parametrize(("changed", "aligned"), [([], True), (range(0, 200, 40), True), (range(0, 200, 10), False)])
def test_labels_of_translations_may_differ_here_and_there(changed: Sequence[int], aligned: bool) -> None:
    labels = [number * 7919 % 13 % 2 for number in range(200)]
    other = [1 - label if row in changed else label for row, label in enumerate(labels)]
    splits = [replace(split_of(ROWS), labels=side) for side in (labels, other)]
    assert rows_are_aligned(splits, get_task("pawsx")) is aligned


def test_files_sorted_by_label_prove_nothing() -> None:
    splits = [replace(split_of(ROWS), labels=[0] * 100 + [1] * 100) for _ in range(2)]
    assert not rows_are_aligned(splits, get_task("pawsx"))


def test_xnli_has_fifteen_aligned_languages(shared: Path) -> None:
    files = expand_files(str(shared / "data" / "xnli" / "dev-{language}.tsv"), TASK.languages)
    splits = [load_file(path, TASK, language) for language, path in files.items()]
    assert [len(split) for split in splits] == [2490] * 15
    assert all(Counter(split.labels) == {0: 830, 1: 830, 2: 830} for split in splits)
    assert rows_are_aligned(splits, TASK)
    assert len({split.source.sha256 for split in splits}) == 15


def test_english_training_data(shared: Path) -> None:
    train = load_file(shared / "data" / "nli-en" / "train.tsv", TASK, "en")
    assert len(train) == 38_380
    assert set(train.labels) == {0, 1, 2}
    assert len(load_file(shared / "data" / "nli-en" / "dev.tsv", TASK, "en")) == 1_683


def test_pawsx_is_aligned_with_labels_of_its_own(shared: Path) -> None:
    task = get_task("pawsx")
    files = expand_files(str(shared / "data" / "pawsx" / "dev-{language}.tsv"), task.languages)
    splits = [load_file(path, task, language) for language, path in files.items()]
    assert [len(split) for split in splits] == [2_000] * 7
    assert len({tuple(split.labels) for split in splits}) == 7
    assert rows_are_aligned(splits, task)
    moved = replace(splits[0], labels=splits[0].labels[1:] + splits[0].labels[:1])
    assert not rows_are_aligned([moved, *splits[1:]], task)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "test", "count"), [("panx", "dev", 37), ("udpos", "test", 25)])
def test_tagged_words(shared: Path, name: str, test: str, count: int) -> None:
    task, pattern = get_task(name), str(shared / "data" / name / f"{test}-{{language}}.tsv")
    languages = resolve_languages(["all"], task, pattern)
    assert len(languages) == count and ("th" in languages) == (name == "udpos")
    splits = [load_file(path, task, code) for code, path in expand_files(pattern, languages).items()]
    assert {label for split in splits for labels in split.labels for label in labels} == set(range(len(task.labels)))
    assert not rows_are_aligned(splits, task)


def test_import_is_light() -> None:
    program = (
        "import sys, modeling_dlfa.data.loading\n"
        "print([name for name in ('datasets', 'pandas', 'pyarrow', 'evaluate', 'matplotlib') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120
    )
    assert output.stdout == "[]\n", output.stderr
