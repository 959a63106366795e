"""Pre-trains a BERT from scratch by masked and translation language modelling, in stages that resume exactly."""

from __future__ import annotations

import json
import shlex
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from checkpoints import LOSSES, last_checkpoint, load_moments, load_start, load_state, load_weights, save_checkpoint
from pretraining_batches import Batches, BatchSettings
from pretraining_data import Packed
from pretraining_losses import IGNORED, linear_cross_entropy, matching_loss, translation_contrast, word_contrast
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import BertConfig, BertForMaskedLM

from modeling_dlfa.errors import InputError


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        max_steps: Steps of the whole run, over all its stages.
        warmup_steps: Steps over which the learning rate rises from 0.
        decay_steps: Last steps of `max_steps`, over which it falls to 0; in between it is constant, so that a run can
            be prolonged until its decay has begun.
        learning_rate: Highest learning rate.
        embedding_rate: Share of it that word embeddings learn at: what starts aligned shall stay so.
        contrast_layer: Layer (as in `hidden_states`) where a sentence is compared with its translation.
        contrast_weight: Weight of that loss beside the masked pieces'.
        word_weight: The same of telling a piece's translation from other pieces, in that layer.
        match_weight: The same of telling whether two sentences of a row mean the same.
        weight_decay: Of matrices; vectors (biases, norms) have none.
        adam_beta2: Adam's second decay rate.
        max_grad_norm: Gradients are clipped to this norm.
    """

    max_steps: int
    warmup_steps: int
    decay_steps: int
    learning_rate: float = 1e-3
    embedding_rate: float = 1.0
    contrast_layer: int = 4
    contrast_weight: float = 0.5
    word_weight: float = 0.5
    match_weight: float = 1.0
    weight_decay: float = 0.01
    adam_beta2: float = 0.98
    max_grad_norm: float = 1.0

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        rise = (step + 1) / max(1, self.warmup_steps)
        fall = (self.max_steps - step) / max(1, self.decay_steps)
        return self.learning_rate * max(0.0, min(1.0, rise, fall))


def language_model(config: BertConfig, attention: str = "eager") -> BertForMaskedLM:
    """A masked-language model with random weights whose output layer has one bias, tied to its input or not."""
    model = BertForMaskedLM._from_config(config, attn_implementation=attention)
    head = model.cls.predictions
    head.decoder.bias = head.bias  # transformers 5 makes two where words are not tied.
    model.cls.seq_relationship = nn.Linear(config.hidden_size, 2)  # As in BertForPreTraining.
    return model


class PretrainingLoss(nn.Module):
    """`BertForMaskedLM` and the loss of a batch: masked pieces, translations where sentences stand apart, and pairs.

    The scores are computed at the masked positions alone, a fraction of the work.

    Args:
        config: Configuration of the encoder.
        contrast_layer: Layer (as in `hidden_states`) whose mean over a sentence is compared with its translation's.
        contrast_weight: Weight of that loss beside the masked pieces'.
        word_weight: Weight of telling a piece's translation from other pieces, in that layer.
        match_weight: Weight of telling whether the two sentences of a row mean the same.
        first_word: Lower ids are special tokens.
        attention: Implementation of attention. On a CPU `eager` trains short rows faster than `sdpa`.
        compiled: Compile the encoder with torch.compile, a graph for each length class.
    """

    def __init__(
        self,
        config: BertConfig,
        contrast_layer: int,
        contrast_weight: float,
        word_weight: float,
        match_weight: float,
        first_word: int,
        attention: str,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.model = language_model(config, attention)
        self.contrast_layer, self.contrast_weight = contrast_layer, contrast_weight
        self.word_weight, self.match_weight = word_weight, match_weight
        self.first_word = first_word
        # Kept out of the module's own attributes, which would list its parameters twice.
        self._encode = [torch.compile(self.model.bert, dynamic=False) if compiled else self.model.bert]

    def forward(
        self,
        positions: torch.Tensor,
        labels: torch.Tensor,
        apart: torch.Tensor,
        matches: torch.Tensor,
        **inputs: torch.Tensor,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss to minimise, and the parts of it beside the masked pieces'.

        Args:
            positions: Flat positions of masked pieces, M.
            labels: What stood there, M; -100 for padding.
            apart: Whether the second half of the rows translates the first, a truth value.
            matches: Whether the two sentences of a row mean the same, B; -100 for rows that are not asked.
            **inputs: `input_ids`, `attention_mask`, `token_type_ids`, `position_ids`, each B x T.

        Returns:
            The loss, a scalar, and by name, before they are weighted, those of its parts that this batch has.
        """
        both = bool(apart)
        output = self._encode[0](**inputs, output_hidden_states=both)
        masked = self._masked_loss(output.last_hidden_state.flatten(0, 1)[positions], labels)
        if both:
            states = output.hidden_states[self.contrast_layer]
            contrast = translation_contrast(states, inputs["attention_mask"])
            loss, parts = masked + self.contrast_weight * contrast, {"contrastive_loss": contrast.detach()}
            if self.word_weight:
                words = word_contrast(states, inputs["input_ids"], self.first_word)
                loss, parts = loss + self.word_weight * words, parts | {"word_loss": words.detach()}
            return loss, parts
        first = output.last_hidden_state[:, 0]
        head: Any = self.model.cls.seq_relationship
        match = matching_loss(first, head, matches)
        return masked + self.match_weight * match, {"matching_loss": match.detach()}

    def _masked_loss(self, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if hidden.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            head = self.model.cls.predictions
            dtype = torch.get_autocast_dtype("cpu")
            weight, bias = head.decoder.weight.to(dtype), head.decoder.bias.to(dtype)
            return linear_cross_entropy(head.transform(hidden).to(dtype), weight, bias, labels)
        return nn.functional.cross_entropy(self.model.cls(hidden).float(), labels, ignore_index=IGNORED)


class Steps(torch.utils.data.Dataset):
    """Batches by step, for a DataLoader whose workers prepare them ahead."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        """The batch of a step as tensors."""
        return {name: torch.from_numpy(value) for name, value in self.batches[step].items()}


@dataclass(frozen=True)
class RunSettings:
    """How a stage of a run goes about its work; none of this changes what is learnt but for rounding.

    Attributes:
        max_minutes: End with a checkpoint after so many minutes.
        save_minutes: Minutes between checkpoints.
        logging_steps: Steps between lines of `loss.jsonl`.
        precision: `bf16` or `no`: autocast on CPU and GPU.
        compiled: Compile the encoder.
        workers: Processes that prepare batches.
    """

    max_minutes: float | None = None
    save_minutes: float = 10.0
    logging_steps: int = 50
    precision: str = "bf16"
    compiled: bool = False
    workers: int = 0


class Training:
    """A training run in a folder, begun or continued.

    A batch depends on the seed and the step alone, and dropout draws from a generator set by both, so that a run in
    stages ends with the weights of a run in one go on the same machine.

    Args:
        packed: Tokenised text.
        config: Configuration of the encoder.
        batch_settings: How to draw and mask.
        settings: How to train.
        run: How to go about it.
        folder: Where checkpoints and `loss.jsonl` go.
        embeddings: Word embeddings that a new run starts with, V x E; random ones if None.
        start_from: Checkpoint or exported encoder whose weights a new run starts with, without optimizer and step.

    Raises:
        InputError: `folder` holds a run with other settings.
    """

    def __init__(
        self,
        packed: Packed,
        config: BertConfig,
        batch_settings: BatchSettings,
        settings: TrainingSettings,
        run: RunSettings,
        folder: Path,
        *,
        embeddings: np.ndarray | None = None,
        start_from: Path | None = None,
    ) -> None:
        self.began = time.monotonic()
        self.settings, self.run, self.folder, self.seed = settings, run, folder, batch_settings.seed
        self.accelerator = Accelerator(mixed_precision=run.precision)
        torch.manual_seed(self.seed)
        attention = "eager" if self.accelerator.device.type == "cpu" else "sdpa"
        network = PretrainingLoss(
            config,
            settings.contrast_layer,
            settings.contrast_weight,
            settings.word_weight,
            settings.match_weight,
            len(packed.record["special"]),
            attention,
            compiled=run.compiled,
        )
        self.model = network.model
        self.dropout = bool(config.hidden_dropout_prob or config.attention_probs_dropout_prob)
        shape = {name: value for name, value in config.to_diff_dict().items() if name != "transformers_version"}
        self.agreed = {"config": shape, "batches": asdict(batch_settings), "packed": packed.record}
        resume = last_checkpoint(folder)
        state: dict[str, Any] = {"step": 0, "tokens": 0, "seconds": 0.0, "before": None}
        if resume is not None:
            state = load_state(resume)
            _check_same(state, self.agreed)
            load_weights(resume, self.model)
        elif start_from is not None:
            state["before"] = load_start(start_from, self.model)
        elif embeddings is not None:
            _start_embeddings(self.model, embeddings)
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]
        self.before: dict[str, Any] | None = state["before"]
        network.to(self.accelerator.device)
        self.optimizer = _optimizer(self.model, settings)
        if resume is not None:
            load_moments(resume, self.model, self.optimizer, self.step)
        self.network, self.stepper = self.accelerator.prepare(network, self.optimizer)
        self.batches = Batches(packed, batch_settings, self.accelerator.process_index)
        self.log = LossLog(folder / "loss.jsonl", self.step, self.accelerator.is_main_process)

    def train(self) -> Path:
        """Trains until `max_steps` or `max_minutes`.

        Returns:
            The last checkpoint.
        """
        main = self.accelerator.is_main_process
        bar = tqdm(total=self.settings.max_steps, initial=self.step, desc="train", disable=not main)
        losses: dict[str, list[torch.Tensor]] = {name: [] for name in LOSSES}
        saved = logged = self.began
        kept, logged_tokens = -1, self.tokens
        self.network.train()
        for batch in self._loader():
            for name, loss in self._learn(batch).items():
                losses[name].append(loss)
            bar.update()
            if self.step % self.run.logging_steps == 0 or self.step == self.settings.max_steps:
                means = {name: _mean(values) for name, values in losses.items()}
                now = time.monotonic()
                speed = (self.tokens - logged_tokens) / (now - logged)
                rate = self.settings.rate(self.step - 1)
                self.log.write(self.step, self.tokens, self.seconds + now - self.began, means, rate, speed)
                bar.set_postfix(means, tokens=f"{self.tokens / 1e6:.1f}M", per_second=f"{speed:,.0f}")
                losses = {name: [] for name in LOSSES}
                logged, logged_tokens = now, self.tokens
            if self.run.max_minutes is not None and time.monotonic() - self.began >= 60 * self.run.max_minutes:
                break
            if time.monotonic() - saved >= 60 * self.run.save_minutes:
                self._save()
                kept, saved = self.step, time.monotonic()
        bar.close()
        if kept != self.step:
            self._save()
        self.accelerator.wait_for_everyone()
        checkpoint = last_checkpoint(self.folder)
        if checkpoint is None:
            raise RuntimeError(f"No checkpoint was written to {self.folder}.")
        return checkpoint

    def _loader(self) -> DataLoader:
        return DataLoader(
            Steps(self.batches),
            batch_size=None,
            sampler=range(self.step, self.settings.max_steps),
            num_workers=self.run.workers,
            pin_memory=self.accelerator.device.type == "cuda",
            prefetch_factor=8 if self.run.workers else None,
        )

    def _learn(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """One step of the optimizer; the losses stay on the device, so that nothing waits for them."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate(self.step) * group["share"]
        if self.dropout:
            torch.manual_seed(self.seed * 1_000_003 + self.step * 8191 + self.accelerator.process_index)
        device = self.accelerator.device
        apart = batch.pop("apart")
        inputs = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        loss, parts = self.network(apart=apart, **inputs)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.max_grad_norm)
        self.stepper.step()
        self.stepper.zero_grad()
        self.tokens += int(batch["attention_mask"].sum()) * self.accelerator.num_processes
        self.step += 1
        if not (batch["matches"] != IGNORED).any():
            parts.pop("matching_loss", None)  # The 0 of a batch without a pair would read as learnt.
        return {"loss": loss.detach(), **parts}

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            progress = {
                "step": self.step,
                "tokens": self.tokens,
                "seconds": round(self.seconds + time.monotonic() - self.began, 1),
                "training": asdict(self.settings),
                "device": str(self.accelerator.device),
                "torch": torch.__version__,
                "command": shlex.join(["python", *sys.argv]),
                "before": self.before,
            }
            save_checkpoint(self.folder, self.model, self.optimizer, progress | self.agreed)


class LossLog:
    """Writes the loss curve, a JSON object a line; lines after a resumed step are dropped.

    Args:
        path: The file.
        step: Step at which training begins or goes on.
        active: Whether this process writes.
    """

    def __init__(self, path: Path, step: int, active: bool) -> None:
        self.path = path
        self.active = active
        if not active:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() and step else []
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8", newline="\n")

    def write(
        self, step: int, tokens: int, seconds: float, losses: dict[str, float | None], rate: float, speed: float
    ) -> None:
        """Adds a line: the mean losses since the last one, and where training stands."""
        if not self.active:
            return
        line = {
            "step": step,
            "tokens": tokens,
            "seconds": round(seconds, 1),
            **losses,
            "learning_rate": rate,
            "tokens_per_second": round(speed),
        }
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(line) + "\n")


def _mean(losses: list[torch.Tensor]) -> float | None:
    return round(float(torch.stack(losses).mean()), 4) if losses else None


def _check_same(state: dict[str, Any], agreed: dict[str, Any]) -> None:
    for name, value in json.loads(json.dumps(agreed)).items():
        if state[name] != value:
            raise InputError(
                f"The run in this folder has another {name}. Give the arguments it was begun with, or another folder."
            )


def _start_embeddings(model: BertForMaskedLM, embeddings: np.ndarray) -> None:
    weight = model.bert.embeddings.word_embeddings.weight
    if tuple(weight.shape) != embeddings.shape:
        raise InputError(
            f"The embeddings are {embeddings.shape}, the model wants {tuple(weight.shape)}. Run init anew."
        )
    # Unit vectors of E features, brought to the spread of BERT's initialisation.
    scale = model.config.initializer_range * embeddings.shape[1] ** 0.5
    with torch.no_grad():
        weight.copy_(torch.from_numpy(embeddings.astype(np.float32)) * scale)
        weight[model.config.pad_token_id or 0] = 0.0
        model.cls.predictions.decoder.weight.copy_(weight)


def _optimizer(model: BertForMaskedLM, settings: TrainingSettings) -> torch.optim.AdamW:
    words = model.bert.embeddings.word_embeddings.weight
    others = [parameter for parameter in model.parameters() if parameter is not words]
    groups = [
        {"params": [words], "weight_decay": 0.0, "share": settings.embedding_rate},
        {"params": [p for p in others if p.dim() > 1], "weight_decay": settings.weight_decay, "share": 1.0},
        {"params": [p for p in others if p.dim() <= 1], "weight_decay": 0.0, "share": 1.0},
    ]
    betas = (0.9, settings.adam_beta2)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas, fused=True)
