from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable

import pytest
from build_corpus import LANGUAGES_OF_SPLIT, ROWS, UNLABELLED_SCENES, draw, facts
from corpus_lexicon import LANGUAGES, lexicon
from pairs import LABELS, draw_triples, tell
from scenes import SLOTS, TIME, Scene

from ..conftest import ROOT

CORPUS = ROOT / "examples" / "demo" / "corpus"
SEED = 15
SCRIPTS = dict.fromkeys(LANGUAGES, "LATIN") | {
    "ar": "ARABIC", "ur": "ARABIC", "bg": "CYRILLIC", "ru": "CYRILLIC", "el": "GREEK", "hi": "DEVANAGARI",
    "th": "THAI", "zh": "CJK",
}  # fmt: skip
Row = tuple[str, str, str]


def read(name: str) -> list[Row]:
    lines = (CORPUS / name).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "premise\thypothesis\tlabel"
    rows = []
    for line in lines[1:]:
        premise, hypothesis, label = line.split("\t")
        rows.append((premise, hypothesis, label))
    return rows


def scene(field: str) -> Scene:
    return Scene._make(None if value == "-" else value for value in field.split(" "))


@pytest.fixture(scope="module", params=ROWS)
def split(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_same_seed_draws_the_committed_rows() -> None:
    assert [(facts(p), facts(h), label) for p, h, label in draw("test", SEED)] == read("facts-test.tsv")
    assert list(draw_triples(5, "train", SEED)) == list(draw_triples(5, "train", SEED))
    assert list(draw_triples(5, "train", SEED)) != list(draw_triples(5, "train", SEED + 1))
    committed = set(read("facts-train.tsv"))
    for triple in draw_triples(20, "train", SEED):
        assert {(facts(p), facts(h), label) for p, h, label in triple} <= committed


def test_every_language_tells_the_same_facts_row_by_row(split: str) -> None:
    rows = read(f"facts-{split}.tsv")
    assert len(rows) == ROWS[split]
    for language in LANGUAGES_OF_SPLIT[split]:
        told = [
            (tell(scene(premise), language, SEED), tell(scene(hypothesis), language, SEED), label)
            for premise, hypothesis, label in rows
        ]
        assert read(f"{split}-{language}.tsv") == told


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


def test_unlabelled_sentences_are_aligned_scenes_of_train() -> None:
    train = dict.fromkeys(scene(field) for row in read("facts-train.tsv") for field in row[:2])
    of_english = {tell(known, "en", SEED): known for known in train}
    english = (CORPUS / "scenes-en.txt").read_text(encoding="utf-8").splitlines()
    assert len(set(english)) == len(english) == UNLABELLED_SCENES
    for language in LANGUAGES:
        lines = (CORPUS / f"scenes-{language}.txt").read_text(encoding="utf-8").splitlines()
        assert lines == [tell(of_english[line], language, SEED) for line in english]


def possible(value: str | None, slot: int) -> dict[str, set[str]]:
    """The fully specific values that a fact leaves possible, along each of its slot's independent dimensions."""
    tree = SLOTS[slot]

    def below(top: str) -> set[str]:
        children = [child for child, parent in tree.items() if parent == top]
        # "Something else of this kind": no list of kinds is complete.
        return {f"other {top}"}.union(*map(below, children)) if children else {top}

    dimensions = {"": [top for top, parent in tree.items() if parent is None]}
    if slot == TIME:
        dimensions = {"day part": ["day", "night"], "week": ["weekday", "weekend"]}
    worlds = {name: set[str]().union(*map(below, tops)) for name, tops in dimensions.items()}
    if value is not None:
        name = next(name for name, known in worlds.items() if below(value) <= known)
        worlds[name] = below(value)
    return worlds


def label_in_all_worlds(premise: Scene, hypothesis: Scene) -> str:
    """The label by the meaning of the words: true, open or false in the worlds in which the premise is true."""
    label = "entailment"
    for slot in range(len(SLOTS)):
        before, after = possible(premise[slot], slot), possible(hypothesis[slot], slot)
        for name in before:
            if not before[name] & after[name]:
                return "contradiction"
            if not before[name] <= after[name]:
                label = "neutral"
    return label


def test_labels_follow_from_the_facts(split: str) -> None:
    for premise, hypothesis, label in read(f"facts-{split}.tsv"):
        assert label_in_all_worlds(scene(premise), scene(hypothesis)) == label


def words(sentence: str) -> list[str]:
    return [word.strip(",.").lower() for word in sentence.split()]


def test_the_three_premises_of_a_hypothesis_repeat_the_same_words_of_it(split: str) -> None:
    seen: dict[str, dict[str, Counter[object]]] = defaultdict(lambda: defaultdict(Counter))
    for premise, hypothesis, label in read(f"{split}-en.tsv"):
        of_premise = words(premise)
        shared = frozenset(of_premise) & frozenset(words(hypothesis))
        seen[hypothesis][label][len(of_premise), len(set(of_premise)), shared] += 1
    assert all(by_label[LABELS[0]] == by_label[label] for by_label in seen.values() for label in LABELS)


def hypothesis_alone(row: Row) -> dict[str, float]:
    told = words(row[1])
    return {word: 1.0 for word in [*told, *map(" ".join, zip(told, told[1:], strict=False))]}


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
    ("features", "languages"),
    [(hypothesis_alone, ("en",)), (overlap, ("en",)), (overlap_counts, LANGUAGES)],
)
def test_shortcuts_stay_at_chance(features: Callable[[Row], dict[str, float]], languages: tuple[str, ...]) -> None:
    pytest.importorskip("sklearn")
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler

    train = read("train-en.tsv")
    for classifier in (LogisticRegression(max_iter=2000), RandomForestClassifier(50, random_state=0)):
        model = make_pipeline(DictVectorizer(), MaxAbsScaler(), classifier)
        model.fit([features(row) for row in train], [row[2] for row in train])
        for language in languages:
            test = read(f"test-{language}.tsv")
            score = model.score([features(row) for row in test], [row[2] for row in test])
            assert abs(score - 1 / 3) <= 0.05, (language, score)


def test_words_of_test_scenes_are_all_known_from_train() -> None:
    known = Counter(value for row in read("facts-train.tsv") for field in row[:2] for value in field.split(" "))
    assert min(known.values()) >= 50
    assert set(known) - {"-"} == {value for slot in SLOTS for value in slot}


@pytest.mark.parametrize("language", LANGUAGES)
def test_lexicons_are_complete_and_tell_values_apart(language: str) -> None:
    module = lexicon(language)
    for name, slot in zip(("SUBJECTS", "ACTIONS", "PLACES", "TIMES"), SLOTS, strict=True):
        phrases = getattr(module, name)
        assert set(phrases) == set(slot)
        assert len(set(phrases.values())) == len(phrases)
    assert set(module.PATTERNS) == {"sa", "sap", "sat", "sapt"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_in_the_native_script(language: str) -> None:
    text = (CORPUS / f"test-{language}.tsv").read_text(encoding="utf-8").split("\n", 1)[1]
    told = "".join(field for line in text.splitlines() for field in line.split("\t")[:2])
    letters = {character for character in told if unicodedata.category(character)[0] in "LM"}
    assert {unicodedata.name(letter).split(" ")[0].split("-")[0] for letter in letters} == {SCRIPTS[language]}
    assert not set(told) & set('"{}|~*=')
    assert unicodedata.is_normalized("NFC", told) or language == "hi"  # Nukta letters have no composed form in NFC.


def test_english_sentences_are_short() -> None:
    lengths = [len(words(sentence)) for row in read("train-en.tsv") for sentence in row[:2]]
    assert min(lengths) >= 4
    assert max(lengths) <= 14
