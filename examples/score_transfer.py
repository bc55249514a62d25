"""How far a style transfer went, in two numbers.

  python examples/score_transfer.py --content=photo.jpg --style=painting.jpg --result=out.png

The first: how many times the style loss (Gram matrices over positions, relu1_1 to relu5_1, each
relative to the style's own) fell from the photograph to the result. The second: the result's
distance from the photograph in relu4_2, by the distance of the painting from it. Strong and still
recognisable: over 15, and under 0.75.
"""

from imgtrans_jax import cli

NAMES = {
    name: cli.path_flag(name, None, f"The {name} picture.", required=True)
    for name in ("content", "style", "result")
}
WEIGHTS = cli.path_flag("weights", "embedded", "The network: embedded, vgg16, vgg19 or a file.")


def main(overrides: cli.Overrides) -> int:
    from imgtrans_jax import images
    from imgtrans_jax.canvas import unit
    from imgtrans_jax.metrics.transfer import transfer_figures
    from imgtrans_jax.pretrained.vgg import load_vgg

    pictures = {name: unit(images.read_picture(flag.value)) for name, flag in NAMES.items()}
    fall, nearness = transfer_figures(*load_vgg(WEIGHTS.value), **pictures)
    print(
        f"style loss fell {fall:.1f}-fold; distance to the content {nearness:.3f} of the style "
        "picture's own"
    )
    return 0


if __name__ == "__main__":
    cli.run(main)
