"""`python -m tests.hub --root FOLDER [--port N] [--fault JSON]`: a Hub in a process of its own.

Prints its address as soon as it answers, and serves until it is killed.
"""

from __future__ import annotations

import argparse
import json
import threading
from pathlib import Path

from .server import HubServer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the state")
    parser.add_argument("--port", type=int, default=0, help="0 for a free one")
    parser.add_argument("--fault", type=json.loads, action="append", default=[], help="values of a Fault, as JSON")
    arguments = parser.parse_args()
    hub = HubServer(arguments.root, arguments.port)
    for values in arguments.fault:
        hub.fail(**values)
    with hub:
        print(hub.url, flush=True)  # noqa: T201  The address is the output.
        threading.Event().wait()


if __name__ == "__main__":
    main()
