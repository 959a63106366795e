"""The fonts that pieces are drawn with, and which of them draws what."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fontTools.ttLib import TTCollection, TTFont, TTLibError
from PIL import ImageFont, features

from ..errors import InputError
from ..pretrained_dlfa import file_sha256
from .scripts import is_invisible, is_mark

PACKAGES = {"manimgx_fonts": "manimgx-fonts", "manimgx_fonts_cjk": "manimgx-fonts-cjk"}
FONT_SIZE = 24  # Pixels per em.
# Drawn larger, then averaged: at 24 pixels FreeType moves outlines onto the grid, by other rules in each script, and
# look-alikes such as Cyrillic Х and Latin X come out different.
OVERSAMPLING = 4
_ENDINGS = (".ttf", ".otf", ".ttc", ".otc")
_REGULAR = 400
_PREFERRED_FACE = " SC"  # Of a collection such as Noto Sans CJK, whose faces hold the same characters.


@dataclass(frozen=True)
class Font:
    """A face of a font file.

    Attributes:
        family: Its name.
        version: As the font states it.
        file: Name of the file.
        face: Which face of the file.
        package: The installed package that it comes from, with the version; None for a user's own.
        sha256: Of the file.
        characters: The code points that it has a glyph for.
        pillow: The font as Pillow draws it, weight 400, 96 pixels per em.
    """

    family: str
    version: str
    file: str
    face: int
    package: str | None
    sha256: str
    characters: frozenset[int] = field(repr=False)
    pillow: ImageFont.FreeTypeFont = field(repr=False, compare=False)

    def draws(self, text: str) -> bool:
        """Whether it has what a text needs."""
        return all(ord(character) in self.characters or is_invisible(character) for character in text)

    def record(self) -> dict[str, Any]:
        """What a table says about it."""
        names = ("family", "version", "file", "face", "package", "sha256")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Run:
    """A stretch of text that one font draws."""

    font: Font
    text: str


class FontSet:
    """Fonts in the order in which they are asked.

    Args:
        fonts: One at least.
    """

    def __init__(self, fonts: Sequence[Font]) -> None:
        self.fonts = tuple(fonts)

    def runs(self, text: str) -> list[Run] | None:
        """Cuts a text by font: as far as one font goes, then on with another.

        The first font that has all characters draws the whole. Where none has, the font that goes furthest draws what
        it can, the earlier one if two go as far. A letter is never parted from its marks.

        Returns:
            The runs in the text's order, or None if a letter, with its marks, is in no font.
        """
        for font in self.fonts:
            if font.draws(text):
                return [Run(font, text)]
        runs, rest = [], _clusters(text)
        while rest:
            reach = [_leading(font, rest) for font in self.fonts]
            if not (furthest := max(reach)):
                return None
            runs.append(Run(self.fonts[reach.index(furthest)], "".join(rest[:furthest])))
            rest = rest[furthest:]
        return runs

    def missing(self, text: str) -> list[str]:
        """Returns the letters, each with its marks, that no font has."""
        return [cluster for cluster in _clusters(text) if not any(font.draws(cluster) for font in self.fonts)]


def load_fonts(font_dir: str | os.PathLike | None = None) -> FontSet:
    """Loads a user's own fonts, then those of the packages that are installed; upright ones alone.

    In each place, fonts with Latin letters come first, then by name: signs and digits, which many fonts have, then
    come from a text font.

    Args:
        font_dir: A folder of `.ttf`, `.otf`, `.ttc` or `.otc` files.

    Raises:
        InputError: There is no such folder, no font in it or nowhere else, one cannot be read, or this Pillow cannot
            shape text.
    """
    if not features.check("raqm"):
        raise InputError("This Pillow cannot shape text: it lacks libraqm. Install Pillow's own wheel.")
    fonts = [] if font_dir is None else _of_folder(Path(font_dir), None)
    if font_dir is not None and not fonts:
        raise InputError(f"There is no upright font ({', '.join(_ENDINGS)}) in {font_dir}. Name another --font_dir.")
    for module, package in PACKAGES.items():
        if (found := importlib.util.find_spec(module)) is not None and found.submodule_search_locations:
            version = importlib.metadata.version(package)
            for folder in found.submodule_search_locations:
                fonts += _of_folder(Path(folder), f"{package} {version}")
    if not fonts:
        raise InputError("No fonts: pip install 'modeling-dlfa[glyphs]', or name a folder with --font_dir.")
    return FontSet(fonts)


def _of_folder(folder: Path, package: str | None) -> list[Font]:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Name another --font_dir.")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS)
    fonts = [font for path in paths if (font := _load(path, package)) is not None]
    latin = set(map(ord, string.ascii_letters))
    return sorted(fonts, key=lambda font: (not latin <= font.characters, font.family, font.file))


def _load(path: Path, package: str | None) -> Font | None:
    """Returns None for an italic font."""
    try:
        faces = [TTFont(path, lazy=True)] if path.suffix.lower() in (".ttf", ".otf") else TTCollection(path, lazy=True)
        families = [str(face["name"].getDebugName(1)) for face in faces]
        index = next((i for i, family in enumerate(families) if family.endswith(_PREFERRED_FACE)), 0)
        face = list(faces)[index]
        if face["head"].macStyle & 2:
            return None
        size = FONT_SIZE * OVERSAMPLING
        pillow = ImageFont.truetype(path, size, index=index, layout_engine=ImageFont.Layout.RAQM)
        if "fvar" in face:
            axes = [(axis.axisTag, axis.defaultValue) for axis in face["fvar"].axes]
            pillow.set_variation_by_axes([_REGULAR if tag == "wght" else value for tag, value in axes])
        characters = frozenset(face.getBestCmap() or ())
        version = str(face["name"].getDebugName(5))
    except (OSError, TTLibError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a font: {error}. Take it out of the folder.") from error
    sha256 = file_sha256(path)
    return Font(families[index], version, path.name, index, package, sha256, characters, pillow)


def _clusters(text: str) -> list[str]:
    """Characters, each with the marks and invisible characters that follow it."""
    clusters: list[str] = []
    for character in text:
        if clusters and (is_mark(character) or is_invisible(character)):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


def _leading(font: Font, clusters: Sequence[str]) -> int:
    """How many clusters a font draws before it meets one that it lacks."""
    return next((index for index, cluster in enumerate(clusters) if not font.draws(cluster)), len(clusters))
