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
    """One row of the table.

    size: pixels a side of the larger pictures, or with `height` their width. precision: what the
    row is called, `float32`, or `bfloat16` where each side takes the faster of both. turn: steps
    between two changes of sides. target: the ratio to be reached, for the rows that have one.
    """

    task: str
    size: int
    batch: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    turn: int = 1
    target: float | None = None
    height: int | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the larger pictures: (N, H, W, 3)."""
        return self.batch, self.height or self.size, self.size, 3

    @property
    def blocks(self) -> int:
        """Of the residual generator: the paper's, by size."""
        return 9 if self.size >= 256 else 6

    @property
    def name(self) -> str:
        size = f"{self.size}x{self.height}" if self.height else f"{self.size}"
        return f"{self.task} {size} px, batch {self.batch}, {self.precision}"


TARGETS = (
    Case("cyclegan", 256, target=0.9),
    Case("cyclegan", 256, precision="bfloat16", target=1.0),
    Case("pix2pix", 256, turn=4, target=1.0),
    Case("style_adam", 512, turn=2, target=1.0),
    Case("style_lbfgs", 512, turn=16, target=1.0),
    Case("generator", 256, turn=8, target=1.0),
)
OTHERS = (
    Case("cyclegan", 64, turn=4),
    Case("cyclegan", 64, batch=4, turn=2),
    Case("cyclegan", 64, batch=16),
    Case("cyclegan", 128, turn=2),
    Case("cyclegan", 128, batch=4),
    Case("cyclegan", 128, batch=16),
    Case("cyclegan", 256, batch=4),
    Case("cyclegan", 256, batch=16),
    Case("pix2pix", 256, precision="bfloat16", turn=4),
    Case("srgan", 96, batch=4),
    Case("style_adam", 256, turn=8),
    Case("style_lbfgs", 256, turn=40),
    Case("generator", 256, precision="bfloat16", turn=8),
    Case("generator", 1920, height=1080),
)


def vgg_layers(names: Iterable[str]) -> list[str]:
    """conv1_1, ... in their order."""
    return sorted({name.split("/")[0] for name in names if name.startswith("conv")})
