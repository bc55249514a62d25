"""How near to its looks a network of many looks comes, beside optimisation of the same loss.

  python examples/score_looks.py --pictures=BSDS500/val --paintings=paintings

Every photograph is made in another look: by the network, and by L-BFGS from the photograph on.
Printed is the style loss that the network learned by, of the photograph and of both results, and
how many times the network's is the optimiser's. Paintings are found by their looks' names; looks
that are drawn need none. The optimiser takes minutes for each photograph.
"""

import dataclasses
import sys

import numpy as np

from imgtrans_jax.commands import app

FLAGS = app.Flags()
RUN = FLAGS.path("run", "painters", "A network's name, a run, or a file of a generator.")
PICTURES = FLAGS.path("pictures", None, "A folder of photographs.")
PAINTINGS = FLAGS.path("paintings", "paintings", "The folder of the paintings, as .jpg.")
COUNT = FLAGS.whole("count", 10, "How many photographs, evenly spread.", 1)
SIZE = FLAGS.whole("size", 512, "Their longer side in pixels.", 32)
ITERATIONS = FLAGS.whole("iterations", 300, "Of the optimiser.", 1)


def main(_: app.Overrides) -> int:
    from imgtrans_jax.data.looks import read_look
    from imgtrans_jax.inference.load import load_generator
    from imgtrans_jax.inference.translator import Translation
    from imgtrans_jax.io import images
    from imgtrans_jax.io.listing import list_pictures
    from imgtrans_jax.methods.fast_style import FastStyle
    from imgtrans_jax.optim.pixels import LBFGS
    from imgtrans_jax.style.optimize import optimize_image
    from imgtrans_jax.types import UserError
    from imgtrans_jax.weights.vgg import load_vgg

    loaded, network = load_generator(RUN.value), load_vgg()[1]
    known = loaded.experiment.recipe
    if not isinstance(known, FastStyle):
        raise UserError(f"{RUN.value} has no looks; take a network such as painters.")
    paths = list_pictures(app.required(PICTURES.value, "pictures"))
    spread = np.linspace(0, len(paths) - 1, min(COUNT.value, len(paths))).round().astype(int)
    for number, path in enumerate(paths[i] for i in spread):
        look = known.looks[number % len(known.looks)]
        painting = look.picture and f"{PAINTINGS.value}/{look.name}.jpg"
        # an experiment of this look alone, so that the other paintings need not be there
        alone = dataclasses.replace(
            known,
            looks=(dataclasses.replace(look, picture=painting, strength=1.0),),
            generator=known.generator.clone(looks=1),
            feature_dtype="float32",
            look="",
        )
        perceptual, frozen = alone.game().g_objective, alone.frozen(network, read_look)
        picture = images.read_picture(path)
        scale = SIZE.value / max(picture.shape[:2])
        picture = images.resize(picture, *(round(scale * side) for side in picture.shape[:2]))
        photo = images.to_signed(picture)[None]

        def objective(image, given, _, perceptual=perceptual):
            photo, frozen = given
            samples = {"fake_b": 2 * image - 1, "looks": np.ones((1, 1), np.float32)}
            return perceptual({"a": photo}, samples, {}, frozen)

        def style(image, objective=objective, given=(photo, frozen)):
            return float(objective(image, given, None)["style"]) / known.style

        made = Translation(loaded, look=look.name).of_pixels(picture[None])
        unit = (photo + 1) / 2
        best = optimize_image(objective, unit, (photo, frozen), LBFGS(), ITERATIONS.value).image
        before, ours, theirs = (style(x) for x in (unit, np.float32(made / 255), best))
        print(
            f"{path.name} in {look.name}: photograph {before:.3f}, network {ours:.3f}, optimiser "
            f"{theirs:.3f}; {ours / theirs:.2f} times",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    app.main(sys.modules[__name__])
