"""Changes the form of trained networks: of a run, of a file of ours, of PyTorch's files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from imgtrans_jax.inference import generator_file, shelf
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.load import is_run, load_file, load_generator
from imgtrans_jax.inference.pytorch import (
    imported_file,
    is_folder_of_pth,
    networks_of,
    write_network,
)
from imgtrans_jax.io.files import make_folder, refuse_existing, refuse_inputs
from imgtrans_jax.training import warm_start
from imgtrans_jax.types import Direction, UserError
from imgtrans_jax.weights.pytorch_layouts import Network, described


def convert(
    source: Path,
    target: Path,
    direction: Direction = "a2b",
    overwrite: bool = False,
    trust_code: bool = False,
    precision: generator_file.Precision = "float32",
) -> None:
    """Writes networks in another form, and prints what was written.

    Args:
        source: A run, a file of a generator or a network, or a folder of .pth files.
        target: A .safetensors, .pth or .pt file; or a folder: of a run a folder of .pth files is
            made, of anything else a run.
        direction: Which generator of two goes to a .pth file.
        overwrite: Replaces a file that is there; folders and `source` never.
        trust_code: Runs the code outside imgtrans_jax that the source names.
        precision: Of the weights of a generator's .safetensors file, see `save_generator`.

    Raises:
        UserError: If the source cannot be read, or has no such form, or if the target is there and
            may not be overwritten.
    """
    is_file = re.fullmatch(r"\.[a-zA-Z]\w*", target.suffix) is not None
    if is_file and target.suffix not in (".safetensors", ".pth", ".pt"):
        raise UserError(
            f"The name {target} says no form: end it in .safetensors or .pth, or give a folder."
        )
    if precision != "float32" and target.suffix != ".safetensors":
        raise UserError(
            "`precision` is for a .safetensors file; leave it out, or name the target so."
        )
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(
            f"{target} is there already: it is SRC, which is never overwritten; give another name."
        )
    refuse_inputs([target], source.rglob("*") if source.is_dir() else ())
    if is_file or target.is_file():
        refuse_existing(target, overwrite=overwrite and is_file)
    elif is_folder_of_pth(target) or (target / "checkpoints").exists():
        raise UserError(f"{target} holds networks already; give another folder.")
    make_folder(target.parent, "DST")
    source = shelf.found(source)
    loaded = (
        load_file(source, trust_code)
        if source.is_file()
        else load_generator(source, trust_code, critics=True)
    )
    if is_file and target.suffix != ".safetensors":
        _write_pth(loaded, target, direction)
    elif is_file and isinstance(loaded, Network) and not loaded.is_generator:
        if precision != "float32":
            raise UserError(
                f"{source} is a critic, and `precision` is for generators; leave it out."
            )
        generator_file.save_network(loaded, target)
        print(f"Wrote {target}: a critic alone.")
    else:
        found = imported_file(loaded, str(source)) if isinstance(loaded, Network) else loaded
        _write_ours(found, source, target, is_file, precision)


def _write_ours(
    found: TrainedGenerator,
    source: Path,
    target: Path,
    is_file: bool,
    precision: generator_file.Precision,
) -> None:
    if is_file:
        generator_file.save_generator(found, target, precision)
        use = "translate" if found.experiment.recipe.directions else "generate"
        print(f"Wrote {target}: use it with imgtrans {use} {shlex.quote(str(target))} …")
    elif is_run(source):
        _write_folder(found, target)
    else:
        text = warm_start.save_run(found, target)
        print(
            f"Wrote the run {target}, {text} Use it with imgtrans translate, or for "
            f"a training with --config.init_from={target}"
        )


def _write_pth(loaded: TrainedGenerator | Network, target: Path, direction: Direction) -> None:
    """One network, and which it is."""
    networks = {"G": loaded} if isinstance(loaded, Network) else networks_of(loaded)
    name = "G" if "G" in networks else "G_A" if direction == "a2b" else "G_B"
    if name == "G" and direction == "b2a":
        raise UserError("There is one generator only; leave --direction out.")
    write_network(networks[name], target)
    others = (
        f"; the other one with --direction={'b2a' if name == 'G_A' else 'a2b'}"
        if name != "G"
        else ""
    )
    print(f"Wrote {target}: {described(networks[name])}{others}")


def _write_folder(found: TrainedGenerator, target: Path) -> None:
    """All networks of a run."""
    networks = networks_of(found)
    make_folder(target, "DST")
    for name, network in networks.items():
        write_network(network, target / f"latest_net_{name}.pth")
        print(f"Wrote {target / f'latest_net_{name}.pth'}: {described(network)}")
