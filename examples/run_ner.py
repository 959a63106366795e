"""PAN-X (NER): train on English, test in 48 languages. `python examples/run_ner.py --help` lists the arguments."""

from modeling_dlfa.cli import main

if __name__ == "__main__":
    main("panx")
