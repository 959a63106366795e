"""What is written for training to mix: which tokens, which pieces, which probabilities, of which rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from modeling_dlfa.augmentation import Settings, chunks, mixup_file, write_mixup_file
from modeling_dlfa.cli import run
from modeling_dlfa.data.encoding import encode_words
from modeling_dlfa.data.loading import encode, load_file
from modeling_dlfa.data.mixup import MixupTable
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import XNLI, get_task

from .planted import ID, PIECES, Planted, planted_pieces, planted_teacher, planted_tokenizer, save_teacher, save_text

POS = get_task("udpos")
ANSWERS = {"[MASK]": {"кот": 2.0, "дом": 1.0}, "cat": {"дом": 3.0}, "sleeps": {"спит": 3.0}}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "train.tsv"
    lines = "the cats sleeps, 2020\tthe cat\tneutral\n2020\t.\tneutral\n" + "the cat\tthe house\tentailment\n" * 5
    path.write_text(f"premise\thypothesis\tlabel\n{lines}", encoding="utf-8")
    return path


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Planted]:
    """Has the command ask a planted teacher; the list holds it."""
    models: list[Planted] = []

    def make(source: str, settings: Settings) -> Any:
        options = {name: getattr(settings, name) for name in ("masking", "top_k", "batch_size")}
        proposer, model = planted_teacher(tmp_path, ANSWERS, ["ru"], **options)
        models.append(model)
        return planted_tokenizer(), planted_pieces(tmp_path, "ru"), proposer

    monkeypatch.setattr(mixup_file, "make_proposer", make)
    return models


def entries(table: MixupTable, row: int) -> dict[int, dict[str, float]]:
    own = range(int(table.offsets[row]), int(table.offsets[row + 1]))
    return {
        int(table.positions[index]): {
            PIECES[piece]: float(weight)
            for piece, weight in zip(table.ids[index].tolist(), table.weights[index], strict=True)
            if weight
        }
        for index in own
    }


def test_every_word_of_one_piece_is_asked_for(rows: Path, tmp_path: Path, planted: list[Planted]) -> None:
    """With masks in rounds, so that not all of a row's words are hidden at once."""
    path = tmp_path / "train.safetensors"
    write_mixup_file(XNLI, rows, path, Settings("planted", ["ru"], top_k=2, switch_probability=0.4))
    table = MixupTable.load(path)
    expected = dict(zip(("кот", "дом"), softmax([2.0, 1.0]), strict=True))
    tokens = ["[CLS]", "the", "cat", "##s", "sleeps", ",", "2020", "[SEP]", "the", "cat", "[SEP]"]
    found = entries(table, 0)
    assert {tokens[place] for place in found} == {"the", "sleeps", "cat"} and sorted(found) == [1, 4, 8, 9]
    for proposal in found.values():
        assert proposal == pytest.approx(expected, abs=1e-3)
    assert entries(table, 1) == {} and len(table) == 7
    masked = [ids.count(ID["[MASK]"]) for ids in planted[0].read[-1]]
    assert max(masked) <= 2, "about 0.4 of the words"
    assert table.settings["teacher"] == "planted" and table.ids.shape[1] == 2


def test_as_they_are_words_are_read_in_one_pass(rows: Path, tmp_path: Path, planted: list[Planted]) -> None:
    path = tmp_path / "train.safetensors"
    write_mixup_file(XNLI, rows, path, Settings("planted", ["ru"], top_k=1, masking="none"))
    found = entries(MixupTable.load(path), 0)
    assert found[9] == {"дом": 1.0} and found[4] == {"спит": 1.0}
    assert sum(len(batch) for batch in planted[0].read) == 6, "a row without words is not read"


def test_the_table_is_of_the_rows_as_training_encodes_them(
    rows: Path, tmp_path: Path, planted: list[Planted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "ROWS", 2)
    path, tokenizer = tmp_path / "train.safetensors", planted_tokenizer()
    table = write_mixup_file(XNLI, rows, path, Settings("planted", ["ru"], max_length=9))
    split = load_file(rows, XNLI, "en")
    encoded = encode([split], tokenizer, XNLI, 9)["input_ids"][:]
    table.check(encoded, tokenizer, "train.safetensors")
    table.check(encoded[:3], tokenizer, "train.safetensors")
    for others in (encoded[1:], [*encoded, encoded[0]], encode([split], tokenizer, XNLI, 12)["input_ids"][:]):
        with pytest.raises(InputError, match="made of other rows.*--max_length"):
            table.check(others, tokenizer, "train.safetensors")
    tokenizer.add_tokens(["new"])
    with pytest.raises(InputError, match="the pieces of planted, another vocabulary"):
        table.check(encoded, tokenizer, "train.safetensors")
    assert not list(tmp_path.glob(".*parts"))


def test_sentences_of_words_in_several_windows(tmp_path: Path, planted: list[Planted]) -> None:
    path, tokenizer = tmp_path / "train.conll", planted_tokenizer()
    path.write_text("the\tDET\ncats\tNOUN\nsleeps\tVERB\n" * 20 + "\ncat\tNOUN\n", encoding="utf-8")
    settings = Settings("planted", ["ru"], masking="none", max_length=30, top_k=1)
    table = write_mixup_file(POS, path, tmp_path / "words.safetensors", settings)
    dataset = encode_words([load_file(path, POS, "en")], tokenizer, POS, 30)
    assert len(dataset) == len(table) > 3
    table.check(dataset["input_ids"][:], tokenizer, "words.safetensors")
    for row, example in enumerate(dataset):
        labelled = [place for place, label in enumerate(example["labels"]) if label != -100]
        whole = [place for place in labelled if PIECES[example["input_ids"][place]] in ("the", "sleeps")]
        whole += [p for p in labelled if example["input_ids"][p] == ID["cat"] and row == len(dataset) - 1]
        assert sorted(entries(table, row)) == whole


def test_the_command(tmp_path: Path, rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, text = save_teacher(tmp_path / "teacher", {"haus": 9.0}), save_text(tmp_path / "text")
    arguments = ["augment", "xnli", "--train_file", str(rows), "--teacher", str(name), "--languages", "de"]
    arguments += ["--language_text", text, "--mixup_file", str(tmp_path / "train.safetensors"), "--top_k", "1"]
    run(arguments)
    assert "train.safetensors: 7 inputs, 24 words" in capsys.readouterr().out
    table = MixupTable.load(tmp_path / "train.safetensors")
    assert np.all(table.ids.numpy() == ID["haus"]) and np.all(table.weights.numpy() == 1)
    for more, message in (
        ([], "exists. Name another file"),
        (["--overwrite", "--copies", "2"], "--copies has no effect with --mixup_file"),
        (["--output_file", "x.tsv"], "Name one file to write"),
        (["--mixup_file", str(tmp_path / "x.pt")], "ends in .safetensors"),
    ):
        with pytest.raises(SystemExit):
            run([*arguments, *more])
        assert message in capsys.readouterr().err


def test_what_is_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for content in (None, b"", b"0" * 100):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as proposals.*dlfa augment --mixup_file"):
            MixupTable.load(path)
    from safetensors.numpy import save_file

    save_file({"weights": np.zeros(2)}, path)
    with pytest.raises(InputError, match="is not a file of proposals"):
        MixupTable.load(path)
