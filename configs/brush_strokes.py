"""What every layer takes for style.

Command:  python stylize.py --config=configs/brush_strokes.py --style=painting.jpg --out=grid.png
Expected: a labelled grid of textures from noise, one layer each; deeper layers give larger strokes.
"""

from imgtrans_jax.visualisation import BrushStrokes


def get_config() -> BrushStrokes:
    return BrushStrokes()
