"""Compares networks that enlarge pictures by four with a bicubic filter, on the test pictures of
the first one's data, or on a folder of pictures.

  python examples/score_enlarging.py --run=runs/srresnet_small --run=runs/srgan_small
  --out=enlarged.png
  python examples/score_enlarging.py --run=enlarge4 --pictures=BSDS300/images/test

PSNR and SSIM on luma (Y of YCbCr), 4 pixels of the border left out, over whole test pictures; and a
sheet of crops where the first run differs most from the filter.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from imgtrans_jax.commands import app

FLAGS = app.Flags()
RUN = FLAGS.paths("run", "A network's name, or the folder of a run; several may be given.")
PICTURES = FLAGS.path("pictures", None, "A folder of pictures to take instead.")
OUT = FLAGS.path("out", "enlarged.png", "Where the sheet goes.")
COUNT = FLAGS.whole("count", 100, "How many test pictures, evenly spread.", 1)
TRUST_PATHS = FLAGS.switch(
    "trust_paths", "Open the folders and data sets that somebody else's run names."
)
OVERWRITE = FLAGS.switch("overwrite", "Replace a sheet that is there already.")
CROPS, SIDE = 5, 48


def main(_: app.Overrides) -> int:
    from imgtrans_jax.config import trust
    from imgtrans_jax.data.derived import Downscale
    from imgtrans_jax.data.sources import FilePictures
    from imgtrans_jax.inference.load import load_generator
    from imgtrans_jax.inference.translator import Translation
    from imgtrans_jax.io import images
    from imgtrans_jax.io.files import make_folder, refuse_existing
    from imgtrans_jax.metrics.fidelity import super_resolution_scores
    from imgtrans_jax.types import UserError

    if not RUN.value:
        raise UserError("Which runs? Give --run=runs/srresnet_small, once or several times.")
    out = Path(OUT.value)
    if out.suffix.lower() not in images.WRITABLE:
        raise UserError(
            f"--out={out} is no kind of picture that is written; choose "
            f"{', '.join(sorted(images.WRITABLE))}."
        )
    refuse_existing(out, overwrite=OVERWRITE.value)
    make_folder(out.parent, "--out")
    loaded = [load_generator(run) for run in RUN.value]
    test: Any = (
        FilePictures(Path(PICTURES.value), 3)
        if PICTURES.value
        else trust.opened(loaded[0].experiment, TRUST_PATHS.value).streams[0].test
    )
    spread = np.linspace(0, len(test) - 1, min(COUNT.value, len(test))).round().astype(int)
    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {"bicubic": bicubic}
    for run, one in zip(RUN.value, loaded, strict=True):
        apply = Translation(one)
        methods[Path(run).name] = lambda small, apply=apply: np.asarray(apply(small[None]))[0]
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    shown: list[tuple[float, list[np.ndarray]]] = []
    for index in spread:
        small, truth = Downscale(4).pair(
            images.to_signed(test[int(index)]), np.random.default_rng(0)
        )
        results = {name: enlarge(small) for name, enlarge in methods.items()}
        for name, result in results.items():
            scores[name].append(super_resolution_scores(result, truth))
        shown.append(crop([*results.values(), truth]))
    print(
        f"{'':24s}PSNR dB   SSIM     ({len(spread)} test pictures, luma, 4 pixels of the border "
        "left out)"
    )
    for name, values in scores.items():
        print(
            f"{name:24s}{np.mean([v[0] for v in values]):7.2f}   "
            f"{np.mean([v[1] for v in values]):.4f}"
        )
    rows = [
        pictures
        for _, pictures in sorted(shown, key=lambda row: -row[0])[:: max(1, len(shown) // CROPS)][
            :CROPS
        ]
    ]
    captions = [[*methods, "truth"]] * len(rows)
    images.write_picture(out, images.captioned_grid(rows, captions, "Four times as large"))
    print(f"Wrote {out}")
    return 0


def bicubic(small: np.ndarray) -> np.ndarray:
    from imgtrans_jax.io import images

    height, width = small.shape[:2]
    return images.resize((small + 1) / 2, 4 * height, 4 * width) * 2 - 1


def crop(pictures: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
    """How far the second is from the first where it is farthest, and there a crop of all, three
    times as large.
    """
    from imgtrans_jax.io import images

    far = np.abs(pictures[1] - pictures[0]).mean(axis=2)
    height, width = far.shape
    side = min(SIDE, height, width)
    corners = [
        (top, left)
        for top in range(0, height - side + 1, side // 2)
        for left in range(0, width - side + 1, side // 2)
    ]
    worth = [far[top : top + side, left : left + side].mean() for top, left in corners]
    top, left = corners[int(np.argmax(worth))]
    crops = [images.to_uint8(picture[top : top + side, left : left + side]) for picture in pictures]
    return float(max(worth)), [np.repeat(np.repeat(c, 3, axis=0), 3, axis=1) for c in crops]


if __name__ == "__main__":
    app.main(sys.modules[__name__])
