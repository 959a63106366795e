"""Words by their places in a text, and draws that depend on nothing but a seed and a place."""

from __future__ import annotations

import re
from hashlib import blake2b

WORD = re.compile(r"\S+")


def draw(*key: object) -> float:
    """Returns a number from 0 to below 1 that its key alone decides, whatever was drawn before.

    Args:
        key: A seed and what is drawn for, such as a row and a word's place there.
    """
    digest = blake2b(" ".join(map(str, key)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53
