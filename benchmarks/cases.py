"""What is measured, for both sides. Needs NumPy alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Literal

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"
RATE = 0.02


@dataclasses.dataclass(frozen=True)
class Case:
    """One row. size: pixels a side of the larger pictures, or (height, width) by `height` too. precision: float32, or what each side
    is fastest in where it may use bfloat16. turn: steps a turn. target: the ratio to be reached, for the rows that have one."""

    task: str
    size: int
    batch: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    turn: int = 1
    target: float | None = None
    height: int | None = None

    @property
    def blocks(self) -> int:
        """Of the residual generator: the paper's, by size."""
        return 9 if self.size >= 256 else 6


def vgg_layers(names: Iterable[str]) -> list[str]:
    """conv1_1, ... in their order."""
    return sorted({name.split("/")[0] for name in names if name.startswith("conv")})
