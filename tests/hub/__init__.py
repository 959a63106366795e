"""A Hub of our own on 127.0.0.1, for tests that publish and load over real HTTP with the real client.

    with HubServer(folder) as hub:
        api = HfApi(endpoint=hub.url, token=WRITE_TOKEN)

It speaks what huggingface_hub uses for models and datasets: repositories, commits, LFS, trees, revisions, tokens, pull
requests. No Xet: huggingface_hub 2.x asks nobody before it uploads by Xet, so clients need `HF_HUB_DISABLE_XET=1`.
`python -m tests.hub --root FOLDER` serves the same folder from a process that can be killed.
"""

from .accounts import READ_TOKEN, STRANGER_TOKEN, WRITE_TOKEN
from .faults import Fault
from .server import HubServer

__all__ = ["READ_TOKEN", "STRANGER_TOKEN", "WRITE_TOKEN", "Fault", "HubServer"]
