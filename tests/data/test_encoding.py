"""Words to tokens and back, with real tokenizers of every kind: each word is read, and predicted exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import pre_tokenizers
from transformers import (
    AutoTokenizer,
    DataCollatorForTokenClassification,
    PreTrainedTokenizerBase,
    RobertaTokenizerFast,
)

from modeling_dlfa.data.encoding import encode_words, join_words
from modeling_dlfa.data.loading import length_sorted
from modeling_dlfa.data.windows import WordEncoder, best_window, split_words, window_spans
from modeling_dlfa.errors import InputError

from ..online import ROOT
from .samples import SENTENCES, TASK, TOKENIZERS, byte_level, replacing, split_of, unigram, word_piece

ENCODER = ROOT / "models/multilingual-e5-small"


@pytest.fixture(scope="module", params=list(TOKENIZERS), ids=list(TOKENIZERS))
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    return TOKENIZERS[request.param]()


def test_every_word_has_a_piece_and_only_its_own(tokenizer: PreTrainedTokenizerBase) -> None:
    for words, pieces in zip(SENTENCES, split_words(SENTENCES, tokenizer), strict=True):
        assert len(pieces) == len(words)
        assert all(pieces)


def test_plain_words_are_read_as_in_running_text(tokenizer: PreTrainedTokenizerBase) -> None:
    words = ["the", "cat", "sleeps", "word", "end"]
    (pieces,) = split_words([words], tokenizer)
    expected = tokenizer(" ".join(words), add_special_tokens=False)["input_ids"]
    assert [piece for word in pieces for piece in word] == expected


def test_a_word_that_becomes_nothing_is_the_unknown_token() -> None:
    tokenizer = word_piece()
    (pieces,) = split_words([["a", "\u200b", ""]], tokenizer)
    assert pieces[1] == pieces[2] == [tokenizer.unk_token_id]
    tokenizer.unk_token = None
    with pytest.raises(InputError, match="The word '' tokenises to nothing, and the tokenizer has no unknown token"):
        split_words([[""]], tokenizer)


def test_every_word_is_labelled_once_in_a_window_that_fits(tokenizer: PreTrainedTokenizerBase) -> None:
    split = split_of(SENTENCES)
    for max_length in (3, 4, 9, 64):
        dataset = encode_words([split], tokenizer, TASK, max_length)
        seen: dict[int, list[int]] = {}
        for example in dataset:
            length = len(example["input_ids"])
            assert (
                length == example["length"] == len(example["labels"]) == len(example["attention_mask"]) <= max_length
            )
            labelled = [label for label in example["labels"] if label != -100]
            tags = split.labels[example["row"]]
            assert labelled == [tags[word] for word in example["words"]]
            assert labelled
            seen.setdefault(example["row"], []).extend(example["words"])
        assert seen == {row: list(range(len(words))) for row, words in enumerate(SENTENCES)}


def test_a_short_sentence_is_what_the_tokenizer_makes_of_it(tokenizer: PreTrainedTokenizerBase) -> None:
    words = ["the", "cat", "sleeps"]
    example = encode_words([split_of([words])], tokenizer, TASK, 64)[0]
    expected = tokenizer(" ".join(words))
    for name in expected:
        assert example[name] == expected[name]
    starts = [position for position, label in enumerate(example["labels"]) if label != -100]
    owners = tokenizer(" ".join(words)).word_ids()
    assert len(starts) == 3
    if isinstance(tokenizer.backend_tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer):
        assert starts == [owners.index(word) for word in range(3)]


@pytest.mark.parametrize("make", [unigram, replacing, lambda: byte_level(RobertaTokenizerFast)])
def test_the_first_piece_with_text_carries_the_label(make: Callable[[], PreTrainedTokenizerBase]) -> None:
    tokenizer, sentence = make(), ["a", "Q我", "的", "我"]
    (pieces,) = split_words([sentence], tokenizer)
    encoder = WordEncoder(tokenizer, 64)
    ((window,),) = encoder([sentence])
    read = [window.inputs["input_ids"][position] for position in window.positions]
    assert all(tokenizer.decode([piece]).strip() for piece in read)
    first = [tokenizer.convert_ids_to_tokens(word[0]) for word in pieces]
    lone = [index for index, piece in enumerate(first) if piece in "▁Ġ"]
    assert lone, first  # What this test is about.
    for index, word in enumerate(pieces):
        assert read[index] == word[index in lone]
    (example,) = encode_words([split_of([sentence])], tokenizer, TASK, 64)
    assert [position for position, label in enumerate(example["labels"]) if label != -100] == window.positions


def test_a_word_without_text_is_labelled_at_its_mark() -> None:
    encoder = WordEncoder(unigram(), 64)
    ((window,),) = encoder([["a", "▁", "b"]])
    assert window.words == [0, 1, 2] and window.positions == [2, 3, 5]


@pytest.mark.skipif(not (ENCODER / "tokenizer.json").is_file(), reason="make encoder brings multilingual-e5-small")
def test_xlm_roberta_words_of_scripts_without_spaces() -> None:
    tokenizer = AutoTokenizer.from_pretrained(ENCODER)
    words = ["我", "爱", "北京", "東京", "に", "ไทย", "the", "Haus"]
    ((window,),) = WordEncoder(tokenizer, 64)([words])
    tokens = tokenizer.convert_ids_to_tokens(window.inputs["input_ids"])
    assert "▁" in tokens and [tokens[position] for position in window.positions].count("▁") == 0
    ours = [tokens[position].removeprefix("▁") for position in window.positions]
    assert all(word.startswith(piece) for word, piece in zip(words, ours, strict=True)), ours
    assert tokens == tokenizer.convert_ids_to_tokens(tokenizer(" ".join(words))["input_ids"])


def test_windows_cover_and_overlap() -> None:
    for length in range(1, 60):
        for room in range(1, 12):
            spans = window_spans(length, room)
            assert spans[0][0] == 0 and spans[-1][1] == length
            assert all(end - start <= room for start, end in spans)
            for (_, end), (start, _) in zip(spans, spans[1:], strict=False):
                assert end - start >= room // 2
            chosen = [best_window(position, spans, length) for position in range(length)]
            assert chosen == sorted(chosen)
            for position, index in enumerate(chosen):
                start, end = spans[index]
                assert start <= position < end
                # At least a quarter of the room on either side, where the sentence has as much.
                quarter = room // 4
                assert position - start >= min(quarter, position) - 1
                assert end - 1 - position >= min(quarter, length - 1 - position) - 1


def test_predictions_come_back_to_their_words(tokenizer: PreTrainedTokenizerBase) -> None:
    """Through length sorting, collating and padding on either side; padding and further pieces predict nonsense."""
    splits = [split_of(SENTENCES, "en"), split_of(SENTENCES[::-1], "de")]
    dataset = length_sorted(encode_words(splits, tokenizer, TASK, 9))
    for side in ("right", "left"):
        tokenizer.padding_side = side
        collator = DataCollatorForTokenClassification(tokenizer)
        features = [{name: example[name] for name in ("input_ids", "attention_mask", "labels")} for example in dataset]
        labels = collator(features)["labels"].numpy()
        predictions = np.where(labels == -100, 99, labels)
        answers = join_words(splits, dataset, predictions, labels)
        assert [[a.tolist() for a in sentences] for sentences in answers] == [split.labels for split in splits]
    with pytest.raises(RuntimeError, match="no prediction"):
        join_words(splits, dataset.select(range(5)), predictions[:5], labels[:5])


def test_prefix_space_equals_the_tokenizers_own(tmp_path: Path) -> None:
    """But for the first word, which has no space before it in running text either."""
    tokenizer = byte_level(RobertaTokenizerFast)
    tokenizer.save_pretrained(tmp_path)
    prefixed = AutoTokenizer.from_pretrained(tmp_path, add_prefix_space=True)
    words = ["the", "cat", "don't", "我", "\u200b"]
    expected = prefixed(words, is_split_into_words=True, add_special_tokens=False)
    (pieces,) = split_words([words], tokenizer)
    for index in range(1, len(words)):
        owners = expected.word_ids()
        assert pieces[index] == [expected["input_ids"][i] for i, owner in enumerate(owners) if owner == index]


def test_a_slow_tokenizer_and_a_length_without_room_are_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(InputError, match="leaves no room"):
        encode_words([split_of(SENTENCES)], tokenizer, TASK, 2)
    with pytest.raises(InputError, match="65 tokens is more than the 64"):
        encode_words([split_of(SENTENCES)], tokenizer, TASK, 65)
    from transformers import CanineTokenizer

    with pytest.raises(InputError, match="CanineTokenizer cannot tell.* Use a fast tokenizer"):
        encode_words([split_of(SENTENCES)], CanineTokenizer(), TASK, 64)


def test_nothing_is_cached_on_disk() -> None:
    dataset = encode_words([split_of(SENTENCES)], word_piece(), replace(TASK, max_length=32))
    assert not dataset.cache_files
    assert set(dataset.column_names) == {
        "input_ids", "attention_mask", "token_type_ids", "labels", "length", "language", "row", "words",
    }  # fmt: skip
