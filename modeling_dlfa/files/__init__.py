"""Folders and files: written whole or not at all, locked, refused before the work."""
