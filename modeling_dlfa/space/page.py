"""The page, built of Gradio's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..inference.samples import SENTENCES
from ..languages import LANGUAGES
from .answering import MAX_CHARACTERS, Answerer
from .rendering import answer_html, error_html, header_html

if TYPE_CHECKING:
    from gradio import Blocks

# Where words have no spaces between them, a tagger needs them put in.
_SPACED = {
    "th": "ใน ตอน กลางวัน คุณย่า คน หนึ่ง กำลัง ซื้อ เสื้อเชิ้ต ใน ร้านค้า",
    "zh": "白天 ， 一 位 老奶奶 正在 商店 里 买 衬衫 。",
}


def examples(answerer: Answerer) -> dict[str, list[str]]:
    """Returns what to try in each of XNLI's 15 languages.

    Args:
        answerer: Who will answer.

    Returns:
        By the language's name, as many texts as the page has fields.
    """
    if answerer.is_token:
        return {LANGUAGES[code].name: [_SPACED.get(code, first)] for code, (first, _) in SENTENCES.items()}
    width = len(answerer.fields)
    return {LANGUAGES[code].name: list(pair[:width]) for code, pair in SENTENCES.items()}


def build_page(answerer: Answerer) -> Blocks:
    """Returns the page; nothing is served yet.

    Args:
        answerer: Who answers.
    """
    import gradio as gr

    def show(*texts: str) -> str:
        try:
            if not all(isinstance(text, str) for text in texts):
                raise InputError("A text is missing. Write at least a word.")
            return answer_html(answerer, answerer(*texts))
        except InputError as error:
            return error_html(str(error))

    with gr.Blocks(title="DLFA: which layer does each word come from?", analytics_enabled=False) as page:
        gr.HTML(header_html(answerer))
        fields = [
            gr.Textbox(
                label=name,
                info="Words with spaces between them." if answerer.is_token else None,
                lines=2,
                max_lines=8,
                max_length=MAX_CHARACTERS,
            )
            for name in answerer.fields
        ]
        button = gr.Button("Answer", variant="primary")
        tried = examples(answerer)
        shown = gr.HTML(render=False)
        options: dict[str, Any] = {"fn": show, "inputs": fields, "outputs": shown}
        gr.Examples(
            list(tried.values()),
            **options,
            example_labels=list(tried),
            label="An example in each language",
            examples_per_page=len(tried),
            run_on_click=True,
            cache_examples=False,
            api_name=False,
        )
        shown.render()
        asked = [button.click, *(field.submit for field in fields)]
        gr.on(asked, **options, api_name="answer", concurrency_limit=1)
    return page
