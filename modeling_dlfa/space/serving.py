"""Serves the page, on this machine or as a Space of the Hub."""

from __future__ import annotations

import logging

from ..errors import InputError
from ..training.argument_checks import check_installed
from .answering import Answerer
from .guard import MAX_BODY, Guard
from .page import build_page
from .rendering import style

_LOGGER = logging.getLogger(__name__)
_WAITING = 16  # Questions that wait at most; a further one is told that the page is busy.
# Gradio's own button and borders have too little contrast.
_COLOURS = {
    f"{name}{mode}": colour
    for name, colours in {
        "button_primary_background_fill": ("#00568a", "#00568a"),
        "button_primary_background_fill_hover": ("#003f66", "#006fb3"),
        "button_primary_text_color": ("#ffffff", "#ffffff"),
        "input_border_color": ("#767676", "#8f959e"),
    }.items()
    for mode, colour in zip(("", "_dark"), colours, strict=True)
}


def serve(
    checkpoint: str,
    baseline: str | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    trust_remote_code: bool = False,
    device: str | None = None,
    revision: str | None = None,
) -> None:
    """Serves the page until it is interrupted.

    Args:
        checkpoint: Folder or Hub id of a DLFA classifier of texts or words.
        baseline: Folder or Hub id of a classifier with the same labels, to compare with.
        host: Address to listen at; if None what `GRADIO_SERVER_NAME` says, as on a Space, else this machine alone.
        port: Port to listen at; if None what `GRADIO_SERVER_PORT` says, else the first free one from 7860 on.
        trust_remote_code: Whether a baseline that is not DLFA's may run the code that lies beside it.
        device: For PyTorch; the accelerator if there is one, else the CPU, if None.
        revision: Branch, tag or commit of the checkpoint on the Hub.

    Raises:
        InputError: Gradio is not installed, a checkpoint cannot be shown, or the port is taken.
    """
    check_installed(["gradio"], "space", "The page")
    import gradio as gr
    from starlette.middleware import Middleware

    answerer = Answerer(checkpoint, baseline, trust_remote_code=trust_remote_code, device=device, revision=revision)
    page = build_page(answerer).queue(max_size=_WAITING, api_open=False)
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
        **_COLOURS
    )
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            inbrowser=False,
            prevent_thread_lock=True,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            run_history=False,
            enable_monitoring=False,
            footer_links=[],
            max_file_size=MAX_BODY,
            app_kwargs={"middleware": [Middleware(Guard)]},
            theme=theme,
            css=style(),
        )
    except OSError as error:
        where = f"port {port}" if port else "a port from 7860 on"
        raise InputError(
            f"The page cannot be served at {where}, which may be taken. Name another with --port."
        ) from error
    except ValueError as error:  # Gradio asks itself once, and waits for three seconds.
        raise InputError(
            "The page does not answer at its own address. Exempt 127.0.0.1 from proxies (NO_PROXY), or try again when "
            "this machine is less busy."
        ) from error
    _LOGGER.info("Serving %s at %s (end with Ctrl+C).", checkpoint, address)
    page.block_thread()
