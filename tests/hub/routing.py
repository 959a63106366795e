"""Which function answers which path."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .messages import Answer

Routes = list[tuple[str, re.Pattern[str], "Callable[..., Answer]"]]
HUB: Routes = []
STORE: Routes = []

API = r"/api/(?P<kind>models|datasets)/(?P<repo_id>[^/]+/[^/]+)"
# The site's own paths name the kind of datasets alone.
SITE = r"/(?:(?P<kind>datasets)/)?(?P<repo_id>[^/]+/[^/]+)"


def route(method: str, pattern: str, table: Routes = HUB) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Enters a function; the named groups of the pattern are its keyword arguments, unquoted."""

    def enter(function: Callable[..., Answer]) -> Callable[..., Answer]:
        table.append((method, re.compile(pattern), function))
        return function

    return enter
