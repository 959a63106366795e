"""`python -m tests.hub --root FOLDER`: a Hub in a process of its own.

Prints its address as soon as it answers, and serves until it is killed.
"""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from .server import HubServer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the state")
    with HubServer(parser.parse_args().root) as hub:
        print(hub.url, flush=True)  # noqa: T201  The address is the output.
        threading.Event().wait()


if __name__ == "__main__":
    main()
