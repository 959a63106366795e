"""What a teacher with known answers is asked, and what is made of its answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from modeling_dlfa.augmentation import Settings
from modeling_dlfa.augmentation.teacher import Question, RandomPieces, drawn_group
from modeling_dlfa.augmentation.words import Reader, Reading
from modeling_dlfa.data.splits import SourceInfo, Split
from modeling_dlfa.tasks import XNLI, get_task

from .planted import ID, PIECES, planted_pieces, planted_teacher, planted_tokenizer

ANSWERS = {
    "[MASK]": {"house": 9.0, "die": 3.0, "katze": 2.0, "haus": 1.0, "кот": 4.0, "##s": 9.0, ".": 9.0, "cat": 5.0}
}


def reading(premise: str, hypothesis: str = "the house") -> Reading:
    split = Split("en", ([premise], [hypothesis]), [0], SourceInfo("memory", 1))
    [[found]] = Reader(XNLI, planted_tokenizer(), None)(split, [0])
    return found


def question(premise: str, *words: str, keys: tuple[str, ...] = ("0", "1", "2")) -> Question:
    found = reading(premise)
    asked = [next(word for word in found.words if word.text == text) for text in words]
    return Question(found, asked, keys[: len(asked)])


def tokens(ids: list[int]) -> str:
    return " ".join(PIECES[index] for index in ids if index != ID["[PAD]"])


def test_the_filter_the_temperature_and_the_weights(tmp_path: Path) -> None:
    """English words, continuations and signs that the teacher prefers never come; the rest sums to 1."""
    options = {"language_choice": "teacher", "temperature": 0.5, "top_k": 3}
    teacher, _ = planted_teacher(tmp_path, ANSWERS, **options)
    [[proposal]] = teacher([question("the cat sleeps", "cat")])
    assert [PIECES[index] for index in proposal.ids] == ["кот", "die", "katze"]
    np.testing.assert_allclose(proposal.weights, softmax(np.array([4.0, 3.0, 2.0]) / 0.5), rtol=1e-5)


def test_the_word_itself_is_no_candidate_up_to_case(tmp_path: Path) -> None:
    answers = {"[MASK]": {"cat": 9.0, "Cat": 8.0, "house": 1.0}}
    english, _ = planted_teacher(tmp_path, answers, ["en"], top_k=1)
    [[proposal]] = english([question("the Cat sleeps", "Cat")])
    assert [PIECES[index] for index in proposal.ids] == ["house"]
    [[proposal]] = english([question("the house sleeps", "house")])
    assert [PIECES[index] for index in proposal.ids] == ["cat"]


def test_a_language_of_few_pieces_gives_fewer(tmp_path: Path) -> None:
    teacher, _ = planted_teacher(tmp_path, {}, ["ru"])
    [[proposal]] = teacher([question("the cat", "cat")])
    assert sorted(PIECES[index] for index in proposal.ids) == ["дом", "кот", "спит"]
    np.testing.assert_allclose(proposal.weights, 1 / 3, rtol=1e-5)


def test_a_language_is_drawn_for_each_word(tmp_path: Path) -> None:
    teacher, _ = planted_teacher(tmp_path, ANSWERS, top_k=1)
    keys = tuple(map(str, range(400)))
    drawn = [drawn_group(teacher.pieces, key) for key in keys]
    assert 160 < sum(drawn) < 240
    for key, group in list(zip(keys, drawn, strict=True))[:8]:
        [[proposal]] = teacher([question("the cat", "cat", keys=(key,))])
        assert PIECES[proposal.ids[0]] == ("die", "кот")[group]


@pytest.mark.parametrize(
    ("masking", "expected"),
    [
        ("mask", "[CLS] the [MASK] [MASK] . [SEP] the house [SEP]"),
        ("none", "[CLS] the cat sleeps . [SEP] the house [SEP]"),
        (
            "prompt",
            "[CLS] the cat ##s sleeps . [SEP] the house [SEP] the [MASK] [MASK] . [SEP] the house [SEP]",
        ),
    ],
)
def test_what_the_teacher_reads(tmp_path: Path, masking: str, expected: str) -> None:
    """A word of several pieces is one mask, and both words of a question are masked at once."""
    answers = {"[MASK]": {"кот": 1.0}, "cat": {"дом": 1.0}, "sleeps": {"спит": 1.0}}
    teacher, model = planted_teacher(tmp_path, answers, ["ru"], masking=masking, top_k=1)
    word = "cat" if masking == "none" else "cats"
    [proposals] = teacher([question(f"the {word} sleeps.", word, "sleeps")])
    assert [[tokens(ids) for ids in batch] for batch in model.read] == [[expected]]
    wanted = ["дом", "спит"] if masking == "none" else ["кот", "кот"]
    assert [PIECES[proposal.ids[0]] for proposal in proposals] == wanted


def test_a_prompt_that_is_too_long_is_left_out(tmp_path: Path) -> None:
    teacher, model = planted_teacher(tmp_path, ANSWERS, masking="prompt", top_k=1)
    teacher([question("the " * 40 + "cat", "cat")])
    assert tokens(model.read[0][0]) == "[CLS] " + "the " * 40 + "[MASK] [SEP] the house [SEP]"


def test_batches_and_their_order_do_not_matter(tmp_path: Path) -> None:
    asked = [question("the " * count + "cat", "cat", keys=(str(count),)) for count in (5, 1, 9, 3, 7)]
    teacher, model = planted_teacher(tmp_path, ANSWERS, batch_size=2)
    together = teacher(asked)
    assert [len(batch) for batch in model.read] == [2, 2, 1]
    for one, found in zip(asked, together, strict=True):
        [alone] = teacher([one])
        assert alone[0].ids.tolist() == found[0].ids.tolist()
        np.testing.assert_allclose(alone[0].weights, found[0].weights)
    assert teacher([Question(asked[0].reading, [], [])]) == [[]]


def test_random_pieces_are_of_the_target_languages_by_frequency(tmp_path: Path) -> None:
    pieces = planted_pieces(tmp_path, "de", "ru")
    propose = RandomPieces(pieces, Settings("planted", ["de", "ru"], candidates="random", top_k=1))
    keys = tuple(map(str, range(900)))
    found = reading("the cat")
    proposals = propose([Question(found, [found.words[0]] * len(keys), keys)])[0]
    names = [PIECES[proposal.ids[0]] for proposal in proposals]
    assert proposals[0].weights.tolist() == [1.0]
    shares = {name: names.count(name) / len(names) for name in set(names)}
    counts = {PIECES[index]: pieces.counts[index] for index in pieces.allowed}
    for language in ("de", "ru"):
        own = [name for name in counts if pieces.owner[ID[name]] == pieces.groups.index(language)]
        for name in own:
            expected = 0.5 * counts[name] / sum(counts[one] for one in own)
            assert abs(shares[name] - expected) < 0.06, name
    assert propose([Question(found, [found.words[0]], ["7"])])[0][0].ids == proposals[7].ids


def test_words_of_a_pair_and_their_tokens() -> None:
    """Punctuation stays outside, an apostrophe inside; numbers and cut words are no words."""
    found = reading("(the cat), 2020 3a cat's.", "house-cats the")
    shown = [(word.text, word.column, word.place, word.start, word.tokens) for word in found.words]
    assert shown == [
        ("the", 0, 0, 1, (2, 3)),
        ("cat", 0, 1, 5, (3, 4)),
        ("cat's", 0, 4, 19, (8, 11)),
        ("house-cats", 1, 0, 0, (13, 17)),
        ("the", 1, 1, 11, (17, 18)),
    ]


def test_words_behind_the_longest_input_are_left_out() -> None:
    split = Split("en", (["the cats"], ["house"]), [0], SourceInfo("memory", 1))
    [[found]] = Reader(XNLI, planted_tokenizer(), 6)(split, [0])
    assert [word.text for word in found.words] == ["the", "house"]


def test_words_of_a_sentence_of_several_windows() -> None:
    words = ["the", "cats", "3a", ","] * 12
    split = Split("en", ([words],), [[0] * len(words)], SourceInfo("memory", 1))
    tokenizer = planted_tokenizer()
    [windows] = Reader(get_task("udpos"), tokenizer, 20)(split, [0])
    assert len(windows) > 2
    seen = {word.place: (window, word) for window in windows for word in window.words}
    assert sorted(seen) == [place for place, word in enumerate(words) if word in ("the", "cats")]
    for place, (window, word) in seen.items():
        pieces = window.inputs["input_ids"][slice(*word.tokens)]
        assert tokens(pieces).replace(" ##", "") == words[place] == word.text
