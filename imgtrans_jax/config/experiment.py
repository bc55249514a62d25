"""Experiments as typed values. Imports data, methods and optim."""

from __future__ import annotations

import dataclasses
from typing import Literal

from imgtrans_jax.data.datasets import Data, Unpaired
from imgtrans_jax.methods.base import Recipe
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.optim.adam import Adam, Optimizer
from imgtrans_jax.types import PathText, Weights


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of the test pictures during training, in evaluations.jsonl, in the log and on the
    page.

    Attributes:
        every: Epochs from one to the next, 0 for none.
        metrics: See `EvaluationSpec`.
        features: See `EvaluationSpec`.
        count: See `EvaluationSpec`.
        best: A metric by whose mean over the directions the best checkpoint is kept, in RUN/best;
            '' for none.
        patience: Ends the training when the best is so many epochs old, 0 for never.
    """

    every: int = 0
    metrics: tuple[str, ...] = ("kid",)
    features: Weights = "vgg16"
    count: int = 200
    best: str = ""
    patience: int = 0


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that defines a run.

    Attributes:
        data: What is learned from.
        recipe: How it is learned.
        optimizer: The steps of the generators.
        critic_optimizer: Those of the critics; None for the same as the generators'.
        batch_size: Over all devices.
        accumulate: In how many parts, one after the other, a batch is computed, for less memory;
            each part has batch statistics of its own.
        seed: All randomness follows from it.
        steps: The length of the run; None for the length of the optimizer's schedule in epochs.
        init_from: What the training starts from: a generator alone (a .safetensors or .pth file of
            it), or with its critics (a trained run, or a folder of
            junyanz/pytorch-CycleGAN-and-pix2pix with latest_net_G.pth, latest_net_D.pth, …). '' for
            nothing.
        log_every: In steps.
        sample_every: In steps.
        save_every: In steps.
        keep: Checkpoints kept.
        samples: Test pictures in the report.
        evaluation: Whether and how test pictures are scored as it goes.
        mesh: Devices along the batch (0: as many as fit) and along the pictures' height.
        shard_optimizer: The optimizers' moments are split over the devices of the batch instead of
            kept by each.
        matmul_precision: Of float32 products on GPU and TPU: `default` allows tf32 or bf16 there,
            `highest` does not.
    """

    data: Data = Unpaired()
    recipe: Recipe = CycleGAN()
    optimizer: Optimizer = Adam()
    critic_optimizer: Optimizer | None = None
    batch_size: int = 1
    accumulate: int = 1
    seed: int = 0
    steps: int | None = None
    init_from: PathText = ""
    log_every: int = 50
    sample_every: int = 1000
    save_every: int = 1000
    keep: int = 3
    samples: int = 8
    evaluation: Evaluation = Evaluation()
    mesh: tuple[int, int] = (0, 1)
    shard_optimizer: bool = False
    matmul_precision: Literal["default", "high", "highest"] = "default"
