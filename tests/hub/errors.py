"""The Hub's way to say no."""

from __future__ import annotations

from typing import Any


class HubError(Exception):
    """A refusal: an HTTP status, a message, and the code by which the client chooses its exception.

    The real Hub leaves the code out of many 401 answers, and the client reads "repository not found" out of them when
    the URL is https. On loopback there is no TLS, so the code is always sent.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": message} if body is None else body
        self.headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}


def repository_not_found(anonymous: bool) -> HubError:
    """Who may not see a repository learns no more than who asks for one that does not exist."""
    if anonymous:
        return HubError(401, "Invalid username or password.", "RepoNotFound")
    return HubError(404, "Repository not found", "RepoNotFound")


def revision_not_found(revision: str) -> HubError:
    return HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(path: str, commit: str) -> HubError:
    return HubError(404, f"Entry not found: {path}", "EntryNotFound", headers={"X-Repo-Commit": commit})
