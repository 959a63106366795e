"""UD-POS: train on English, test in 37 languages. `python examples/run_pos.py --help` lists the arguments."""

from modeling_dlfa.cli import main

if __name__ == "__main__":
    main("udpos")
