"""How languages are related: families and branches by code, and the distance between two languages in that tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.files import read_table
from ...errors import InputError, quoted
from ...languages import LANGUAGES, Language

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUILT_IN_SOURCE = (
    "modeling_dlfa.languages: top-level families and WALS genera (Dryer and Haspelmath 2013); scripts as ISO 15924"
)
COLUMNS = ("code", "name", "family", "genus", "script")


@dataclass(frozen=True)
class Genealogy:
    """The place of each of L languages in the tree.

    Attributes:
        languages: In the order of the matrices.
        source: Where families and genera come from.
    """

    languages: tuple[Language, ...]
    source: str

    @classmethod
    def of(cls, codes: Sequence[str], path: str | Path | None = None) -> Genealogy:
        """Looks up languages in the package's table and in a table from the user.

        Args:
            codes: Language codes.
            path: A TSV file with the columns code, name, family, genus and script; its rows take precedence.

        Raises:
            InputError: The file cannot be read or lacks an entry, or a language is in no table.
        """
        own: dict[str, Language] = {}
        if path is not None:
            table = read_table(path, COLUMNS)
            for index, row in enumerate(zip(*table.columns, strict=True)):
                if not all(map(str.strip, row)):
                    raise InputError(f"{table.where(index)}: an entry is empty. Fill in {quoted(COLUMNS)}.")
                own[row[0]] = Language(*row)
        known = {**LANGUAGES, **own}
        missing = [code for code in codes if code not in known]
        if missing:
            raise InputError(
                f"The families of {quoted(missing)} are not known. Add them with --genealogy_file, a TSV file with "
                f"the columns {' '.join(COLUMNS)}, or leave these languages out (--languages)."
            )
        sources = [str(path)] if own.keys() & set(codes) else []
        if set(codes) - own.keys():
            sources.append(BUILT_IN_SOURCE)
        return cls(tuple(known[code] for code in codes), "; ".join(sources))

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
        return {"source": self.source, "languages": {entry.code: vars(entry) for entry in self.languages}}
