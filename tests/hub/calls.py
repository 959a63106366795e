"""Calls of the Hub of the tests that the real client would not make, and what they send."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from huggingface_hub.errors import HfHubHTTPError

from . import WRITE_TOKEN

LARGE = bytes(range(256)) * 2000


def ask(
    method: str, url: str, content: bytes | None = None, token: str | None = WRITE_TOKEN, **headers: str
) -> tuple[int, bytes]:
    """Asks without the client, which would not ask like this."""
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, content, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code
