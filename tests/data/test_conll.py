"""Readers of tagged words, on small real files, and on the measuring data where it is there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from modeling_dlfa.data.conll import conllu_words, read_sentences
from modeling_dlfa.data.files import Table
from modeling_dlfa.errors import InputError

from .samples import write

EXPECTED = ([["U.N.", "official"], ["Paris", "#", "."]], [["B-ORG", "O"], ["B-LOC", "O", "O"]])


def columns(table: Table) -> tuple[list[list[str]], list[list[str]]]:
    words, tags = table.columns
    return words, tags


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "U.N.\tB-ORG\nofficial\tO\n\nParis\tB-LOC\n#\tO\n.\tO\n"),
        ("a.tsv", "\ufeffU.N.\tB-ORG\r\nofficial\tO\r\n\r\n\r\n\r\nParis\tB-LOC\r\n#\tO\r\n.\tO"),
        ("a.txt", "U.N. B-ORG\nofficial O \n \nParis B-LOC\n# O\n. O\n\n\n"),
        ("a.CONLL", "-DOCSTART- -X- O\n\nU.N. NNP B B-ORG\nofficial NN I O\n\nParis NNP B B-LOC\n# # x O\n. . . O"),
        ("a.bio", "U.N.\tNNP\tB-ORG\nofficial\tNN\tO\n\nParis\tNNP\tB-LOC\n#\t#\tO\n.\t.\tO\n"),
        ("a.iob2", "U.N.   B-ORG\nofficial  O\n\t\nParis B-LOC\n# O\n. O\n"),
    ],
)  # fmt: skip
def test_formats_agree(tmp_path: Path, name: str, content: str) -> None:
    path = write(tmp_path / name, content)
    table = read_sentences(str(path), "en")
    assert columns(table) == EXPECTED
    assert (table.sha256, table.bytes) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


def test_white_space_inside_words_is_kept(tmp_path: Path) -> None:
    words = ["a b", "\u00a0", "\u3000x", "\u2028", "\x85", "\u200b", '"'[:1]]
    path = write(tmp_path / "a.tsv", "".join(f"{word}\tO\n" for word in words))
    assert columns(read_sentences(str(path), "en"))[0] == [words]


def test_places_and_a_limit_that_reads_no_further(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "a\tO\nb\tO\n\n\nc\tO\n\nmalformed\n")
    table = read_sentences(str(path), "en", max_sentences=2)
    assert columns(table)[0] == [["a", "b"], ["c"]]
    assert [table.where(0), table.where(1), table.where(0, 1)] == [f"{path}, line {n}" for n in (1, 5, 2)]
    with pytest.raises(InputError, match=r"a\.tsv, line 7: malformed, expected a word and its tag .*'malformed'"):
        read_sentences(str(path), "en")


ITALIAN = """# text = Vado al mare della Sardegna.
1\tVado\tandare\tVERB\tV\t_\t0\troot\t_\t_
2-3\tal\t_\t_\t_\t_\t_\t_\t_\t_
2\ta\ta\tADP\tE\t_\t4\tcase\t_\t_
3\til\til\tDET\tRD\t_\t4\tdet\t_\t_
4\tmare\tmare\tNOUN\tS\t_\t1\tobl\t_\t_
4.1\tfantasma\t_\tVERB\t_\t_\t_\t_\t1:conj\t_
5-6\tdella\t_\t_\t_\t_\t_\t_\t_\t_
5\tdi\tdi\tADP\tE\t_\t7\tcase\t_\t_
6\tla\til\tDET\tRD\t_\t7\tdet\t_\t_
7\tSardegna\tSardegna\tPROPN\tSP\t_\t4\tnmod\t_\t_
8\t.\t.\tPUNCT\tFS\t_\t1\tpunct\t_\t_

# a comment alone parts nothing

1-2\tVederlo\t_\t_\t_\t_\t_\t_\t_\t_
1\tVedere\tvedere\tVERB\tV\t_\t0\troot\t_\t_
2\tlo\tlo\tPRON\tPC\t_\t1\tobj\t_\t_
"""


def test_conllu_reads_fused_forms_with_the_tag_of_the_governing_part(tmp_path: Path) -> None:
    table = read_sentences(str(write(tmp_path / "a.conllu", ITALIAN)), "it")
    assert columns(table) == (
        [["Vado", "al", "mare", "della", "Sardegna", "."], ["Vederlo"]],
        [["VERB", "ADP", "NOUN", "ADP", "PROPN", "PUNCT"], ["VERB"]],
    )
    assert table.where(1, 0).endswith("a.conllu, line 16")


def test_the_ranking_of_equal_parts_is_that_of_the_language(tmp_path: Path) -> None:
    """Two heads of one depth: XTREME prefers NOUN to ADV by default, ADV where the Italian list has no NOUN."""
    rows = ["1-2\txy\t_\t_\t_\t_\t_\t_\t_\t_", "1\tx\t_\tNOUN\t_\t_\t3\tx\t_\t_", "2\ty\t_\tADV\t_\t_\t3\tx\t_\t_"]
    path = write(tmp_path / "a.conllu", "\n".join([*rows, "3\tz\t_\tVERB\t_\t_\t0\tx\t_\t_"]) + "\n")
    assert columns(read_sentences(str(path), "de"))[1] == [["NOUN", "VERB"]]
    assert columns(read_sentences(str(path), "it"))[1] == [["ADV", "VERB"]]


def test_a_cyclic_tree_does_not_hang(tmp_path: Path) -> None:
    rows = ["1-2\txy\t_\t_\t_\t_\t_\t_\t_\t_", "1\tx\t_\tADP\t_\t_\t2\tx\t_\t_", "2\ty\t_\tDET\t_\t_\t1\tx\t_\t_"]
    path = write(tmp_path / "a.conllu", "\n".join(rows) + "\n")
    assert columns(read_sentences(str(path), "de"))[1] == [["ADP"]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "", r"a\.tsv: no sentences"),
        ("a.tsv", "\n\n", r"a\.tsv: no sentences"),
        ("a.conllu", "# nothing\n", r"a\.conllu: no sentences"),
        ("a.tsv", "a\tO\n\tO\n", r"a\.tsv, line 2: malformed"),
        ("a.tsv", "a\tO\nb\t\n", r"a\.tsv, line 2: malformed"),
        ("a.txt", "a O\nb\n", r"a\.txt, line 2: malformed"),
        ("a.tsv", "a\tO\nä\tO\n".encode("latin-1"), "line 2: not UTF-8"),
        ("a.conllu", "1\ta\t_\tNOUN\n", "line 1: malformed, 4 columns where CoNLL-U has 10"),
        ("a.conllu", "x\ta\t_\tNOUN\t_\t_\t0\tr\t_\t_\n", "line 1: malformed, 'x' is not a CoNLL-U id"),
        ("a.tsv", "a\tO\nb\x00c\tO\n", "line 2: a NUL byte"),
        ("a.conllu", "1-\ta\t_\tNOUN\t_\t_\t0\tr\t_\t_\n", "line 1: malformed, '1-' is not a CoNLL-U id"),
    ],
)
def test_one_clear_error(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_sentences(str(write(tmp_path / name, content)), "en")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"none\.tsv: there is no such file"):
        read_sentences("none.tsv", "en")


def test_the_measuring_data_is_read_whole(shared: Path) -> None:
    for folder, name, language, sentences, words in (
        ("panx", "dev-sw", "sw", 1_000, 5_609),
        ("panx", "train-en", "en", 20_000, 160_394),
        ("udpos", "test-th", "th", 1_000, 22_322),
        ("udpos", "test-zh", "zh", 3_455, 62_569),
    ):
        path = shared / "data" / folder / f"{name}.tsv"
        if not path.is_file():
            pytest.skip(f"no {path}")
        table = read_sentences(str(path), language)
        blank = path.read_text(encoding="utf-8").split("\n").count("")
        assert len(table.places) == sentences
        assert sum(map(len, table.columns[0])) == words
        assert blank >= sentences  # No sentence was cut in two.


def conllu(*identifiers: str) -> str:
    """A sentence of these ids, each with a word of its own."""
    return "".join(f"{name}\tw{name}\t_\tNOUN\t_\t_\t0\tr\t_\t_\n" for name in identifiers) + "\n"


@pytest.mark.parametrize(
    ("identifiers", "line", "message"),
    [
        (("1", "2", "2"), 4, "the id is 2 where 3 should follow"),
        (("1", "2", "1", "2"), 4, "the id is 1 where 3 should follow.* Is the blank line before a sentence missing?"),
        (("1", "2", "1-2", "1"), 4, "the id is 1-2 where 3-3 should follow.*blank line"),
        (("1", "3"), 3, "the id is 3 where 2 should follow"),
        (("2", "3"), 2, "the id is 2 where 1 should follow"),
        (("1", "2-3", "2"), 3, "the range ends at 3, but the sentence at 2"),
        (("1", "5-6"), 3, "the id is 5-6 where 2-6 should follow"),
        (("1-2",), 2, "the range ends at 2, but the sentence at 0"),
        (("1", "2", "1-2"), 4, "the id is 1-2 where 3-3 should follow"),
        (("2-1", "1"), 2, "the id is 2-1 where 1-1 should follow"),
        (("1-2", "1", "2-3", "2", "3"), 4, "the id is 2-3 where 2 should follow"),
        (("1-2", "1-3", "1", "2", "3"), 3, "the id is 1-3 where 1 should follow"),
        (("1", "4.1"), 3, "the id is 4.1 where 1.1 should follow"),
        (("1", "1.1", "1.1"), 4, "the id is 1.1 where 1.2 should follow"),
        (("0.1",), 2, "the sentence has no words"),
    ],
)  # fmt: skip
def test_ids_that_would_lose_words_are_refused(
    tmp_path: Path, identifiers: tuple[str, ...], line: int, message: str
) -> None:
    """In a file for training, and where a sentence is given to be predicted."""
    content = "# a comment\n" + conllu(*identifiers)
    with pytest.raises(InputError, match=rf"a\.conllu, line {line}: malformed, {message}"):
        read_sentences(str(write(tmp_path / "a.conllu", content)), "en")
    with pytest.raises(InputError, match=message):
        conllu_words(enumerate(content.splitlines(), start=1), "a.conllu")


def test_ids_that_conllu_allows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", conllu("0.1", "1-1", "1", "1.1", "1.2", "2-3", "2", "2.1", "3") + conllu("1"))
    assert columns(read_sentences(str(path), "en"))[0] == [["w1-1", "w2-3"], ["w1"]]


def test_a_word_that_is_absent(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", "1\t\t_\tNOUN\t_\t_\t0\tr\t_\t_\n")
    with pytest.raises(InputError, match="line 1: malformed, there is no word in the second column"):
        read_sentences(str(path), "en")
