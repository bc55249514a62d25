"""Asks a classifier about the digits that a GAN makes, and its critic for the length of its
gradients.

  python examples/score_digits.py --run=runs/gan_digits

A support vector machine (scikit-learn), trained on the real training digits, classifies 1000
samples. Exit code 0 if every digit has 3 to 25 % of them and the median confidence is at least 0.8
of that on the real test digits, 1 if not. For a WGAN-GP run the mean norm of the critic's gradients
between real digits and samples is printed too; it should be near 1. Of a BiGAN it is printed how
many test digits keep their class when they are coded and made again. Of a CoGAN it is printed how
many pairs of random latents are of one class, by a classifier for digits and one for outlines, how
many are so by the second alone, which is asked about the made outlines and those that the made
digit has, and how many test digits keep theirs when they are translated; exit code 0 says that 90 %
of the last two do, and that every digit has its share of pairs.
"""

import sys
from typing import TYPE_CHECKING

import jax
import numpy as np

from imgtrans_jax.commands import app

if TYPE_CHECKING:
    from imgtrans_jax.inference.generator import TrainedGenerator

FLAGS = app.Flags()
RUN = FLAGS.path("run", "runs/gan_digits", "The folder of the run.")
COUNT = 1000


def main(_: app.Overrides) -> int:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC

    from imgtrans_jax.data.datasets import Labelled, Unpaired
    from imgtrans_jax.data.digits import DigitStyle
    from imgtrans_jax.data.labelled import Digits
    from imgtrans_jax.inference.load import load_generator
    from imgtrans_jax.inference.sample import sampled
    from imgtrans_jax.methods.bigan import BiGAN
    from imgtrans_jax.methods.cogan import CoGAN
    from imgtrans_jax.methods.gan import GAN
    from imgtrans_jax.types import UserError

    loaded = load_generator(RUN.value)
    data = loaded.experiment.data
    if isinstance(loaded.experiment.recipe, CoGAN) and isinstance(data, Unpaired):
        kinds = [side.kind for side in (data.a, data.b) if isinstance(side, DigitStyle)]
        if kinds != ["filled", "outline"] or data.channels != 1:
            raise UserError(f"{RUN.value} was not trained on gray digits and their outlines.")
        return score_pairs(loaded)
    if not isinstance(loaded.experiment.data, Labelled) or not isinstance(
        loaded.experiment.data.pictures, Digits
    ):
        raise UserError(f"{RUN.value} was not trained on the digits.")
    opened = loaded.experiment.data.open()  # the digits, which are embedded
    train, test = (
        [part[i] for i in range(len(part))]
        for part in (opened.streams[0].train, opened.streams[0].test)
    )
    prepare = opened.streams[0].prepare
    of_train, of_test = (np.stack([prepare(e, None)["x"] for e in part]) for part in (train, test))
    labels = [np.array([label for _, label in part]) for part in (train, test)]
    classifier = CalibratedClassifierCV(SVC(), ensemble="auto").fit(
        of_train.reshape(len(of_train), -1), labels[0]
    )
    real = classifier.predict_proba(of_test.reshape(len(of_test), -1))
    samples = sampled(loaded, COUNT)
    made = classifier.predict_proba(samples.reshape(COUNT, -1))
    shares = np.bincount(made.argmax(1), minlength=len(opened.classes)) / COUNT
    confidence, on_real = np.median(made.max(1)), np.median(real.max(1))
    print(
        "accuracy of the classifier on real test digits  "
        f"{np.mean(real.argmax(1) == labels[1]):.3f}"
    )
    print(
        "share of the samples in each class              "
        + "  ".join(f"{share:.1%}" for share in shares)
    )
    print(f"median confidence on samples, on real digits    {confidence:.3f}, {on_real:.3f}")
    recipe = loaded.experiment.recipe
    if isinstance(recipe, BiGAN):
        again = recipe.reconstructed(loaded.params, loaded.stats, jax.numpy.asarray(of_test))
        same = classifier.predict(np.asarray(again).reshape(len(of_test), -1)) == labels[1]
        print(f"test digits that are of their class made again  {np.mean(same):.3f}")
    if isinstance(recipe, GAN) and recipe.conditional:
        wanted = np.arange(COUNT) % len(opened.classes)
        print(
            "samples that are the digit that was asked for   "
            f"{np.mean(made.argmax(1) == wanted):.3f}"
        )
    if isinstance(recipe, GAN) and recipe.penalty:
        rows = np.random.default_rng(0).integers(0, len(of_train), COUNT)
        norms = gradient_norms(RUN.value, of_train[rows], samples)
        print(
            f"critic's gradient norm between real and made    {norms.mean():.3f} (deviation "
            f"{norms.std():.3f})"
        )
    passed = shares.min() >= 0.03 and shares.max() <= 0.25 and confidence >= 0.8 * on_real
    print("passed" if passed else "failed")
    return 0 if passed else 1


def score_pairs(loaded: "TrainedGenerator") -> int:
    """Classes of pairs of a digit and its outline, by a classifier for each kind.

    Args:
        loaded: A CoGAN that was trained on these.

    Returns:
        The exit code.
    """
    from sklearn.svm import SVC

    from imgtrans_jax.data.digits import load_digits, outlines
    from imgtrans_jax.inference.sample import sampled
    from imgtrans_jax.inference.translator import Translation
    from imgtrans_jax.io import images

    pairs = sampled(loaded, COUNT)
    small, labels, held_out = load_digits(1)
    side = pairs.shape[1]
    filled = np.stack([images.resize(one, side, side) for one in small])
    kinds = {"a": images.to_signed(filled), "b": images.to_signed(outlines(filled))}
    judges, told = {}, {}
    for name, made in (("a", pairs[:, :, :side]), ("b", pairs[:, :, side:])):
        x = kinds[name].reshape(len(filled), -1)
        judges[name] = SVC().fit(x[~held_out], labels[~held_out])
        accuracy = judges[name].score(x[held_out], labels[held_out])
        print(f"accuracy of the classifier of {name} on real test digits   {accuracy:.3f}")
        told[name] = judges[name].predict(made.reshape(len(made), -1))
    shares = np.bincount(told["a"], minlength=10) / len(pairs)
    # Two judges disagree where a sample is no digit: about its exact outlines as well.
    exact = outlines(np.asarray(images.to_uint8(pairs[:, :, :side])))
    told_exact = judges["b"].predict(images.to_signed(exact).reshape(len(exact), -1))
    as_exact = float(np.mean(told["b"] == told_exact))
    print("share of the pairs in each class  " + "  ".join(f"{share:.1%}" for share in shares))
    print(
        f"pairs of random latents that are of one class     {np.mean(told['a'] == told['b']):.3f}, "
        f"with the digits' exact outlines {np.mean(told['a'] == told_exact):.3f}"
    )
    print(f"made outlines that are of the class of exact ones {as_exact:.3f}")
    kept = []
    for given, wanted in (("a", "b"), ("b", "a")):
        translation = Translation(loaded, "a2b" if given == "a" else "b2a")
        made = translation.padded(kinds[given][held_out])
        found = judges[wanted].predict(made.reshape(len(made), -1))
        kept.append(float(np.mean(found == labels[held_out])))
        print(f"test digits that keep their class from {given} to {wanted}      {kept[-1]:.3f}")
    passed = min(*kept, as_exact) >= 0.9 and shares.min() >= 0.03 and shares.max() <= 0.25
    print("passed" if passed else "failed")
    return 0 if passed else 1


def gradient_norms(run: str, real: np.ndarray, made: np.ndarray) -> np.ndarray:
    """(N,) norms of the critic's gradients at random points between pictures (N, H, W, C)."""
    from imgtrans_jax.engine.game import apply
    from imgtrans_jax.inference.load import load_generator
    from imgtrans_jax.methods.base import new_game

    loaded = load_generator(run, critics=True)
    critic, d = new_game(loaded.experiment.recipe).critic, loaded.critics
    assert critic is not None
    assert d is not None
    share = np.random.default_rng(1).uniform(size=(len(real), 1, 1, 1)).astype(np.float32)

    def logit(x: jax.Array) -> jax.Array:
        return apply(critic, d.params, d.stats, {"d": x}, None)[0]["d"].sum()

    gradients = jax.jit(jax.grad(logit))(share * real + (1 - share) * made)
    return np.sqrt(np.square(np.asarray(gradients)).sum(axis=(1, 2, 3)))


if __name__ == "__main__":
    app.main(sys.modules[__name__])
