"""Exports a trained network: the file, and a page that tells of it. Imports inference, weights, io
and this folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imgtrans_jax.data import sample_pictures
from imgtrans_jax.export import files
from imgtrans_jax.export.card import card_page
from imgtrans_jax.export.network import Exported, exported
from imgtrans_jax.inference import shelf
from imgtrans_jax.inference.generator_file import Precision, save_generator
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.io import images
from imgtrans_jax.io.files import make_folder, refuse_existing, refuse_inputs, whole
from imgtrans_jax.models.vgg import VGG, check_layers
from imgtrans_jax.types import Direction, UserError
from imgtrans_jax.weights.vgg import load_vgg

FEATURES = {"vgg": "embedded", "vgg16": "vgg16", "vgg19": "vgg19"}
"""Sources that are no generators, and the weights that they stand for."""

SUFFIXES = (".onnx", ".stablehlo", ".safetensors")


def export(
    source: str,
    target: str | Path,
    direction: Direction = "a2b",
    precision: Precision = "float32",
    layers: tuple[str, ...] = (),
    overwrite: bool = False,
    trust_code: bool = False,
) -> list[Path]:
    """Writes a network for programs that have no imgtrans_jax, and a page about it beside it.

    Args:
        source: A run, a file of a generator, the name of a finished network; or `vgg`, `vgg16`,
            `vgg19`, whose features are exported (to .onnx alone).
        target: A file that ends in .onnx, .stablehlo or .safetensors.
        direction: Which generator of two.
        precision: Of the weights; for .stablehlo float32 alone.
        layers: Of a VGG, those whose features are wanted; () for relu4_2.
        overwrite: Replaces files that are there.
        trust_code: Runs the code outside imgtrans_jax that a run names.

    Returns:
        The files written.

    Raises:
        UserError: If the source cannot be used or has no such form, or the target cannot be
            written.
    """
    target = Path(target)
    if target.suffix not in SUFFIXES:
        raise UserError(f"The name {target} says no form: end it in {', '.join(SUFFIXES)}.")
    if precision != "float32" and target.suffix == ".stablehlo":
        raise UserError(
            "`precision` is for .onnx and .safetensors; a .stablehlo file holds float32 alone."
        )
    of_features = source in FEATURES and not os.path.lexists(source)
    if of_features and target.suffix != ".onnx":
        raise UserError(f"Features are exported to ONNX alone: {target.with_suffix('.onnx')}.")
    if layers and not of_features:
        raise UserError("`layers` are a VGG's; leave them out.")
    if of_features and direction != "a2b":
        raise UserError("`direction` is a CycleGAN's; leave it out.")
    page = target.with_suffix(".html")
    written = [target] if of_features else [target, page]
    found = Path(source) if of_features else shelf.found(source)
    refuse_inputs(written, found.rglob("*") if found.is_dir() else [found])
    refuse_existing(*written, overwrite=overwrite)
    make_folder(target.parent, "OUT")
    if of_features:
        _write(target, _features(source, layers, precision))
        return written
    loaded = load_generator(found, trust_code)
    network = exported(loaded, direction, shelf.name_of(found))
    told = network.told() | _precision(network, precision)
    if target.suffix == ".onnx":
        _write(target, files.onnx_model(network, precision, told).SerializeToString())
    elif target.suffix == ".stablehlo":
        _write(target, files.stablehlo(network))
    else:
        save_generator(loaded, target, precision)
    write_card(target, told, samples(network))
    return written


def write_card(
    target: Path, told: Mapping[str, str], shown: Sequence[tuple[str, np.ndarray]]
) -> Path:
    """Writes the page about an exported network.

    Args:
        target: Its file, beside which the page will be.
        told: What there is to say of it.
        shown: Its `samples`.

    Returns:
        The page.
    """
    told = {**told, "file": f"{target.name}, {target.stat().st_size / 1e6:.1f} MB"}
    page = target.with_suffix(".html")
    with whole(page) as partial:
        partial.write_text(card_page(target.stem, told, shown), "utf-8")
    return page


def _write(target: Path, content: bytes) -> None:
    with whole(target) as partial:
        partial.write_bytes(content)


def _features(source: str, layers: tuple[str, ...], precision: Precision) -> bytes:
    depth, params = load_vgg(FEATURES[source])
    layers = layers or ("relu4_2",)
    try:
        check_layers(layers, depth)
    except ValueError as error:
        raise UserError(str(error)) from None
    model = files.onnx_features(VGG(depth, layers), params, precision)
    return model.SerializeToString()


def _precision(network: Exported, precision: Precision) -> dict[str, str]:
    """What the precision of the weights costs, measured on a sample."""
    if precision == "float32":
        return {"precision": precision}
    choice, inputs = _first_choice(network), jnp.asarray(sample(network))
    narrow, run = files.with_precision(network, precision), jax.jit(network)
    apart = np.abs(
        np.asarray(run(network.params, inputs, choice))
        - np.asarray(run(narrow.params, inputs, choice))
    )
    cost = f"{255 / 2 * apart.mean():.2f} of 255 levels in the mean, {255 / 2 * apart.max():.1f}"
    return {"precision": f"{precision}; on a sample it changes the result by {cost} at most"}


def _first_choice(network: Exported) -> Any:
    count = len(network.looks) or network.classes
    return jnp.eye(1, count) if count else None


def sample(network: Exported) -> np.ndarray:
    """Something that the network takes, (1, C, H, W) in [-1, 1], or latents (1, C): a drawing or a
    photograph where it takes color or gray, else random numbers.
    """
    rng = np.random.default_rng(0)
    if network.from_latents:
        return rng.normal(size=(1, network.channels)).astype(np.float32)
    if network.channels not in (1, 3):
        return rng.uniform(-1, 1, (1, network.channels, 128, 128)).astype(np.float32)
    picture = sample_pictures.photograph()
    if network.line_drawings:
        picture = sample_pictures.drawing()
    elif network.name and shelf.card(network.name).sample == "colored drawing":
        picture = sample_pictures.drawing(sketch=False)
    side = min(network.best_size or 256, 256)
    height, width = (max(8, round(n * side / min(picture.shape[:2]))) for n in picture.shape[:2])
    signed = images.to_signed(images.resize(picture, height, width))
    if network.channels == 1:
        signed = signed.mean(axis=2, keepdims=True)
    return signed.transpose(2, 0, 1)[None]


def samples(network: Exported) -> list[tuple[str, np.ndarray]]:
    """Pictures for the page about it: (caption, uint8 (H, W, C)); a sample that it takes, then its
    results, one for each look.
    """

    def drawn(x: Any) -> np.ndarray:
        return images.to_uint8(np.asarray(x)[0].transpose(1, 2, 0))

    inputs = jnp.asarray(sample(network))
    shown: list[tuple[str, np.ndarray]] = []
    if not network.from_latents and network.channels in (1, 3):
        shown.append(("a sample", drawn(inputs)))
    choices: list[tuple[str, Any]] = [("its result", _first_choice(network))]
    if network.looks:
        eye = np.eye(len(network.looks), dtype=np.float32)
        choices = [(look, eye[i : i + 1]) for i, look in enumerate(network.looks)]
    run = jax.jit(network)
    for caption, choice in choices:
        made = run(network.params, inputs, choice)
        if made.shape[1] in (1, 3):
            shown.append((caption, drawn(made)))
    return shown
