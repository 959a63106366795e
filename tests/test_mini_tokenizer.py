"""The tokenizer of dlfa-mini: all text, whole words, both lines of transformers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mini_tokenizer import starts_word
from pretrain_mini import main
from pretraining_text import LANGUAGES
from transformers import AutoTokenizer

from .pretraining import (
    SCENES,
    TOKENIZER,
)

pytest_plugins = "tests.pretraining_fixtures"


@pytest.fixture(scope="module")
def tokenizer(mini_work: Path):
    return AutoTokenizer.from_pretrained(str(mini_work / "tokenizer"))


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

    def test_its_class_exists_on_both_lines_of_transformers(self, mini_work: Path) -> None:
        # v4 has no TokenizersBackend, the name under which v5 saves generic tokenizers; v5 keeps this one as an alias.
        settings = json.loads((mini_work / "tokenizer" / "tokenizer_config.json").read_text(encoding="utf-8"))
        assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
        assert "auto_map" not in settings

    def test_two_trainings_agree_but_for_the_edge(self, mini_work: Path, tmp_path: Path) -> None:
        text = str(mini_work.parent)
        main(["tokenizer", "--text_dir", text, "--work_dir", str(tmp_path), *TOKENIZER])
        one, two = (
            AutoTokenizer.from_pretrained(str(path / "tokenizer")).get_vocab() for path in (mini_work, tmp_path)
        )
        assert len(one.keys() & two.keys()) > 0.98 * len(one)

    def test_word_starts(self) -> None:
        vocabulary = ["[CLS]", "▁the", "ing", "我", "ไทย", "ั", "7", "▁7", ".", "<0xE4>", "<0x9F>", "्या"]
        expected = [True, True, False, True, True, False, False, True, True, True, False, False]
        assert starts_word(vocabulary).tolist() == expected
