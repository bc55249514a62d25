"""A thousand ways to spoil a file."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

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
