"""A teacher with known answers: its logits depend on the token in one place alone, by a table of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from modeling_dlfa.augmentation import Settings, teacher
from modeling_dlfa.augmentation.pieces import PieceLanguages, piece_languages

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ENGLISH = ["the", "cat", "sleeps", "house", "Cat", "in", "hand", "a", "b"]
GERMAN = ["die", "katze", "schläft", "haus"]
RUSSIAN = ["кот", "дом", "спит"]
BULGARIAN = ["къща", "котка"]
CHINESE = ["猫", "家"]
NEITHER = ["##s", "##ов", "2020", "3a", ",", ".", "кот2", "'", "-"]
PIECES = [*SPECIAL, *ENGLISH, *GERMAN, *RUSSIAN, *BULGARIAN, *CHINESE, *NEITHER]
ID = {piece: index for index, piece in enumerate(PIECES)}
TEXT = {
    "en": "the cat sleeps in the house.\nthe hand, a b\nthe Cat in a house\ncats cats cats\n",
    "de": "die katze schläft in haus\ndie hand die katze\ndie haus schläft\n",
    "ru": "кот спит дом\nкот дом спит\n",
    "bg": "къща котка кот\nкъща котка\nкъща котка\n",
}


def planted_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(ID, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named = {name: token for name, token in zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True)}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{f"{name}_token": token for name, token in named.items()},
        model_max_length=64,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def save_text(folder: Path, copies: int = 3) -> str:
    """Writes the texts, long enough to count, and returns the name of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for code, text in TEXT.items():
        (folder / f"{code}.txt").write_text(text * copies, encoding="utf-8")
    return str(folder / "{language}.txt")


def save_teacher(folder: Path, bias: Mapping[str, float] | None = None) -> Path:
    """Saves a masked language model whose logits are its bias, whatever it reads."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(PIECES),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    model = BertForMaskedLM(config)
    with torch.no_grad():
        model.cls.predictions.transform.LayerNorm.weight.zero_()
        for piece, value in (bias or {}).items():
            model.cls.predictions.decoder.bias[ID[piece]] = value
    model.save_pretrained(folder)
    planted_tokenizer().save_pretrained(folder)
    return folder


class Planted:
    """Stands in for a `MaskedLM`: the logits in a place are those planted for the token there.

    Args:
        answers: For a token the logits of pieces; all others have -50.

    Attributes:
        read: The token ids of every batch that it was given.
    """

    def __init__(self, answers: Mapping[str, Mapping[str, float]]) -> None:
        self.decoder = nn.Linear(len(PIECES), len(PIECES), bias=False)
        self.decoder.weight.data.fill_(-50.0)
        for token, logits in answers.items():
            for piece, value in logits.items():
                self.decoder.weight.data[ID[piece], ID[token]] = value
        self.read: list[list[list[int]]] = []

    def features(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        self.read.append(inputs["input_ids"].tolist())
        return nn.functional.one_hot(inputs["input_ids"], len(PIECES)).float()

    def logits(self, features: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return features @ self.decoder.weight[ids].T


def planted_pieces(tmp_path: Path, *languages: str) -> PieceLanguages:
    pattern = save_text(tmp_path / "text")
    codes = [*languages, "en"]
    texts = {code: Path(pattern.replace("{language}", code)) for code in codes}
    return piece_languages(planted_tokenizer(), list(languages), "en", texts)


def planted_teacher(
    tmp_path: Path, answers: Mapping[str, Mapping[str, float]], languages: Sequence[str] = ("de", "ru"), **values: Any
) -> tuple[teacher.Teacher, Planted]:
    settings = Settings("planted", languages, **values)
    model: Any = Planted(answers)
    return teacher.Teacher(model, planted_tokenizer(), planted_pieces(tmp_path, *languages), settings), model
