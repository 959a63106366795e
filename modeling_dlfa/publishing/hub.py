"""A model repository on the Hub: created and filled through huggingface_hub, each failure one clear error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError

CARD = "README.md"
# What an earlier publication may have left at the top of a repository and would be read in place of what comes now.
REPLACED = (
    ".bin",
    ".ckpt",
    ".index.json",
    ".jinja",
    ".model",
    ".pkl",
    ".pt",
    ".pth",
    ".safetensors",
    "_dlfa.py",
)
REPLACED_NAMES = (
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)


@dataclass(frozen=True)
class HubRepository:
    """Where to publish, and how.

    Attributes:
        repo_id: `name` (in the token's own namespace) or `namespace/name`.
        token: Hub token; the stored login or `HF_TOKEN` if None.
        private: Whether a repository that is made here is private; the namespace's default if None. One that exists
            stays as it is.
        revision: Branch, made where it is absent; the default branch if None.
        create_pr: Whether to open a pull request instead of committing.
    """

    repo_id: str
    token: str | None = None
    private: bool | None = None
    revision: str | None = None
    create_pr: bool = False

    def check(self) -> None:
        """Checks what can be checked without the Hub: the id, the options and that there is a token.

        Raises:
            InputError: One of them is wrong.
        """
        from huggingface_hub import get_token

        check_repo_id(self.repo_id)
        if self.create_pr and self.revision is not None:
            raise InputError("A pull request is opened against the default branch. Give --create_pr or --revision.")
        if self.token is None and get_token() is None:
            raise InputError(
                f"There is no Hub token to publish {self.repo_id} with. Log in with `hf auth login`, set HF_TOKEN, or "
                "pass a token."
            )

    def prepare(self) -> HubRepository:
        """Makes the repository and the branch where they are absent, so that what is wrong shows before any work.

        Returns:
            The same with the full id, `namespace/name`.

        Raises:
            InputError: Wrong id, no token, no permission, no such Hub.
        """
        from huggingface_hub import HfApi

        self.check()
        api = HfApi(token=self.token)
        with _clear_errors(self.repo_id):
            role = api.whoami().get("auth", {}).get("accessToken", {}).get("role")
            if role == "read":  # For a repository that exists, create_repo would not say so.
                raise InputError(f"The token can only read. Give one that can write to {self.repo_id}.")
            repo_id = api.create_repo(self.repo_id, private=self.private, exist_ok=True).repo_id
            if self.revision is not None and not self.revision.startswith("refs/"):
                api.create_branch(repo_id, branch=self.revision, exist_ok=True)
        return replace(self, repo_id=repo_id)

    def push(self, folder: Path, pinned_card: Callable[[str], str], commit_message: str) -> str:
        """Commits a folder, then its card once more, with the first commit's id in it.

        The first commit holds the folder byte for byte, and appears whole or not at all; files of an earlier
        publication that would be read in their place go with it. A card cannot name the commit that it is part of:
        the second commit changes it alone.

        Args:
            folder: What to publish, a card included. Nothing else of the repository changes.
            pinned_card: Content of the card for a commit id.
            commit_message: Of the first commit.

        Returns:
            Address of the pull request, else of the second commit.

        Raises:
            InputError: The Hub refuses, fails or cannot be reached; the message says what is there now.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

        api = HfApi(token=self.token)
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        # `upload_folder` may split a folder over several commits.
        operations: list = [CommitOperationAdd(name, folder / name) for name in names]
        with _clear_errors(self.repo_id):
            present = api.list_repo_files(self.repo_id, revision=self.revision)
            operations += [CommitOperationDelete(name) for name in stale_files(present, names)]
            first = api.create_commit(
                self.repo_id,
                operations,
                commit_message=commit_message,
                revision=self.revision,
                create_pr=self.create_pr,
            )
            branch = first.pr_revision if first.pr_revision is not None else self.revision
        with _clear_errors(self.repo_id, "The model is published; only its card does not name the commit yet. "):
            card = CommitOperationAdd(CARD, pinned_card(first.oid).encode())
            second = api.create_commit(
                self.repo_id, [card], commit_message=f"Pin the card to {first.oid[:12]}", revision=branch
            )
        return first.pr_url or second.commit_url


def stale_files(present: list[str], names: list[str]) -> list[str]:
    """Returns the files of a repository that would be read with, or in place of, the published ones."""
    kinds = [name for name in present if name.endswith(REPLACED) or name in REPLACED_NAMES]
    return [name for name in kinds if "/" not in name and name not in names]


def check_repo_id(repo_id: str, *, namespace: bool = False) -> None:
    """Checks the form of a repository id.

    Args:
        repo_id: `name` or `namespace/name`.
        namespace: Whether the namespace must be there.

    Raises:
        InputError: It is none.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InputError(f"{repo_id!r} is not a repository id. {str(error).rstrip('.')}. Give org/name.") from error
    if namespace and "/" not in repo_id:
        raise InputError(f"{repo_id!r} lacks the namespace, which a dry run does not ask the Hub for. Give org/name.")


@contextlib.contextmanager
def _clear_errors(repo_id: str, state: str = "") -> Iterator[None]:
    """Turns what huggingface_hub raises into one message; `state` says what was done before."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    # The base of all errors of the HTTP library that huggingface_hub is built on, which differs between its versions.
    transport_error: type[Exception] = HfHubHTTPError.__bases__[0]
    try:
        yield
    except InputError:
        raise
    except OfflineModeIsEnabled as error:
        raise InputError(f"HF_HUB_OFFLINE is set, so {repo_id} cannot be published. Unset it.") from error
    # An upload of a large file that fails is a RuntimeError there.
    except (transport_error, OSError, RuntimeError) as error:
        raise InputError(f"{state}{_explain(repo_id, error)}") from error
    except ValueError as error:
        raise InputError(f"{state}{repo_id} cannot be published: {_line(error)}.") from error


def _explain(repo_id: str, error: Exception) -> str:
    origin: BaseException = error
    while isinstance(origin, RuntimeError) and origin.__cause__ is not None:
        origin = origin.__cause__
    status = getattr(getattr(origin, "response", None), "status_code", None)
    if status is None:
        return (
            f"The connection to the Hub failed, and {repo_id} is not published: {_line(origin)}. Repeat the command."
        )
    reasons = {
        401: f"The Hub does not accept the token for {repo_id}. Log in with `hf auth login`, or pass a valid token",
        403: f"The token may not write to {repo_id}. Give one with write permission there, or another repository",
        404: f"{repo_id} or the revision does not exist for this token. Check the names and the token's permissions",
        429: f"The Hub limits the rate of requests, also for {repo_id}. Repeat the command later",
    }
    reason = reasons.get(status, f"The Hub could not publish {repo_id} (HTTP {status}). Repeat the command later")
    return f"{reason}. ({_line(error)})"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")[:300] or type(error).__name__
