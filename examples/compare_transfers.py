"""Style transfer as it was and as it comes, of every content after every style: a sheet, scores.

  python examples/compare_transfers.py --contents=photos --styles=paintings --out=out --size=216

Makes out/CONTENT_STYLE_before.png and ..._now.png of every picture in both folders, a sheet of them
all (each pair: before, now), and a table of what examples/score_transfer.py says of each. What is
there already is not made again.
"""

import itertools
import sys
from pathlib import Path
from typing import Any

from imgtrans_jax.commands import app

FLAGS = app.Flags()
CONTENTS = FLAGS.path("contents", None, "A folder of pictures to change.")
STYLES = FLAGS.path("styles", None, "A folder of pictures whose look is wanted.")
OUT = FLAGS.path("out", "out", "A folder for the results.")
SIZE = FLAGS.whole("size", 216, "Pixels of the longer side of every content.")
CELL = 150  # pixels of a picture's shorter side on the sheet


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.io import images
    from imgtrans_jax.losses.style import style_relative
    from imgtrans_jax.metrics.transfer import patch_distance, transfer_figures
    from imgtrans_jax.style.gatys import Gatys
    from imgtrans_jax.style.transfer import StyleTransfer
    from imgtrans_jax.style.workspace import unit
    from imgtrans_jax.weights.vgg import load_vgg

    before = Gatys(
        style_loss=style_relative,
        content_weight=0.25,
        laplacian_weight=0.0,
        border="zero",
        scales=(0.25, 0.5, 1.0),
        steps=(100, 100, 100),
        tolerance=0.0,
    )
    recipes = {"before": before, "now": app.overridden(Gatys(), overrides)}
    folders = [
        Path(app.required(f.value, n)) for f, n in ((CONTENTS, "contents"), (STYLES, "styles"))
    ]
    contents, styles = (
        {path.stem: unit(images.read_picture(path)) for path in sorted(folder.iterdir())}
        for folder in folders
    )
    for name, picture in contents.items():
        scale = SIZE.value / max(picture.shape[:2])
        contents[name] = images.resize(picture, *(round(scale * n) for n in picture.shape[:2]))
    out, network = Path(OUT.value), load_vgg()
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for style, painting in styles.items():
        transfers = {name: StyleTransfer(recipe, [painting]) for name, recipe in recipes.items()}
        row = [_cell(painting)]
        for (content, picture), name in itertools.product(contents.items(), recipes):
            path = out / f"{content}_{style}_{name}.png"
            if not path.exists():
                made, _ = transfers[name](picture)
                images.write_picture(path, images.unit_to_uint8(made.result))
            result = unit(images.read_picture(path))
            fall, near = transfer_figures(*network, result, picture, painting)
            patches = patch_distance(*network, result, painting)
            print(f"| {content}, {style}, {name} | {fall:.1f} | {near:.3f} | {patches:.4f} |")
            row.append(_cell(result))
        rows.append(row)
    images.write_picture(out / "sheet.jpg", images.grid(rows))
    return 0


def _cell(picture: Any) -> Any:
    """Its middle, square, uint8."""
    from imgtrans_jax.io import images

    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    return images.unit_to_uint8(images.resize(square, CELL, CELL))


if __name__ == "__main__":
    app.main(sys.modules[__name__])
