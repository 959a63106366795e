"""What text looks like: a table with a row for each token of a vocabulary, made of the token's rendered image.

Fonts and images are needed to build a table, not to read one.
"""

from .build import ENCODERS, build_glyph_table
from .controls import CONTROLS, build_control_table
from .table import GlyphTable

__all__ = ["CONTROLS", "ENCODERS", "GlyphTable", "build_control_table", "build_glyph_table"]
