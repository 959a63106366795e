"""Read sentences whose words stand a line each, with their tags: token⇥tag files, CoNLL and CoNLL-U."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from ..command.wording import counted
from ..errors import InputError
from .files import Table, read_content
from .text import decode

CONLL_EXTENSIONS = (".tsv", ".txt", ".conll", ".bio", ".iob2", ".conllu")

# A word, its tag and the number of its line.
Word = tuple[str, str, int]

_IDENTIFIER = re.compile(r"[0-9]{1,6}([-.][0-9]{1,6})?")

# XTREME's ranking of the tags of a fused form's parts where none governs the others (third_party/ud-conversion-tools,
# conllu_to_conll.py), by language; a tag that a ranking lacks comes after those that it has.
_RANKING = {
    "default": "VERB NOUN PROPN PRON ADJ NUM ADV INTJ AUX ADP DET PART CCONJ SCONJ X PUNCT".split(),
    "es": "VERB AUX PRON ADP DET".split(),
    "fr": "VERB AUX PRON NOUN ADJ ADV ADP DET PART SCONJ CCONJ".split(),
    "it": "VERB AUX ADV PRON ADP DET INTJ".split(),
}


def read_sentences(path: str, language: str, max_sentences: int | None = None) -> Table:
    """Read sentences of tagged words; blank lines part the sentences, and several count as one.

    - `.tsv`, `.txt`, `.conll`, `.bio`, `.iob2`: a word a line, its columns parted by tabs where the line has any, else
      by spaces; the first is the word, the last its tag. There is no header, and `#` is a word like any other. Lines
      of `-DOCSTART-` (CoNLL-2003) are left out.
    - `.conllu`: the form and its UPOS. A multiword token (`1-2`) is one word, its fused form, as in running text and
      in XTREME; its tag is that of the part that governs the others or, where parts are equally high in the tree, the
      one that XTREME ranks first. Empty nodes (`1.1`) are not words and are left out. Ids must count from 1 in every
      sentence, and ranges must lie on words that are there.

    Text is UTF-8; a byte order mark and CRLF line ends are fine. Unusual white space in a word is kept.

    Args:
        path: The file; a leading `~` is expanded.
        language: Code of the file's language, for XTREME's ranking.
        max_sentences: Read no more than the first `max_sentences` sentences.

    Returns:
        A table of at least one sentence, with the columns words and tags, whose places are the sentences' first lines.

    Raises:
        InputError: If the file is missing, unreadable, not UTF-8, empty or malformed; the message names file and line.
    """
    content = read_content(path)
    numbered = enumerate(decode(content, path).split("\n"), start=1)
    lines = ((number, line.removesuffix("\r")) for number, line in numbered)
    parse = _conllu_sentences if path.lower().endswith(".conllu") else _conll_sentences
    sentences = list(islice(parse(lines, path, language), max_sentences))
    if not sentences:
        raise InputError(f"{path}: no sentences. Give a file with at least one word and its tag.")
    return Table(
        [[[word[0] for word in words] for words in sentences], [[word[1] for word in words] for words in sentences]],
        path,
        "line",
        [words[0][2] for words in sentences],
        word_places=[[word[2] for word in words] for words in sentences],
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
    )


def _conll_sentences(lines: Iterator[tuple[int, str]], source: str, language: str) -> Iterator[list[Word]]:
    words: list[Word] = []
    for number, line in lines:
        if not line.strip(" \t"):
            if words:
                yield words
            words = []
            continue
        columns = conll_columns(line, number, source)
        if columns[0] == "-DOCSTART-":
            continue
        if len(columns) < 2 or not columns[-1].strip():
            raise InputError(
                f"{source}, line {number}: malformed, expected a word and its tag with a tab or a space between, or a "
                f"blank line between sentences, but the line is {line!r}."
            )
        words.append((columns[0], columns[-1].strip(), number))
    if words:
        yield words


def conll_columns(line: str, number: int, source: str) -> list[str]:
    """Split a line that is not blank into the word and what else stands there.

    Raises:
        InputError: If it has no word.
    """
    columns = line.split("\t") if "\t" in line else [column for column in line.split(" ") if column]
    if not columns[0]:
        raise InputError(f"{source}, line {number}: malformed, there is no word before the tab in {line!r}.")
    return columns


def conllu_words(lines: Iterable[tuple[int, str]], source: str) -> list[str]:
    """Return the words of one sentence's lines as in running text; none for comments alone.

    Raises:
        InputError: If a line is malformed.
    """
    return [word for words in _conllu_sentences(iter(lines), source, "") for word, _, _ in words]


def _conllu_sentences(lines: Iterator[tuple[int, str]], source: str, language: str) -> Iterator[list[Word]]:
    rows: list[tuple[int, list[str]]] = []
    for number, line in lines:
        if line.startswith("#"):
            continue
        if line.strip():
            columns = line.split("\t")
            if len(columns) != 10:
                raise InputError(
                    f"{source}, line {number}: malformed, {counted(len(columns), 'column')} where CoNLL-U has "
                    "10, tab-separated."
                )
            rows.append((number, columns))
            continue
        if rows:
            yield _fused(rows, source, language)
        rows = []
    if rows:
        yield _fused(rows, source, language)


def _fused(rows: Sequence[tuple[int, list[str]]], source: str, language: str) -> list[Word]:
    """The words of one sentence as in running text."""
    _check_ids(rows, source)
    parts: dict[int, Word] = {}
    heads: dict[int, str] = {}
    fused: dict[int, tuple[int, str, int]] = {}  # First part: last part, form, line.
    for number, (identifier, form, _, tag, _, _, head, *_) in rows:
        if "-" in identifier:
            first, last = map(int, identifier.split("-"))
            fused[first] = (last, form, number)
        elif "." not in identifier:
            parts[int(identifier)] = (form, tag, number)
            heads[int(identifier)] = head
    words: list[Word] = []
    covered = 0
    for position, part in parts.items():
        if position in fused:
            covered, form, number = fused[position]
            span = {index: parts[index][1] for index in range(position, covered + 1)}
            words.append((form, _governing_tag(span, heads, language), number))
        elif position > covered:
            words.append(part)
    return words


def _check_ids(rows: Sequence[tuple[int, list[str]]], source: str) -> None:
    """Check that ids count up from 1, as CoNLL-U asks, and ranges end at a word: else words would be lost."""
    words = empty = covered = opened = 0
    for number, (identifier, form, *_) in rows:
        if not _IDENTIFIER.fullmatch(identifier):
            raise InputError(
                f"{source}, line {number}: malformed, '{identifier}' is not a CoNLL-U id (1, 1-2 or 1.1)."
            )
        if not form:
            raise InputError(f"{source}, line {number}: malformed, there is no word in the second column.")
        expected = str(words + 1)
        if "." in identifier:
            empty += 1
            expected = f"{words}.{empty}"
        elif "-" in identifier and words >= covered:
            covered, opened = max(int(identifier.partition("-")[2]), words + 1), number
            expected = f"{words + 1}-{covered}"
        elif "-" not in identifier:
            words, empty = words + 1, 0
        if identifier != expected:
            again = " Is the blank line before a sentence missing?" if re.match(r"[01]\b", identifier) else ""
            raise InputError(
                f"{source}, line {number}: malformed, the id is {identifier} where {expected} should follow, so that "
                f"words would be lost or misplaced. Correct the ids.{again}"
            )
    if covered > words:
        raise InputError(
            f"{source}, line {opened}: malformed, the range ends at {covered}, but the sentence at {words}. Correct "
            "the range, or add the lines that are missing."
        )
    if not words:
        raise InputError(f"{source}, line {rows[0][0]}: malformed, the sentence has no words. Remove it.")


def _governing_tag(span: Mapping[int, str], heads: Mapping[int, str], language: str) -> str:
    ranking = _RANKING.get(language, _RANKING["default"])

    def order(part: int) -> tuple[int, int]:
        tag = span[part]
        return _depth(part, heads), ranking.index(tag) if tag in ranking else len(ranking)

    return span[min(span, key=order)]


def _depth(node: int, heads: Mapping[int, str]) -> int:
    """Number of nodes above this one; a tree with a cycle, which would be an error of the file, ends there."""
    above: set[int] = set()
    while heads[node].isdigit() and int(heads[node]) in heads and int(heads[node]) not in above:
        node = int(heads[node])
        above.add(node)
    return len(above)
