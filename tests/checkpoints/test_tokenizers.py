"""Saved tokenizers name what both lines of transformers know, and cut text as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoTokenizer,
    BertTokenizerFast,
    ByT5Tokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    XLMRobertaTokenizerFast,
)

from modeling_dlfa.checkpoints.tokenizers import check_tokenizer, save_tokenizer
from modeling_dlfa.errors import InputError

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NAMED: dict[str, Any] = {f"{token[1:-1].lower()}_token": token for token in SPECIAL}
WORDS = "hello Hello world World ß ä Ä 北 京 a b ##a ##b".split()
TEXTS = [("Hello World ab <e1>", "hello ÄÖ 北京"), ("b", "a World")]


def word_pieces(lowercase: bool) -> Tokenizer:
    vocabulary = {piece: index for index, piece in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def unigram() -> Tokenizer:
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(f"▁{word}", -3.0) for word in WORDS] + [(letter, -9.0) for letter in "abHeloWrd▁北京"]
    tokenizer = Tokenizer(models.Unigram([*pieces, ("<mask>", 0.0)], 3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def with_added() -> PreTrainedTokenizerBase:
    tokenizer = BertTokenizerFast(tokenizer_object=word_pieces(True), model_max_length=64)
    tokenizer.add_tokens(["zzyzx"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<e1>"]})
    return tokenizer


TOKENIZERS = {
    "generic": lambda: PreTrainedTokenizerFast(tokenizer_object=word_pieces(False), model_max_length=64, **NAMED),
    "generic with special tokens": lambda: PreTrainedTokenizerFast(
        tokenizer_object=word_pieces(False), additional_special_tokens=["<e1>", "<e2>"], **NAMED
    ),
    "generic, padded on the left": lambda: PreTrainedTokenizerFast(
        tokenizer_object=word_pieces(True),
        padding_side="left",
        truncation_side="left",
        model_input_names=["input_ids", "attention_mask"],
        **NAMED,
    ),
    # Its class would take do_lower_case=True for granted and lower what this one keeps.
    "BERT, cased": lambda: BertTokenizerFast(tokenizer_object=word_pieces(False), model_max_length=64),
    "BERT with added tokens": with_added,
    "XLM-R": lambda: XLMRobertaTokenizerFast(tokenizer_object=unigram(), model_max_length=512),
}


def behaviour(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {
        "single": [dict(tokenizer(text)) for pair in TEXTS for text in pair],
        "pairs": [dict(tokenizer(*pair)) for pair in TEXTS],
        "batch": dict(tokenizer(*map(list, zip(*TEXTS, strict=True)), padding=True, truncation=True, max_length=7)),
        "text": tokenizer.decode(tokenizer(*TEXTS[0])["input_ids"]),
        "special": sorted(tokenizer.all_special_tokens),
        "size": len(tokenizer),
        "longest": tokenizer.model_max_length,
    }


@pytest.mark.parametrize("name", TOKENIZERS)
def test_it_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    tokenizer = TOKENIZERS[name]()
    before = behaviour(tokenizer)
    save_tokenizer(tokenizer, tmp_path)
    assert behaviour(AutoTokenizer.from_pretrained(tmp_path)) == before


@pytest.mark.parametrize("name", TOKENIZERS)
def test_its_files_hold_only_what_both_lines_know(name: str, tmp_path: Path) -> None:
    save_tokenizer(TOKENIZERS[name](), tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    # On v4 a list of extra_special_tokens is an error; the others are v5's notes about its own process.
    assert not {"extra_special_tokens", "backend", "is_local", "local_files_only", "do_lower_case"} & set(config)
    assert config.get("additional_special_tokens", []) == [
        token for token in ("<e1>", "<e2>") if token in (tmp_path / "tokenizer.json").read_text(encoding="utf-8")
    ]
    assert not (tmp_path / "special_tokens_map.json").exists() and not (tmp_path / "added_tokens.json").exists()


def test_one_without_a_fast_form_is_saved_by_its_class(tmp_path: Path) -> None:
    tokenizer = ByT5Tokenizer()
    save_tokenizer(tokenizer, tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded) is ByT5Tokenizer and loaded("ab")["input_ids"] == tokenizer("ab")["input_ids"]


@pytest.mark.parametrize("embeddings", [18, 19, 36, 64, 128])
def test_padded_and_trimmed_embeddings_are_the_models_own(embeddings: int) -> None:
    """By a multiple of 64 or 128, as ModernBERT's, or with twice as many embeddings as a trimmed vocabulary."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_pieces(False), **NAMED)
    assert len(tokenizer) == 18
    check_tokenizer(tokenizer, "org/name", embeddings)


@pytest.mark.parametrize("embeddings", [200, 119_547])
def test_a_tokenizer_of_another_model_is_refused(embeddings: int) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_pieces(False), **NAMED)
    with pytest.raises(
        InputError, match=rf"org/name has \d+ tokens, far fewer than the model's {embeddings} embeddings"
    ):
        check_tokenizer(tokenizer, "org/name", embeddings)
    with pytest.raises(InputError, match="tokens, the model only 5 embeddings. Give the tokenizer that the model was"):
        check_tokenizer(tokenizer, "org/name", 5)


def test_a_tokenizer_without_files_of_its_own_needs_none() -> None:
    check_tokenizer(ByT5Tokenizer(), "org/name", 384)
