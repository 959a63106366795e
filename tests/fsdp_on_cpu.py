"""Runs a task with FSDP2 over CPU processes, which torch can do (gloo) and Accelerate leaves out: it starts plain DDP.

What is put in its place here is the choice alone; the sharding, the Trainer and the runner are the real ones.

`accelerate launch --config_file examples/configs/fsdp.yaml --num_processes 2 tests/fsdp_on_cpu.py TASK ARGUMENTS`
"""

from __future__ import annotations

import os
import sys
from typing import Any

import torch
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType

from modeling_dlfa.cli import main
from modeling_dlfa.training.trainer import CrossLingualTrainer

_partial_init, _init = PartialState.__init__, AcceleratorState.__init__
_training_step = CrossLingualTrainer.training_step


def choose(self: PartialState, *args: Any, **kwargs: Any) -> None:
    """Starts the processes (gloo, on the CPU) and says that they shard."""
    _partial_init(self, *args, **kwargs)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.FSDP


def shard(self: AcceleratorState, *args: Any, **kwargs: Any) -> None:
    """Takes the plugin that Accelerate has read from the launcher's configuration and would leave aside."""
    _init(self, *args, **kwargs)
    if kwargs.get("fsdp_plugin") is not None:
        self.fsdp_plugin = kwargs["fsdp_plugin"]


def stop(self: CrossLingualTrainer, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Trains a step, and kills all processes where the test says so."""
    assert type(self.model).__name__.startswith("FSDP"), "the model is not sharded"
    if self.state.global_step == int(os.environ.get("STOP_AT", "-1")):
        os._exit(3)
    return _training_step(self, *args, **kwargs)


if __name__ == "__main__":
    PartialState.__init__ = choose  # type: ignore[method-assign]
    AcceleratorState.__init__ = shard  # type: ignore[method-assign]
    CrossLingualTrainer.training_step = stop  # type: ignore[method-assign]
    main(sys.argv[1], sys.argv[2:])
    # torch's caches of DTensor keep the mesh, and with it the threads of gloo, which have aborted Python as it ended.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
