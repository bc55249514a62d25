"""tensorflow-datasets without TensorFlow: reads prepared data sets, and prepares `cycle_gan/*` from
its archives.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import registered
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
from tensorflow_datasets.core.features.feature import FeatureConnector
from tensorflow_datasets.image_classification import cycle_gan

from imgtrans_jax.io.reading import decode_picture
from imgtrans_jax.types import UserError

_LARGEST_PICTURE = 100 * 2**20  # bytes; an archive member that claims more is refused

with registered.skip_registration():

    class CycleGAN(cycle_gan.CycleGAN):
        """The stock builder, but reading the pictures out of the archive itself, which needs no
        TensorFlow.

        Nothing is extracted, so that no name in the archive can lead outside a folder. Sizes and
        sha256 sums are those that tensorflow-datasets ships.
        """

        name = "cycle_gan"
        pkg_dir_path = None

        # Both are called by tensorflow-datasets alone, by position.
        def _split_generators(self, dl_manager):  # pyright: ignore
            assert self.builder_config is not None
            archive = dl_manager.download(cycle_gan._DL_URLS[self.builder_config.name])
            splits = ("trainA", "trainB", "testA", "testB")
            return {split: self._generate_examples(archive, split) for split in splits}

        def _generate_examples(  # pyright: ignore
            self, archive, split
        ) -> Iterator[tuple[str, dict[str, Any]]]:
            with zipfile.ZipFile(archive) as pictures:
                for member in pictures.infolist():
                    parts = member.filename.split("/")
                    if (
                        len(parts) < 2
                        or parts[-2] != split
                        or not parts[-1]
                        or parts[-1].startswith(".")
                    ):
                        continue
                    if member.file_size > _LARGEST_PICTURE:
                        raise UserError(
                            f"{archive} holds a picture of {member.file_size} bytes; the archive "
                            "is not sound."
                        )
                    yield (
                        parts[-1],
                        {"image": io.BytesIO(pictures.read(member)), "label": split[-1]},
                    )


def prepared(name: str, data_dir: str | None) -> dict[str, _Split]:
    """The splits of a data set by name, prepared first where it must be.

    Args:
        name: Of the data set, such as `cycle_gan/horse2zebra`.
        data_dir: Where it is kept; None for tfds's own default.

    Returns:
        Each split with random access to its examples.

    Raises:
        UserError: If there is no such data set, it cannot be downloaded, its folder is damaged or
            names code that is not tensorflow-datasets' own, or it was prepared in a form that only
            TensorFlow reads.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it names every retry
    downloader.MAX_RETRIES = 5  # 6 seconds; its own 10 have a user without a network wait
    data_dir = data_dir and os.path.expanduser(data_dir)
    with _own_features_only(), _told(name, data_dir):
        builder = _builder(name, data_dir)
        if not builder.info.splits:
            print(f"Preparing {name} in {builder.data_dir} (once) …", flush=True)
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(force_checksums_validation=True),
                file_format="array_record",
            )
        return {split: _Split(builder, split) for split in builder.info.splits}


class _Split:
    """The examples of a split. Its pictures are decoded here, as all others: tensorflow-datasets
    would open any form of picture, of which some start other programs.
    """

    def __init__(self, builder: tfds.core.DatasetBuilder, split: str) -> None:
        features: Any = builder.info.features
        self.features: dict[str, Any] = dict(features.items())
        self.pictures = [
            name
            for name, feature in self.features.items()
            if isinstance(feature, tfds.features.Image)
        ]
        skipped: Any = {name: tfds.decode.SkipDecoding() for name in self.pictures}
        untyped: Any = builder  # its overloads know no split with decoders
        self.source = untyped.as_data_source(split, decoders=skipped)
        self.name = builder.name

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = dict(self.source[index])
        for name in self.pictures:
            array = decode_picture(example[name], f"{self.name}, example {index}, {name}")
            # A float32 number is stored as the four bytes of a pixel.
            example[name] = (
                array.view(np.float32) if self.features[name].np_dtype == np.float32 else array
            )
        return example


@contextlib.contextmanager
def _own_features_only() -> Iterator[None]:
    """A data set's folder names the classes of its features, and tensorflow-datasets imports the
    modules that these names begin with, whatever they are: here only its own, and what the caller
    has imported himself.
    """
    as_it_was = FeatureConnector.__dict__["cls_from_name"]

    def checked(cls: type[FeatureConnector], name: str) -> type[FeatureConnector]:
        if (
            not name.startswith("tensorflow_datasets.")
            and name not in FeatureConnector._registered_features
        ):
            raise UserError(
                f"The data set's folder names the class {name[:200]}, which is not "
                "tensorflow-datasets' own; it was not imported. If you trust it, import its "
                "module in your config file."
            )
        return as_it_was.__func__(cls, name)

    FeatureConnector.cls_from_name = classmethod(checked)  # type: ignore[assignment]
    try:
        yield
    finally:
        FeatureConnector.cls_from_name = as_it_was


@contextlib.contextmanager
def _told(name: str, data_dir: str | None) -> Iterator[None]:
    """Turns what tensorflow-datasets raises into one sentence."""
    try:
        yield
    except UserError:
        raise
    except NonMatchingChecksumError:
        raise UserError(
            f"The archive of {name} is not the one that was published (its size or checksum "
            f"differs); delete it from {_downloads(data_dir)} and try again."
        ) from None
    except tfds.core.DatasetNotFoundError:
        raise UserError(
            f"tensorflow-datasets knows no '{name}'; see "
            "https://www.tensorflow.org/datasets/catalog."
        ) from None
    # caught: what tfds raises where it needs TensorFlow
    except (NotImplementedError, ModuleNotFoundError) as error:
        raise UserError(
            f"{name} cannot be read without TensorFlow ({str(error).splitlines()[0]}); prepare it "
            "once where TensorFlow is installed, with file_format='array_record', or use "
            "folders: `config.data.a=DIR` `config.data.b=DIR`."
        ) from None
    except OSError as error:
        raise UserError(_not_downloaded(name, data_dir, error)) from None
    except Exception as error:  # whatever files that are no data set can bring about
        where = f" in {data_dir}" if data_dir else ""
        raise UserError(
            f"The data set {name}{where} cannot be read ({type(error).__name__}: "
            f"{str(error)[:200]}); prepare it anew, or use folders: `config.data.a=DIR` "
            "`config.data.b=DIR`."
        ) from None


def _builder(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    family, _, config = name.partition("/")
    if family != "cycle_gan":
        return tfds.builder(name, data_dir=data_dir)
    if config not in CycleGAN.builder_configs:
        raise UserError(
            f"cycle_gan has no '{config}'; choose one of {', '.join(CycleGAN.builder_configs)}."
        )
    return CycleGAN(config=config, data_dir=data_dir, file_format="array_record")


def _downloads(data_dir: str | None) -> str:
    return os.path.join(
        data_dir or os.path.expanduser(os.path.join("~", "tensorflow_datasets")), "downloads"
    )


def _not_downloaded(name: str, data_dir: str | None, error: OSError) -> str:
    config = name.partition("/")[2]
    reason = type(error).__name__ if len(str(error)) > 200 else str(error)
    url = (
        cycle_gan._DL_URLS.get(config, "its address")
        if name.startswith("cycle_gan/")
        else "its address"
    )
    return (
        f"{name} could not be downloaded or written ({reason}). Without a network: fetch {url} "
        f"elsewhere and put the file in {os.path.join(_downloads(data_dir), 'manual')}, or use "
        "folders of your own: `config.data.a=DIR` `config.data.b=DIR`."
    )
