"""Inputs, outputs and programs with which a published checkpoint is tried where it was loaded."""

from __future__ import annotations

import json
from typing import Any

import torch
from transformers import PreTrainedModel

from modeling_dlfa import DlfaModel

IDS = [[2, 9, 8, 3, 7, 11, 3], [2, 20, 3, 0, 0, 0, 0]]
MASK = [[1] * 7, [1] * 3 + [0] * 4]
ROWS = [json.dumps(IDS), json.dumps(MASK)]


@torch.no_grad()
def outputs(model: PreTrainedModel) -> list[Any]:
    output = model(torch.tensor(IDS), torch.tensor(MASK), return_dict=True)
    return (output["last_hidden_state"] if isinstance(model, DlfaModel) else output["logits"]).tolist()


PLACES = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification
ids, mask, *places = sys.argv[1:]
ids, mask = torch.tensor(json.loads(ids)), torch.tensor(json.loads(mask))
results = []
for repo, _, revision in (place.partition("@") for place in places):
    pinned = {"revision": revision} if revision else {}
    model = AutoModelForSequenceClassification.from_pretrained(repo, trust_remote_code=True, **pinned)
    with torch.no_grad():
        results.append(model(ids, mask).logits.tolist())
print(json.dumps(results))
"""
TUNE = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments
repo, new, ids, mask = sys.argv[1:]
model = AutoModelForSequenceClassification.from_pretrained(
    repo, trust_remote_code=True, num_labels=4, ignore_mismatched_sizes=True
)
ids, mask = torch.tensor(json.loads(ids)), torch.tensor(json.loads(mask))
rows = [{"input_ids": ids[row % 2], "attention_mask": mask[row % 2], "labels": row % 2} for row in range(8)]
before = model.dlfa.fusion.local_branch.expand.weight.clone()
arguments = TrainingArguments("out", max_steps=3, report_to=[], use_cpu=True, save_strategy="no", learning_rate=1e-2)
trainer = Trainer(model, arguments, train_dataset=rows)
trainer.train()
assert not torch.equal(before, model.dlfa.fusion.local_branch.expand.weight)
trainer.save_model("saved")
model.push_to_hub(new)
with torch.no_grad():
    print(json.dumps(model.eval()(ids, mask).logits.tolist()))
"""
