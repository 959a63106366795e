"""Text for pre-training: read, sampled, packed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mini_tokenizer import sample_lines, shares
from pretraining_data import Packed, pairs
from pretraining_text import LANGUAGES, read_text
from transformers import AutoTokenizer

from modeling_dlfa.errors import InputError

from .pretraining import (
    SCENES,
)

pytest_plugins = "tests.pretraining_fixtures"


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

    def test_sentences_are_what_the_tokenizer_gives(self, packed: Packed, mini_work: Path) -> None:
        tokenizer = AutoTokenizer.from_pretrained(str(mini_work / "tokenizer"))
        text = read_text(mini_work.parent)
        for index in range(0, len(text.sentences), 97):
            if LANGUAGES[text.languages[index]] != "zh":
                start, length = packed.starts[index], packed.lengths[index]
                expected = tokenizer(text.sentences[index], add_special_tokens=False)["input_ids"]
                assert packed.ids[start : start + length].tolist() == expected

    def test_a_share_of_chinese_is_split_into_characters(self, packed: Packed, mini_work: Path) -> None:
        tokenizer = AutoTokenizer.from_pretrained(str(mini_work / "tokenizer"))
        pieces = [len(piece) for piece in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))]
        chinese = np.flatnonzero(packed.languages == LANGUAGES.index("zh"))
        longest = [max(pieces[i] for i in packed.ids[packed.starts[s] :][: packed.lengths[s]]) for s in chinese]
        assert 0.25 < np.mean(np.array(longest) == 1) < 0.5

    def test_pairs_are_of_two_languages(self, packed: Packed) -> None:
        found = dict(pairs(packed))
        assert len(found[1]) == 2
        assert 0.9 * 150 * 105 < len(found[0]) <= 150 * 105
        assert (packed.languages[found[0][:, 0]] != packed.languages[found[0][:, 1]]).all()
