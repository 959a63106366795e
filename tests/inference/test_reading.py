"""Texts and words in every format, and broken lines, with the number of each."""

from __future__ import annotations

import io
from typing import Any

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.reading import Example, InputFormat, read_examples


@pytest.mark.parametrize("form", ["lines", "conll", "conllu", "jsonl"])
def test_every_format_of_words(form: str) -> None:
    conllu = "# text\n1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_\n" + "".join(
        f"{index}\t{word}\t_\tX\t_\t_\t0\tx\t_\t_\n" for index, word in ((1, "de"), (2, "le"), (3, "ชาย"))
    )
    content = {
        "lines": "du  ชาย\r\n猫\n\n",
        "conll": "\ufeffdu\tX\nชาย\n\n\n-DOCSTART- O\n\n猫 N O\n",
        "conllu": conllu + "\n1\t猫\t_\tX\t_\t_\t0\tx\t_\t_\n",
        "jsonl": '{"tokens": ["du", "ชาย"]}\n{"tokens": ["猫"], "x": 1}\n',
    }[form]
    lines = enumerate(io.BytesIO(content.encode()), start=1)
    examples = list(read_examples(lines, InputFormat("token", form), "x"))
    assert [example.texts for example in examples] == [["du", "ชาย"], ["猫"]]
    assert [example.number for example in examples] == [0, 1]


BAD = {
    "three columns": ("tsv", (), b"a\tb\na\tb\tc\nc\td\n", "line 2: malformed, 3 columns"),
    "another number of columns": ("tsv", (), b"a\tb\na\nc\td\n", "line 2: malformed, 1 column "),
    "a blank text": ("tsv", (), b"a\tb\na\t \nc\td\n", "line 2: a text is blank"),
    "a blank line": ("tsv", (), b"a\tb\n\nc\td\n\n", "line 2: the line is blank"),
    "not UTF-8": ("tsv", (), b"a\tb\na\t\xff\nc\td\n", "line 2: not UTF-8 (byte 3)"),
    "short row": ("tsv", ("y",), b"x\ty\nb\nx\tc\n", "line 2: malformed, 1 column "),
    "no JSON": ("jsonl", (), b'{"text": "b"}\n{"text"\n{"text": "d"}\n', "line 2: malformed JSON"),
    "no object": ("jsonl", (), b'{"text": "b"}\n[1]\n{"text": "d"}\n', "line 2: malformed, expected a JSON object"),
    "no text": ("jsonl", (), b'{"text": "b"}\n{"txt": "c"}\n{"text": "d"}\n', "line 2: there is no 'text'"),
    "a number": ("jsonl", (), b'{"text": "b"}\n{"text": 3}\n{"text": "d"}\n', "line 2: 'text' must be text"),
    "half a character": (
        "jsonl",
        (),
        b'{"text": "b"}\n{"text": "\\ud800"}\n{"text": "d"}\n',
        "line 2: a text holds half a surrogate pair",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_broken_lines(case: str) -> None:
    name, columns, content, expected = BAD[case]
    form = InputFormat("sequence", name, columns)

    def read(on_bad: Any = None) -> list[Example]:
        return list(read_examples(enumerate(io.BytesIO(content), start=1), form, "in", on_bad))

    with pytest.raises(InputError, match="in, " + expected.replace("(", r"\(").replace(")", r"\)")):
        read()
    reported: list[InputError] = []
    kept = read(reported.append)
    assert len(reported) == 1 and [example.line for example in kept] == ([3] if columns else [1, 3])


def test_a_broken_line_breaks_its_sentence() -> None:
    content, reported = b"a\nb\n\nc\n\tX\n\nd\n", []
    lines = enumerate(io.BytesIO(content), start=1)
    kept = list(read_examples(lines, InputFormat("token", "conll"), "in", reported.append))
    assert [(example.number, example.texts) for example in kept] == [(0, ["a", "b"]), (2, ["d"])]
    assert "in, line 5: malformed" in str(reported[0])
