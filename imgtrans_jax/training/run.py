"""A training in its folder, and what its files say of where they were made."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

import jax

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import OpenedDataset
from imgtrans_jax.data.pipeline import Batches
from imgtrans_jax.io.files import whole
from imgtrans_jax.training.program import Program


@dataclasses.dataclass(frozen=True)
class Run:
    """An experiment, opened, in the folder of its files.

    Attributes:
        folder: Of the run.
        stored: The experiment as JSON.
        pictures: Its data.
        batches: Random access to this process's rows of batch n.
        program: Its compiled functions.
    """

    folder: Path
    stored: Any
    pictures: OpenedDataset
    batches: Batches
    program: Program

    @property
    def experiment(self) -> Experiment:
        return self.program.experiment

    def record(self, step: int, position: Any) -> dict[str, Any]:
        """What is saved beside a state.

        Args:
            step: That the state is after.
            position: Of the next batch in the data.

        Returns:
            JSON.
        """
        return {
            "config": self.stored,
            "data": position,
            "batch": self.program.batch_shapes(),
            "epochs": list(self.program.epochs(step).as_integer_ratio()),
            "versions": versions(),
        }


def versions() -> dict[str, str]:
    """Of the packages that a result depends on, of Python and the platform, and the devices, by
    their names.
    """
    names = (
        "imgtrans_jax",
        "jax",
        "jaxlib",
        "flax",
        "optax",
        "orbax-checkpoint",
        "grain",
        "numpy",
        "pillow",
    )
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    device = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return found | {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": device,
    }


def write_json(path: Path, value: Any) -> None:
    """Writes a file by process 0, whole or not at all.

    Args:
        path: Of the file.
        value: JSON.

    Raises:
        OSError: If nothing can be written.
    """
    if jax.process_index() == 0:
        with whole(path) as partial:
            partial.write_text(json.dumps(value, indent=1) + "\n")
