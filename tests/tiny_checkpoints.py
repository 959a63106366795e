"""Saved DLFA checkpoints with a tokenizer that knows every letter of the demo's corpus, and texts of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification
from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.glyphs_dlfa import FORMAT, vocabulary_hash
from modeling_dlfa.tasks import XNLI

from .backbones import dlfa_config, fill_glyphs
from .online import ROOT

SPECIAL = {"pad": "[PAD]", "cls": "[CLS]", "sep": "[SEP]", "unk": "[UNK]", "mask": "[MASK]"}
ENTITIES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


@cache
def corpus_pairs(language: str) -> list[tuple[str, str]]:
    """Returns premises and hypotheses of the demo's corpus, the same ones in every language."""
    with (ROOT / f"examples/demo/corpus/test-{language}.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(row["premise"], row["hypothesis"]) for row in rows]


@cache
def _pieces() -> dict[str, int]:
    text = "".join(side for code in XNLI.languages for pair in corpus_pairs(code)[:40] for side in pair)
    letters = sorted(set(text) - set(" \t\n"))
    pieces = [*SPECIAL.values(), *letters, *(f"##{letter}" for letter in letters)]
    return {piece: index for index, piece in enumerate(pieces)}


def letter_tokenizer(max_length: int | None = 160) -> PreTrainedTokenizerFast:
    """Returns a word-piece tokenizer whose pieces are letters, so that nearly every word has several."""
    tokenizer = Tokenizer(models.WordPiece(_pieces(), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    limit = {} if max_length is None else {"model_max_length": max_length}
    named = {f"{name}_token": token for name, token in SPECIAL.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named, **limit)


def glyph_record(tokenizer: PreTrainedTokenizerBase, columns: int) -> dict[str, Any]:
    """Returns what lies beside a table of glyphs, as far as reading it needs it."""
    made_of = {"name": tokenizer.name_or_path, "tokens": len(tokenizer), "sha256": vocabulary_hash(tokenizer)}
    return {
        "format": FORMAT,
        "tokenizer": made_of,
        "columns": {"features": columns, "bits": []},
        "method": {"encoder": "drawn"},
    }


def save_checkpoint(
    folder: Path, kind: str, labels: Sequence[str], backbone: str = "bert", max_length: int = 160, **values: Any
) -> Path:
    """Saves a checkpoint of random weights, large enough that every input has an answer of its own."""
    model_class = DlfaForTokenClassification if kind == "token" else DlfaForSequenceClassification
    tokenizer = letter_tokenizer(max_length)
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}
    config = dlfa_config(backbone, **values)
    config.id2label, config.label2id = names["id2label"], names["label2id"]
    config.backbone_config.vocab_size = len(tokenizer)
    config.backbone_config.max_position_embeddings = max_length
    if backbone == "xlm-roberta":  # It has one segment, and its positions begin behind the padding's.
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
        config.backbone_config.max_position_embeddings = max_length + 1 + config.backbone_config.pad_token_id
    torch.manual_seed(0)
    model = model_class(config)
    fill_glyphs(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder
