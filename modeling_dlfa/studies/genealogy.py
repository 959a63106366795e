"""Which languages are relatives."""

from __future__ import annotations

from collections.abc import Mapping

from ..languages import LANGUAGES

# Families and branches (genera) as in the World Atlas of Language Structures (Dryer and Haspelmath 2013), for XTREME's
# languages (arXiv 2003.11080): the table by which this package's tables and figures are ordered.
FAMILIES: Mapping[str, tuple[str, str]] = {
    code: (language.family, language.genus) for code, language in LANGUAGES.items()
}
