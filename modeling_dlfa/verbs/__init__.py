"""The verbs of the `dlfa` command: each reads its options and calls the public API."""
