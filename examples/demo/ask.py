"""Asks a saved checkpoint through transformers alone; run by the demo in a process that never imports this package.

python ask.py CHECKPOINT < questions.jsonl    # {"text": premise, "text_pair": hypothesis} a line
"""

import json
import sys

from transformers import pipeline

if __name__ == "__main__":
    questions = [json.loads(line) for line in sys.stdin]
    ask = pipeline("text-classification", model=sys.argv[1], trust_remote_code=True)
    for answer in ask(questions):
        print(json.dumps(answer))
    if "modeling_dlfa" in sys.modules:
        raise SystemExit("The installed package was imported, so this does not test the code beside the checkpoint.")
