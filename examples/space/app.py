"""The page as a Space: `DLFA_CHECKPOINT` and, if wanted, `DLFA_BASELINE` are variables in the Space's settings."""

import os

from modeling_dlfa.space.serving import serve

CHECKPOINT = os.environ.get("DLFA_CHECKPOINT", "org/name")
BASELINE = os.environ.get("DLFA_BASELINE") or None
# A DLFA checkpoint never needs it: its code is this package's.
TRUST_REMOTE_CODE = os.environ.get("DLFA_TRUST_REMOTE_CODE") == "1"

if __name__ == "__main__":
    serve(CHECKPOINT, BASELINE, trust_remote_code=TRUST_REMOTE_CODE)
