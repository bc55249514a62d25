"""Trained feature networks for metrics: LPIPS's heads and AlexNet from an installed package,
Inception from its file.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from imgtrans_jax.io.files import cache_folder, make_folder, whole
from imgtrans_jax.models.alexnet import CONVOLUTIONS
from imgtrans_jax.models.inception import SIDE, Inception
from imgtrans_jax.models.vgg import MEAN, STD
from imgtrans_jax.types import Params, UserError, Variables
from imgtrans_jax.weights.pickle_reader import read_arrays
from imgtrans_jax.weights.pth import read_torch
from imgtrans_jax.weights.vgg import VGG16_SHA256, load_vgg, packaged

Backbone: TypeAlias = Literal["alex", "vgg"]

INCEPTION = "pt_inception-2015-12-05-6726825d.pth"
_RELEASE = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{INCEPTION}"
ALEXNET_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"


def load_lpips(backbone: Backbone) -> tuple[Variables, tuple[np.ndarray, ...]]:
    """What LPIPS needs of one backbone.

    Args:
        backbone: The network whose features are compared.

    Returns:
        Its parameters, for `models.alexnet.AlexNet` or `models.vgg.VGG`; and LPIPS's weight of
        every channel of its five layers, (C,) each.

    Raises:
        UserError: If the package that carries them is missing or damaged.
    """
    if backbone == "vgg":
        arrays = read_arrays(packaged("vgg16.ckpt", VGG16_SHA256))
        params = load_vgg("embedded")[1]
    else:
        arrays = read_arrays(packaged("alexnet.ckpt", ALEXNET_SHA256))
        layers = {
            name: {
                part: np.array(arrays["AlexNet_0"][f"Conv_{number}"][part])
                for part in ("kernel", "bias")
            }
            for number, name in enumerate(CONVOLUTIONS)
        }
        params = {
            "params": {
                "mean": np.array(MEAN, np.float32),
                "deviation": np.array(STD, np.float32),
                **layers,
            }
        }
    heads = [np.array(arrays[f"NetLinLayer_{i}"]["Conv_0"]["kernel"]).reshape(-1) for i in range(5)]
    return params, tuple(heads)


def load_inception(path: str = "") -> Variables:
    """The parameters of `models.inception.Inception` from the .pth of pytorch-fid.

    Args:
        path: The file; '' for the cache folder, where it is put, once, from its release.

    Returns:
        The parameters.

    Raises:
        UserError: If it cannot be had, or is another network.
    """
    file = Path(path).expanduser() if path else cache_folder() / INCEPTION
    if not file.exists():
        if path:
            raise UserError(f"There is no file of Inception's weights {path}; check the path.")
        _fetch(file)
    shapes = jax.eval_shape(
        Inception().init, jax.random.key(0), jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)
    )
    return {"params": _folded(read_torch(file), shapes["params"], file)}


def _fetch(file: Path) -> None:
    print(f"Fetching Inception's weights (91 MB, once) from {_RELEASE} …", flush=True)
    make_folder(file.parent, "$IMGTRANS_CACHE")
    try:
        with urllib.request.urlopen(_RELEASE, timeout=60) as answer:
            data = answer.read(200_000_000)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise UserError(
            f"Inception's weights could not be fetched ({getattr(error, 'reason', error)}): put "
            f"{INCEPTION} into {file.parent}, give its path with `features=PATH`, or use "
            "`features=vgg16`, which needs no network."
        ) from None
    if not hashlib.sha256(data).hexdigest().startswith("6726825d"):
        raise UserError(
            "What was fetched as Inception's weights has another checksum than its name says; "
            "try again."
        )
    with whole(file) as partial:
        partial.write_bytes(data)


def _folded(arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Any], file: Path) -> Params:
    """Convolutions with their batch norm (epsilon 1e-3, running statistics) as one, by the names of
    the module's tree.
    """

    def unit(name: str, wanted: Mapping[str, Any]) -> Params:
        try:
            kernel = arrays[f"{name}.conv.weight"].astype(np.float64).transpose(2, 3, 1, 0)
            scale, shift, mean, variance = (
                arrays[f"{name}.bn.{part}"].astype(np.float64)
                for part in ("weight", "bias", "running_mean", "running_var")
            )
        except (KeyError, ValueError):
            raise UserError(
                f"{file} is no Inception of pytorch-fid: it has no {name}; get {INCEPTION}."
            ) from None
        factor = scale / np.sqrt(variance + 1e-3)
        if kernel.shape != wanted["kernel"].shape or not np.isfinite(factor).all():
            raise UserError(
                f"{file} is no Inception of pytorch-fid: {name} has another shape, or is damaged; "
                f"get {INCEPTION}."
            )
        return {
            "conv": {
                "kernel": np.float32(kernel * factor),
                "bias": np.float32(shift - mean * factor),
            }
        }

    def tree(wanted: Mapping[str, Any], name: str) -> Params:
        if "conv" in wanted:
            return unit(name, wanted["conv"])
        return {key: tree(inner, f"{name}.{key}" if name else key) for key, inner in wanted.items()}

    return tree(shapes, "")


def checksum(params: Params) -> str:
    """The first 12 digits of the SHA-256 over all arrays, by which a score names the weights that
    it was made with.
    """
    digest = hashlib.sha256()
    for path, array in sorted(
        jax.tree_util.tree_leaves_with_path(params), key=lambda leaf: str(leaf[0])
    ):
        digest.update(f"{jax.tree_util.keystr(path)} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]
