"""Merges the shards of one command, each trained with its own --shard_index and --output_dir, into one directory.

`python examples/merge_runs.py runs/shard-0 runs/shard-1 --output_dir runs/whole`
"""

from __future__ import annotations

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser


def main(argv: list[str] | None = None) -> None:
    """Merges, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("shards", nargs="+", metavar="SHARD_DIR", help="Output directory of a finished shard.")
    parser.add_argument("--output_dir", required=True, help="A directory that does not exist or is empty.")
    parser.add_argument("--license", help="Licence that the models' cards state, as the Hub names it.")
    given = parser.parse_args(argv)

    from modeling_dlfa.results.tables import text_table
    from modeling_dlfa.training.merging import merge_runs

    with one_line():
        results = merge_runs(given.shards, given.output_dir, license=given.license)
    if "summary" in results:
        print(text_table(results))
    print(f"Results: {given.output_dir}/results.json")


if __name__ == "__main__":
    main()
