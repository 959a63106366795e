"""`python -m modeling_dlfa` is the `dlfa` command, such as for `accelerate launch -m modeling_dlfa train ...`."""

from .cli import run

if __name__ == "__main__":
    run()
