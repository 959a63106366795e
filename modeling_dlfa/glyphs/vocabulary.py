"""The vocabulary that a table is made for: a tokenizer's, or a WordPiece list alone."""

from __future__ import annotations

from pathlib import Path

from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from ..checkpoints.loading import cannot_load

_VOCABULARY = "vocab.txt"


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Loads a tokenizer by its folder or name on the Hub, or a WordPiece vocabulary by its `vocab.txt` alone.

    Args:
        name: What `AutoTokenizer` takes; or a `vocab.txt`, or a folder that holds nothing else of a tokenizer.

    Raises:
        InputError: It cannot be loaded.
    """
    path = Path(name)
    vocabulary = path / _VOCABULARY if path.is_dir() else path
    described = path.is_dir() and any((path / file).is_file() for file in ("tokenizer_config.json", "config.json"))
    if vocabulary.is_file() and vocabulary.name == _VOCABULARY and not described:
        # Rules for text do not matter to what a token looks like.
        pieces = BertWordPieceTokenizer(str(vocabulary), lowercase=False)
        tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_str(pieces.to_str())
        )
        tokenizer.name_or_path = name
        return tokenizer
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise cannot_load(f"the tokenizer of {name}", error, "Name its folder or its vocab.txt.") from error
    return tokenizer
