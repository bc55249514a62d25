"""`cycle_gan/*` through tensorflow-datasets without TensorFlow, from a small archive of the same
layout on loopback.
"""

import hashlib
import http.server
import io
import sys
import threading
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core import registered
from tensorflow_datasets.core.download import checksums
from tensorflow_datasets.image_classification import cycle_gan

from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Labelled, Paired, Unpaired
from imgtrans_jax.data.labelled import TfdsLabelled
from imgtrans_jax.data.pairs import TfdsPairs
from imgtrans_jax.data.sources import Tfds
from imgtrans_jax.data.tfds_builder import CycleGAN
from imgtrans_jax.types import UserError

COUNTS = {"trainA": 5, "trainB": 4, "testA": 2, "testB": 3}

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning"
)


def archive() -> bytes:
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(file, "w") as pictures:
        pictures.writestr("horse2zebra/../../evil.txt", "not a picture, and never written")
        for split, count in COUNTS.items():
            pictures.writestr(f"horse2zebra/{split}/", "")
            for number in range(count):
                picture = io.BytesIO()
                Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(
                    picture, "JPEG"
                )
                pictures.writestr(f"horse2zebra/{split}/n{number}.jpg", picture.getvalue())
    return file.getvalue()


@pytest.fixture
def served(monkeypatch):
    """The archive on loopback, under an address whose size and checksum tensorflow-datasets is
    told.
    """
    content = archive()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/horse2zebra.zip"
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setitem(cycle_gan._DL_URLS, "horse2zebra", url)
    yield url, content
    server.shutdown()
    thread.join()
    server.server_close()


def tell_checksum(monkeypatch, url: str, content: bytes) -> None:
    info = checksums.UrlInfo(
        size=len(content), checksum=hashlib.sha256(content).hexdigest(), filename="horse2zebra.zip"
    )
    monkeypatch.setattr(CycleGAN, "url_infos", {url: info})


def data(tmp_path) -> Unpaired:
    source = Tfds("cycle_gan/horse2zebra", data_dir=str(tmp_path / "data"))
    return Unpaired(source, source, Preprocess(20, 16))


def test_it_prepares_and_reads_without_tensorflow(served, monkeypatch, tmp_path):
    tell_checksum(monkeypatch, *served)
    opened = data(tmp_path).open()
    assert [len(stream.train) for stream in opened.streams] == [5, 4]
    assert [len(stream.test) for stream in opened.streams] == [2, 3]
    batch = opened.batches(2, seed=0)[0]
    assert batch["a"].shape == (2, 16, 16, 3)
    assert "tensorflow" not in sys.modules
    monkeypatch.setitem(cycle_gan._DL_URLS, "horse2zebra", "http://127.0.0.1:9/gone.zip")
    again = data(tmp_path).open()  # prepared once; nothing is fetched again
    np.testing.assert_array_equal(again.batches(2, seed=0)[0]["a"], batch["a"])
    assert not list(tmp_path.rglob("evil.txt"))


def test_another_archive_than_the_published_is_refused(served, monkeypatch, tmp_path):
    url, content = served
    tell_checksum(monkeypatch, url, content[:-1] + b"x")
    with pytest.raises(UserError, match="is not the one that was published"):
        data(tmp_path).open()


def test_without_a_network_it_says_what_to_do(monkeypatch, tmp_path):
    url = "http://127.0.0.1:9/horse2zebra.zip"
    monkeypatch.setitem(cycle_gan._DL_URLS, "horse2zebra", url)
    tell_checksum(monkeypatch, url, b"x")
    with pytest.raises(
        UserError,
        match=r"could not be downloaded.*Without a network: .*manual.*`config\.data\.a=DIR`",
    ):
        data(tmp_path).open()


def test_an_archive_put_there_by_hand_needs_no_network(monkeypatch, tmp_path):
    url, content = "http://127.0.0.1:9/horse2zebra.zip", archive()
    monkeypatch.setitem(cycle_gan._DL_URLS, "horse2zebra", url)
    tell_checksum(monkeypatch, url, content)
    manual = tmp_path / "data" / "downloads" / "manual"
    manual.mkdir(parents=True)
    (manual / "horse2zebra.zip").write_bytes(content)
    assert len(data(tmp_path).open().streams[0].train) == 5


def test_names_that_do_not_exist():
    for name, words in (
        ("cycle_gan/unicorn2zebra", "choose one of"),
        ("no_such_dataset_at_all", "knows no"),
    ):
        with pytest.raises(UserError, match=words):
            Tfds(name).open("a", 20, 3)


# ------------------------------------------------------------------ pairs and classes


with registered.skip_registration():

    class Tiny(tfds.core.GeneratorBasedBuilder):
        """Pictures with a negative of themselves and a class."""

        VERSION = tfds.core.Version("1.0.0")
        name = "tiny"
        form = "PNG"
        pkg_dir_path = None

        def _info(self):
            picture = {key: tfds.features.Image(shape=(20, 24, 3)) for key in ("photo", "negative")}
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(
                    picture | {"kind": tfds.features.ClassLabel(names=["cat", "dog"])}
                ),
                description="Noise.",
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(6), "test": self._generate_examples(2)}

        def _generate_examples(self, count):
            for number in range(count):
                picture = np.random.default_rng(number).integers(
                    0, 256, (20, 24, 3), dtype=np.uint8
                )
                files = [io.BytesIO(), io.BytesIO()]
                for file, array in zip(files, (picture, 255 - picture), strict=True):
                    Image.fromarray(array).save(file, self.form)
                    file.seek(0)
                yield number, {"photo": files[0], "negative": files[1], "kind": number % 2}


@pytest.fixture
def tiny(tmp_path):
    builder = Tiny(data_dir=str(tmp_path), file_format="array_record")
    builder.download_and_prepare(file_format="array_record")
    return str(tmp_path)


def test_both_pictures_of_an_example_are_a_pair(tiny):
    data = Paired(
        TfdsPairs("tiny", "photo", "negative", data_dir=tiny),
        direction="b2a",
        cut=Preprocess(20, 16),
    )
    batch = data.open().batches(3, seed=0)[0]
    assert batch["a"].shape == (3, 16, 16, 3)
    np.testing.assert_allclose(batch["a"], -batch["b"], atol=0.02)
    with pytest.raises(UserError, match=r"no feature 'foto'; .* \['kind', 'negative', 'photo'\]"):
        Paired(TfdsPairs("tiny", "foto", "negative", data_dir=tiny)).open()


def test_a_data_set_s_pictures_are_of_the_forms_that_are_read(tmp_path, monkeypatch):
    """tensorflow-datasets would open PostScript, which starts another program."""
    monkeypatch.setattr(Tiny, "form", "EPS")
    Tiny(data_dir=str(tmp_path), file_format="array_record").download_and_prepare(
        file_format="array_record"
    )
    with pytest.raises(
        UserError,
        match=r"tiny, example 0, (photo|negative) is no picture in a form that can be read",
    ):
        Tfds("tiny", "train", "test", "photo", str(tmp_path)).open("a", 20, 3)


def test_classes_are_the_data_set_s(tiny):
    opened = Labelled(
        TfdsLabelled("tiny", key="photo", label="kind", data_dir=tiny),
        Preprocess(20, 16),
        channels=3,
    ).open()
    assert opened.classes == ("cat", "dog")
    batch = opened.batches(6, seed=0)[0]
    assert batch["y"].sum(0).tolist() == [3, 3]
    with pytest.raises(UserError, match="no classes under 'photo'"):
        Labelled(
            TfdsLabelled("tiny", key="photo", label="photo", data_dir=tiny),
            Preprocess(20, 16),
            channels=3,
        ).open()
