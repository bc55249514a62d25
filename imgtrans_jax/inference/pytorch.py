"""Trained networks without the rest of their training, and the files of them that
junyanz/pytorch-CycleGAN-and-pix2pix writes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.engine.game import Networks
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.methods.cut import CUT
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.models.patch_heads import PatchHeads
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.pth import write_torch
from imgtrans_jax.weights.pytorch_layouts import Network, check_exportable, described, state_dict
from imgtrans_jax.weights.pytorch_recognition import recognized
from imgtrans_jax.weights.tensors import read_tensors

OURS = {
    "G": "g",
    "G_A": "g_ab",
    "G_B": "g_ba",
    "D": "d",
    "D_A": "d_b",
    "D_B": "d_a",
    "F": "heads",
}
"""The names of networks in junyanz/pytorch-CycleGAN-and-pix2pix and CUT, and ours, which name a
critic by the domain that it judges.
"""

_FILE = re.compile(r"(?P<epoch>\w+)_net_(?P<name>G|G_A|G_B|D|D_A|D_B|F)\.pth")


def is_folder_of_pth(path: Path) -> bool:
    """Whether it holds files as junyanz/pytorch-CycleGAN-and-pix2pix writes them: latest_net_G.pth,
    200_net_G_A.pth, …
    """
    return path.is_dir() and any(_FILE.fullmatch(file.name) for file in path.iterdir())


def imported_folder(folder: Path) -> TrainedGenerator:
    """The networks of a folder of junyanz/pytorch-CycleGAN-and-pix2pix: those called `latest`, or
    of the last epoch. What was recognised is printed.

    Raises:
        UserError: If the folder holds no generator, if one of the networks is damaged or of another
            kind, or if they do not belong together.
    """
    found = {
        match: file for file in sorted(folder.iterdir()) if (match := _FILE.fullmatch(file.name))
    }
    epochs = {match["epoch"] for match in found if match["name"].startswith("G")}
    if not epochs:
        raise UserError(
            f"{folder} holds no generator (latest_net_G.pth, latest_net_G_A.pth); check the path."
        )
    newest = max(
        epochs,
        key=lambda epoch: (epoch == "latest", int(epoch) if epoch.isdecimal() else -1, epoch),
    )
    networks = {}
    for match, file in found.items():
        if match["epoch"] == newest and match["name"] == "F":
            networks |= _heads_of(file)
        elif match["epoch"] == newest:
            network = networks[OURS[match["name"]]] = read_network(file)
            if network.is_generator != match["name"].startswith("G"):
                raise UserError(f"{file} is {described(network)}, which its name does not say.")
    return _generator(networks, str(folder))


def imported_file(network: Network, source: str) -> TrainedGenerator:
    """The generator of one file.

    Args:
        network: What the file holds.
        source: The file's name, for the error.

    Returns:
        The generator, of an experiment that fits it.

    Raises:
        UserError: If it is a critic.
    """
    if not network.is_generator:
        what = "the heads of CUT" if isinstance(network.module, PatchHeads) else "a critic"
        raise UserError(f"{source} is {what}; a generator is needed here.")
    return _generator({"g": network}, source)


def read_network(path: Path) -> Network:
    """The network of a .pth or .safetensors file with the names of
    junyanz/pytorch-CycleGAN-and-pix2pix; prints what was recognised.
    """
    network = recognized(read_tensors(path)[0], str(path))
    print(f"{path} is {described(network)}.", flush=True)
    return network


def networks_of(generator: TrainedGenerator) -> dict[str, Network]:
    """The networks of a training by the names that junyanz/pytorch-CycleGAN-and-pix2pix gives them
    (G, D, or G_A, G_B, D_A, D_B). Critics that it has not got are left out, which is printed.

    Raises:
        UserError: If it has no such generators.
    """
    recipe, critics = generator.experiment.recipe, generator.critics or Networks({}, {})
    theirs, found = {ours: name for name, ours in OURS.items()}, {}
    players = [(recipe.generator, generator.params, generator.stats)]
    if recipe.critic is not None:
        players.append((recipe.critic, critics.params, critics.stats))
    for module, params, stats in players:
        found |= {
            theirs[name]: Network(
                recipe.heads if isinstance(recipe, CUT) and name == "heads" else module,
                params[name],
                stats.get(name, {}),
            )
            for name in params
            if name in theirs
        }
    if not any(name.startswith("G") for name in found):
        raise UserError(
            f"The common PyTorch code has no form for the networks of a {type(recipe).__name__} "
            "run."
        )
    for name, network in list(found.items()):
        try:
            check_exportable(network.module)
        except UserError as error:
            if name.startswith("G"):
                raise
            print(f"Without the critic {name}: {error}")
            del found[name]
    return found


def write_network(network: Network, path: Path) -> None:
    """Writes a .pth file that PyTorch loads.

    Args:
        network: The module and its weights.
        path: Of the file.

    Raises:
        UserError: For a network that junyanz/pytorch-CycleGAN-and-pix2pix has not got.
    """
    write_torch(path, state_dict(network))


def _generator(networks: dict[str, Network], source: str) -> TrainedGenerator:
    generators = {name: network for name, network in networks.items() if network.is_generator}
    heads = networks.pop("heads", None)
    if heads and generators.keys() == {"g"} and _are_for(heads, generators["g"], source):
        g, d = networks["g"], networks.get("d")
        recipe = CUT(generator=g.module, heads=heads.module)
        recipe = recipe if d is None else dataclasses.replace(recipe, critic=d.module)
        networks["heads"] = heads
    elif len(generators) == 1:
        ((name, g),) = generators.items()
        d = networks.get({"g": "d", "g_ab": "d_b", "g_ba": "d_a"}[name])
        networks = {"g": g} | ({"d": d} if d else {})
        recipe = _pix2pix(g, d, source)
    elif generators.keys() == {"g_ab", "g_ba"}:
        recipe = _cyclegan(networks, source)
        g = networks["g_ab"]
    else:
        raise UserError(
            f"The generators in {source} ({', '.join(generators)}) do not belong together; give "
            "one of their files."
        )
    side = g.module.multiple if isinstance(g.module, UNet) else 256
    data = Unpaired(
        a="", b="", cut=Preprocess(load_size=side * 286 // 256, crop_size=side), channels=g.channels
    )
    made: Any = g.module
    batch = {"a": [1, side, side, g.channels], "b": [1, side, side, made.channels]}
    players = [
        _player({n: x for n, x in networks.items() if isinstance(x.module, PatchGAN) is kind})
        for kind in (False, True)
    ]
    critics = (
        players[1]
        if players[1].params.keys() == ({"d"} if "g" in networks else {"d_a", "d_b"})
        else None
    )
    return TrainedGenerator(
        Experiment(data=data, recipe=recipe), players[0].params, players[0].stats, batch, critics
    )


def _heads_of(file: Path) -> dict[str, Network]:
    """CUT's heads; none, which is printed, where the file holds none: some of its kinds have no
    weights, and a generator is used without them.
    """
    try:
        return {"heads": read_network(file)}
    except UserError as error:
        print(f"Without the heads of CUT: {error}", flush=True)
        return {}


def _are_for(heads: Network, g: Network, source: str) -> bool:
    """Whether heads are those of the authors' maps of a generator; if not, that is printed."""
    width = getattr(g.module, "width", 0)
    wanted = [g.channels, 2 * width, 4 * width, 4 * width, 4 * width]
    given = [heads.params[f"mlp_{i}_0"]["kernel"].shape[0] for i in range(len(heads.params) // 2)]
    as_theirs = getattr(g.module, "downsample", "") == "blurred"
    if given == wanted and as_theirs and getattr(g.module, "blocks", 0) >= 5:
        return True
    print(
        f"Without the heads in {source}: they are not for layers 0, 4, 8, 12 and 16 of an "
        "anti-aliased ResNet, and a file does not say for which.",
        flush=True,
    )
    return False


def _pix2pix(g: Network, d: Network | None, source: str) -> Pix2Pix:
    made = g.module.channels  # type: ignore[attr-defined]
    if d is None:
        return Pix2Pix(generator=g.module, critic=PatchGAN(norm="batch"), test_mode="eval")
    if d.channels not in (made, g.channels + made):
        raise UserError(
            f"The critic in {source} sees {d.channels} channels, which its generator's pictures "
            "have not."
        )
    return Pix2Pix(
        generator=g.module,
        critic=d.module,
        conditional=d.channels == g.channels + made,
        test_mode="eval",
    )


def _cyclegan(networks: dict[str, Network], source: str) -> CycleGAN:
    for pair in (("g_ab", "g_ba"), ("d_a", "d_b")):
        there = [networks[name] for name in pair if name in networks]
        if len(there) == 2 and (
            there[0].module != there[1].module or there[0].channels != there[1].channels
        ):
            raise UserError(
                f"The two networks {pair[0]} and {pair[1]} in {source} differ; convert each file "
                "by itself."
            )
    critic = networks["d_a"].module if {"d_a", "d_b"} <= networks.keys() else PatchGAN()
    return CycleGAN(generator=networks["g_ab"].module, critic=critic)


def _player(networks: Mapping[str, Network]) -> Networks:
    return Networks(
        {n: x.params for n, x in networks.items()},
        {n: x.stats for n, x in networks.items() if x.stats},
    )
