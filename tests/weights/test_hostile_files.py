"""Damaged and hostile .pth and .safetensors: a sentence, cheaply, and nothing is run."""

import json
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from imgtrans_jax.inference.generator_file import _digest, save_generator, save_network
from imgtrans_jax.inference.load import load_file, load_generator
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.pth import read_torch
from imgtrans_jax.weights.pytorch_layouts import Network, state_dict
from imgtrans_jax.weights.pytorch_recognition import recognized
from imgtrans_jax.weights.tensors import read_tensors
from imgtrans_jax.weights.vgg import load_vgg

GOLDEN = Path(__file__).parents[1] / "golden"


def tensors(name: str = "latest_net_G_A.pth") -> dict[str, np.ndarray]:
    return read_torch(GOLDEN / name)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A generator in every form."""
    folder = tmp_path_factory.mktemp("files")
    save_generator(load_generator(GOLDEN / "latest_net_G_A.pth"), folder / "ours.safetensors")
    save_network(recognized(tensors("latest_net_D_A.pth"), "x"), folder / "critic.safetensors")
    save_file(
        {k: np.ascontiguousarray(x) for k, x in tensors().items()}, folder / "theirs.safetensors"
    )
    found = {"zip": GOLDEN / "latest_net_G_A.pth", "legacy": GOLDEN / "old_net_G_A.pth"}
    return found | {path.stem: path for path in folder.iterdir()}


def weights(path: Path) -> dict[str, np.ndarray]:
    found = load_file(path)
    network = (
        found
        if isinstance(found, Network)
        else Network(ResNetGenerator(width=2, blocks=1), found.params["g"], {})
    )
    return state_dict(network)


@pytest.mark.parametrize("form", ["zip", "legacy", "ours", "theirs", "critic"])
def test_flipped_bits_and_cut_files(form, files, tmp_path):
    """Never anything but a sentence; and no other weights than were saved, where the form has
    checksums.
    """
    data, good = files[form].read_bytes(), weights(files[form])
    rng, refused = np.random.default_rng(0), 0
    path = tmp_path / "x"
    for number in range(80):
        if number % 4:
            damaged = bytearray(data)
            damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        else:
            damaged = data[: rng.integers(len(data))]
        path.write_bytes(damaged)
        try:
            found = weights(path)
        except UserError:
            refused += 1
            continue
        assert number % 4, "a file that was cut"
        if form in ("zip", "ours", "critic"):
            assert all(np.array_equal(found[key], good[key]) for key in good)
    assert refused >= {"zip": 60, "ours": 80, "critic": 80}.get(form, 20)


class Command:
    """What an attacker puts into a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def zipped(path: Path, structure: bytes, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", structure)
        for name, content in members.items():
            archive.writestr(f"archive/data/{name.removeprefix('m')}", content)
    return path


def one_tensor(
    count: int, shape: tuple[int, ...], stride: tuple[int, ...], kind: str = "torch\nFloatStorage"
) -> bytes:
    """A state dict of one tensor, in opcodes."""

    def numbers(values):
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in values) + b"t"

    storage = (
        b"(X\x07\0\0\0storagec"
        + kind.encode()
        + b"\nX\x01\0\0\x000X\x03\0\0\0cpu\x8a\x08"
        + struct.pack("<q", count)
        + b"tQ"
    )
    head = b"\x80\x02}(X\x0e\0\0\0model.1.weightctorch._utils\n_rebuild_tensor_v2\n("
    return head + storage + b"K\0" + numbers(shape) + numbers(stride) + b"\x89}tRu."


def doubled(levels: int) -> bytes:
    """A dict whose two entries are one dict whose two entries are one dict …"""
    return (
        b"\x80\x02}q\x00"
        + b"".join(
            b"}(X\x01\0\0\0ah" + bytes([i]) + b"X\x01\0\0\0bh" + bytes([i]) + b"uq" + bytes([i + 1])
            for i in range(levels)
        )
        + b"."
    )


def same_storage_often(count: int) -> bytes:
    one = one_tensor(2**20, (2**20,), (1,))
    tensor = one[one.index(b"ctorch._utils") : -2]
    return (
        b"\x80\x02}("
        + b"".join(b"X\x04\0\0\0" + f"{i:04d}".encode() + tensor for i in range(count))
        + b"u."
    )


def many_members(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        for i in range(70_000):
            archive.writestr(f"archive/data/{i}", b"")


def compressed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", one_tensor(2**26, (2**26,), (1,)))
        archive.writestr("archive/data/0", bytes(2**28))


def nested(path: Path) -> None:
    inner = zipped(path.with_name("inner"), b"\x80\x02}.")
    zipped(path, inner.read_bytes())


def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("archive/data.pkl", b"\x80\x02}.")


def endless(levels: int = 60) -> bytes:
    """A tuple of a tuple twice of a tuple twice …: its text has 2^60 characters."""
    return b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(levels))


def keyed(count: int) -> bytes:
    """As many entries of a dict, of five bytes each."""
    return b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(count))


STRUCTURES = {
    "a long name before many": b"\x80\x02}X"
    + struct.pack("<I", 10**6)
    + b"a" * 10**6
    + b"}("
    + keyed(10**5)
    + b"us.",
    "names that grow": b"\x80\x02}"
    + b"".join(b"X\x90\1\0\0" + b"a" * 400 + b"}" for _ in range(2000))
    + b"s" * 2000
    + b".",
    "a large dict in itself": b"\x80\x02}q\0(X\x01\0\0\0ah\0" + keyed(10**5) + b"u.",
    "an endless key of a storage": one_tensor(4, (4,), (1,)).replace(
        b"X\x01\0\0\x000", endless(), 1
    ),
    "an endless name": b"\x80\x04" + endless() + b"\x8c\x01x\x93.",
    "an endless shape": one_tensor(4, (4,), (1,)).replace(b"K\0(", b"K\0(" + endless(), 1),
    "pairs of lists of lists": b"\x80\x02ccollections\nOrderedDict\n]q\0("
    + b"h\0" * 10**5
    + b"e\x85R.",
    "a dict of a text": b"\x80\x02ccollections\nOrderedDict\nX\x02\0\0\0ab\x85R.",
    "a key of 2^20 digits": b"\x80\x02}\x8b" + struct.pack("<i", 2**19) + b"\x7f" * 2**19 + b"Ns.",
    "a function by its name": b"\x80\x02cos\nsystem\n(X\x04\0\0\0truetR.",
    "a function by stack": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    "a function of builtins": b"\x80\x02cbuiltins\neval\n(X\x05\0\0\x001 + 1tR.",
    "a function behind a dot": b"\x80\x04\x8c\x0btorch._utils\x8c\x13_rebuild.__globals__\x93.",
    "an instance": b"\x80\x02(X\x04\0\0\0trueios\nsystem\n.",
    "an object": b"\x80\x02(cos\nsystem\nX\x04\0\0\0trueo.",
    "a new object": b"\x80\x02cos\nsystem\n(X\x04\0\0\0truet\x81.",
    "an extension": b"\x80\x02\x82\x01.",
    "a call of a dict": b"\x80\x02}(X\x04\0\0\0truetR.",
    "a state for a class": b"\x80\x02ctorch\nFloatStorage\n}X\x05\0\0\0dtypeX\x01\0\0\0xsb.",
    "a persistent name": b"\x80\x02X\x04\0\0\0trueQ.",
    "a memo of 2^31 places": b"\x80\x02}r\xff\xff\xff\x7f.",
    "2^40 bytes": b"\x80\x02\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "a text of 2^31 bytes": b"\x80\x02X\xff\xff\xff\x7fx.",
    "a number of 2^31 bytes": b"\x80\x02\x8b\xff\xff\xff\x7fx.",
    "an empty stack": b"\x80\x02R.",
    "no mark": b"\x80\x02}u.",
    "no end": b"\x80\x02}",
    "marks": b"\x80\x02" + b"(t" * 200_000 + b".",
    "doubling": doubled(60),
    "a dict in itself": b"\x80\x02}q\0X\x01\0\0\0ah\0s.",
    "a key that is no text": b"\x80\x02}K\x01\x85K\x02s.",
    "a tensor of 2^39": one_tensor(2**39, (2**39,), (1,)),
    "a shape of 2^39": one_tensor(4, (2**39,), (1,)),
    "a shape of 2^120": one_tensor(4, (2**39, 2**39, 2**39), (0, 0, 0)),
    "a stride of 2^39": one_tensor(4, (4,), (2**39,)),
    "a negative shape": one_tensor(4, (-4,), (1,)),
    "a negative count": one_tensor(-4, (4,), (1,)),
    "another storage": one_tensor(4, (4,), (1,), "torch\nQInt8Storage"),
    "a storage that is none": one_tensor(4, (4,), (1,), "collections\nOrderedDict"),
}


@pytest.fixture
def cheap():
    """What a refusal may cost: 100 MB and 10 seconds of the processor."""
    tracemalloc.start()
    began = time.process_time()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - began < 10
    assert peak < 100e6


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_hostile_pickles(name, form, tmp_path, cheap):
    path = tmp_path / "latest_net_G.pth"
    if form == "zip":
        zipped(path, STRUCTURES[name], m0=bytes(16))
    else:
        head = b"".join(
            pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
        )
        path.write_bytes(
            head + STRUCTURES[name] + pickle.dumps(["0"], 2) + struct.pack("<q", 4) + bytes(16)
        )
    with pytest.raises(UserError, match=r"latest_net_G.pth"):
        load_generator(path)


def test_an_endless_list_of_what_lies_beside_the_pickle(tmp_path, cheap):
    path = tmp_path / "latest_net_G.pth"
    head = b"".join(
        pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    )
    path.write_bytes(
        head
        + one_tensor(4, (4,), (1,))
        + b"\x80\x02]("
        + endless()
        + b"e."
        + struct.pack("<q", 4)
        + bytes(16)
    )
    with pytest.raises(UserError, match=r"latest_net_G.pth"):
        load_generator(path)


@pytest.mark.parametrize("count", [50, 5_000])
def test_many_networks_and_deep_ones_are_refused_at_once(count, tmp_path, cheap):
    many = {f"n{i}.model.1.weight": np.zeros((1, 1, 1, 1), np.float32) for i in range(count)}
    deep = {
        f"model.{max(0, 3 * i - 1)}.weight": np.zeros((1, 1, 1, 1), np.float32)
        for i in range(count)
    }
    for arrays in (many, deep):
        save_file(arrays, tmp_path / "x.safetensors")
        with pytest.raises(UserError, match=r"several networks|holds .* networks|deeper than any"):
            load_generator(tmp_path / "x.safetensors")


HEADERS = {
    "a list": b"[1]",
    "a number": b"1",
    "deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep lists": b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}",
    "no text": b'{"\xff\xfe": 1}',
    "half a character": b'{"\\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
    "a long name": b'{"'
    + b"a" * 10**6
    + b'": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
    "a place that is a float": b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0.0, 4.0]}}',
    "a place of 5000 digits": b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, '
    + b"9" * 5000
    + b"]}}",
    "places that are texts": b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": "ab"}}',
    "a kind that is a list": b'{"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}',
    "a shape that is a number": b'{"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}}',
    "a shape of NaN": b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 4]}}',
    "a tensor that is a text": b'{"a": "b"}',
    "metadata that are a list": b'{"__metadata__": [1]}',
    "ours, of a list": b'{"__metadata__": {"imgtrans_jax": "[]"}}',
    "ours, deep": b'{"__metadata__": {"imgtrans_jax": "' + b"[" * 10**5 + b'"}}',
    "ours, of nothing": b'{"__metadata__": {"imgtrans_jax": "{}"}}',
}


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers(name, tmp_path, cheap):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(HEADERS[name])) + HEADERS[name] + bytes(4))
    for read in (load_generator, lambda path: load_vgg(str(path))):
        with pytest.raises(UserError, match=r"x\.safetensors") as error:
            read(path)
        assert len(str(error.value)) < 1000


@pytest.mark.parametrize("make", [many_members, compressed, nested, twice])
def test_hostile_archives(make, tmp_path):
    path = tmp_path / "latest_net_G.pth"
    make(path)
    began = time.monotonic()
    tracemalloc.start()
    with pytest.raises(UserError, match=r"latest_net_G.pth"):
        load_generator(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert time.monotonic() - began < 10


def test_one_storage_is_not_read_a_thousand_times(tmp_path, cheap):
    path = zipped(tmp_path / "x.pth", same_storage_often(1000), m0=bytes(2**22))
    with pytest.raises(UserError, match="tensors larger than itself"):
        read_tensors(path)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_command_is_not_executed(protocol, tmp_path):
    harm = tmp_path / "harm"
    structure = pickle.dumps({"model.1.weight": Command(harm)}, protocol)
    for path, write in (
        (tmp_path / "a.pth", zipped),
        (tmp_path / "b.pth", lambda p, s: p.write_bytes(s)),
    ):
        write(path, structure)
        with pytest.raises(UserError, match=r"was not executed|is no file of weights"):
            load_generator(path)
    assert not harm.exists()


def safetensors_file(header: bytes | dict, data: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(start: int, end: int, shape: list, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "content",
    [
        safetensors_file(b"{}", length=2**62),
        safetensors_file(b"{" * 3_000_000),
        safetensors_file(b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
        safetensors_file(b'{"a":1,"a":1}'),
        safetensors_file({"a": 7}),
        safetensors_file({"a": entry(0, 16, [4], "F99")}, bytes(16)),
        safetensors_file({"a": entry(0, 2**40, [2**38])}),
        safetensors_file({"a": entry(0, 16, [2**38])}, bytes(16)),
        safetensors_file({"a": entry(0, 16, [-4])}, bytes(16)),
        safetensors_file({"a": entry(0, 16, [2.0, 2.0])}, bytes(16)),
        safetensors_file({"a": entry(0, 16, [True, 4])}, bytes(16)),
        safetensors_file({"a": entry(-16, 0, [4])}, bytes(16)),
        safetensors_file({"a": entry(16, 32, [4])}, bytes(32)),
        safetensors_file({"a": entry(0, 16, [4]), "b": entry(0, 16, [4])}, bytes(16)),
        safetensors_file({"a": entry(0, 16, [4]), "__metadata__": {"imgtrans_jax": {}}}, bytes(16)),
        safetensors_file(
            {"a": entry(0, 16, [4]), "__metadata__": {"imgtrans_jax": "[" * 100_000}}, bytes(16)
        ),
        safetensors_file(
            {"a": entry(0, 16, [4]), "__metadata__": {"imgtrans_jax": "null"}}, bytes(16)
        ),
    ],
)
def test_hostile_safetensors(content, tmp_path, cheap):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x.safetensors"):
        load_generator(path)


def resaved(path: Path, source: Path, change) -> Path:
    """One of our files with another config, and the checksum that goes with it."""
    arrays, metadata = read_tensors(source)
    stored = json.loads(metadata["imgtrans_jax"])
    change(stored)
    stored.pop("sha256")
    stored["sha256"] = _digest(arrays, stored)
    save_file(
        {k: np.ascontiguousarray(x) for k, x in arrays.items()},
        path,
        {"imgtrans_jax": json.dumps(stored)},
    )
    return path


def put(path: str, value):
    def change(stored):
        *folders, name = path.split("/")
        for folder in folders:
            stored = stored[folder]
        stored[name] = value

    return change


GENERATOR = "config/recipe/generator"


@pytest.mark.parametrize(
    "change",
    [
        put(f"{GENERATOR}/blocks", 10**6),
        put(f"{GENERATOR}/blocks", -1),
        put(f"{GENERATOR}/blocks", 60),
        put(f"{GENERATOR}/width", 10**9),
        put(f"{GENERATOR}/width", "two"),
        put(f"{GENERATOR}/norm", "evil"),
        put(f"{GENERATOR}/kernel_init", {"ref": "os:system"}),
        put(f"{GENERATOR}/kernel_init", {"ref": "imgtrans_jax.config:load"}),
        put(GENERATOR, {"type": "imgtrans_jax.models.unet:UNet", "levels": 10**12}),
        put(GENERATOR, {"type": "imgtrans_jax.models.unet:UNet", "levels": 63}),
        put(GENERATOR, {"type": "imgtrans_jax.generators:json"}),
        put(GENERATOR, {"type": "subprocess:Popen", "args": "true"}),
        put(GENERATOR, None),
        put("config/recipe", {"type": "imgtrans_jax.recipes.gan:GAN"}),
        put("config", {"ref": "imgtrans_jax.cli:os"}),
        put("batch/a", [1, 10**9, 10**9, 3]),
        put("batch/a", [1, 6, 6, 3]),
        put("batch", {}),
        put("batch", "none"),
    ],
)
def test_hostile_configs(change, files, tmp_path):
    began = time.monotonic()
    with pytest.raises(UserError):
        load_generator(resaved(tmp_path / "x.safetensors", files["ours"], change))
    assert time.monotonic() - began < 10
