from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer, BertConfig

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path[:0] = [str(EXAMPLES), str(EXAMPLES / "mini")]

from alignment import usage_vectors  # noqa: E402
from checkpoints import last_checkpoint, load_parts, load_state, save_parts  # noqa: E402
from encoder_card import make_card  # noqa: E402
from mini_tokenizer import sample_lines, shares, starts_word  # noqa: E402
from pretrain_mini import main  # noqa: E402
from pretraining import PretrainingLoss, RunSettings, Training, TrainingSettings  # noqa: E402
from pretraining_batches import Batches, BatchSettings  # noqa: E402
from pretraining_data import Packed, pairs  # noqa: E402
from pretraining_losses import IGNORED, linear_cross_entropy, translation_contrast, word_contrast  # noqa: E402
from pretraining_text import LANGUAGES, LINE_ALIGNED, read_text  # noqa: E402
from translation import translation_links  # noqa: E402

from modeling_dlfa.errors import InputError  # noqa: E402

SCENES = EXAMPLES / "mini" / "corpus"
TINY = "--hidden_size 32 --layers 2 --heads 2 --intermediate_size 64 --max_positions 64 --max_length 64".split()
TINY += ["--contrast_layer", "1"]

TOKENIZER = ["--vocab_size", "2500", "--min_character_count", "1"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with text of 15 languages and the results of all stages but training."""
    folder = tmp_path_factory.mktemp("pretrain")
    columns = {}
    for language in LANGUAGES:
        lines = (SCENES / f"scenes-{language}.txt").read_text(encoding="utf-8").splitlines()
        columns[language] = lines[:150]
        (folder / f"{language}.txt").write_text("\n".join(lines[150:400]) + "\n", encoding="utf-8")
    rows = ["\t".join(LANGUAGES)] + ["\t".join(row) for row in zip(*columns.values(), strict=True)]
    (folder / "aligned15.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    pair = ["lang\ten\ttext\tsource", "de\tThe tree is green.\tDer Baum ist grün.\ttest", "fr\tYes!\tOui !\ttest"]
    (folder / "pairs-en.tsv").write_text("\n".join(pair) + "\n", encoding="utf-8")
    stages = ["tokenizer", "pack", "init", "--text_dir", str(folder), "--work_dir", str(folder / "work")]
    main([*stages, *TOKENIZER, "--hidden_size", "32", "--max_positions", "64"])
    return folder / "work"


@pytest.fixture(scope="module")
def tokenizer(work: Path):
    return AutoTokenizer.from_pretrained(str(work / "tokenizer"))


@pytest.fixture(scope="module")
def packed(work: Path) -> Packed:
    return Packed.load(work / "packed.npz")


def config(packed: Packed, **changes: int | float) -> BertConfig:
    settings = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    settings |= {"max_position_embeddings": 64, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    return BertConfig(vocab_size=len(packed.starts_word), tie_word_embeddings=False, **settings | changes)


def batch_settings(**changes: int | float | bool) -> BatchSettings:
    return BatchSettings(**{"tokens": 1024, "max_length": 64} | changes)


def training_settings(**changes: int | float) -> TrainingSettings:
    return TrainingSettings(**{"contrast_layer": 1} | changes)


def pretraining_loss(packed: Packed, **weights: float) -> PretrainingLoss:
    weights = {"contrast_weight": 0.0, "word_weight": 0.0} | weights
    return PretrainingLoss(config(packed), 1, first_word=5, attention="eager", **weights).eval()


def rows(batch: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Both texts of each row, masks undone."""
    ids = batch["input_ids"].copy()
    kept = batch["labels"] != IGNORED
    ids.ravel()[batch["positions"][kept]] = batch["labels"][kept]
    result = []
    for row in ids:
        ends = np.flatnonzero(row == 3)
        result.append((row[1 : ends[0]], row[ends[0] + 1 : ends[1]] if len(ends) > 1 else row[:0]))
    return result


class TestTokenizer:
    HARD = {
        "en": "“Don’t!” she said: naïve café, e\u0301, £5 — 10 % 😀 \u200bzero",
        "ar": "السَّلامُ عليكم، أهلاً! ١٢٣",
        "bg": "Ѝ, ѣ и щъркел", "de": "Straßenbahnüberführung", "el": "Ἀρχαῖα ἑλληνικά; ναι·", "es": "¿Qué? ¡Ñandú!",
        "fr": "Œuvre « à l’été »", "hi": "क्षत्रिय विद्यार्थियों ने हिन्दी में ज़्यादा लिखा।", "ru": "Съешь ещё",
        "sw": "Ng'ombe wa mwalimu", "th": "น้ำเงิน ภาษาไทยง่าย ๆ ที่นี่", "tr": "İğdır’ın ışıltısı",
        "ur": "یہ ایک جُملہ ہے۔", "vi": "Người Việt đặt nghĩa", "zh": "龘，我们在２０１８年用iPhone。𠮷",
    }  # fmt: skip

    def test_has_the_size_asked_for_and_each_piece_once(self, tokenizer) -> None:
        assert len(tokenizer) == 2500 == len(tokenizer.get_vocab())

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_knows_all_text(self, tokenizer, language: str) -> None:
        lines = (SCENES / f"scenes-{language}.txt").read_text(encoding="utf-8").splitlines()[500:600]
        for line in [*lines, self.HARD[language]]:
            assert tokenizer.unk_token_id not in tokenizer(line)["input_ids"], line

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_decoding_gives_the_characters_back(self, tokenizer, language: str) -> None:
        normalizer = tokenizer.backend_tokenizer.normalizer
        for line in (SCENES / f"scenes-{language}.txt").read_text(encoding="utf-8").splitlines()[500:550]:
            expected = normalizer.normalize_str(line).replace("␣", "").replace(" ", "")
            assert (
                tokenizer.decode(tokenizer(line, add_special_tokens=False)["input_ids"]).replace(" ", "") == expected
            )

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_a_word_starts_with_a_piece_of_it(self, tokenizer, language: str) -> None:
        lines = (SCENES / f"scenes-{language}.txt").read_text(encoding="utf-8").splitlines()[500:600]
        for line in lines:
            words = list(line.replace(" ", "")) if language == "zh" else line.split()
            encoded = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
            assert set(encoded.word_ids()) == set(range(len(words)))
            firsts = dict(reversed(list(zip(encoded.word_ids(), encoded.tokens(), strict=True))))
            assert "▁" not in firsts.values() and "␣" not in firsts.values()

    def test_a_word_reads_the_same_alone_and_in_a_sentence(self, tokenizer) -> None:
        words = ["The", "2018", "tree", "(", "green", ")", "isn", "'", "t", "."]
        alone = tokenizer(words, is_split_into_words=True)["input_ids"]
        assert tokenizer("The 2018 tree (green) isn't.")["input_ids"] == alone
        running = tokenizer.tokenize("ลมพัด แรง")
        assert "␣" in running and not any(piece.startswith("▁") for piece in running)

    def test_vowel_marks_of_arabic_and_width_make_no_difference(self, tokenizer) -> None:
        assert tokenizer("السَّلامُ")["input_ids"] == tokenizer("السلام")["input_ids"]
        assert tokenizer("２０１８，")["input_ids"] == tokenizer("2018,")["input_ids"]

    def test_a_virama_stays_with_its_consonant(self, tokenizer) -> None:
        assert not any(piece.startswith("\u094d") for piece in tokenizer.tokenize("हिन्दी में विद्यार्थियों"))

    def test_pairs_have_two_types(self, tokenizer) -> None:
        encoded = tokenizer("A tree.", "一棵树")
        one, two = tokenizer("A tree.")["input_ids"], tokenizer("一棵树")["input_ids"]
        assert encoded["input_ids"] == one + two[1:]
        assert encoded["token_type_ids"] == [0] * len(one) + [1] * (len(two) - 1)
        assert (one[0], one[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        assert tokenizer.mask_token_id in tokenizer("a [MASK] b")["input_ids"]

    def test_its_class_exists_on_both_lines_of_transformers(self, work: Path) -> None:
        # v4 has no TokenizersBackend, the name under which v5 saves generic tokenizers; v5 keeps this one as an alias.
        settings = json.loads((work / "tokenizer" / "tokenizer_config.json").read_text(encoding="utf-8"))
        assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
        assert "auto_map" not in settings

    def test_two_trainings_agree_but_for_the_edge(self, work: Path, tmp_path: Path) -> None:
        text = str(work.parent)
        main(["tokenizer", "--text_dir", text, "--work_dir", str(tmp_path), *TOKENIZER])
        one, two = (AutoTokenizer.from_pretrained(str(path / "tokenizer")).get_vocab() for path in (work, tmp_path))
        assert len(one.keys() & two.keys()) > 0.98 * len(one)

    def test_word_starts(self) -> None:
        vocabulary = ["[CLS]", "▁the", "ing", "我", "ไทย", "ั", "7", "▁7", ".", "<0xE4>", "<0x9F>", "्या"]
        expected = [True, True, False, True, True, False, False, True, True, True, False, False]
        assert starts_word(vocabulary).tolist() == expected


class TestText:
    def test_a_sentence_is_kept_once(self, tmp_path: Path) -> None:
        (tmp_path / "en.txt").write_text("One line.\nOne  line.\n\nPython\n", encoding="utf-8")
        (tmp_path / "sw.txt").write_text("Python\nMstari.\n", encoding="utf-8")
        (tmp_path / "aligned.tsv").write_text("en\tsw\tzh\nOne line.\tMstari.\t\nX\tX\t\n", encoding="utf-8")
        text = read_text(tmp_path)
        assert text.sentences == ["One line.", "Python", "Mstari.", "X"]
        assert [LANGUAGES[language] for language in text.languages] == ["en", "en", "sw", "en"]
        assert text.groups == {"aligned.tsv": [(0, 2)]}
        assert [(file["file"], file["lines"]) for file in text.files] == [
            ("en.txt", 4), ("sw.txt", 2), ("aligned.tsv", 3)
        ]  # fmt: skip

    def test_lines_aligned_across_files_are_groups(self, tmp_path: Path) -> None:
        (tmp_path / "en.txt").write_text("Raw.\n", encoding="utf-8")
        text = read_text(tmp_path, str(SCENES / "scenes-{language}.txt"))
        assert len(text.groups["line_aligned"]) == 3000
        assert {len(group) for group in text.groups["line_aligned"]} == {15}

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.tsv", "en\txx\nA\tB\n", "a.tsv has the header"),
            ("a.tsv", "en\tde\nA\n", "a.tsv:2"),
            ("a.tsv", "lang\ten\ttext\tsource\nxx\tA\tB\tC\n", "a.tsv:2"),
            ("readme.md", "", "no {lang}.txt"),
        ],
    )
    def test_wrong_files_are_named(self, tmp_path: Path, name: str, content: str, message: str) -> None:
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=message.replace("{", r"\{").replace("}", r"\}")):
            read_text(tmp_path)

    def test_small_languages_count(self) -> None:
        assert np.allclose(shares([1_000, 1], 1.0), [1000 / 1001, 1 / 1001])
        assert shares([1_000, 1], 0.3)[1] > 0.1
        assert shares([5, 0], 0.3).tolist() == [1.0, 0.0]

    def test_a_sample_is_spread_over_the_lines(self) -> None:
        lines = [f"{index:04d}" for index in range(1000)]
        assert sample_lines(lines, 40) == [lines[index] for index in np.linspace(0, 999, 10).astype(int)]
        assert sample_lines(lines, 1e9) == lines


class TestPacked:
    def test_record_tells_where_it_comes_from(self, packed: Packed) -> None:
        assert {file["file"] for file in packed.record["files"]} >= {"en.txt", "aligned15.tsv", "pairs-en.tsv"}
        assert all(len(file["sha256"]) == 64 and file["bytes"] > 0 for file in packed.record["files"])
        assert packed.record["pieces"]["th"] == packed.lengths[packed.languages == LANGUAGES.index("th")].sum()
        assert packed.record["groups"] == {"aligned15.tsv": 150, "pairs-en.tsv": 2}

    def test_sentences_are_what_the_tokenizer_gives(self, packed: Packed, work: Path) -> None:
        tokenizer = AutoTokenizer.from_pretrained(str(work / "tokenizer"))
        text = read_text(work.parent)
        for index in range(0, len(text.sentences), 97):
            if LANGUAGES[text.languages[index]] != "zh":
                start, length = packed.starts[index], packed.lengths[index]
                expected = tokenizer(text.sentences[index], add_special_tokens=False)["input_ids"]
                assert packed.ids[start : start + length].tolist() == expected

    def test_a_share_of_chinese_is_split_into_characters(self, packed: Packed, work: Path) -> None:
        tokenizer = AutoTokenizer.from_pretrained(str(work / "tokenizer"))
        pieces = [len(piece) for piece in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))]
        chinese = np.flatnonzero(packed.languages == LANGUAGES.index("zh"))
        longest = [max(pieces[i] for i in packed.ids[packed.starts[s] :][: packed.lengths[s]]) for s in chinese]
        assert 0.25 < np.mean(np.array(longest) == 1) < 0.5

    def test_pairs_are_of_two_languages(self, packed: Packed) -> None:
        found = dict(pairs(packed))
        assert len(found[1]) == 2
        assert 0.9 * 150 * 105 < len(found[0]) <= 150 * 105
        assert (packed.languages[found[0][:, 0]] != packed.languages[found[0][:, 1]]).all()


class TestBatches:
    def sentences(self, packed: Packed) -> dict[bytes, int]:
        return {
            packed.ids[start : start + length].tobytes(): int(language)
            for start, length, language in zip(packed.starts, packed.lengths, packed.languages, strict=True)
        }

    def test_a_batch_depends_on_seed_and_step_alone(self, packed: Packed) -> None:
        one, two = Batches(packed, batch_settings()), Batches(packed, batch_settings())
        one[5]
        for name, value in one[7].items():
            assert np.array_equal(value, two[7][name])
        assert not np.array_equal(one[7]["labels"], Batches(packed, batch_settings(seed=2))[7]["labels"])
        assert not np.array_equal(one[7]["labels"], Batches(packed, batch_settings(), process=1)[7]["labels"])

    def test_rows_are_sentences_or_pairs_of_two_languages(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings(max_length=64, tlm_share=0.5, contrast_share=0.0))
        known = self.sentences(packed)
        single, double, cut = 0, 0, 0
        for step in range(60):
            for first, second in rows(batches[step]):
                languages = [known.get(text.astype(np.uint16).tobytes()) for text in (first, second) if len(text)]
                cut += None in languages
                single += len(languages) == 1
                double += len(languages) == 2
                if len(languages) == 2 and None not in languages:
                    assert languages[0] != languages[1]
        assert cut < 0.1 * (single + double)
        assert abs(double / (single + double) - 0.5) < 0.08

    def test_sentences_apart_translate_each_other(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings(contrast_share=0.3))
        starts = packed.starts
        group_of, seen, cut = {}, 0, 0
        members = np.split(packed.members, np.cumsum(packed.group_lengths)[:-1])
        for group, sentences in enumerate(members):
            for sentence in sentences:
                text = packed.ids[starts[sentence] : starts[sentence] + packed.lengths[sentence]]
                group_of.setdefault(text.tobytes(), set()).add((group, int(packed.languages[sentence])))
        draws = {True: 0, False: 0}
        for step in range(100):
            batch = batches[step]
            texts = [first.astype(np.uint16).tobytes() for first, _ in rows(batch)]
            draws[bool(batch["apart"])] += len(texts) // 2 if batch["apart"] else len(texts)
            if not batch["apart"]:
                continue
            assert batch["input_ids"].size <= 1024 and len(texts) % 2 == 0 and not batch["token_type_ids"].any()
            for one, two in zip(texts[: len(texts) // 2], texts[len(texts) // 2 :], strict=True):
                pair = [(a, b) for a in group_of.get(one, ()) for b in group_of.get(two, ())]
                assert not pair or any(a[0] == b[0] and a[1] != b[1] for a, b in pair)
                cut += not pair
                seen += bool(pair)
        assert seen > 100 and cut < 0.1 * seen
        assert abs(draws[True] / sum(draws.values()) - 0.3) < 0.08

    def test_spoilt_pairs_hold_words_of_another_sentence_of_their_language(self, packed: Packed) -> None:
        options = dict(tlm_share=1.0, contrast_share=0.0, mlm_probability=0.0, tlm_probability=0.0, max_length=64)
        batches = Batches(packed, batch_settings(**options, mismatch_share=0.4, same_share=0.3))
        known = self.sentences(packed)
        count, same, cut = {0: 0, 1: 0}, 0, 0
        for step in range(60):
            batch = batches[step]
            for (first, second), match in zip(rows(batch), batch["matches"], strict=True):
                first, second = first.astype(np.uint16), second.astype(np.uint16)
                count[int(match)] += 1
                if not match:
                    assert len(first) and len(second)
                    continue
                part = second.tobytes() in first.tobytes()
                same += part
                languages = {known.get(first.tobytes()), known.get(second.tobytes())}
                cut += not part and None in languages
                assert part or None in languages or len(languages) == 2
        assert abs(count[0] / sum(count.values()) - 0.4) < 0.06
        assert abs(same / count[1] - 0.3) < 0.06 and cut < 0.1 * count[1]

    @pytest.mark.parametrize("share", [0.1, 0.9])
    def test_line_aligned_text_has_its_share_of_the_pairs(self, packed: Packed, share: float) -> None:
        own = list(packed.record["groups"]).index("aligned15.tsv")
        groups = {
            LINE_ALIGNED if place == own else name: size
            for place, (name, size) in enumerate(packed.record["groups"].items())
        }
        named = replace(packed, record=packed.record | {"groups": groups})
        settings = batch_settings(tlm_share=1.0, contrast_share=0.0, line_aligned_share=share)
        batches = Batches(named, settings)
        inside = packed.members[np.repeat(packed.group_files, packed.group_lengths) == own]
        starts = set(packed.starts[inside].tolist())
        weights = np.diff(batches.cumulative)
        drawn = np.array([int(start) in starts for start in batches.first[:, 0]])
        assert weights[drawn].sum() == pytest.approx(share) and weights.sum() == pytest.approx(1.0)

    def test_a_share_of_text_that_is_not_there_is_refused(self, packed: Packed) -> None:
        with pytest.raises(InputError, match="--line_aligned_share"):
            Batches(packed, batch_settings(line_aligned_share=0.5))

    def test_what_is_spoilt_is_a_stretch_of_a_quarter_or_more(self, packed: Packed) -> None:
        options = dict(tlm_share=1.0, contrast_share=0.0, mlm_probability=0.0, tlm_probability=0.0)
        spoilt = Batches(packed, batch_settings(**options, mismatch_share=1.0))
        for step in range(20):
            rng = np.random.default_rng(step)
            second = np.stack([packed.starts[:50], packed.lengths[:50].astype(np.int64)], axis=1)
            languages = np.stack([packed.languages[:50]] * 2, axis=1)
            after, stretch, matches = spoilt._spoil(second, second, languages, rng)
            assert (after == second).all() and not matches.any()
            begin, width, start, size = stretch.T
            assert (width >= after[:, 1] / 4).all() and (begin >= 0).all() and (begin + width <= after[:, 1]).all()
            sentence = np.searchsorted(packed.starts, start)
            assert (packed.starts[sentence] == start).all() and (packed.lengths[sentence] == size).all()
            assert (packed.languages[sentence] == languages[:, 1]).all()

    def test_without_mismatches_no_row_is_asked(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings())
        assert all((batches[step]["matches"] == IGNORED).all() for step in range(10))

    def test_small_languages_are_drawn(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings(tlm_share=0.0, contrast_share=0.0))
        known = self.sentences(packed)
        drawn = np.zeros(15)
        for step in range(60):
            for first, _ in rows(batches[step]):
                language = known.get(first.astype(np.uint16).tobytes())
                drawn[language if language is not None else 0] += 1
        assert (drawn / drawn.sum() > 0.03).all()

    def test_layout(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings(reset_positions=0.5))
        seen = set()
        for step in range(20):
            batch = batches[step]
            assert batch["input_ids"].size <= 1024
            ids, mask, types = batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]
            assert (ids[:, 0] == 2).all() and ((ids == 0) == (mask == 0)).all()
            for row in range(len(ids)):
                length, first = mask[row].sum(), (mask[row].astype(bool) & (types[row] == 0)).sum()
                assert ids[row, length - 1] == 3 and ids[row, first - 1] == 3
                position = batch["position_ids"][row]
                reset = first < length and position[first] == 0
                expected = np.r_[0:first, 0 : length - first] if reset else np.arange(length)
                assert position[:length].tolist() == expected.tolist()
                seen.add((first < length, bool(reset)))
        assert seen == {(False, False), (True, False), (True, True)}

    def test_whole_words_are_masked(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings(mlm_probability=0.2, tlm_probability=0.4, contrast_share=0.0))
        chosen, total, masked, kept = np.zeros(2), np.zeros(2), 0, 0
        for step in range(80):
            batch = batches[step]
            real = batch["labels"] != IGNORED
            flat = np.zeros(batch["input_ids"].size, dtype=bool)
            flat[batch["positions"][real]] = True
            flat = flat.reshape(batch["input_ids"].shape)
            original = batch["input_ids"].copy()
            original.ravel()[batch["positions"][real]] = batch["labels"][real]
            inside = ~packed.starts_word[original] & (original > 4)
            inside[:, 0] = False
            before = np.roll(flat, 1, axis=1)
            special_before = np.roll(original, 1, axis=1) < 5
            assert (flat == before)[inside & ~special_before].all()
            assert not flat[original < 5].any()
            paired = batch["token_type_ids"].any(axis=1)
            for kind in (0, 1):
                chosen[kind] += flat[paired == bool(kind)].sum()
                total[kind] += (original[paired == bool(kind)] > 4).sum()
            masked += (batch["input_ids"].ravel()[batch["positions"][real]] == 4).sum()
            kept += (batch["input_ids"].ravel()[batch["positions"][real]] == batch["labels"][real]).sum()
        assert np.allclose(chosen / total, [0.2, 0.4], atol=0.03)
        assert abs(masked / chosen.sum() - 0.8) < 0.03 and abs(kept / chosen.sum() - 0.1) < 0.03


class TestAlignment:
    @pytest.fixture
    def toy(self) -> Packed:
        """600 sentences of 4 parts of speech of 8 words each, pieces 5 to 36; German is 40 more, in reverse order."""
        rng = np.random.default_rng(0)
        kinds = np.array([[0, 1, 2, 0, 1], [0, 3, 1, 2, 3]])[rng.integers(2, size=600)]
        english = 5 + 8 * kinds + rng.integers(8, size=kinds.shape)
        sentences = np.stack([english, english[:, ::-1] + 40], axis=1).reshape(-1, 5)
        spoken = [LANGUAGES.index("en"), LANGUAGES.index("de")] * 600
        return Packed(
            ids=sentences.ravel().astype(np.uint16),
            lengths=np.full(1200, 5, dtype=np.uint16),
            languages=np.array(spoken, dtype=np.uint8),
            group_lengths=np.full(600, 2, dtype=np.uint8),
            group_files=np.zeros(600, dtype=np.uint8),
            members=np.arange(1200, dtype=np.uint32),
            starts_word=np.ones(100, dtype=bool),
            record={"groups": {"toy": 600}},
        )

    def test_translations_are_found(self, toy: Packed) -> None:
        links = translation_links(toy, LANGUAGES.index("de"), np.random.default_rng(0))
        best = {}
        for english, foreign, count in zip(links.english, links.foreign, links.counts, strict=True):
            best[foreign] = max(best.get(foreign, (0.0, 0)), (count, english))
        assert {foreign: english for foreign, (_, english) in best.items()} == {45 + n: 5 + n for n in range(32)}

    def test_words_used_alike_and_translations_are_near(self, toy: Packed) -> None:
        vectors, known = usage_vectors(toy, 16, seed=1)
        assert known.tolist() == [5 <= n < 37 or 45 <= n < 77 for n in range(100)]
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
        alike = vectors[5:37] @ vectors[5:37].T
        kind = np.arange(32) // 8
        assert alike[kind[:, None] == kind].mean() > alike[kind[:, None] != kind].mean() + 0.3
        assert ((vectors[45:77] @ vectors[5:37].T).argmax(axis=1) == np.arange(32)).mean() > 0.9
        again, _ = usage_vectors(toy, 16, seed=1)
        assert np.allclose(vectors, again, atol=1e-4)

    def test_the_stage_covers_the_vocabulary(self, work: Path, packed: Packed) -> None:
        assert np.load(work / "embeddings.npy").shape == (len(packed.starts_word), 32)


class TestTrain:
    def run(self, packed: Packed, folder: Path, steps: int, **run: float) -> Path:
        settings = training_settings(max_steps=steps, warmup_steps=2, decay_steps=4, learning_rate=3e-3)
        return self.train(packed, config(packed), batch_settings(), settings, folder, **run)

    def train(
        self,
        packed: Packed,
        shape: BertConfig,
        batches: BatchSettings,
        settings: TrainingSettings,
        folder: Path,
        embeddings: np.ndarray | None = None,
        start_from: Path | None = None,
        **run: float,
    ) -> Path:
        how = RunSettings(**{"precision": "no", "logging_steps": 2} | run)
        start = {"embeddings": embeddings, "start_from": start_from}
        return Training(packed, shape, batches, settings, how, folder, **start).train()

    def test_in_stages_as_in_one_go(self, packed: Packed, tmp_path: Path) -> None:
        whole = self.run(packed, tmp_path / "whole", 8)
        for _ in range(3):
            part = self.run(packed, tmp_path / "parts", 8, max_minutes=0.0)
        assert load_state(part)["step"] == 3
        assert sorted(path.name for path in part.parent.glob("checkpoint*")) == ["checkpoint-00000003"]
        part = self.run(packed, tmp_path / "parts", 8)
        for stem in ("model", "optimizer"):
            one, two = load_parts(whole, stem), load_parts(part, stem)
            assert one.keys() == two.keys() and len(one) > 10
            assert all(torch.equal(one[name], two[name]) for name in one)
        one, two = load_state(whole), load_state(part)
        assert one["tokens"] == two["tokens"] > 0 and one["step"] == two["step"] == 8
        curves = [(tmp_path / name / "loss.jsonl").read_text().splitlines() for name in ("whole", "parts")]
        assert [json.loads(line)["step"] for line in curves[0]] == [2, 4, 6, 8]
        assert json.loads(curves[0][-1])["loss"] == json.loads(curves[1][-1])["loss"]

    def test_a_finished_run_stays_as_it_is(self, packed: Packed, tmp_path: Path) -> None:
        one = self.run(packed, tmp_path, 2)
        weights = load_parts(one, "model")
        assert self.run(packed, tmp_path, 2) == one
        assert all(torch.equal(weights[name], tensor) for name, tensor in load_parts(one, "model").items())

    def test_other_settings_are_refused(self, packed: Packed, tmp_path: Path) -> None:
        self.run(packed, tmp_path, 1)
        settings = training_settings(max_steps=2, warmup_steps=0, decay_steps=0)
        with pytest.raises(InputError, match="another config"):
            self.train(packed, config(packed, num_hidden_layers=3), batch_settings(), settings, tmp_path)
        with pytest.raises(InputError, match="another batches"):
            self.train(packed, config(packed), batch_settings(seed=9), settings, tmp_path)

    def test_a_checkpoint_without_its_optimizer_starts_a_new_run(self, packed: Packed, tmp_path: Path) -> None:
        checkpoint = self.run(packed, tmp_path / "one", 1)
        for path in checkpoint.glob("optimizer-*"):
            path.unlink()
        with pytest.raises(InputError, match="--start_from"):
            self.run(packed, tmp_path / "one", 2)
        settings = training_settings(max_steps=1, warmup_steps=0, decay_steps=0, learning_rate=0.0)
        again = self.train(packed, config(packed), batch_settings(), settings, tmp_path / "two", start_from=checkpoint)
        one, two = load_parts(checkpoint, "model"), load_parts(again, "model")
        assert all(torch.equal(one[name], two[name]) for name in one)
        with pytest.raises(InputError, match="another model"):
            shape = config(packed, num_hidden_layers=1)
            self.train(packed, shape, batch_settings(), settings, tmp_path / "three", start_from=checkpoint)

    def test_a_tiny_text_is_learnt_by_heart(self, packed: Packed, tmp_path: Path) -> None:
        none = packed.group_lengths[:0]
        few = replace(
            packed, lengths=packed.lengths[:10], languages=packed.languages[:10], group_lengths=none, group_files=none
        )
        settings = training_settings(max_steps=200, warmup_steps=10, decay_steps=50, learning_rate=5e-3)
        shape = config(packed, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        self.train(few, shape, batch_settings(tokens=512), settings, tmp_path, logging_steps=20)
        losses = [json.loads(line)["loss"] for line in (tmp_path / "loss.jsonl").read_text().splitlines()]
        # 7.8 is guessing among 2,500 pieces.
        assert losses[0] > 5.0 and losses[-1] < 1.5

    def test_embeddings_are_where_training_starts(self, packed: Packed, work: Path, tmp_path: Path) -> None:
        vectors = np.load(work / "embeddings.npy")
        settings = training_settings(max_steps=1, warmup_steps=0, decay_steps=0, learning_rate=0.0)
        checkpoint = self.train(packed, config(packed), batch_settings(), settings, tmp_path, embeddings=vectors)
        weights = load_parts(checkpoint, "model")
        for name in ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"):
            found = weights[name].numpy()
            assert np.allclose(found[1:], vectors[1:].astype(np.float32) * 0.02 * 32**0.5, atol=1e-6)

    def test_embeddings_learn_more_slowly(self, packed: Packed, tmp_path: Path) -> None:
        moved = []
        for share in (0.0, 0.1, 1.0):
            settings = training_settings(max_steps=3, warmup_steps=0, decay_steps=0, embedding_rate=share)
            vectors = np.ones((len(packed.starts_word), 32), dtype=np.float32)
            folder = tmp_path / str(share)
            checkpoint = self.train(packed, config(packed), batch_settings(), settings, folder, embeddings=vectors)
            weight = load_parts(checkpoint, "model")["bert.embeddings.word_embeddings.weight"]
            moved.append(float((weight[1:] - 0.02 * 32**0.5).abs().mean()))
        assert moved[0] < 1e-7 and 0 < 5 * moved[1] < moved[2]

    @pytest.mark.parametrize(("precision", "tolerance"), [(False, 1e-5), (True, 0.02)])
    def test_loss_is_that_of_transformers(self, packed: Packed, precision: bool, tolerance: float) -> None:
        torch.manual_seed(0)
        network = pretraining_loss(packed, match_weight=1.0)
        batch = {name: torch.from_numpy(value) for name, value in Batches(packed, batch_settings())[0].items()}
        positions, labels, apart, matches = (batch.pop(name) for name in ("positions", "labels", "apart", "matches"))
        full = torch.full(batch["input_ids"].shape, IGNORED)
        full.view(-1)[positions[labels != IGNORED]] = labels[labels != IGNORED]
        with torch.no_grad():
            expected = network.model(**batch, labels=full).loss
            with torch.autocast("cpu", torch.bfloat16, enabled=precision):
                assert torch.allclose(network(positions, labels, apart, matches, **batch)[0], expected, atol=tolerance)

    def test_matching_is_learnt_from_rows_that_are_asked(self, packed: Packed) -> None:
        torch.manual_seed(0)
        network = pretraining_loss(packed, match_weight=2.0)
        settings = batch_settings(tlm_share=0.5, mismatch_share=0.5)
        batch = {name: torch.from_numpy(value) for name, value in Batches(packed, settings)[0].items()}
        asked = batch["matches"] != IGNORED
        assert set(batch["matches"].tolist()) == {IGNORED, 0, 1}
        with torch.no_grad():
            inputs = {
                name: value for name, value in batch.items() if name.endswith("_ids") or name == "attention_mask"
            }
            first = network.model.bert(**inputs).last_hidden_state[asked, 0]
            scores = network.model.cls.seq_relationship(first)
            expected = torch.nn.functional.cross_entropy(scores, batch["matches"][asked])
            loss, parts = network(**batch)
            nothing, _ = network(**batch | {"matches": torch.full_like(batch["matches"], IGNORED)})
        assert torch.allclose(parts["matching_loss"], expected, atol=1e-5)
        assert torch.allclose(loss - nothing, 2 * expected, atol=1e-5)

    def test_the_cross_entropy_of_a_cpu_and_its_gradients(self) -> None:
        generator = torch.Generator().manual_seed(0)
        shapes = ((1100, 16), (50, 16), (50,))
        inputs = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
        labels = torch.randint(50, (1100,), generator=generator)
        labels[::7] = IGNORED
        expected = torch.nn.functional.cross_entropy(torch.nn.functional.linear(*inputs), labels)
        found = linear_cross_entropy(*inputs, labels)
        assert torch.allclose(found, expected, rtol=1e-5)
        wanted = torch.autograd.grad(3 * expected, inputs)
        for one, two in zip(torch.autograd.grad(3 * found, inputs), wanted, strict=True):
            assert torch.allclose(one, two, atol=1e-6)
        nothing = linear_cross_entropy(*inputs, torch.full((1100,), IGNORED))
        assert nothing == 0 and not torch.autograd.grad(nothing, inputs[0])[0].any()

    def test_the_contrast_is_low_where_translations_are_alike(self) -> None:
        states = torch.eye(8)[:6, None].repeat(1, 3, 1)
        mask = torch.tensor([[1, 1, 0]] * 3 + [[1, 1, 1]] * 3)
        right = torch.cat([states[:3], states[:3]])
        right[:3, 2] = 9.0
        assert translation_contrast(right, mask) < 1e-6
        wrong = torch.cat([states[:3], states[[1, 2, 0]]])
        assert torch.allclose(translation_contrast(wrong, mask, temperature=0.5), torch.tensor(2.2395), atol=1e-3)
        assert torch.allclose(translation_contrast(states, mask), torch.log(torch.tensor(3.0)))

    def test_the_word_contrast_is_what_a_loop_finds(self) -> None:
        generator = torch.Generator().manual_seed(3)
        states = torch.randn((12, 5, 8), generator=generator)
        ids = torch.randint(5, 9, (12, 5), generator=generator)  # Few ids: most batches hold one twice.
        ids[:, 0], ids[::2, 4] = 2, 0
        unit = torch.nn.functional.normalize(states, dim=-1)
        aligned = []
        for row in range(6):
            alike = {
                (i, j): float(unit[row, i] @ unit[row + 6, j])
                for i in range(5)
                for j in range(5)
                if ids[row, i] >= 5 and ids[row + 6, j] >= 5
            }
            for (i, j), value in alike.items():
                if (
                    value
                    == max(v for (a, _), v in alike.items() if a == i)
                    == max(v for (_, b), v in alike.items() if b == j)
                ):
                    aligned.append((unit[row, i], int(ids[row, i]), unit[row + 6, j], int(ids[row + 6, j])))
        losses = []
        for one, one_id, two, two_id in aligned:
            wrong = [float(other @ one / 0.1) for *_, other, other_id in aligned if other_id != two_id]
            back = [float(other @ two / 0.1) for other, other_id, *_ in aligned if other_id != one_id]
            right = float(one @ two / 0.1)
            losses += [float(torch.tensor([right, *values]).logsumexp(0)) - right for values in (wrong, back)]
        assert len(aligned) > 5
        assert word_contrast(states, ids, 5).item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)

    def test_the_word_contrast_leaves_special_tokens_out(self) -> None:
        states = torch.randn((4, 5, 8), generator=torch.Generator().manual_seed(0)).requires_grad_()
        ids = torch.tensor([[2, 7, 8, 3, 0], [2, 9, 4, 10, 3], [2, 11, 12, 3, 0], [2, 13, 4, 14, 3]])
        (grad,) = torch.autograd.grad(word_contrast(states, ids, 5), states)
        assert not grad[ids < 5].any() and grad[ids >= 5].any()
        nothing = word_contrast(states, torch.full_like(ids, 3), 5)
        assert nothing == 0 and not torch.autograd.grad(nothing, states)[0].any()

    def test_translations_come_to_be_alike(self, packed: Packed, tmp_path: Path) -> None:
        lengths = packed.group_lengths[:40]
        members, record = packed.members[: lengths.sum()], packed.record | {"groups": {"aligned15.tsv": 40}}
        few = replace(
            packed, group_lengths=lengths, group_files=packed.group_files[:40], members=members, record=record
        )
        settings = training_settings(
            max_steps=150, warmup_steps=5, decay_steps=10, learning_rate=5e-3, contrast_weight=5.0
        )
        batches = batch_settings(tlm_share=0.0, contrast_share=1.0, max_length=32)
        self.train(few, config(packed), batches, settings, tmp_path, logging_steps=10)
        losses = [json.loads(line)["contrastive_loss"] for line in (tmp_path / "loss.jsonl").read_text().splitlines()]
        assert losses[-1] < 0.85 * losses[0]

    def test_learning_rate(self) -> None:
        settings = training_settings(max_steps=100, warmup_steps=10, decay_steps=20, learning_rate=1.0)
        assert [round(settings.rate(step), 3) for step in (0, 9, 50, 80, 90, 99)] == [0.1, 1.0, 1.0, 1.0, 0.5, 0.05]

    def test_long_tensors_are_cut(self, tmp_path: Path) -> None:
        tensors = {"long": torch.arange(8_000_000.0).view(4000, 2000), "short": torch.ones(3)}
        save_parts(tensors, tmp_path, "model")
        assert len(list(tmp_path.iterdir())) == 3
        assert all(path.stat().st_size < 12_100_000 for path in tmp_path.iterdir())
        again = load_parts(tmp_path, "model")
        assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())


class TestCommand:
    def test_train_and_export_need_only_the_packed_file(self, work: Path, tmp_path: Path) -> None:
        # As on a machine without datasets, scipy and tokenized text.
        code = (
            "import sys; sys.modules.update(dict.fromkeys(['scipy', 'datasets', 'evaluate']))\n"
            f"sys.path.insert(0, {str(EXAMPLES)!r})\n"
            "from pretrain_mini import main; main(sys.argv[1:])"
        )
        command = ["train", "--packed", str(work / "packed.npz"), "--work_dir", str(tmp_path), *TINY]
        command += ["--max_steps", "3", "--batch_tokens", "512", "--workers", "1"]
        subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True)
        checkpoint = last_checkpoint(tmp_path / "training")
        assert checkpoint is not None and load_state(checkpoint)["step"] == 3
        output = tmp_path / "encoder"
        main(
            ["export", "--work_dir", str(tmp_path), "--tokenizer_dir", str(work / "tokenizer")]
            + ["--output_dir", str(output)]
        )
        assert {path.name for path in output.iterdir()} == {
            "config.json", "model.safetensors", "pretraining.json", "tokenizer.json", "tokenizer_config.json"
        }  # fmt: skip
        weights = load_file(str(output / "model.safetensors"))
        assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
        model, report = AutoModel.from_pretrained(
            str(output), add_pooling_layer=False, dtype=torch.float32, output_loading_info=True
        )
        assert not report["missing_keys"] and not report["unexpected_keys"]
        trained = load_parts(checkpoint, "model")
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter, trained[f"bert.{name}"].half().float()), name
        tokenizer = AutoTokenizer.from_pretrained(str(output))
        assert torch.isfinite(model(**tokenizer("我", "a tree", return_tensors="pt")).last_hidden_state).all()

    def test_shrunk_weights_start_another_run(self, work: Path, tmp_path: Path) -> None:
        command = ["train", "--packed", str(work / "packed.npz"), *TINY, "--max_steps", "1", "--precision", "no"]
        main([*command, "--work_dir", str(tmp_path / "one")])
        small = tmp_path / "small"
        main(["export", "--work_dir", str(tmp_path / "one"), "--shrink_to", str(small)])
        start = ["--start_from", str(small), "--learning_rate", "0"]
        main([*command, *start, "--work_dir", str(tmp_path / "two")])
        tokenizer = ["--tokenizer_dir", str(work / "tokenizer"), "--output_dir", str(tmp_path / "encoder")]
        main(["export", "--work_dir", str(tmp_path / "two"), *tokenizer])
        stages = json.loads((tmp_path / "encoder" / "pretraining.json").read_text(encoding="utf-8"))["stages"]
        assert [stage["training"]["learning_rate"] for stage in stages] == [1e-3, 0.0]
        assert [len(stage["curve"]) for stage in stages] == [0, 1] and stages[1]["curve"][0]["step"] == 1
        assert all(stage["packed"]["files"][0]["sha256"] and stage["tokens"] > 0 for stage in stages)
        card = make_card(tmp_path / "encoder", "tiny", [], "loss.png", "One core.")
        assert f"| 1 | 1 | {stages[0]['tokens'] / 1e6:.1f} M |" in card and "One core." in card
        for file in stages[1]["packed"]["files"]:
            assert f"| `{file['file']}` | {file['lines']:,} | {file['bytes']:,} |" in card
        one, two = (last_checkpoint(tmp_path / name / "training") for name in ("one", "two"))
        expected, found = load_parts(one, "model"), load_parts(two, "model")
        assert all(torch.equal(found[name], tensor.half().float()) for name, tensor in expected.items())

    def test_an_exported_encoder_starts_another_run(self, work: Path, tmp_path: Path) -> None:
        command = ["train", "--packed", str(work / "packed.npz"), *TINY, "--precision", "no"]
        export = ["export", "--tokenizer_dir", str(work / "tokenizer"), "--output_dir"]
        start: list[str] = []
        for number, rate in enumerate(("1e-3", "2e-3", "0")):
            run, encoder = str(tmp_path / f"run{number}"), str(tmp_path / f"encoder{number}")
            main([*command, *start, "--max_steps", "1", "--learning_rate", rate, "--work_dir", run])
            main([*export, encoder, "--work_dir", run])
            start = ["--start_from", encoder]
        one, two = (load_file(str(tmp_path / f"encoder{number}" / "model.safetensors")) for number in (1, 2))
        assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
        last = load_parts(last_checkpoint(tmp_path / "run2" / "training"), "model")
        assert torch.equal(last["cls.predictions.decoder.weight"], last["bert.embeddings.word_embeddings.weight"])
        stages = json.loads((tmp_path / "encoder2" / "pretraining.json").read_text(encoding="utf-8"))["stages"]
        assert [stage["training"]["learning_rate"] for stage in stages] == [1e-3, 2e-3, 0.0]
        assert all(stage["curve"] and stage["tokens"] > 0 for stage in stages)

    def test_what_is_nothing_to_start_from_is_refused(self, work: Path, tmp_path: Path, capsys) -> None:
        command = ["train", "--packed", str(work / "packed.npz"), *TINY, "--precision", "no"]
        command += ["--work_dir", str(tmp_path / "run")]
        with pytest.raises(SystemExit):
            main([*command, "--start_from", str(tmp_path)])
        assert "nor an exported encoder" in capsys.readouterr().err
        with pytest.raises(SystemExit):
            main([*command, "--start_from", str(EXAMPLES / "mini" / "encoder")])
        assert "another shape" in capsys.readouterr().err

    def test_a_finished_stage_is_skipped(self, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = (work / "packed.npz").stat().st_mtime_ns
        main(["pack", "--work_dir", str(work), "--text_dir", str(work.parent)])
        assert "skipped" in capsys.readouterr().out
        assert (work / "packed.npz").stat().st_mtime_ns == before

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["tokenizer"], "--text_dir"),
            (["pack", "--text_dir", "."], "stage tokenizer"),
            (["train"], "stage pack"),
            (["train", "--contrast_layer", "9"], "layers 0 to 6"),
            (["train", "--tlm_share", "0.6", "--contrast_share", "0.6"], "--tlm_share"),
            (["export", "--output_dir", "x"], "stage train"),
        ],
    )
    def test_what_is_missing_is_named(
        self, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as caught:
            main([*arguments, "--work_dir", str(tmp_path)])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err
