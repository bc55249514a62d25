"""Changes the form of trained networks: a run, a file of ours, or files of the common PyTorch
CycleGAN, pix2pix and CUT code.

python -m imgtrans_jax.convert SRC DST [--direction=b2a]

SRC: a run of train.py; a .safetensors file made here; a .pth or .safetensors file of the common
code; or a folder of its .pth files (latest_net_G_A.pth, …). Its architecture is recognised from the
shapes, and printed. PyTorch is not needed.

DST decides what is made, of a run's smoothed generators if it has them:
  FILE.safetensors   the generators with their config, for stylize.py --generator (a critic's .pth:
  that critic) FILE.pth           one network as PyTorch's torch.load and load_state_dict take it;
  of a CycleGAN that from a to b, or back
                     with --direction=b2a
  a folder           of a run: all its networks as latest_net_G.pth, latest_net_D.pth, or
  latest_net_G_A.pth, …;
                     of anything else: a run, for stylize.py --run and --config.init_from

A file that is there is replaced with --overwrite alone; a folder that holds networks, and SRC,
never.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from absl import flags

from imgtrans_jax import cli, generators
from imgtrans_jax.exchange import (
    Generator,
    imported_file,
    is_folder_of_pth,
    networks_of,
    write_network,
)
from imgtrans_jax.files import make_folder, refuse_existing, refuse_inputs
from imgtrans_jax.pretrained.pytorch import Network, described
from imgtrans_jax.types import Direction, UserError

DIRECTION = flags.DEFINE_enum(
    "direction", "a2b", ["a2b", "b2a"], "For DST.pth: which generator of a CycleGAN."
)
OVERWRITE = flags.DEFINE_bool("overwrite", False, "Make the file DST anew if it is there already.")
TRUST_CODE = flags.DEFINE_bool(
    "trust_code", False, "Run code that the run's config names outside imgtrans_jax."
)


def main(overrides: cli.Overrides, arguments: list[str]) -> int:
    if len(arguments) != 2 or overrides:
        raise UserError("Two names are needed: python -m imgtrans_jax.convert SRC DST; see --help.")
    source, target = (Path(name).expanduser() for name in arguments)
    convert(source, target, cast("Direction", DIRECTION.value), OVERWRITE.value, TRUST_CODE.value)
    return 0


def convert(
    source: Path,
    target: Path,
    direction: Direction = "a2b",
    overwrite: bool = False,
    trust_code: bool = False,
) -> None:
    """Writes what `source` holds in the form that the name `target` asks for, and prints what that
    is.

    Raises UserError if the source cannot be read, or has no such form, or if the target is there
    and may not be overwritten.
    """
    is_file = re.fullmatch(r"\.[a-zA-Z]\w*", target.suffix) is not None
    if is_file and target.suffix not in (".safetensors", ".pth", ".pt"):
        raise UserError(
            f"The name {target} says no form: end it in .safetensors or .pth, or give a folder."
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
    load = generators.load_file if source.is_file() else generators.load_generator
    loaded = load(source, trust_code)
    if is_file and target.suffix != ".safetensors":
        _write_pth(loaded, target, direction)
    elif is_file and isinstance(loaded, Network) and not loaded.is_generator:
        generators.save_network(loaded, target)
        print(f"Wrote {target}: a critic alone.")
    else:
        found = imported_file(loaded, str(source)) if isinstance(loaded, Network) else loaded
        _write_ours(found, source, target, is_file)


def _write_ours(found: Generator, source: Path, target: Path, is_file: bool) -> None:
    if is_file:
        generators.save_generator(found, target)
        print(f"Wrote {target}: use it with stylize.py --generator={target}")
    elif generators.is_run(source):
        _write_folder(found, target)
    else:
        text = generators.save_run(found, target)
        print(
            f"Wrote the run {target}, {text} Use it with stylize.py --run={target} or train.py "
            f"--config.init_from={target}"
        )


def _write_pth(loaded: Generator | Network, target: Path, direction: Direction) -> None:
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


def _write_folder(found: Generator, target: Path) -> None:
    """All networks of a run."""
    networks = networks_of(found)
    make_folder(target, "DST")
    for name, network in networks.items():
        write_network(network, target / f"latest_net_{name}.pth")
        print(f"Wrote {target / f'latest_net_{name}.pth'}: {described(network)}")


if __name__ == "__main__":
    cli.run(main, positional=True)
