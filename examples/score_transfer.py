"""How far a style transfer went, in three numbers.

  python examples/score_transfer.py --content=photo.jpg --style=painting.jpg --result=out.png

The first: how many times the style loss (Gram matrices over positions, relu1_1 to relu5_1, each
relative to the style's own) fell from the photograph to the result. The second: the result's
distance from the photograph in relu4_2, by the distance of the painting from it. Strong and still
recognisable: over 15, and under 0.75. The third is nothing that is optimised: how many times the
distance of the distributions of patches (sliced 2-Wasserstein, in other layers) fell.
"""

import sys

from imgtrans_jax.commands import app

FLAGS = app.Flags()
NAMES = {
    name: FLAGS.path(name, None, f"The {name} picture.") for name in ("content", "style", "result")
}
WEIGHTS = FLAGS.path("weights", "embedded", "The network: embedded, vgg16, vgg19 or a file.")


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.io import images
    from imgtrans_jax.metrics.transfer import patch_distance, transfer_figures
    from imgtrans_jax.style.workspace import unit
    from imgtrans_jax.weights.vgg import load_vgg

    paths = {name: app.required(flag.value, name) for name, flag in NAMES.items()}
    pictures = {name: unit(images.read_picture(path)) for name, path in paths.items()}
    network = load_vgg(WEIGHTS.value)
    fall, nearness = transfer_figures(*network, **pictures)
    before, after = (
        patch_distance(*network, pictures[name], pictures["style"])
        for name in ("content", "result")
    )
    print(
        f"style loss fell {fall:.1f}-fold; distance to the content {nearness:.3f} of the style "
        f"picture's own; distance of patches fell {before / after:.1f}-fold, to {after:.4f}"
    )
    return 0


if __name__ == "__main__":
    app.main(sys.modules[__name__])
