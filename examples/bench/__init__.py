"""Benchmarks of modeling_dlfa against what one would use in its place. `examples/benchmark.py` runs them."""
