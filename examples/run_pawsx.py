"""PAWS-X: train on English, test in 7 languages. `python examples/run_pawsx.py --help` lists the arguments."""

from modeling_dlfa.cli import main

if __name__ == "__main__":
    main("pawsx")
