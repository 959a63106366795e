"""What the page says is what the checkpoint says, in every language, and nothing that was typed becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modeling_dlfa import Predictor
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.gate_view import load_fusion, view_fusion
from modeling_dlfa.inference.samples import SENTENCES
from modeling_dlfa.languages import LANGUAGES
from modeling_dlfa.space.answering import MAX_CHARACTERS, Answerer
from modeling_dlfa.space.colouring import colourings
from modeling_dlfa.space.page import examples
from modeling_dlfa.space.rendering import answer_html, error_html, header_html
from modeling_dlfa.tasks import XNLI

from ..tiny_checkpoints import ENTITIES, save_checkpoint

HOSTILE = '<img src=x onerror="alert(1)"> ${alert(1)} {{ 7 * 7 }} </p><script>alert(1)</script>'


class Elements(HTMLParser):
    """The elements and the text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "pairs": save_checkpoint(folder / "pairs", "sequence", XNLI.labels, fusion_layers=[1]),
        "both": save_checkpoint(folder / "both", "sequence", XNLI.labels, fusion_layers=[1], glyph_size=6),
        "last": save_checkpoint(folder / "last", "sequence", XNLI.labels[::-1], fusion="last"),
        "other": save_checkpoint(folder / "other", "sequence", ("yes", "no"), fusion="last"),
        "words": save_checkpoint(folder / "words", "token", ENTITIES),
    }


@pytest.mark.parametrize("code", XNLI.languages)
def test_scores_and_gate_are_those_of_the_checkpoints(code: str, folders: dict[str, Path]) -> None:
    answerer = Answerer(str(folders["both"]), str(folders["last"]))
    pair = tuple(examples(answerer)[LANGUAGES[code].name])
    assert pair == SENTENCES[code]
    answer = answerer(*pair)
    for name, scores in zip(("both", "last"), answer.scores, strict=True):
        (said,) = Predictor(str(folders[name]))([pair])
        assert scores.chosen == (said["label"],)
        assert scores.values == pytest.approx(said["scores"], abs=1e-5)
    view = view_fusion(*load_fusion(str(folders["both"])), *pair)
    assert answer.view is not None and view.names == ["layer 1", "glyphs"]
    np.testing.assert_allclose(answer.view.shares, view.shares, atol=1e-6)
    layer, look = colourings(answer.view, answer.texts)
    for colouring in (layer, look):
        assert tuple("".join(stretch.text for stretch in text) for text in colouring.texts) == pair
        assert all(0 <= stretch.depth <= 1 for text in colouring.texts for stretch in text)
        assert all(stretch.share is not None for text in colouring.texts for stretch in text if stretch.text.strip())
    page = Elements(answer_html(answerer, answer))
    for label in XNLI.labels:
        assert page.text.count(label) == 1
    directions = [attributes["dir"] for tag, attributes in page.tags if tag == "p" and "dir" in attributes]
    assert directions == ["auto"] * 4 and page.text.count(pair[0]) == 2
    assert sum(tag == "tr" for tag, _ in page.tags) == 4 + 1 + len(view.tokens)


def test_words_are_labelled_by_both(folders: dict[str, Path]) -> None:
    answerer = Answerer(str(folders["words"]))
    sentence = examples(answerer)["Chinese"][0]
    answer = answerer(f"  {sentence.replace(' ', '  ')} ")
    assert [word for word, _ in answer.words] == sentence.split() and answer.texts == (sentence,)
    (said,) = Predictor(str(folders["words"]))([sentence.split()])
    assert [scores.chosen for _, (scores,) in answer.words] == [(word["label"],) for word in said]
    assert "Label of each word" in answer_html(answerer, answer)


def test_what_was_typed_stays_text(folders: dict[str, Path]) -> None:
    for name in ("pairs", "words"):
        answerer = Answerer(str(folders[name]))
        page = Elements(
            answer_html(answerer, answerer(*[HOSTILE] * len(answerer.fields[: 2 if name == "pairs" else 1])))
        )
        assert not {"img", "script", "a", "iframe"} & {tag for tag, _ in page.tags}
        assert not [attribute for _, attributes in page.tags for attribute in attributes if attribute.startswith("on")]
        assert HOSTILE.split()[0] in page.text and "{{" in page.text
    assert {tag for tag, _ in Elements(error_html(HOSTILE)).tags} == {"p", "strong"}


def test_the_place_of_a_folder_stays_on_this_machine(folders: dict[str, Path]) -> None:
    header = header_html(Answerer(str(folders["pairs"]), str(folders["last"])))
    assert "<code>pairs</code>" in header and str(folders["pairs"].parent) not in header


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((" ", "a"), "Text is blank"),
        (("a" * (MAX_CHARACTERS + 1), "a"), "2,001 characters, and this page reads up to"),
    ],
)
def test_unfit_texts_are_refused(texts: tuple[str, ...], expected: str, folders: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=expected):
        Answerer(str(folders["pairs"]))(*texts)


def test_what_is_longer_than_the_model_reads_is_said(folders: dict[str, Path]) -> None:
    answerer = Answerer(str(folders["pairs"]))
    answer = answerer("word " * 100, "word")
    assert answer.cut and "the end was left out" in answer_html(answerer, answer)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [(("pairs", "words"), "answer different questions"), (("pairs", "other"), "Name a baseline of the same task")],
)
def test_a_baseline_of_another_task_is_refused(pair: Any, expected: str, folders: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=expected):
        Answerer(*(str(folders[name]) for name in pair))


def test_a_checkpoint_without_a_gate_still_answers(folders: dict[str, Path]) -> None:
    answerer = Answerer(str(folders["last"]))
    answer = answerer("A cat sleeps.")
    assert answer.view is None and len(answer.scores) == 1
    assert "It has no gate to show." in header_html(answerer)
