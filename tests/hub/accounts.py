"""Who holds which token."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import HubError

WRITE_TOKEN, READ_TOKEN, STRANGER_TOKEN = "hf_write", "hf_read", "hf_stranger"


@dataclass(frozen=True)
class Account:
    """What a token stands for.

    Attributes:
        name: The user.
        role: `"write"` or `"read"`.
        organizations: Whose repositories the user sees and writes, beside their own.
    """

    name: str
    role: str
    organizations: tuple[str, ...] = ()

    def belongs_to(self, namespace: str) -> bool:
        return namespace == self.name or namespace in self.organizations

    def may_write(self, namespace: str) -> bool:
        return self.role == "write" and self.belongs_to(namespace)


_ORGANIZATIONS = ("org", "google-bert", "facebook")
ACCOUNTS = {
    WRITE_TOKEN: Account("alice", "write", _ORGANIZATIONS),
    READ_TOKEN: Account("alice", "read", _ORGANIZATIONS),
    STRANGER_TOKEN: Account("mallory", "write"),
}


def account_of(authorization: str | None) -> Account | None:
    """Returns whose `Authorization` header it is, None without one."""
    if authorization is None:
        return None
    account = ACCOUNTS.get(authorization.removeprefix("Bearer "))
    if account is None:
        raise HubError(401, "Invalid credentials in Authorization header")
    return account
