"""A tokenizer of word pieces."""

from __future__ import annotations

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def word_pieces(*tokens: str) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of the special tokens and these."""
    vocabulary = {token: index for index, token in enumerate([*SPECIALS, *tokens])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{f"{token[1:-1].lower()}_token": token for token in SPECIALS},
    )
