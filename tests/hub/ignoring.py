"""Which files a `.gitignore` names, by git's rules."""

from __future__ import annotations

import re

# In this order: a folder's stars stand for folders, a lone one and `?` for a part of one name.
_TOKENS = re.compile(
    r"(?P<start>^\*\*/)|(?P<middle>/\*\*/)|(?P<end>/\*\*$)|(?P<many>\*+)|(?P<one>\?)|(?P<set>\[[^\]]+\])"
)
_MEANINGS = {"start": "(?:.*/)?", "middle": "/(?:.*/)?", "end": "/.+", "many": "[^/]*", "one": "[^/]"}


def is_ignored(path: str, rules: str) -> bool:
    """Tells whether a file is ignored: itself by the last rule that names it, or a folder that it lies in."""
    parts = path.split("/")
    # What lies in an ignored folder cannot be taken back.
    return any(_names("/".join(parts[:depth]), rules, depth < len(parts)) for depth in range(1, len(parts) + 1))


def _names(path: str, rules: str, is_folder: bool) -> bool:
    ignored = False
    for line in rules.splitlines():
        rule = line.rstrip()
        if not rule or rule.startswith("#"):
            continue
        takes_back, rule = rule.startswith("!"), rule.removeprefix("!").removeprefix("\\")
        if rule.endswith("/") and not is_folder:
            continue
        rule = rule.rstrip("/")
        below = "" if "/" in rule else "(?:.*/)?"
        if re.fullmatch(below + _expression(rule.removeprefix("/")), path):
            ignored = not takes_back
    return ignored


def _expression(rule: str) -> str:
    expression, at = "", 0
    for token in _TOKENS.finditer(rule):
        kind = str(token.lastgroup)
        meaning = token.group().replace("[!", "[^", 1) if kind == "set" else _MEANINGS[kind]
        expression += re.escape(rule[at : token.start()]) + meaning
        at = token.end()
    return expression + re.escape(rule[at:])
