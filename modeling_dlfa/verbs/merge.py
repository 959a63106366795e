"""Merges the shards of one command, each trained with its own --shard_index and --output_dir, into one directory.

`dlfa merge runs/shard-0 runs/shard-1 --output_dir runs/whole`
"""

from __future__ import annotations

from collections.abc import Sequence

from ..command.parser import CommandParser


def main(argv: Sequence[str]) -> None:
    """Merges."""
    parser = CommandParser(prog="dlfa merge", description=__doc__)
    parser.add_argument("shards", nargs="+", metavar="SHARD_DIR", help="Output directory of a finished shard.")
    parser.add_argument("--output_dir", required=True, help="A directory that does not exist or is empty.")
    parser.add_argument("--license", help="Licence that the models' cards state, as the Hub names it.")
    given = parser.parse_args(argv)

    from ..training.merging import merge_runs

    results = merge_runs(given.shards, given.output_dir, license=given.license)
    if results.summary is not None:
        print(results.table())
    print(f"Results: {given.output_dir}/results.json")
