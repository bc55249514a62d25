"""What every layer still knows of a picture.

Paper:    Gatys et al. 2016, figure 1, content reconstructions.
Command:  imgtrans visualize content_reconstruction --content=photo.jpg --out=grid.png
Turn:     --config.side=128 smaller, --config.steps=100 sooner,
          --config.layers=conv1_1,pool3,relu5_3 others.
Expected: a labelled row; shallow layers give the pixels back, deep ones form without detail.
"""

from imgtrans_jax.style.experiments import ContentReconstruction


def get_config() -> ContentReconstruction:
    return ContentReconstruction()
