"""Asks whether the words of a text decide what a run makes of it: the colour, and the thing.

  python examples/score_text.py --run=runs/text_openmoji

Texts are a colour and a thing, of which each pair is made eight times. The colour is right where
most of the coloured pixels have its hue. The thing is told by a support vector machine
(scikit-learn) by the dark lines alone, which learned from the drawings that have one of these
words; how often it is right on drawings left out of that, the mean over the things, is printed
beside. With --stage=small it is the first stage's pictures that are judged.
"""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from imgtrans_jax.commands import app

if TYPE_CHECKING:
    from imgtrans_jax.data.datasets import Stream

FLAGS = app.Flags()
RUN = FLAGS.path("run", "runs/text_openmoji", "The folder of the run.")
STAGE = FLAGS.choice("stage", "large", ["small", "large"], "Whose pictures are judged.")
THINGS = ("face", "heart", "square", "flag", "hand", "moon")
EACH = 8


def main(_: app.Overrides) -> int:
    import jax

    from imgtrans_jax.data.captions import HUES, color_word
    from imgtrans_jax.data.datasets import Captioned
    from imgtrans_jax.engine.game import apply
    from imgtrans_jax.inference.load import load_generator
    from imgtrans_jax.io.images import to_uint8
    from imgtrans_jax.io.words import encoded
    from imgtrans_jax.methods.base import new_game
    from imgtrans_jax.methods.stackgan import StackGAN
    from imgtrans_jax.types import UserError

    loaded = load_generator(RUN.value)
    data, recipe = loaded.experiment.data, loaded.experiment.recipe
    if not isinstance(data, Captioned) or not isinstance(recipe, StackGAN):
        raise UserError(f"{RUN.value} was not trained on pictures with texts.")
    stream = data.open().streams[0]
    classifier, accuracy, counted = judge_of_things(stream)
    asked = [(color, thing) for color in HUES for thing in THINGS for _ in range(EACH)]
    texts = encoded([" ".join(pair) for pair in asked], data.words)
    z = jax.random.normal(jax.random.key(0), (len(asked), recipe.latent))
    made = apply(
        new_game(recipe).generator,
        loaded.params,
        loaded.stats,
        {"y": texts, "z": z},
        None,
        train=False,
    )[0][STAGE.value]
    pictures = to_uint8(np.asarray(made))
    colors = np.array(
        [color_word(p) == color for p, (color, _) in zip(pictures, asked, strict=True)]
    )
    told = classifier.predict(np.stack([lines(p) for p in pictures]))
    things = told == np.array([thing for _, thing in asked])
    print(
        f"{len(asked)} pictures of {len(HUES)} colours and {len(THINGS)} things, by the "
        f"{STAGE.value} stage"
    )
    print(
        f"of the colour that was asked for  {colors.mean():.1%}   (by chance {1 / len(HUES):.0%})"
    )
    for color in HUES:
        mine = np.array([c == color for c, _ in asked])
        print(f"  {color:10}{colors[mine].mean():.0%}")
    print(
        f"of the thing that was asked for   {things.mean():.1%}   (by chance {1 / len(THINGS):.0%};"
        f" the judge on {counted} drawings {accuracy:.0%})"
    )
    for thing in THINGS:
        mine = np.array([t == thing for _, t in asked])
        print(f"  {thing:10}{things[mine].mean():.0%}")
    return 0


def judge_of_things(stream: "Stream") -> tuple[Any, float, int]:
    """A classifier of drawings by their lines, its accuracy on drawings left out, a fifth at a
    time, and how many there are.
    """
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import SVC

    from imgtrans_jax.io.words import words_of
    from imgtrans_jax.types import UserError

    x, y = [], []
    for examples in (stream.train, stream.test):
        for i in range(len(examples)):
            picture, caption = examples[i]
            named = [thing for thing in THINGS if thing in words_of(caption)]
            if len(named) == 1:
                x.append(lines(picture))
                y.append(named[0])
    if min(y.count(thing) for thing in THINGS) < 5:
        raise UserError(f"Its captions do not name each of {', '.join(THINGS)} five times.")
    judge = SVC(class_weight="balanced")
    accuracy = cross_val_score(judge, np.stack(x), y, scoring="balanced_accuracy")
    return judge.fit(np.stack(x), y), float(accuracy.mean()), len(y)


def lines(picture: np.ndarray) -> np.ndarray:
    """Where a drawing (H, W, 3) uint8 is dark, in 16 x 16 places."""
    from imgtrans_jax.io.images import resize

    dark = np.where(picture.max(axis=2, keepdims=True) < 100, 255, 0).astype(np.uint8)
    return resize(dark, 16, 16).astype(np.float32).reshape(-1) / 255


if __name__ == "__main__":
    app.main(sys.modules[__name__])
