"""Files that somebody has changed: originals of every form that is read, and a thousand ways to
spoil each of them.
"""

from __future__ import annotations

import codecs
import copy
import hashlib
import io
import json
import os
import shutil
import signal
import struct
import sys
import time
import traceback
import typing
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, features

GOLDEN = Path(__file__).parents[1] / "golden"
MOST_BYTES, MOST_SECONDS = 2**30, 30
SHARES = {
    "picture": 40,
    "npy": 8,
    "pth": 16,
    "safetensors": 14,
    "config": 8,
    "lines": 8,
    "tfds": 4,
    "run": 2,
}
"""Of a hundred files."""

# ---------------------------------------------------------------------------------------- originals


def pictures(folder: Path) -> None:
    """One small picture of every form and depth."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a photograph"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgb.save(folder / "rgb.png", icc_profile=profile, exif=exif)
    rgb.convert("RGBA").save(folder / "rgba.png")
    rgb.quantize(16).save(folder / "palette.png", transparency=3)
    rgb.convert("1").save(folder / "bits.png")
    Image.fromarray(rng.integers(0, 2**16, (24, 32), np.uint16)).save(folder / "deep.png")
    rgb.save(folder / "exif.jpg", exif=exif, icc_profile=profile)
    rgb.save(folder / "progressive.jpg", progressive=True)
    rgb.convert("CMYK").save(folder / "cmyk.jpg")
    rgb.save(folder / "lossy.webp", exif=exif)
    rgb.convert("RGBA").save(folder / "lossless.webp", lossless=True)
    rgb.save(folder / "plain.tif")
    rgb.save(folder / "lzw.tif", compression="tiff_lzw", exif=exif)
    Image.fromarray(rng.random((24, 32)).astype(np.float32)).save(folder / "float.tif")
    Image.fromarray(rng.integers(0, 2**16, (24, 32), np.uint16)).save(folder / "deep.tif")
    rgb.save(folder / "film.gif", save_all=True, append_images=[rgb.rotate(90)])
    rgb.save(folder / "plain.bmp")
    if features.check("avif"):
        rgb.save(folder / "plain.avif")


def originals(folder: Path) -> None:
    """Everything that is spoilt, in a folder for each kind."""
    from imgtrans_jax.config.experiment import Experiment
    from imgtrans_jax.config.stored import to_json
    from imgtrans_jax.data import datasets
    from imgtrans_jax.data.sources import Tfds
    from imgtrans_jax.evaluation import human_study, records
    from imgtrans_jax.inference import generator_file, load
    from imgtrans_jax.training import warm_start

    for kind in SHARES:
        (folder / kind).mkdir()
    pictures(folder / "picture")
    rng = np.random.default_rng(0)
    np.save(folder / "npy" / "bytes.npy", rng.integers(0, 256, (24, 32, 3), np.uint8))
    np.save(folder / "npy" / "floats.npy", rng.random((24, 32, 1)).astype(np.float32))
    np.save(folder / "npy" / "columns.npy", np.asfortranarray(rng.random((24, 32))))
    for name in (
        "latest_net_G_A.pth",
        "old_net_G_A.pth",
        "latest_net_D_A.pth",
        "zip.pth",
        "legacy.pth",
    ):
        shutil.copy(GOLDEN / name, folder / "pth")
    loaded = load.load_generator(GOLDEN / "latest_net_G_A.pth")
    critic = load.load_file(GOLDEN / "latest_net_D_A.pth")
    generator_file.save_generator(loaded, folder / "safetensors" / "ours.safetensors")
    generator_file.save_network(critic, folder / "safetensors" / "critic.safetensors")
    warm_start.save_run(loaded, folder / "run" / "run")
    experiment = Experiment(
        data=datasets.Unpaired(a="x", b=Tfds("mnist", data_dir="x")), init_from="x"
    )
    (folder / "config" / "config.json").write_text(json.dumps(to_json(experiment)))
    (folder / "config" / "small.json").write_text(json.dumps(to_json(loaded.experiment)))
    (folder / "lines" / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": i, "loss": 1 / (i + 1)}) + "\n" for i in range(9))
    )
    record = {
        "what": "a2b",
        "step": 2,
        "scores": {"kid": 0.5},
        "errors": {"kid": 0.1},
        "counts": {"fakes": 2, "reals": 3},
    }
    record |= {"protocol": {"features": {"network": "VGG-16"}, "pictures": {"reals": "x"}}}
    (folder / "lines" / records.FILE).write_text(json.dumps(record) + "\n")
    trials = [{"method": "a", "fooled": i % 2 == 0, "scored": True} for i in range(4)]
    session = {
        "format": human_study.FORMAT,
        "participant": "p",
        "study": "s",
        "trials": trials,
    }
    (folder / "lines" / "answers.json").write_text(json.dumps(session))
    (folder / "lines" / "watch.json").write_text(
        '{"seen": {"a": [1, 2]}, "standing": [{"name": "a", "text": "b", "since": 1}]}'
    )
    (folder / "lines" / "columns.json").write_text('{"a2b": ["input", "output"]}')
    (folder / "lines" / "colours.json").write_text('{"sky": [0, 0, 255], "tree": [0, 200, 0]}')
    image = {
        "pythonClassName": "tensorflow_datasets.core.features.image_feature.Image",
        "image": {"dtype": "uint8"},
    }
    whole = "tensorflow_datasets.core.features.features_dict.FeaturesDict"
    inner = folder / "tfds" / "data" / "made" / "1.0.0"
    inner.mkdir(parents=True)
    (inner / "features.json").write_text(
        json.dumps({"pythonClassName": whole, "featuresDict": {"features": {"image": image}}})
    )
    split = {
        "name": "train",
        "numBytes": "1",
        "shardLengths": ["1"],
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}",
    }
    info = {"name": "made", "version": "1.0.0", "fileFormat": "array_record", "splits": [split]}
    (inner / "dataset_info.json").write_text(json.dumps(info))


# ------------------------------------------------------------------------------- ways to spoil them

Rng = np.random.Generator
NUMBERS = [
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    2**15,
    2**16 - 1,
    2**16,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
]
VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        10**9,
        2**40,
        2**63,
        10**300,
        float("nan"),
        float("inf"),
        "",
        "x",
        "\ud800",
        "a" * 10**5,
    ),
    *(
        [],
        {},
        [[]],
        [1] * 1000,
        {"a": 1},
        "../../x",
        "/etc/passwd",
        "os:system",
        {"ref": "os:system"},
        {"type": "os:system"},
    ),
    *(
        {"ref": "imgtrans_jax.cli:run"},
        {"type": "imgtrans_jax.data.sources:Folder", "path": "/"},
        "payload.Feature",
    ),
]


def pick(rng: Rng, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]


def of_bytes(data: bytes, rng: Rng) -> bytes:
    """Spoilt without a thought of what they mean."""
    spoilt, at = bytearray(data), int(rng.integers(max(1, len(data))))
    end = min(len(data), at + int(rng.integers(1, 200)))
    match int(rng.integers(8)):
        case 0 | 1:
            for place in rng.integers(0, max(1, len(data)), int(rng.integers(1, 9))):
                spoilt[place : place + 1] = (
                    bytes([spoilt[place] ^ (1 << int(rng.integers(8)))]) if data else b""
                )
        case 2:
            del spoilt[at:]
        case 3:
            spoilt[at:at] = data[at:end] * int(rng.integers(1, 50))
        case 4:
            del spoilt[at:end]
        case 5:
            spoilt[at:end] = rng.bytes(end - at)
        case 6:
            size = pick(rng, (1, 2, 4, 8))
            spoilt[at : at + size] = (pick(rng, NUMBERS) % 256**size).to_bytes(
                size, pick(rng, ("little", "big"))
            )
        case _:
            spoilt[:at] = data[end:] + data[:at] if rng.random() < 0.5 else b""
    return bytes(spoilt)


def of_tree(value: Any, rng: Rng) -> Any:
    """One of a JSON value's parts is another."""
    value = copy.deepcopy(value)
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.15:
        return copy.deepcopy(pick(rng, VALUES))
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key, action = pick(rng, keys), rng.random()
    if action < 0.1:
        del value[key]
    elif action < 0.2 and isinstance(value, dict):
        value[pick(rng, ("x", "type", "ref", "from", "a" * 1000))] = copy.deepcopy(
            pick(rng, VALUES)
        )
    elif action < 0.25:
        deep: Any = 1
        for _ in range(int(rng.integers(10, 900))):
            deep = [deep] if rng.random() < 0.5 else {"a": deep}
        value[key] = deep
    else:
        value[key] = of_tree(value[key], rng)
    return value


def of_json(data: bytes, rng: Rng) -> bytes:
    return (
        json.dumps(of_tree(json.loads(data), rng)).encode()
        if rng.random() < 0.7
        else of_bytes(data, rng)
    )


def of_lines(data: bytes, rng: Rng) -> bytes:
    lines = data.splitlines(keepends=True)
    at = int(rng.integers(len(lines)))
    lines[at] = of_json(lines[at], rng)
    return b"".join(lines)


def of_png(data: bytes, rng: Rng) -> bytes:
    """A chunk is another, with a right length and checksum."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    chunk = pick(rng, chunks)
    match int(rng.integers(5)):
        case 0:
            chunk[1] = of_bytes(chunk[1], rng)
        case 1:
            width, height = (pick(rng, (1, 2**12, 2**15, 2**20, 2**31 - 1)) for _ in "wh")
            chunks[0][1] = struct.pack(">II", width, height) + chunks[0][1][8:]
        case 2:
            chunks.insert(int(rng.integers(len(chunks))), list(chunk))
        case 3:
            kind = pick(
                rng,
                (b"zTXt", b"iCCP", b"eXIf", b"PLTE", b"tRNS", b"acTL", b"iTXt", b"gAMA", b"fcTL"),
            )
            packed = zlib.compress(bytes(10**7)) if rng.random() < 0.5 else rng.bytes(50)
            chunks.insert(1, [kind, b"a\0\0" + packed])
        case _:
            chunks.remove(chunk)
    body = [
        struct.pack(">I", len(x)) + kind + x + struct.pack(">I", zlib.crc32(kind + x))
        for kind, x in chunks
    ]
    return data[:8] + b"".join(body)


def of_npy(data: bytes, rng: Rng) -> bytes:
    """Another header, with a right length."""
    start = 10 if data[6] == 1 else 12
    kinds = (
        "|O",
        "<f8",
        "<U9",
        "|V99",
        "<c16",
        ">f4",
        "|u1",
        "<m8",
        "|S0",
        "<f2",
        "x",
        [("a", "<f4")],
        "|b1",
    )
    shapes = (
        (2**45,),
        (2**40, 2**40),
        (-1, 4),
        (24, 32),
        (24, 32, 3),
        (0, 5),
        (1, 10**6),
        5,
        ("a",),
        (True,),
        (24.0, 32),
        (),
    )
    header: Any = {
        "descr": pick(rng, kinds),
        "fortran_order": pick(rng, (True, False, 1, "x")),
        "shape": pick(rng, shapes),
    }
    text = pick(
        rng,
        (
            str(header),
            str(header)[:-3],
            "(" * 5000,
            "{}",
            "__import__('os')",
            "9" * 5000,
            "[" * 90 + "]" * 90,
        ),
    )
    text += "\n"
    version = pick(rng, ((1, 0), (2, 0), (3, 0), (9, 9)))
    length = struct.pack(
        "<H" if version == (1, 0) else "<I", pick(rng, (len(text), len(text), 2**16 - 1, 0))
    )
    return data[:6] + bytes(version) + length + text.encode() + data[start:]


def of_zip(data: bytes, rng: Rng) -> bytes:
    """A member is another, with a right checksum; or numbers of the table of contents are
    others.
    """
    if rng.random() < 0.3:
        at = data.rfind(b"PK\1\2") if rng.random() < 0.5 else data.rfind(b"PK\5\6")
        return data[:at] + of_bytes(data[at:], rng)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        chosen = (
            pick(rng, old.namelist())
            if rng.random() < 0.3
            else next(n for n in old.namelist() if n.endswith("data.pkl"))
        )
        for name in old.namelist():
            content = old.read(name)
            content = of_pickle(content, rng) if name == chosen else content
            kind = zipfile.ZIP_DEFLATED if rng.random() < 0.05 else zipfile.ZIP_STORED
            new.writestr(name, content, kind)
    return made.getvalue()


OPCODES = [
    b"cos\nsystem\n",
    b"R",
    b"(",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"}",
    b"]",
    b"u",
    b"s",
    b"e",
    b"a",
    b"b",
    b"Q",
    b"h\0",
    b"h\5",
]
OPCODES += [
    b"q\0",
    b"0",
    b"2",
    b"K\xff",
    b"J\xff\xff\xff\x7f",
    b"\x8a\x08" + b"\xff" * 7 + b"\x7f",
    b"N",
    b"\x88",
    b".",
    b"i",
    b"\x93",
]
OPCODES += [
    b"X\xff\xff\xff\x7f",
    b"\x8e" + b"\xff" * 8,
    b"\x95" + b"\xff" * 8,
    b"\x94",
    b"\x97",
    b"\x98",
    b"\x81",
    b"ccollections\nOrderedDict\n",
]


def of_pickle(data: bytes, rng: Rng) -> bytes:
    if rng.random() < 0.5:
        return of_bytes(data, rng)
    spoilt = data
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(2, max(3, len(spoilt))))
        new = b"".join(pick(rng, OPCODES) for _ in range(int(rng.integers(1, 5))))
        spoilt = spoilt[:at] + new + spoilt[at + int(rng.integers(2)) * len(new) :]
    return spoilt


def of_safetensors(data: bytes, rng: Rng) -> bytes:
    """Another header with a right length; half of ours also with a right checksum, as somebody
    makes them who wants to.
    """
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    if rng.random() < 0.5 and "__metadata__" in header:
        from imgtrans_jax.inference.generator_file import _digest
        from imgtrans_jax.weights.tensors import read_safetensors

        stored = json.loads(header["__metadata__"]["imgtrans_jax"])
        del stored["sha256"]
        stored = of_tree(stored, rng)
        if isinstance(stored, dict):
            arrays, _ = read_safetensors(io.BytesIO(data), len(data))
            stored["sha256"] = _digest(arrays, stored)
        header["__metadata__"]["imgtrans_jax"] = json.dumps(stored)
    else:
        header = of_tree(header, rng)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def of_run(folder: Path, rng: Rng) -> None:
    """One of a run's files is another; mostly with right checksums of all."""
    step = folder / "checkpoints" / "0"
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name != "files.json"
    )
    chosen = step / "metadata" / "metadata" if rng.random() < 0.6 else pick(rng, files)
    data = chosen.read_bytes()
    if chosen.name == "metadata" and rng.random() < 0.8:
        record = json.loads(data)
        del record["digest"]
        record = of_tree(record, rng)
        if isinstance(record, dict):
            record["digest"] = hashlib.sha256(
                json.dumps(record, sort_keys=True).encode()
            ).hexdigest()
        data = json.dumps(record).encode()
    elif data[:1] == b"{" and rng.random() < 0.7:
        data = of_json(data, rng)
    else:
        data = of_bytes(data, rng)
    chosen.write_bytes(data)
    if rng.random() < 0.9:
        names = sorted(
            str(path.relative_to(step))
            for path in step.rglob("*")
            if path.is_file() and path.name != "files.json"
        )
        sums = {name: hashlib.sha256((step / name).read_bytes()).hexdigest() for name in names}
        (step / "files.json").write_text(json.dumps(sums, indent=1))


def spoilt(kind: str, number: int, here: Path, scratch: Path) -> Path:
    """File `number` of a kind, made of an original, and always the same."""
    rng = np.random.default_rng([18, number])
    shutil.rmtree(scratch, ignore_errors=True)
    if kind in ("run", "tfds"):
        shutil.copytree(here / kind, scratch)
        if kind == "run":
            of_run(scratch / "run", rng)
        else:
            path = pick(rng, sorted(scratch.rglob("*.json")))
            path.write_bytes(of_json(path.read_bytes(), rng))
        return scratch
    scratch.mkdir()
    source = pick(rng, sorted((here / kind).iterdir()))
    ways: dict[str, Callable[[bytes, Rng], bytes]] = {
        ".png": of_png,
        ".npy": of_npy,
        ".safetensors": of_safetensors,
        ".jsonl": of_lines,
        ".json": of_json,
        ".pth": of_zip if zipfile.is_zipfile(source) else of_pickle,
    }
    way = ways.get(source.suffix, of_bytes) if rng.random() < 0.6 else of_bytes
    name = source.name
    if kind in ("picture", "npy", "pth", "safetensors") and rng.random() < 0.05:
        name = source.stem + pick(
            rng, (".png", ".jpg", ".tif", ".gif", ".webp", ".bmp", ".npy", ".pth", ".safetensors")
        )
    data = source.read_bytes()
    for _ in range(1 if rng.random() < 0.7 else 2):
        try:
            data = way(data, rng)
        except Exception:  # it is too spoilt to be understood
            data = of_bytes(data, rng)
    (scratch / name).write_bytes(data)
    return scratch / name


# ----------------------------------------------------------------------------------- who reads them


def read(kind: str, path: Path) -> None:
    """As the program does. Raises UserError, and nothing else, for what it refuses."""
    from imgtrans_jax.commands import app
    from imgtrans_jax.config import trust
    from imgtrans_jax.config.experiment import Experiment
    from imgtrans_jax.config.stored import differences, from_json, named_outside, to_json
    from imgtrans_jax.data.sources import Tfds
    from imgtrans_jax.evaluation import compare, human_study
    from imgtrans_jax.inference import load
    from imgtrans_jax.io import images, json_files
    from imgtrans_jax.metrics.segmentation import colors_of
    from imgtrans_jax.report import curves, run_page
    from imgtrans_jax.report.comparison_page import Column, comparison_page
    from imgtrans_jax.training.diagnostics import Watch
    from imgtrans_jax.types import UserError
    from imgtrans_jax.weights.vgg import load_vgg

    assert app is not None  # its name is in VALUES
    match kind:
        case "picture" | "npy" if path.suffix in images.SUFFIXES:
            images.read_picture(path, 3)
        case "pth" | "safetensors" | "picture" | "npy":
            if path.suffix in (".pth", ".safetensors"):
                try:
                    load_vgg(str(path))
                except UserError:
                    load.load_file(path)
        case "run":
            load.load_generator(path / "run")
        case "tfds":
            Tfds("made", data_dir=str(path / "data")).open("a", 8, 3)
        case "config":
            stored = json_files.read_or_none(path)
            experiment = from_json(stored) if stored is not None else None
            if isinstance(experiment, Experiment):
                differences(stored, to_json(experiment))
                assert named_outside(experiment.data) == {} or not _opened(trust, experiment)
        case "lines":
            run_page.read_metrics(path.parent)
            run_page._read_columns(path.parent / "columns.json")
            curves.curves_svg("x", ["loss"], run_page.read_metrics(path.parent))
            Watch(path.parent, None)
            column = compare._column(path.parent, "x", [np.zeros((2, 2, 3), np.uint8)], 2, "a2b")
            comparison_page([Column("input", column.pictures, {}), column], "a2b", {})
            for each in (
                colors_of,
                lambda name: human_study.summary(human_study.read_sessions([Path(name)])[0]),
            ):
                try:
                    each(str(path))
                except UserError:
                    continue


def _opened(trust: Any, experiment: Any) -> bool:
    from imgtrans_jax.types import UserError

    try:
        trust.opened(experiment)
    except UserError:
        return False
    return True


FORBIDDEN = (
    "exec",
    "import",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.spawn",
    "pty.spawn",
)
FORBIDDEN += ("socket.connect", "socket.bind", "ctypes.dlopen", "urllib.Request", "webbrowser.open")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGING = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.chmod",
    "os.chown",
    "os.link",
    "os.symlink",
    "os.truncate",
)


class Guard:
    """Notes everything that a reader of a file has no business to do."""

    def __init__(self, allowed: Path) -> None:
        self.allowed, self.seen, self.armed = str(allowed), [], False
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        # typing evaluates the annotations of this program's own classes.
        typed = event == "exec" and sys._getframe(1).f_code.co_filename == typing.__file__
        if (
            event in FORBIDDEN
            and not typed
            and not (event == "import" and arguments[0] in sys.modules)
        ):
            self.seen.append(f"{event} {str(arguments)[:200]}")
        elif event in CHANGING or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        ):
            self._write(event, arguments[0])

    def _write(self, event: str, path: Any) -> None:
        if not str(path).startswith(self.allowed):
            self.seen.append(f"{event} {path!r}")


class TooLongError(Exception):
    """A file took longer than MOST_SECONDS."""


def _too_long(*_: object) -> None:
    raise TooLongError


def _memory(name: str) -> int:
    """Bytes of this process: now (VmRSS), or at most since `_forget_peak` (VmHWM)."""
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )
    return int(line.split()[1]) * 1024


def _forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def kind_of(number: int) -> str:
    shares = [kind for kind, share in SHARES.items() for _ in range(share)]
    return shares[(number * 37) % len(shares)]


def work(here: Path, scratch: Path, numbers: list[int]) -> list[str]:
    """Reads these files; returns what went wrong, one line each."""
    from imgtrans_jax.types import UserError

    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (what the readers say, of the whole process)
    Image.init()
    codecs.lookup("cp437")  # of names in zip archives
    os.environ["IMGTRANS_CACHE"] = str(scratch / "cache")
    guard = Guard(scratch)
    for kind in SHARES:  # all that is imported and compiled for good files is so now
        for path in sorted((here / kind).iterdir()):
            try:
                read(kind, here / kind if kind in ("run", "tfds") else path)
            except UserError:
                continue
    signal.signal(signal.SIGALRM, _too_long)
    wrong = []
    for number in numbers:
        kind = kind_of(number)
        path = spoilt(kind, number, here, scratch / "file")
        (scratch / "now").write_text(f"{number} {kind}")
        before, began = _forget_peak(), time.monotonic()
        guard.armed, guard.seen, text = True, [], ""
        signal.alarm(MOST_SECONDS)
        try:
            read(kind, path)
        except UserError as error:
            text = f"a sentence of {len(str(error))} characters" if len(str(error)) > 3000 else ""
        except TooLongError:
            text = f"longer than {time.monotonic() - began:.0f} s"
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            frame = next((f for f in reversed(frames) if "imgtrans_jax" in f.filename), frames[-1])
            text = (
                f"{type(error).__name__}: {str(error)[:100]} (at "
                f"{Path(frame.filename).name}:{frame.lineno})"
            )
        finally:
            signal.alarm(0)
            guard.armed = False
        grown = _memory("VmHWM") - before
        if grown > MOST_BYTES:
            text += f" {grown / 2**20:.0f} MB more"
        if text or guard.seen:
            wrong.append(f"{number} {kind} {path.name}: {text} {'; '.join(guard.seen[:3])}")
    return wrong
