from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import pytest
from balance import LABELS, tell
from build_corpus import LANGUAGES_OF_SPLIT, ROWS, SEED, draw
from corpus_lexicon import LANGUAGES, lexicon
from pairs import ENGLISH_KINDS, draw_triples
from scenes import ACTIVITIES, COUNTS, PLACES, STATES, SUBJECTS, THINGS, TIMES, Scene

from modeling_dlfa.data.loading import load_file
from modeling_dlfa.tasks import get_task

from ..conftest import ROOT

CORPUS = ROOT / "examples" / "demo" / "corpus"
SCRIPTS = dict.fromkeys(LANGUAGES, "LATIN") | {
    "ar": "ARABIC", "ur": "ARABIC", "bg": "CYRILLIC", "ru": "CYRILLIC", "el": "GREEK", "hi": "DEVANAGARI",
    "th": "THAI", "zh": "CJK",
}  # fmt: skip
Row = tuple[str, str, str]


@cache
def read(name: str) -> list[Row]:
    lines = (CORPUS / name).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "premise\thypothesis\tlabel"
    rows = []
    for line in lines[1:]:
        premise, hypothesis, label = line.split("\t")
        rows.append((premise, hypothesis, label))
    return rows


drawn = cache(draw)


@pytest.fixture(scope="module", params=ROWS)
def split(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.slow
def test_every_language_tells_the_same_facts_row_by_row(split: str) -> None:
    pairs = drawn(split, SEED)
    assert len(pairs) == ROWS[split]
    for language in LANGUAGES_OF_SPLIT[split]:
        told = [(tell(p, language, SEED), tell(h, language, SEED), label) for p, h, label in pairs]
        assert read(f"{split}-{language}.tsv") == told


def test_another_seed_draws_other_rows() -> None:
    assert list(draw_triples(5, "train", SEED)) == list(draw_triples(5, "train", SEED))
    assert list(draw_triples(5, "train", SEED)) != list(draw_triples(5, "train", SEED + 1))


def test_labels_are_balanced_for_every_hypothesis(split: str) -> None:
    for language in LANGUAGES_OF_SPLIT[split]:
        rows = read(f"{split}-{language}.tsv")
        assert Counter(label for _, _, label in rows) == dict.fromkeys(LABELS, ROWS[split] // 3)
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for _, hypothesis, label in rows:
            counts[hypothesis][label] += 1
        assert all(len({of_one[label] for label in LABELS}) == 1 for of_one in counts.values())


def test_splits_share_no_sentence_and_no_pair_comes_twice() -> None:
    told = {}
    for name in ROWS:
        rows = read(f"{name}-en.tsv")
        assert len({row[:2] for row in rows}) == len(rows)
        told[name] = {sentence for row in rows for sentence in row[:2]}
    assert not told["train"] & told["validation"]
    assert not told["train"] & told["test"]
    assert not told["validation"] & told["test"]


def test_one_slot_decides(split: str) -> None:
    for pair in drawn(split, SEED):
        differing = [h for p, h in zip(pair.premise, pair.hypothesis, strict=True) if h is not None and p != h]
        # A premise that only adds a detail entails.
        assert len(differing) == 1 or (not differing and pair.label == LABELS[0])
    told = {both for p, h, _ in drawn(split, SEED) for both in (*zip(p, h, strict=True), *zip(h, p, strict=True))}
    assert bool(told & ENGLISH_KINDS) == (split != "test")  # Only the test is told in other languages.


# What each word of the lexicon leaves possible, by meaning: a question, and those of its answers that remain.
ANSWERS = {
    "mood": {"joyful": "a", "happy": "ab", "not_happy": "cd", "sad": "d"},
    "waking": {"awake": "a", "not_sleeping": "a"},
    "posture": {"standing": "a", "not_standing": "bcd", "sitting": "bc", "on_chair": "b"},
    "feet": {"boots": "a", "shoes": "ab", "barefoot": "c", "no_shoes": "c"},
    "health": {"fever": "ab", "flu": "bc", "ill": "abcd", "not_ill": "ef", "healthy": "e"},
    "hunger": {"starving": "a", "hungry": "ab", "not_hungry": "cd", "full": "d"},
    "company": {"alone": "a", "no_company": "a", "not_alone": "bc", "with_friend": "b"},
    "shop hours": {
        "shop_open": "a", "shop_not_closed": "a", "shop_closed": "bc", "shop_not_open": "bc", "shop_locked": "b",
    },
    "shop size": {"shop_huge": "a", "shop_big": "ab", "shop_small": "de", "shop_tiny": "e"},
    "street wetness": {
        "street_flooded": "a", "street_wet": "ab", "street_not_dry": "ab", "street_dry": "c", "street_not_wet": "c",
    },
    "street noise": {
        "street_silent": "a", "street_quiet": "ab", "street_not_noisy": "abc",
        "street_not_quiet": "cde", "street_noisy": "d",
    },
    "room dirt": {
        "room_spotless": "a", "room_clean": "ab", "room_not_dirty": "ab",
        "room_dirty": "cd", "room_not_clean": "cd", "room_filthy": "d",
    },
    "room light": {"room_sunny": "a", "room_bright": "ab", "room_dark": "de", "room_pitch_dark": "e"},
    "bus seats": {"bus_packed": "a", "bus_full": "ab", "bus_empty": "d", "bus_nobody": "d"},
    "bus punctuality": {"bus_hour_late": "a", "bus_late": "ab", "bus_not_late": "cd", "bus_on_time": "c"},
}  # fmt: skip
ANIMALS, PEOPLE = ("dog", "cat", "bird", "other animal"), ("boy", "girl", "woman", "man")
NOUNS = {
    **{name: (name,) for name in (*ANIMALS, *PEOPLE)},
    **dict.fromkeys(("person", "people", ""), PEOPLE),  # The last one is nobody's.
    **dict.fromkeys(("child", "children"), ("boy", "girl")),
    "animal": ANIMALS, "women": ("woman",), "men": ("man",),
}  # fmt: skip


def below(tree: dict[str, str | None], top: str) -> set[str]:
    children = [child for child, parent in tree.items() if parent == top]
    # "Something else of this kind": no list of kinds is complete.
    return {f"other {top}"}.union(*(below(tree, child) for child in children)) if children else {top}


@cache
def facts(value: str) -> dict[str, set[object]]:
    """The questions that a value answers, each with the answers that it leaves possible."""
    for question, tree in (("who", SUBJECTS), ("doing", ACTIVITIES), ("where", PLACES), *TIMES.items()):
        if value in tree:
            answers = {question: set[object](below(tree, value))}
            return {**answers, "waking": {"asleep"}} if value in ("sleep", "fast_asleep") else answers
    for question, known in ANSWERS.items():
        if value in known:
            return {question: set(known[value])}
    raise KeyError(value)


@cache
def crowds(value: str, about: tuple[str, ...]) -> set[tuple[int, ...]]:
    """Which numbers of these entities a count leaves possible, none of which is above five."""
    number, _, noun = value.partition("_")
    entities = NOUNS[noun.rstrip("s")]
    exact = {"no": 0, "nobody": 0, "one": 1, "three": 3, "four": 4, "five": 5}
    possible = set()
    for numbers in product(range(6), repeat=len(about)):
        total = sum(count for name, count in zip(about, numbers, strict=True) if name in entities)
        if not set(entities) & set(about) or (total >= 2 if number == "several" else total == exact[number]):
            possible.add(numbers)
    return possible


def label_in_all_worlds(premise: Scene, hypothesis: Scene) -> str:
    """The label by the meaning of the words: true, open or false in the worlds in which the premise is true."""
    worlds: list[tuple[set[Any], set[Any]]] = []
    if hypothesis.action in COUNTS:
        worlds = [(crowds(premise.action, group), crowds(hypothesis.action, group)) for group in (ANIMALS, PEOPLE)]
    stated = [{}, {}]
    for known, scene in zip(stated, (premise, hypothesis), strict=True):
        for value in scene:
            known.update(facts(value) if value is not None and value not in COUNTS else {})
    for question, answers in stated[1].items():
        if question == "waking" and "doing" in stated[0] and "doing" in stated[1]:
            continue  # Sleeping or not is part of what somebody was doing.
        worlds.append((stated[0].get(question, {*answers, "something else"}), answers))
    found = {
        "contradiction" if not before & after else "entailment" if before <= after else "neutral"
        for before, after in worlds
    }
    return next(label for label in ("contradiction", "neutral", "entailment") if label in found)


def test_labels_follow_from_the_facts(split: str) -> None:
    for premise, hypothesis, label in drawn(split, SEED):
        assert label_in_all_worlds(premise, hypothesis) == label, (premise, hypothesis, label)


def words(sentence: str) -> list[str]:
    return [word.strip(",.").lower() for word in sentence.split()]


def bag(sentence: str) -> dict[str, float]:
    told = words(sentence)
    return {word: 1.0 for word in [*told, *map(" ".join, zip(told, told[1:], strict=False))]}


def hypothesis_alone(row: Row) -> dict[str, float]:
    return bag(row[1])


def premise_alone(row: Row) -> dict[str, float]:
    return bag(row[0])


def overlap_counts(row: Row) -> dict[str, float]:
    premise, hypothesis = words(row[0]), words(row[1])
    shared = set(premise) & set(hypothesis)
    return {
        "premise": len(premise),
        "hypothesis": len(hypothesis),
        "shared": len(shared),
        "Jaccard": len(shared) / len({*premise, *hypothesis}),
        "covered": len(shared) / len(set(hypothesis)),
    }


def overlap(row: Row) -> dict[str, float]:
    shared = set(words(row[0])) & set(words(row[1]))
    return {**overlap_counts(row), **{f"{word} {word in shared}": 1.0 for word in words(row[1])}}


@pytest.mark.parametrize(
    ("features", "margin", "languages"),
    [
        (hypothesis_alone, 0.05, ("en",)),
        (premise_alone, 0.15, ("en",)),
        (overlap, 0.15, ("en",)),
        (overlap_counts, 0.15, LANGUAGES),
    ],
)
def test_shortcuts_stay_near_chance(
    features: Callable[[Row], dict[str, float]], margin: float, languages: tuple[str, ...]
) -> None:
    pytest.importorskip("sklearn")
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler

    train = read("train-en.tsv")
    names = ["validation-en.tsv", *(f"test-{language}.tsv" for language in languages)]
    for classifier in (LogisticRegression(max_iter=2000), RandomForestClassifier(50, random_state=0)):
        model = make_pipeline(DictVectorizer(), MaxAbsScaler(), classifier)
        model.fit([features(row) for row in train], [row[2] for row in train])
        for name in names:
            score = model.score([features(row) for row in read(name)], [row[2] for row in read(name)])
            assert abs(score - 1 / 3) <= margin, (name, score)


def test_words_of_test_scenes_are_all_known_from_train() -> None:
    known = Counter(value for pair in drawn("train", SEED) for scene in pair[:2] for value in scene)
    del known[None]
    assert min(known.values()) >= 5
    trees = [SUBJECTS, ACTIVITIES, PLACES, COUNTS, *STATES.values(), *THINGS.values(), *TIMES.values()]
    assert set(known) == {value for tree in trees for value in tree}
    english = {word for row in read("train-en.tsv") for sentence in row[:2] for word in words(sentence)}
    assert {word for row in read("test-en.tsv") for sentence in row[:2] for word in words(sentence)} <= english


@pytest.mark.parametrize("language", LANGUAGES)
def test_lexicons_are_complete_and_tell_values_apart(language: str) -> None:
    module = lexicon(language)
    trees = {"STATES": STATES.values(), "THINGS": THINGS.values(), "TIMES": TIMES.values()}
    trees |= {"SUBJECTS": [SUBJECTS], "ACTIONS": [ACTIVITIES], "PLACES": [PLACES], "COUNTS": [COUNTS]}
    for name, of_slot in trees.items():
        phrases = getattr(module, name)
        assert set(phrases) == {value for tree in of_slot for value in tree}
        assert len(set(phrases.values())) == len(phrases)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_in_the_native_script(language: str) -> None:
    told = "".join(field for row in read(f"test-{language}.tsv") for field in row[:2])
    letters = {character for character in told if unicodedata.category(character)[0] in "LM"}
    assert {unicodedata.name(letter).split(" ")[0].split("-")[0] for letter in letters} == {SCRIPTS[language]}
    assert not set(told) & set('"{}|~*=')
    assert unicodedata.is_normalized("NFC", told) or language == "hi"  # Nukta letters have no composed form in NFC.


def test_english_sentences_are_short() -> None:
    lengths = [len(words(sentence)) for row in read("train-en.tsv") for sentence in row[:2]]
    assert 3 <= min(lengths) <= max(lengths) <= 14
    assert 5 <= sum(lengths) / len(lengths) <= 8


def test_questions_are_of_the_corpus_but_no_rows_of_it() -> None:
    lines = (CORPUS / "questions.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "language\tpremise\thypothesis\tlabel"
    questions = [line.split("\t") for line in lines[1:]]
    assert len(questions) == 3 and {label for *_, label in questions} == set(LABELS)
    assert len({SCRIPTS[language] for language, *_ in questions}) == 3
    for language, premise, hypothesis, _ in questions:
        rows = read(f"test-{language}.tsv")
        assert (premise, hypothesis) not in {row[:2] for row in rows}
        assert not {premise, hypothesis} & {sentence for row in rows for sentence in row[:2]}


def test_the_loader_reads_what_is_written() -> None:
    assert len(load_file(str(CORPUS / "train-en.tsv"), get_task("xnli"), "en")) == ROWS["train"]
