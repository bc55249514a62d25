"""Weights from outside: every form is read, nothing is executed, and what is wrong is said."""

import hashlib
import http.server
import json
import os
import pickle
import struct
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy

from imgtrans_jax.models import vgg
from imgtrans_jax.types import UserError
from imgtrans_jax.weights import vgg as pretrained
from imgtrans_jax.weights.pickle_reader import read_arrays
from imgtrans_jax.weights.pth import read_torch
from imgtrans_jax.weights.vgg import load_vgg

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """The embedded weights, kept in a cache of this module's own."""
    os.environ["IMGTRANS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield load_vgg("embedded")[1]["params"]
    del os.environ["IMGTRANS_CACHE"]


def torchvision_names(params: dict, depth: int) -> dict[str, np.ndarray]:
    """As torchvision would name and lay out our parameters; with a classifier that nobody reads."""
    arrays = {"classifier.0.weight": np.zeros((64, 1000), np.float32)}
    for place, name in pretrained._torchvision_names(depth).items():
        arrays[f"{place}.weight"] = np.ascontiguousarray(
            params[name]["kernel"].transpose(3, 2, 0, 1)
        )
        arrays[f"{place}.bias"] = params[name]["bias"]
    return arrays


def narrow_vgg19() -> dict[str, np.ndarray]:
    """VGG-19 has 80 MB of weights; zeros are enough to know it by, and share one page."""
    arrays, fan_in = {}, 3
    for place, name in pretrained._torchvision_names(19).items():
        width = vgg.channels(name)
        arrays[f"{place}.weight"] = np.broadcast_to(np.float16(0.25), (width, fan_in, 3, 3))
        arrays[f"{place}.bias"] = np.zeros(width, np.float16)
        fan_in = width
    return arrays


# ----------------------------------------------------------------------------- the embedded weights


def test_the_embedded_weights_are_imagenets(embedded):
    assert sorted(embedded) == sorted([*vgg.convolutions(16), "mean", "deviation"])
    # The first layer's filters as torchvision's vgg16-397923af has them: the first tap, and the
    # first bias.
    np.testing.assert_allclose(embedded["conv1_1"]["kernel"][0, 0, 0, 0], -0.5537, atol=1e-4)
    np.testing.assert_allclose(embedded["conv1_1"]["bias"][0], 0.4034, atol=1e-4)


def test_the_cache_is_read_and_a_damaged_one_is_not_believed(embedded, capsys):
    (path,) = Path(os.environ["IMGTRANS_CACHE"]).glob("*.safetensors")
    whole = path.read_bytes()
    data = bytearray(whole)
    data[-1000] ^= 255
    path.write_bytes(data)
    again = load_vgg("embedded")[1]["params"]
    assert "damaged" in capsys.readouterr().out
    np.testing.assert_array_equal(again["conv5_3"]["kernel"], embedded["conv5_3"]["kernel"])
    assert path.read_bytes() == whole
    path.write_bytes(whole[:5000])
    np.testing.assert_array_equal(
        load_vgg()[1]["params"]["conv1_2"]["bias"], embedded["conv1_2"]["bias"]
    )
    assert not list(path.parent.glob(".*"))


def test_a_damaged_package_is_said(embedded, tmp_path, monkeypatch):
    monkeypatch.setenv("IMGTRANS_CACHE", str(tmp_path))
    monkeypatch.setattr(pretrained, "VGG16_SHA256", "0" * 64)
    with pytest.raises(UserError, match="checksum is wrong"):
        load_vgg("embedded")


# -------------------------------------------------------------------------------------------- files


def test_safetensors_with_torchvisions_names(embedded, tmp_path):
    path = tmp_path / "vgg16.safetensors"
    safetensors.numpy.save_file(torchvision_names(embedded, 16), path)
    depth, params = load_vgg(str(path))
    assert depth == 16
    np.testing.assert_array_equal(
        params["params"]["conv4_2"]["kernel"], embedded["conv4_2"]["kernel"]
    )
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match="damaged or cut off"):
        load_vgg(str(path))


def test_vgg19_is_known_by_its_shapes(tmp_path):
    path = tmp_path / "any_name.safetensors"
    safetensors.numpy.save_file(
        {k: np.ascontiguousarray(v) for k, v in narrow_vgg19().items()}, path
    )
    depth, params = load_vgg(str(path))
    assert depth == 19
    assert params["params"]["conv5_4"]["kernel"].dtype == np.float32


def test_another_network_is_refused(tmp_path):
    path = tmp_path / "alexnet.safetensors"
    arrays = {
        "features.0.weight": np.zeros((64, 3, 11, 11), np.float32),
        "features.0.bias": np.zeros(64, np.float32),
    }
    safetensors.numpy.save_file(arrays, path)
    with pytest.raises(UserError, match="another network than VGG-16 or VGG-19"):
        load_vgg(str(path))


def test_weights_that_are_not_numbers_are_refused(embedded, tmp_path):
    arrays = torchvision_names(embedded, 16)
    arrays["features.2.bias"] = np.full(64, np.nan, np.float32)
    safetensors.numpy.save_file(arrays, tmp_path / "nan.safetensors")
    with pytest.raises(UserError, match="not all finite"):
        load_vgg(str(tmp_path / "nan.safetensors"))


@pytest.mark.parametrize(
    "pattern",
    ["block{0}_conv{1}/block{0}_conv{1}_{2}_1:0", "block{0}_conv{1}/block{0}_conv{1}/{3}:0"],
)
def test_kerass_files_see_the_same(embedded, tmp_path, pattern):
    """Keras's first layer sees BGR in [0, 255] minus a mean; ours, after reading, RGB in [0, 1]."""
    path = tmp_path / "notop.h5"
    with h5py.File(path, "w") as file:
        for name in vgg.convolutions(16):
            for short, part in (("W", "kernel"), ("b", "bias")):
                place = pattern.format(name[4], name[6], short, part)
                file.create_dataset(place, data=embedded[name][part], chunks=None)
    depth, params = load_vgg(str(path))
    own = params["params"]
    assert depth == 16
    pixel = np.random.default_rng(0).uniform(size=3)  # RGB
    theirs = (255 * pixel[::-1] - [103.939, 116.779, 123.68]) @ embedded["conv1_1"]["kernel"][1, 1]
    ours = ((pixel - own["mean"]) / own["deviation"]) @ own["conv1_1"]["kernel"][1, 1]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(UserError, match="damaged or cut off"):
        load_vgg(str(path))


def test_files_that_are_not_there_or_no_weights(tmp_path):
    with pytest.raises(UserError, match="no file of weights"):
        load_vgg(str(tmp_path / "vgg.pth"))
    (tmp_path / "vgg.onnx").write_text("x")
    with pytest.raises(UserError, match="no file of weights that can be read"):
        load_vgg(str(tmp_path / "vgg.onnx"))


# --------------------------------------------------------------------------------------------- .pth


@pytest.mark.parametrize(("file", "prefix"), [("zip.pth", ""), ("legacy.pth", "state_dict.")])
def test_both_forms_of_pth(file, prefix):
    found = read_torch(GOLDEN / file)
    whole = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(found[f"{prefix}module.features.0.weight"], whole)
    np.testing.assert_array_equal(found[f"{prefix}module.features.0.bias"], [1, -2])
    np.testing.assert_array_equal(found[f"{prefix}turned"], whole.transpose(2, 0, 1))
    np.testing.assert_array_equal(found[f"{prefix}part"], whole[1, :, 1:3])
    assert found[f"{prefix}half"].dtype == np.float16
    assert found[f"{prefix}count"] == 7


@pytest.mark.parametrize("file", ["zip.pth", "legacy.pth"])
def test_a_cut_pth_is_said(file, tmp_path):
    data = (GOLDEN / file).read_bytes()
    for cut in (0, 5, 100, len(data) // 2, len(data) - 3):
        path = tmp_path / f"{cut}.pth"
        path.write_bytes(data[:cut])
        with pytest.raises(UserError, match=r"damaged or cut off|asks for"):
            read_torch(path)


class Code:
    """What an attacker puts into a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("reader", [read_torch, read_arrays])
def test_code_in_a_pickle_is_not_executed(reader, tmp_path):
    harm = tmp_path / "harm"
    path = tmp_path / "vgg16.pth"
    path.write_bytes(pickle.dumps({"VGG16_0": Code(harm)}))
    with pytest.raises(
        UserError,
        match=r"asks for .*mkdir, which a file of weights does not need; it was not executed",
    ):
        reader(path)
    assert not harm.exists()


def test_code_in_torchs_own_form_is_not_executed(tmp_path):
    import zipfile

    harm = tmp_path / "harm"
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as file:
        file.writestr(
            "archive/data.pkl", pickle.dumps({"features.0.weight": Code(harm)}, protocol=2)
        )
    with pytest.raises(UserError, match="was not executed"):
        load_vgg(str(tmp_path / "x.pth"))
    assert not harm.exists()


def test_an_array_that_claims_too_much_is_refused(tmp_path):
    array = pickle.dumps({"x": np.zeros((2, 3), np.float32)}, protocol=3)
    (tmp_path / "good.ckpt").write_bytes(array)
    np.testing.assert_array_equal(read_arrays(tmp_path / "good.ckpt")["x"], np.zeros((2, 3)))
    assert array.count(b"K\x02K\x03\x86") == 1
    (tmp_path / "bad.ckpt").write_bytes(array.replace(b"K\x02K\x03\x86", b"K\xffK\xff\x86"))
    with pytest.raises(UserError, match="size is not that of its data"):
        read_arrays(tmp_path / "bad.ckpt")
    (tmp_path / "objects.ckpt").write_bytes(pickle.dumps({"x": np.array([{}], object)}, protocol=3))
    with pytest.raises(UserError, match="asks for"):
        read_arrays(tmp_path / "objects.ckpt")


def test_torchvisions_names_carry_their_checksum(tmp_path):
    data = (GOLDEN / "zip.pth").read_bytes()
    path = tmp_path / "vgg16-01234567.pth"
    path.write_bytes(data)
    with pytest.raises(UserError, match="its checksum begins with"):
        load_vgg(str(path))
    right = tmp_path / f"vgg16-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    right.write_bytes(data)
    # the checksum is right, and the network a toy
    with pytest.raises(UserError, match="another network"):
        load_vgg(str(right))


# ------------------------------------------------------------------------------------------ the hub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A server on this machine with a VGG-19 and a large classifier, that answers as the hub does;
    yields what it sent.
    """
    arrays = {k: np.ascontiguousarray(v) for k, v in narrow_vgg19().items()} | {
        "classifier.0.weight": np.zeros((4096, 2048), "f2")
    }
    content = safetensors.numpy.save(arrays)
    sent: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if (
                self.path == "/timm/vgg19.tv_in1k/resolve/"
                "128d4708565b3a414bcbb9bbad440b2fe37b9f18/model.safetensors"
            ):
                self.send_response(302)
                self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/storage")
                self.end_headers()
                return
            first, last = (int(n) for n in self.headers["Range"].removeprefix("bytes=").split("-"))
            piece = content[first : last + 1]
            sent.append(len(piece))
            self.send_response(206)
            self.send_header("Content-Length", str(len(piece)))
            self.end_headers()
            self.wfile.write(piece)

        def log_message(self, format, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("IMGTRANS_CACHE", str(tmp_path / "cache"))
    yield sent, len(content)
    server.shutdown()
    thread.join()
    server.server_close()


def test_from_the_hub_the_convolutions_alone_are_read_once(hub):
    sent, whole = hub
    depth, params = load_vgg("vgg19")
    assert depth == 19
    assert params["params"]["conv1_1"]["kernel"][0, 0, 0, 0] == 0.25
    assert sum(sent) < whole - 4096 * 2048 * 2 + 10_000
    count = len(sent)
    assert load_vgg("vgg19")[0] == 19
    assert len(sent) == count  # from the cache


def test_without_a_network_the_ways_out_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("IMGTRANS_CACHE", str(tmp_path))
    with pytest.raises(
        UserError, match=r"could not be fetched.*`config\.weights=embedded`.*`config\.weights=FILE`"
    ):
        load_vgg("vgg19")


def test_a_header_that_lies_is_said(tmp_path):
    for header in (
        b"{",
        json.dumps(
            {"features.0.bias": {"dtype": "F32", "shape": [64], "data_offsets": [0, 9]}}
        ).encode(),
    ):
        path = tmp_path / "x.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(300))
        with pytest.raises(UserError, match="damaged or cut off"):
            load_vgg(str(path))
    path.write_bytes(struct.pack("<Q", 2**60) + bytes(300))
    with pytest.raises(UserError, match="impossible length"):
        load_vgg(str(path))
