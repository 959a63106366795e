"""What stands before Gradio: it lets through what the page needs, and nothing that reads or writes a file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 64 * 1024  # bytes: two texts of `MAX_CHARACTERS`, each escaped
_API = "/gradio_api/"
# Of Gradio's routes: not `file=`, which reads files and fetches addresses, not `upload`, `stream`, `proxy=`, ...
_NEEDED = {"app_id", "call", "cancel", "heartbeat", "info", "openapi.json", "queue", "reset", "run"}
_NEEDED |= {"startup-events", "login_check", "theme.css", "token", "user"}
_PAGES = {"", "assets", "config", "favicon.ico", "manifest.json", "robots.txt", "static", "svelte", "theme.css"}
# Gradio's own page has scripts in it and compiles templates. Nothing is loaded from, or sent to, another host.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'none'"
)


class Guard:
    """Answers 404 to every address that the page does not need, and refuses large requests.

    Args:
        app: The application behind it, as ASGI defines one.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        status = 404 if scope["type"] != "http" else refusal(scope["method"], scope["path"], dict(scope["headers"]))
        if status:
            await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY.encode())
                message["headers"] = [*message["headers"], policy, (b"x-content-type-options", b"nosniff")]
            await send(message)

        await self._app(scope, receive, answer)


def refusal(method: str, path: str, headers: MutableMapping[bytes, bytes]) -> int:
    """Returns the status with which a request is refused, 0 if it is not.

    Args:
        method: `"GET"` and such.
        path: The decoded path.
        headers: By lower-case name.
    """
    first, _, rest = path.removeprefix("/").partition("/")
    if path.startswith(_API):
        if rest.partition("/")[0] not in _NEEDED:
            return 404
    elif first not in _PAGES or (rest and not first):
        return 404
    if method in ("GET", "HEAD"):
        return 0
    if method != "POST":
        return 405
    length = headers.get(b"content-length", b"")
    if not length.isdigit():
        return 411
    return 413 if int(length) > MAX_BODY else 0
