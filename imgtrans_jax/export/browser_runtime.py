"""ONNX Runtime for the browser, two files of the npm package onnxruntime-web. Imports io."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from pathlib import Path

from imgtrans_jax.io.files import cache_folder, whole
from imgtrans_jax.types import UserError

VERSION = "1.30.0"
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
"""Names and SHA-256 of what a page loads."""

_CDN = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{VERSION}/dist/"
_LARGEST = 64 * 2**20  # bytes
_PATIENCE = 120  # seconds


def runtime_files(folder: str | Path | None = None) -> dict[str, bytes]:
    """The files by name.

    Args:
        folder: An unpacked onnxruntime-web, or its `dist`; None for the pinned version, which is
            fetched once and kept in the cache folder.

    Returns:
        Contents by name. Those of the pinned version are what they were when they were pinned;
        another version in `folder` is taken as it is, which is said.

    Raises:
        UserError: If they are not there, cannot be fetched, or are others than were pinned.
    """
    if folder is not None:
        return _given(Path(folder))
    kept = cache_folder() / f"onnxruntime-web-{VERSION}"
    try:
        found = {name: (kept / name).read_bytes() for name in FILES}
    except OSError:
        found = {}
    if not _as_pinned(found):
        print(f"Fetching onnxruntime-web {VERSION} (14 MB, once) …", flush=True)
        found = _from_npm() or _from_cdn()
        kept.mkdir(parents=True, exist_ok=True)
        for name, content in found.items():
            with whole(kept / name) as partial:
                partial.write_bytes(content)
    return found


def _given(folder: Path) -> dict[str, bytes]:
    for place in (folder, folder / "dist", folder / "package" / "dist"):
        if all((place / name).is_file() and (place / name).stat().st_size for name in FILES):
            found = {name: (place / name).read_bytes() for name in FILES}
            if not _as_pinned(found):
                print(
                    f"{place} is not onnxruntime-web {VERSION}, which this was tried with.",
                    flush=True,
                )
            return found
    raise UserError(
        f"{folder} holds no onnxruntime-web ({' and '.join(FILES)}): unpack what `npm pack "
        f"onnxruntime-web@{VERSION}` brings, and give the folder."
    )


def _as_pinned(found: dict[str, bytes]) -> bool:
    return {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} == FILES


def _from_npm() -> dict[str, bytes]:
    """By npm, which knows the user's own registry; {} where that is not to be had."""
    npm = shutil.which("npm")
    if npm is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"onnxruntime-web@{VERSION}"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_PATIENCE)
            (archive,) = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as opened:
                members = {name: opened.extractfile(f"package/dist/{name}") for name in FILES}
                found = {name: file.read(_LARGEST) for name, file in members.items() if file}
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, tarfile.TarError):
            return {}
    return found if _as_pinned(found) else {}


def _from_cdn() -> dict[str, bytes]:
    found = {}
    for name in FILES:
        try:
            with urllib.request.urlopen(_CDN + name, timeout=_PATIENCE) as answer:
                found[name] = answer.read(_LARGEST)
        except (OSError, ValueError) as error:
            raise UserError(
                f"onnxruntime-web {VERSION} cannot be fetched ({error}): unpack what `npm pack "
                f"onnxruntime-web@{VERSION}` brings, and give the folder, `runtime=FOLDER`."
            ) from None
    if not _as_pinned(found):
        raise UserError(
            f"What {_CDN} sends is not what was pinned (SHA-256), and is not used; give a folder, "
            "`runtime=FOLDER`."
        )
    return found
