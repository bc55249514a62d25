"""What every layer takes for style.

Command:  imgtrans visualize brush_strokes --style=painting.jpg --out=grid.png
Turn:     --config.side=128 smaller, --config.steps=75,50 sooner (at half and at full size),
          --config.layers=relu1_1,relu5_1.
Expected: a labelled grid of textures from noise, one layer each; deeper layers give larger strokes.
"""

from imgtrans_jax.style.experiments import BrushStrokes


def get_config() -> BrushStrokes:
    return BrushStrokes()
