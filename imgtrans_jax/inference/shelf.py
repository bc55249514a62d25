"""The finished networks that come with the package: found by name, each with a card that says what
it makes, of what it learned, and how it was trained.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tomllib
from pathlib import Path
from typing import Any, Literal

from imgtrans_jax.types import UserError

FOLDER = Path(__file__).parents[1] / "networks"


@dataclasses.dataclass(frozen=True)
class Card:
    """What is told of a finished network, from NAME.toml beside its weights.

    Attributes:
        makes: What it turns into what, in a line.
        sample: The kind of picture that it takes, of which one comes with the package.
        use: Commands, separated by semicolons.
        trained: The command, the steps, the machine and how long it took.
        data: What it learned from, with authors and licences.
        licence: Of the network.
        scores: What was measured, on what.
        limits: Where it fails.
    """

    makes: str
    sample: Literal["photograph", "drawing", "colored drawing"]
    use: str
    trained: str
    data: str
    licence: str
    scores: str
    limits: str


def names() -> list[str]:
    """Of the networks that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def card(name: str) -> Card:
    """What is told of a network."""
    told: Any = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    lines: Any = {label: " ".join(text.split()) for label, text in told.items()}
    return Card(**lines)


def name_of(path: Path) -> str:
    """Of a network that comes with the package, by its path; '' for another."""
    with contextlib.suppress(OSError):
        if path.resolve().parent == FOLDER.resolve() and path.stem in names():
            return path.stem
    return ""


def found(source: str | Path) -> Path:
    """The path of a network.

    Args:
        source: A path, or the name of a network that comes with the package. A run or a file of
            that name comes first, which is said; a folder of pictures does not.

    Returns:
        The path.

    Raises:
        UserError: If there is nothing of that name.
    """
    path = Path(source).expanduser()
    if str(source) in names():
        if path.is_file() or (path / "checkpoints").is_dir():
            print(f"{source} is the one in this folder, not the network that comes along.")
            return path.absolute()
        return FOLDER / f"{source}.safetensors"
    if path.exists():
        return path
    raise UserError(
        f"There is no {path}; give the folder of a trained run, a .safetensors or .pth file of a "
        f"generator, or one of the networks that come along: {', '.join(names())}."
    )
