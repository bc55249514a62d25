"""pix2pix's own data sets: found in a folder of the user's, or fetched from their authors and
unpacked without trust.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import tarfile
import tempfile
import urllib.request
import zlib
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from imgtrans_jax.io.files import cache_folder, check_fetched
from imgtrans_jax.io.images import SUFFIXES
from imgtrans_jax.types import UserError

ADDRESS = "https://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
NAMES = ("facades", "maps", "edges2shoes", "edges2handbags", "cityscapes", "night2day")

_LARGEST = 100 * 2**20  # bytes of one picture
_ROOM = 2**26  # bytes by which pictures may be more than their archive: they are compressed already


def fetched(name: str, address: str = ADDRESS) -> Path:
    """The folder of a data set: $IMGTRANS_DATA/name if it is there, else in the cache folder,
    fetched if it must be.

    Args:
        name: One of NAMES.
        address: Where its archive, name.tar.gz, is fetched from.

    Returns:
        The folder.

    Raises:
        UserError: If it can be neither found nor fetched.
    """
    own = os.environ.get("IMGTRANS_DATA")
    if own and (Path(own).expanduser() / name).is_dir():
        return Path(own).expanduser() / name
    folder = cache_folder() / "pix2pix" / name
    if folder.is_dir():
        return folder
    url = f"{address}/{name}.tar.gz"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            archive = Path(scratch) / "archive.tar.gz"
            check_fetched(url, _download(url, archive))
            unpack(archive, Path(scratch) / name)
            os.replace(Path(scratch) / name, folder)
    except (
        OSError,
        EOFError,
        ValueError,
        zlib.error,
        http.client.HTTPException,
        tarfile.TarError,
    ) as error:
        raise UserError(
            f"{url} could not be fetched ({getattr(error, 'reason', None) or error}). Fetch and "
            f"unpack it elsewhere, put the folder '{name}' into a folder and set IMGTRANS_DATA to "
            "that; or give pairs of your own, `config.data.pairs=DIR`."
        ) from None
    return folder


def _download(url: str, path: Path) -> str:
    """Writes what is at an address to a file, and returns its SHA-256."""
    with urllib.request.urlopen(url, timeout=30) as response, path.open("wb") as file:
        if url.startswith("https:") and not response.url.startswith("https:"):
            raise OSError(f"the host leads on to {response.url}, which is not encrypted")
        total = int(response.headers.get("Content-Length") or 0) or None
        with tqdm.wrapattr(
            response, "read", total=total, desc=f"fetching {url}", disable=None
        ) as stream:
            shutil.copyfileobj(stream, file)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path, folder: Path) -> None:
    """Writes an archive's pictures to folder/train, folder/val and folder/test, by their own names
    alone: no link is followed and no name can lead outside.

    Args:
        archive: A .tar.gz file.
        folder: Is made.

    Raises:
        UserError: If there are no pictures, or if they are far larger than the archive.
    """
    count, left = 0, 2 * archive.stat().st_size + _ROOM
    with tarfile.open(archive, "r:gz") as members:
        for member in members:
            name = PurePosixPath(member.name)
            if (
                not member.isfile()
                or name.suffix.lower() not in SUFFIXES
                or name.name.startswith(".")
            ):
                continue
            left -= member.size
            if member.size > _LARGEST or left < 0:
                raise UserError(
                    f"{archive} holds pictures far larger than itself; the archive is not sound."
                )
            split = next(
                (part for part in name.parts[:-1] if part in ("train", "val", "test")), None
            )
            stream = members.extractfile(member)
            if split is None or stream is None:
                continue
            (folder / split).mkdir(parents=True, exist_ok=True)
            (folder / split / name.name).write_bytes(stream.read())
            count += 1
    if not count:
        raise UserError(
            f"{archive} holds no picture in train, val or test; the archive is not sound."
        )
