"""Vocabularies of every marking read as text to draw, with what the marks said; no font is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from modeling_dlfa.errors import InputError
from modeling_dlfa.glyphs.pieces import BYTE, SPECIAL, TEXT, Piece, read_pieces
from modeling_dlfa.glyphs.vocabulary import load_tokenizer
from modeling_dlfa.glyphs_dlfa import vocabulary_hash

from .words import SPECIALS, word_pieces


def test_word_pieces() -> None:
    tokenizer = word_pieces("[unused7]", "on", "##on", "##", "न")
    tokenizer.add_tokens([AddedToken("<S>"), "newword"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<lang>"]})
    assert read_pieces(tokenizer) == [
        *[Piece("", SPECIAL)] * 6,
        Piece("on", TEXT, starts_word=True),
        Piece("on", TEXT, continues_word=True),
        Piece("##", TEXT, starts_word=True),
        Piece("न", TEXT, starts_word=True),
        Piece("<S>", TEXT),
        Piece("newword", TEXT),
        Piece("", SPECIAL),
    ]


def sentence_pieces() -> Tokenizer:
    scores = [("<s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), ("▁on", -2.0), ("on", -3.0), ("▁of▁the", -4.0), ("▁▁", -5.0)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=1, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def test_sentence_pieces() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=sentence_pieces(), bos_token="<s>", unk_token="<unk>")
    assert read_pieces(tokenizer) == [
        Piece("", SPECIAL),
        Piece("", SPECIAL),
        Piece("", TEXT, starts_word=True),
        Piece("on", TEXT, starts_word=True),
        Piece("on", TEXT, continues_word=True),
        Piece("of the", TEXT, starts_word=True),
        Piece("", TEXT, starts_word=True),
    ]


def test_sentence_pieces_with_bytes_and_a_replacing_normalizer() -> None:
    # As Llama's and Gemma's: no Metaspace is named, spaces are replaced.
    vocabulary = {"<unk>": 0, "<0x0A>": 1, "<0xE0>": 2, "▁a": 3, "a": 4, "<0xZZ>": 5}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    pieces = read_pieces(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>"))
    assert [piece.kind for piece in pieces] == [SPECIAL, BYTE, BYTE, TEXT, TEXT, TEXT]
    assert pieces[3] == Piece("a", TEXT, starts_word=True)
    assert pieces[4] == Piece("a", TEXT, continues_word=True)


def test_byte_level_pieces_become_characters() -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(["an onion नमस्ते", "the onion नमस्ते", "привет привет"] * 5, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")
    pieces = dict(zip(fast.convert_ids_to_tokens(range(len(fast))), read_pieces(fast), strict=True))
    assert pieces["<s>"] == Piece("", SPECIAL)
    assert pieces["Ġonion"] == Piece("onion", TEXT, starts_word=True)
    assert pieces["Ġ"] == Piece("", TEXT, starts_word=True)
    assert pieces["a"] == Piece("a", TEXT, continues_word=True)
    assert pieces["à"] == Piece("", BYTE)  # The byte E0, the first of three of each Devanagari letter.
    encoded = fast.tokenize(" नमस्ते привет")
    assert "".join(pieces[token].text for token in encoded) == "नमस्तेпривет"
    assert sum(piece.kind == BYTE for piece in pieces.values()) >= 128


@pytest.mark.parametrize(
    "model", [models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"), models.BPE({"a": 0}, [])]
)
def test_unmarked_pieces_are_refused(model: models.Model) -> None:
    with pytest.raises(InputError, match="is not known. Known are WordPiece"):
        read_pieces(PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model)))


def test_an_id_without_a_token_is_special() -> None:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 3}, unk_token="[UNK]"))
    pieces = read_pieces(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]"))
    assert [piece.kind for piece in pieces] == [SPECIAL, SPECIAL, SPECIAL, TEXT]


def test_the_hash_is_the_vocabulary_s(tmp_path: Path) -> None:
    tokenizer = word_pieces("on", "##on")
    before = vocabulary_hash(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    assert vocabulary_hash(PreTrainedTokenizerFast.from_pretrained(tmp_path)) == before
    tokenizer.model_max_length = 7
    assert vocabulary_hash(tokenizer) == before
    tokenizer.add_tokens(["more"])
    assert vocabulary_hash(tokenizer) != before
    assert vocabulary_hash(word_pieces("##on", "on")) != before


def test_a_vocab_txt_stands_for_its_tokenizer(tmp_path: Path) -> None:
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join([*SPECIALS, "on", "##on"]) + "\n", encoding="utf-8")
    expected = word_pieces("on", "##on")
    for name in (file, tmp_path):
        loaded = load_tokenizer(str(name))
        assert vocabulary_hash(loaded) == vocabulary_hash(expected)
        assert read_pieces(loaded) == read_pieces(expected)
        assert loaded.name_or_path == str(name)


def test_a_tokenizer_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot load the tokenizer of .*nowhere"):
        load_tokenizer(str(tmp_path / "nowhere"))
