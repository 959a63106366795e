"""Tests of the package; the files mirror its modules."""
