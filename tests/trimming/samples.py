"""Tokenizers of four kinds, trained on the demo's corpus, and encoders that belong to them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModel, PreTrainedTokenizerFast

from modeling_dlfa.checkpoints.tokenizers import save_tokenizer

from ..backbones import backbone_config
from ..tiny_checkpoints import SPECIAL, corpus_pairs

LANGUAGES = ("en", "de", "ar", "th")
ROBERTA = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>", "cls": "<s>", "sep": "</s>"}
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
# Their backbone and special tokens.
KINDS = {
    "wordpiece": ("bert", SPECIAL),
    "unigram": ("xlm-roberta", ROBERTA),
    "bytes": ("xlm-roberta", ROBERTA),
    "fallback": ("modernbert", {"pad": "<pad>", "eos": "</s>", "bos": "<s>", "unk": "<unk>", "mask": "<mask>"}),
}


def texts(first: int, last: int) -> dict[str, list[str]]:
    """Returns premises of the corpus in each language."""
    return {code: [premise for premise, _ in corpus_pairs(code)[first:last]] for code in LANGUAGES}


def _trained(kind: str, special: list[str]) -> Tokenizer:
    # The mask comes last and is no piece of the model's own, as in XLM-R.
    options = {"special_tokens": special, "show_progress": False}
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=1200, **options)
    elif kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=1200, unk_token="<unk>", **options)
    elif kind == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=1500, initial_alphabet=alphabet, **options)
    else:
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=1500, **{**options, "special_tokens": [*special, *BYTES]})
    tokenizer.train_from_iterator([text for lines in texts(0, 60).values() for text in lines], trainer)
    if kind == "fallback":  # Its bytes are pieces of the model, none that one could type.
        settings = json.loads(tokenizer.to_str())
        settings["added_tokens"] = [token for token in settings["added_tokens"] if token["content"] not in BYTES]
        tokenizer = Tokenizer.from_str(json.dumps(settings))
    return tokenizer


def save_encoder(kind: str, folder: Path) -> Path:
    """Saves a tiny encoder of random weights with a tokenizer of this kind."""
    backbone, named = KINDS[kind]
    tokenizer = _trained(kind, list(dict.fromkeys(token for name, token in named.items() if name != "mask")))
    tokenizer.add_special_tokens([named["mask"]])
    first, last = ("[CLS]", "[SEP]") if backbone == "bert" else ("<s>", "</s>")
    ids = [(token, tokenizer.token_to_id(token)) for token in (first, last)]
    tokenizer.post_processor = (
        processors.BertProcessing(ids[1], ids[0])
        if backbone == "bert"
        else processors.TemplateProcessing(f"{first} $A {last}", f"{first} $A {last} {last} $B {last}", ids)
    )
    inputs = ["input_ids", *(["token_type_ids"] if backbone == "bert" else []), "attention_mask"]
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=300,
        model_input_names=inputs,
        **{f"{name}_token": token for name, token in named.items()},
    )
    save_tokenizer(fast, folder)
    torch.manual_seed(0)
    special = {f"{name}_token_id": tokenizer.token_to_id(token) for name, token in named.items() if name != "unk"}
    config = backbone_config(backbone, vocab_size=len(fast), max_position_embeddings=320, **special)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder
