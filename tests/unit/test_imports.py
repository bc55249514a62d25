"""Imports point one way: an arrow back is a mistake in the architecture (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "imgtrans_jax"
FLOORS = [
    {"types"},
    {"files", "json_files", "processes", "memory", "colour"},
    {"reading"},
    {"images", "losses", "models", "pool", "optim", "samples"},
    {"game", "data", "pretrained", "tiles", "watch", "results"},
    {"metrics"},
    {"state"},
    {"step", "image_opt", "sharding", "checkpoint", "report"},
    {"recipes"},
    {"config", "canvas"},
    {"program", "cli", "exchange", "trust"},
    {"generators"},
    {"translation", "convert", "stylisation", "dreaming", "visualisation", "perceptual_study"},
    {"evaluation"},
    {"records"},
    {"loop", "evaluate", "comparison", "study"},
    {"compare"},
]


def floor(module: str) -> int:
    (number,) = [i for i, names in enumerate(FLOORS) if module in names]
    return number


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


LATER = {"__init__", "__main__", "commands", "inference"}
FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if room(p) not in LATER]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{a.name}" for a in node.names]
        for name in names:
            if name.startswith("imgtrans_jax."):
                other = name.split(".")[1]
                assert other == room(path) or floor(other) < floor(room(path)), (
                    f"{room(path)} imports {other}"
                )


def test_a_loss_and_a_model_know_no_config_and_no_optimiser():
    for path in [*(PACKAGE / "losses").glob("*.py"), *(PACKAGE / "models").glob("*.py")]:
        text = path.read_text()
        assert "optax" not in text
        assert "imgtrans_jax.config" not in text
