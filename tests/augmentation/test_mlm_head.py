"""Masked language models in two parts, and heads for encoders that have none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer

from modeling_dlfa.augmentation import HeadSettings, fit_mlm_head
from modeling_dlfa.augmentation.masked_lm import MaskedLM
from modeling_dlfa.augmentation.mlm_head import RECORD
from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.cli import run
from modeling_dlfa.errors import InputError

from ..backbones import dlfa_config
from .planted import RUSSIAN, planted_tokenizer, save_teacher

ENGLISH, GERMAN = ["the cat sleeps in the house", "the hand in the house"], ["die katze schläft"]
HEADS = {
    "bert": "BertForMaskedLM",
    "xlm-roberta": "XLMRobertaForMaskedLM",
    "distilbert": "DistilBertForMaskedLM",
    "deberta-v2": "DebertaV2ForMaskedLM",
    "modernbert": "ModernBertForMaskedLM",
}


def save_encoder(folder: Path, name: str) -> Path:
    """Saves an encoder of random weights with a tokenizer, without a head."""
    tokenizer = planted_tokenizer()
    config = dlfa_config(name).backbone_config
    config.vocab_size, config.pad_token_id = len(tokenizer), 0
    if name != "bert":
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


@pytest.fixture
def text(tmp_path: Path) -> str:
    """Sentences of two languages in which a word can be guessed from its place and its neighbours."""
    for code, lines in (("en", ENGLISH), ("de", GERMAN)):
        (tmp_path / f"{code}.txt").write_text("\n".join(lines * 120) + "\n", encoding="utf-8")
    return str(tmp_path / "{language}.txt")


def test_a_head_is_trained_and_the_encoder_stays(text: str, tmp_path: Path) -> None:
    encoder = save_encoder(tmp_path / "encoder", "bert")
    settings = HeadSettings(mlm_probability=0.3, num_train_epochs=20, softmax_pieces=4, batch_size=16)
    record = fit_mlm_head(str(encoder), text, tmp_path / "teacher", settings)
    assert record == json.loads((tmp_path / "teacher" / RECORD).read_text(encoding="utf-8"))
    assert record["accuracy"] > 1.5 * record["most_frequent"] and record["accuracy_top5"] > record["accuracy"]
    assert record["held_out"] > 10 and record["vocabulary"] == 9 and record["settings"]["languages"] == ["de", "en"]
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "teacher").eval()
    before = AutoModel.from_pretrained(encoder, add_pooling_layer=False).state_dict()
    after = loaded.bert.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before) and before.keys() == after.keys()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "teacher")
    with torch.no_grad():
        logits = loaded(**tokenizer("the [MASK] sleeps in the house", return_tensors="pt")).logits[0, 2]
    known = tokenizer.convert_tokens_to_ids([*{*" ".join([*ENGLISH, *GERMAN]).split()}])
    unknown = tokenizer.convert_tokens_to_ids(RUSSIAN)
    assert tokenizer.convert_ids_to_tokens(int(logits.argmax())) == "cat"
    assert logits[unknown].max() < logits[known].min(), "what the text lacks is not proposed"
    MaskedLM(str(tmp_path / "teacher"))  # A teacher, as it is.


@pytest.mark.parametrize("name", HEADS)
def test_every_encoder_gets_the_head_of_its_kind(name: str, tmp_path: Path) -> None:
    encoder = save_encoder(tmp_path / "encoder", name)
    (tmp_path / "text").write_text("the cat sleeps in the house\nthe hand in the house\n" * 100, encoding="utf-8")
    settings = HeadSettings(num_train_epochs=4, mlm_probability=0.3)
    record = fit_mlm_head(str(encoder), tmp_path / "text", tmp_path / "teacher", settings)
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "teacher").eval()
    assert type(loaded).__name__ == HEADS[name] and record["learnt_from"] > 100
    apart, ids = MaskedLM(str(tmp_path / "teacher")), torch.tensor([[2, 5, 4, 7, 3]])
    wanted = torch.tensor([3, 9, 20])
    with torch.no_grad():
        whole = loaded(input_ids=ids).logits[0, 2]
        torch.testing.assert_close(apart.logits(apart.features({"input_ids": ids})[0, 2:3], wanted)[0], whole[wanted])


def test_a_decoder_that_is_not_the_embeddings_is_refused(tmp_path: Path) -> None:
    encoder = save_encoder(tmp_path / "encoder", "rembert")
    (tmp_path / "text").write_text("the cat sleeps\n" * 100, encoding="utf-8")
    with pytest.raises(InputError, match="cannot be new"):
        fit_mlm_head(str(encoder), tmp_path / "text", tmp_path / "teacher", HeadSettings(num_train_epochs=1))
    assert not (tmp_path / "teacher").exists()


def test_the_command(tiny_encoder: Path, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fit-mlm-head", str(tiny_encoder), "--text", text, "--languages", "en", "--num_train_epochs", "1"]
    run([*arguments, "--output_dir", str(tmp_path / "teacher")])
    assert "held-out pieces, all masked" in capsys.readouterr().out
    for more, message in (
        ([], "exists and is not empty"),
        (["--lines", "0"], "--lines 0: give 1 or more"),
        (["--languages", "tr"], "no file for 'tr'"),
    ):
        folder = tmp_path / ("other" if more else "teacher")
        with pytest.raises(SystemExit):
            run([*arguments, "--output_dir", str(folder), *more])
        assert message in capsys.readouterr().err


def test_a_model_with_a_head_needs_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("the cat sleeps\n", encoding="utf-8")
    with pytest.raises(InputError, match="has a head already"):
        fit_mlm_head(str(save_teacher(tmp_path / "planted")), tmp_path / "text", tmp_path / "teacher")
    assert AutoConfig.from_pretrained(tmp_path / "planted").architectures == ["BertForMaskedLM"]
