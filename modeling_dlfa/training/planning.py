"""What a command will do, decided and read before anything is written or trained."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import PartialState
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging

from ..data.description import statistics_text
from ..data.loading import languages_without_file, resolve_languages
from ..errors import InputError
from ..processor import bf16_is_slow, bf16_warning
from ..publishing.hub import HubRepository
from ..results.directory import OutputDirectory
from ..results.results import Results
from ..tasks import Task
from .adapters import check_adaptable
from .argument_checks import check_options
from .arguments import Arguments, CrossLingualTrainingArguments
from .base_model import check_buildable, fetch_weights, load_tokenizer
from .checks import check_arguments
from .glyphs import check_glyphs
from .learning import loss_function
from .mixup import Mixup
from .options import LearningArguments, ModelArguments, RunArguments
from .processes import check_launch, held
from .saved_runs import finished_command, saved_runs
from .systems import Run, own_share, plan_runs
from .task_data import TaskData, adapted, load_task_data
from .trial import try_trainer

logger = logging.get_logger(__name__)


@dataclass(frozen=True)
class Plan:
    """What all runs of a command share.

    Attributes:
        task: What to learn.
        model: The encoder or checkpoint to start from, and which part of it is trained.
        training: The Trainer's arguments.
        saving: What is kept of a run, and which shard of the command this is.
        planned: The runs of the command and all its shards.
        runs: The runs of this shard.
        data: The examples.
        tokenizer: The model's tokenizer.
        output: Where everything is written.
        anew: Whether to delete what lies there first; otherwise finished runs stay.
        learning: When a run stops early, and when it is repeated.
        loss: What the Trainer computes the loss by; the model's own loss if None.
        repository: Where to publish the selected model; None if it is not published.
        languages_without_file: The languages among "all" that are skipped because they have no test file.
        mixup: What is mixed into the embeddings in training; None for nothing.
        one_pass: Whether all systems of a seed are trained at once on one backbone.
        finished: The results of the command whose saved models are tested; None where a model is trained or tested.
        command: The command that the results name as their origin; the process's own if None.
        started: When, in seconds since the epoch.
    """

    task: Task
    model: ModelArguments
    training: CrossLingualTrainingArguments
    saving: RunArguments
    planned: Sequence[Run]
    runs: Sequence[Run]
    data: TaskData
    tokenizer: PreTrainedTokenizerBase
    output: OutputDirectory
    anew: bool
    learning: LearningArguments
    loss: Callable[..., torch.Tensor] | None
    repository: HubRepository | None
    languages_without_file: list[str]
    mixup: Mixup | None
    one_pass: bool
    finished: Results | None
    command: str | None
    started: float


@contextlib.contextmanager
def planned(task: Task, arguments: Arguments) -> Iterator[Plan]:
    """Plans a command, and reserves its output directory until the end.

    Args:
        task: What to learn.
        arguments: What to fuse, on which data, how to train, where to write.

    Yields:
        The plan; nothing has been written yet.

    Raises:
        InputError: Wrong input, or another command is writing into the output directory.
    """
    # Arguments built in Python have not been through a command line.
    check_options(task, arguments)
    check_arguments(task, arguments)
    PartialState()
    check_launch(arguments.model.peft)
    output = OutputDirectory(str(arguments.training.output_dir))
    with held(output.path):
        yield _plan(task, arguments, output)


def _plan(task: Task, arguments: Arguments, output: OutputDirectory) -> Plan:
    task = adapted(task, arguments.data)
    started, is_main = time.time(), PartialState().is_main_process
    model, training, saving, asked = arguments.model, arguments.training, arguments.run, arguments.data
    resume = training.resume_from_checkpoint
    anew = output.check_free(resume=resume is not None, overwrite=saving.overwrite, inputs=arguments.inputs())
    try_trainer(training)
    languages = resolve_languages(asked.languages, task, asked.test_file if training.do_predict else None)
    missing = languages_without_file(asked.languages, task, languages)
    if is_main and missing:
        logger.info(f"Skipped, no test file: {' '.join(missing)}.")
    if finished := finished_command(model.model_name_or_path):
        every = saved_runs(task, model, finished, saving.seeds, do_train=training.do_train)
        asked = replace(asked, max_length=asked.max_length or finished.recipe.get("max_length"))
    else:
        every = plan_runs(
            task,
            model,
            arguments.seeds,
            do_train=training.do_train,
            baseline=saving.baseline,
            layers_apart=arguments.layers_apart,
        )
    runs = own_share(every, saving.shard_index, saving.num_shards)
    if resume not in (None, "last") and len(runs) > 1:
        raise InputError(
            "A checkpoint's folder continues only one run; for several, use --resume_from_checkpoint last."
        )
    check_adaptable(task.kind, model, {run.system: run.config for run in every}.values())
    paths = dict.fromkeys(run.checkpoint or model.model_name_or_path for run in runs)
    starts = [replace(model, model_name_or_path=path) for path in paths]
    check_buildable(model, runs[0].config)
    for start in starts:
        fetch_weights(start)
    if is_main:
        _warn_of_slow_bf16(training)
    tokenizer = load_tokenizer(starts[0], runs[0].config)
    check_glyphs(model, tokenizer)
    if not is_main:
        import datasets

        datasets.disable_progress_bars()
    mixup = Mixup.load(asked)
    data = load_task_data(task, asked, training, languages, tokenizer, model.cache_dir)
    if mixup is not None:
        mixup.check(asked, data.encoded["train"], tokenizer)
        data.encoded["train"] = mixup.numbered(data.encoded["train"])
    if is_main:
        logger.info(statistics_text(data.statistics, task))
    return Plan(
        task,
        model,
        training,
        saving,
        planned=every,
        runs=runs,
        data=data,
        tokenizer=tokenizer,
        output=output,
        anew=anew,
        learning=arguments.learning,
        loss=arguments.compute_loss_func or loss_function(task, arguments.learning, training, data.train),
        repository=_repository(training, model.token),
        languages_without_file=missing,
        mixup=mixup,
        one_pass=arguments.one_pass,
        finished=finished,
        command=arguments.command,
        started=started,
    )


def _warn_of_slow_bf16(training: CrossLingualTrainingArguments) -> None:
    options = {"--bf16 True": training.bf16, "--bf16_full_eval True": training.bf16_full_eval}
    options["The launcher's mixed precision bf16"] = training.precision == "bf16"
    asked = [option for option, given in options.items() if given]
    if asked and training.device.type == "cpu" and bf16_is_slow():
        logger.warning(bf16_warning(asked[0]))


def _repository(training: CrossLingualTrainingArguments, token: str | None) -> HubRepository | None:
    """Returns the repository to publish to by the Trainer's own arguments, checked; None without `--push_to_hub`."""
    if not training.push_to_hub:
        return None
    repository = HubRepository(
        training.hub_model_id or Path(str(training.output_dir)).absolute().name,
        training.hub_token or token,
        training.hub_private_repo,
        training.hub_revision,
    )
    repository.check()
    return repository
