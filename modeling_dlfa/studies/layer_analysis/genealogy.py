"""How languages are related: families and branches by code, and the distance between two languages in that tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError, quoted
from ...languages import LANGUAGES, Language

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOURCE = (
    "modeling_dlfa.languages: top-level families and WALS genera (Dryer and Haspelmath 2013); scripts as ISO 15924"
)


@dataclass(frozen=True)
class Genealogy:
    """The place of each of L languages in the tree.

    Attributes:
        languages: In the order of the matrices.
    """

    languages: tuple[Language, ...]

    @classmethod
    def of(cls, codes: Sequence[str]) -> Genealogy:
        """Looks up languages in the package's table.

        Raises:
            InputError: A language is not in it.
        """
        if missing := [code for code in codes if code not in LANGUAGES]:
            raise InputError(f"The families of {quoted(missing)} are not known. Leave these out with --languages.")
        return cls(tuple(LANGUAGES[code] for code in codes))

    def distances(self) -> NDArray[np.float64]:
        """Returns (L, L): 0 for a language itself, 1 within a genus, 2 within a family, 3 between families."""
        result = np.full((len(self.languages),) * 2, 3.0)
        result[self.same("family")] = 2
        result[self.same("family") & self.same("genus")] = 1
        np.fill_diagonal(result, 0)
        return result

    def same(self, attribute: str) -> NDArray[np.bool_]:
        """Returns (L, L): whether two languages share `"family"`, `"genus"` or `"script"`."""
        values = np.array([getattr(language, attribute) for language in self.languages])
        return values[:, None] == values

    @property
    def tells_apart(self) -> bool:
        """Whether some languages are related more closely than others; if not, nothing can agree with the tree."""
        distances = self.distances()[np.triu_indices(len(self.languages), 1)]
        return len(self.languages) >= 4 and len(np.unique(distances)) > 1

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON can hold."""
        return {"source": SOURCE, "languages": {entry.code: vars(entry) for entry in self.languages}}
