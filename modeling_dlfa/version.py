"""The version of the package, readable without importing transformers."""

__version__ = "0.1.0"
