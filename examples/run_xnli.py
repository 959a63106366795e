"""XNLI: train on English, test in 15 languages. `python examples/run_xnli.py --help` lists the arguments."""

from modeling_dlfa.cli import main

if __name__ == "__main__":
    main("xnli")
