"""From counts to scores, intervals and comparisons."""
