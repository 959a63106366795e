"""Sentences and tokenizers with every oddity that data have, and files of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, RobertaTokenizerFast

from modeling_dlfa.data.splits import SourceInfo, Split
from modeling_dlfa.tasks import get_task

TASK = get_task("udpos")
SENTENCES = [
    ["the", "cat", "sleeps"],
    ["我", "们", "ไทย", "国家"],
    ["a", "\u200b", "b", "\u00a0", "\ufeff", "", " ", "\u3000", "\x00", "\u2028", "\t"],
    ["\u00ad"],
    ["Donaudampfschifffahrtsgesellschaft" * 20, "end"],
    ["word"] * 300,
    ["[SEP]", "</s>", "don't", "3,14"],
]


def split_of(sentences: Sequence[list[str]], language: str = "en") -> Split:
    rng = random.Random(0)
    labels = [[rng.randrange(len(TASK.labels)) for _ in words] for words in sentences]
    return Split(language, (list(sentences),), labels, SourceInfo("memory", len(sentences)))


def word_piece() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        TEXT, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=64, model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip


def unigram(prepend_scheme: str = "always") -> PreTrainedTokenizerFast:
    """As XLM-RoBERTa's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme)]
    )
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    return _framed(tokenizer, decoders.Metaspace())


def replacing() -> PreTrainedTokenizerFast:
    """As Gemma's, which mmBERT has: spaces become marks in the text, and none is set before its first word."""
    letters = sorted(set("".join(TEXT)) - {" "})
    begun = [("▁", letter) for letter in letters]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *letters, *map("".join, begun[:-1])]  # "ไ" and "▁" stay apart.
    tokenizer = Tokenizer(
        models.BPE({piece: index for index, piece in enumerate(pieces)}, begun[:-1], unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    return _framed(tokenizer, decoders.Replace("▁", " "))


def _framed(tokenizer: Tokenizer, decoder: decoders.Decoder) -> PreTrainedTokenizerFast:
    tokenizer.decoder = decoder
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        model_max_length=64, model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def byte_level(cls: type[PreTrainedTokenizerFast], split: bool = False) -> PreTrainedTokenizerFast:
    """As RoBERTa's and ModernBERT's, or with a pattern of its own before the bytes."""
    tokenizer = Tokenizer(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not split)
    pattern = pre_tokenizers.Split(Regex(r" ?\p{L}+| ?[^\s\p{L}]+|\s+"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pattern, level]) if split else level
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT * 20, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return cls(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        cls_token="<s>", sep_token="</s>", mask_token="<mask>", model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


TEXT = ["the cat sleeps in the house word word words end a b", "Donau dampf schiff fahrts gesellschaft", "我 们 ไทย"]
TOKENIZERS = {
    "word-piece": word_piece,
    "unigram": unigram,
    "unigram, no prefix": lambda: unigram("never"),
    "roberta": lambda: byte_level(RobertaTokenizerFast),
    "byte-level": lambda: byte_level(PreTrainedTokenizerFast),
    "spaces replaced": replacing,
    "byte-level behind a pattern": lambda: byte_level(PreTrainedTokenizerFast, split=True),
}


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
