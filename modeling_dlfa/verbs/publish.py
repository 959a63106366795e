"""Pushes a finished run's selected model to the Hub, with tokenizer, results, figure and card.

`dlfa publish runs/xnli org/name --dry_run FOLDER` shows what `dlfa publish runs/xnli org/name` would push.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..command.parser import CommandParser


def main(argv: Sequence[str]) -> None:
    """Publishes."""
    parser = CommandParser(prog="dlfa publish", description=__doc__)
    parser.add_argument("run_dir", help="Output directory of a finished command.")
    parser.add_argument("repo_id", help="Repository on the Hub: org/name.")
    parser.add_argument("--dry_run", metavar="FOLDER", help="Write what would be pushed into a new folder instead.")
    parser.add_argument("--run", help="Run to publish; the best fused one on English validation data if left out.")
    parser.add_argument("--license", help="Licence of the model as the Hub names it, such as apache-2.0.")
    parser.add_argument("--private", action="store_true", default=None, help="Make a private repository.")
    parser.add_argument("--revision", help="Branch; created if it does not exist.")
    parser.add_argument("--create_pr", action="store_true", help="Open a pull request instead of committing.")
    parser.add_argument("--commit_message", help="Message of the commit that brings the model.")
    parser.add_argument("--token", help="Hub token; the stored login or HF_TOKEN if left out.")
    given = parser.parse_args(argv)

    from ..publishing.hub import HubRepository
    from ..publishing.publish import dry_run, publish

    options = {"run": given.run, "license": given.license}
    if given.dry_run is not None:
        dry_run(given.run_dir, given.repo_id, given.dry_run, revision=given.revision, **options)
        print(f"Nothing was pushed. See {given.dry_run} for what would be")
    else:
        repository = HubRepository(given.repo_id, given.token, given.private, given.revision, given.create_pr)
        print(publish(given.run_dir, repository, commit_message=given.commit_message, **options))
