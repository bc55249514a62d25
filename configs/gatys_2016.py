"""The same as the paper has it: VGG-19, average pooling, its losses, white noise to start from, one
size, L-BFGS.

Paper:    Gatys, Ecker and Bethge 2016 (CVPR), sections 2 and 3: content relu4_2, style relu1_1 to
          relu5_1, ratio 1e-3.
Command:  imgtrans transfer photo.jpg painting.jpg --config=gatys_2016 --size=256 --out=out.png
Needs:    VGG-19 from the Hugging Face hub; without a network add --config.weights=embedded
          (VGG-16).
Leaves:   the paper's network was rescaled to a mean activation of 1, the published ImageNet weights
          are not, so that the same ratio means something else here. Style and content are of one
          area rather than one shape.
"""

from imgtrans_jax.losses.style import content_half, style_normalized
from imgtrans_jax.optim import LBFGS
from imgtrans_jax.style.gatys import Gatys


def get_config() -> Gatys:
    return Gatys(
        weights="vgg19",
        pooling="average",
        content_loss=content_half,
        style_loss=style_normalized,
        content_weight=1e-3,
        laplacian_weight=0.0,
        border="zero",
        recolor=False,
        optimizer=LBFGS(),
        scales=(1.0,),
        steps=(500,),
        tolerance=0.0,
        start="noise",
    )
