"""Small files of every form that is read, for others to spoil."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, features

GOLDEN = Path(__file__).parents[1] / "golden"
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
