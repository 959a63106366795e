"""Which requests reach Gradio."""

from __future__ import annotations

import pytest

from modeling_dlfa.space.answering import MAX_CHARACTERS
from modeling_dlfa.space.guard import MAX_BODY, refusal


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=http://example.org/",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/upload",
        "/gradio_api/proxy=http://example.org/",
        "/gradio_api/component_server",
        "/gradio_api/vibe-code",
        "/gradio_api/",
        "//gradio_api/file=/etc/passwd",
        "/file=/etc/passwd",
        "/file/etc/passwd",
        "/monitoring/summary",
        "/docs",
    ],
)
def test_what_reads_or_writes_files_is_not_there(path: str) -> None:
    assert refusal("GET", path, {}) == refusal("POST", path, {b"content-length": b"2"}) == 404


@pytest.mark.parametrize("path", ["/", "/config", "/assets/index.js", "/gradio_api/queue/join", "/gradio_api/run/x"])
def test_the_page_gets_what_it_needs_in_bounded_requests(path: str) -> None:
    assert refusal("GET", path, {}) == refusal("POST", path, {b"content-length": str(MAX_BODY).encode()}) == 0
    assert refusal("POST", path, {b"content-length": str(MAX_BODY + 1).encode()}) == 413
    assert refusal("POST", path, {}) == refusal("POST", path, {b"content-length": b"-1"}) == 411
    assert refusal("DELETE", path, {}) == 405


def test_two_texts_of_the_longest_kind_fit() -> None:
    """JSON may write a character outside the basic plane as two escapes."""
    assert 2 * MAX_CHARACTERS * len("\\ud83d\\ude00") + 2048 < MAX_BODY
