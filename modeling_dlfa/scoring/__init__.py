"""Metrics, from counts of each example."""
