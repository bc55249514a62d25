"""What a Python program uses: pictures in, pictures of their kind out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imgtrans_jax.inference.drawings import Fills, Lines, Paper
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.sample import sampled
from imgtrans_jax.inference.translator import TestMode, Translation, check_sizes
from imgtrans_jax.io import images
from imgtrans_jax.io.python_pictures import Picture, like, to_pixels
from imgtrans_jax.style.deepdream import DeepDream
from imgtrans_jax.style.dream import Dreamer
from imgtrans_jax.style.gatys import Gatys, Quality, of_quality
from imgtrans_jax.style.transfer import StyleTransfer
from imgtrans_jax.types import Direction


def transfer(
    content: Picture,
    style: Picture | Sequence[Picture],
    recipe: Gatys | None = None,
    *,
    style_weights: Sequence[float] = (),
    masks: Sequence[Picture] = (),
    size: int | None = None,
    quality: Quality | None = None,
) -> Any:
    """A picture in the look of one or several others (Gatys, Ecker and Bethge 2016).

    Args:
        content: The picture to change: a path, a Pillow image, or an array (H, W, C) or
            (N, H, W, C), uint8 or float in [0, 1].
        style: The picture whose look is wanted, or a list of such.
        recipe: The settings, such as Gatys(content_weight=0.1); None for the defaults.
        style_weights: How much of each style; empty for equally much.
        masks: A grey picture for each style, white where it goes; empty for everywhere.
        size: The shorter side, in pixels, that is optimized; None for the picture's own, up to a
            megapixel.
        quality: `draft`, in a quarter of the time, or `best`, up to three times the work; None for
            the recipe's own steps.

    Returns:
        The result in the kind, type and size of `content`: of a path a Pillow image.

    Raises:
        UserError: If a picture or a setting cannot be used.
    """
    styles: Any = style if isinstance(style, (list, tuple)) else [style]
    recipe = recipe or Gatys()
    if quality:
        recipe = of_quality(recipe, quality)
    made = StyleTransfer(recipe, styles, style_weights, masks, size)
    return _each(content, lambda picture: made(picture)[0].result)


def dream(
    content: Picture,
    recipe: DeepDream | None = None,
    *,
    guide: Picture | None = None,
    size: int | None = None,
) -> Any:
    """A picture with what a network sees in it drawn into it (Mordvintsev, Olah and Tyka 2015).

    Args:
        content: As for `transfer`.
        recipe: The settings, such as DeepDream(layer="relu5_1"); None for the defaults.
        guide: A picture of what is to be dreamt of.
        size: As for `transfer`.

    Returns:
        The result in the kind, type and size of `content`.

    Raises:
        UserError: If a picture or a setting cannot be used.
    """
    dreamer = Dreamer(recipe or DeepDream(), guide, size)
    return _each(content, lambda picture: dreamer(picture).picture)


def _each(content: Picture, work: Any) -> Any:
    """What is made of a picture, or of each of a batch, at the size that it had."""
    pixels = to_pixels(content)
    many = pixels if pixels.ndim == 4 else pixels[None]
    made = [images.resize(work(one), *one.shape[:2]) for one in many]
    return like(content, np.stack(made) if pixels.ndim == 4 else made[0])


class Translator:
    """A trained generator as a function of pictures, see `load`."""

    def __init__(
        self, translation: Translation, size: int | None = None, tile: int | None = None
    ) -> None:
        self.translation, self.size, self.tile = translation, size, tile

    def __repr__(self) -> str:
        experiment = self.translation.experiment
        network, recipe = type(experiment.recipe.generator), type(experiment.recipe)
        return f"<{network.__name__} of {recipe.__name__}, {self.translation.direction}>"

    def __call__(self, picture: Picture) -> Any:
        """The translation of a picture, or of each of a batch.

        Args:
            picture: A path, a Pillow image, or an array (H, W), (H, W, C) or (N, H, W, C): uint8,
                uint16, or float in [0, 1]. Any size; grey is repeated, and transparency laid on
                white, where the network's channels ask for it.

        Returns:
            The result in the kind and type of the picture, of a path a Pillow image; its height and
            width times the network's factor (4 for super-resolution, else 1), with the network's
            channels.

        Raises:
            UserError: If the picture cannot be read or worked.
        """
        pixels = to_pixels(picture, self.translation.experiment.data.input_channels)
        many = pixels if pixels.ndim == 4 else pixels[None]
        made = self.translation.of_pixels(many, self.size, self.tile)
        return like(picture, made if pixels.ndim == 4 else made[0])


def load(
    source: str | Path,
    *,
    direction: Direction = "a2b",
    size: int | None = None,
    tile: int | None = None,
    test_mode: TestMode | None = None,
    look: str | None = None,
    lines: Lines | None = None,
    paper: Paper | None = None,
    fills: Fills | None = None,
    trust_code: bool = False,
) -> Translator:
    """A trained generator as a function of pictures.

    Args:
        source: The name of a network that comes along ("painters"), the folder of a run, a
            .safetensors file of one, a .pth file of junyanz/pytorch-CycleGAN-and-pix2pix or CUT, or
            a folder of such files.
        direction: From the first domain to the second, or back.
        size: What the network sees has its shorter side at this many pixels, and the result is
            enlarged again; None for the picture's own size, or the one that a U-Net knows which
            reduces its training pictures to one pixel.
        tile: Works in tiles of this many pixels, for less memory, with the same result; None for
            whole pictures unless they are too large.
        test_mode: For pix2pix: `paper` keeps dropout and the picture's own batch statistics, `eval`
            neither; None for the source's own.
        look: For a network that knows several: a name, or names with weights
            ("wave:0.6, chalk:0.4"); None for the source's own, mostly the first.
        lines: `keep` lays a drawing's own ink over the result, `off` does not; None: for a network
            that learned from line drawings.
        paper: `clean` takes the light of a drawing's paper out before, `off` does not; None: for
            such a network, where the background is not white.
        fills: `flat` gives every shape that lines close one colour, `off` does not; None: for such
            a network.
        trust_code: Runs code that the source's config names outside imgtrans_jax.

    Raises:
        UserError: If the source is missing, damaged or not to be trusted, or makes pictures from
            nothing (see `generate`).
    """
    check_sizes(size, tile)
    loaded = load_generator(source, trust_code)
    translation = Translation(loaded, direction, test_mode, look, lines, paper, fills)
    return Translator(translation, size, tile)


def generate(
    source: str | Path,
    count: int = 1,
    *,
    label: int | None = None,
    text: str | None = None,
    seed: int = 0,
    trust_code: bool = False,
) -> np.ndarray:
    """Pictures from nothing, by a trained GAN.

    Args:
        source: As for `load`.
        count: How many.
        label: Their class, from 0; None for all in turn.
        text: What they show, for a run that learned from captions.
        seed: Another number makes other pictures.
        trust_code: As for `load`.

    Returns:
        (count, H, W, C) uint8.

    Raises:
        UserError: If the source cannot be used, has no such class, or needs a text.
    """
    loaded = load_generator(source, trust_code)
    return images.to_uint8(sampled(loaded, count, label, seed, text))


def evaluate(
    source: str | Path,
    real: str | Path | None = None,
    *,
    metrics: Sequence[str] = (),
    features: str = "vgg16",
    count: int = 0,
    colors: str = "",
    trust_code: bool = False,
    trust_paths: bool = False,
) -> list[dict[str, Any]]:
    """Scores a trained generator on its held-out pictures, or a folder of results.

    Args:
        source: A generator, as for `load`; with `real` a folder of results.
        real: A folder of real pictures; those of one name belong together.
        metrics: Which, such as ("psnr", "kid"); empty for all that apply.
        features: For kid and fid: vgg16, inception, or a file of Inception's weights.
        count: Test pictures; 0 for all.
        colors: Of label maps: facades, cityscapes, or a JSON file of classes and colors.
        trust_code: Runs code that somebody else's run names.
        trust_paths: Opens folders that somebody else's run names.

    Returns:
        A record for each direction: `what` it is of, its `scores` and their standard `errors` by
        the metric's name, `counts`, and the `protocol`.

    Raises:
        UserError: If nothing can be measured.
    """
    from imgtrans_jax.config import trust
    from imgtrans_jax.evaluation import evaluator
    from imgtrans_jax.evaluation.metric_suite import EvaluationSpec
    from imgtrans_jax.metrics import registry

    names = tuple(metrics) or registry.names()
    wanted = EvaluationSpec(names, features, count, colors)
    if real is not None:
        return [evaluator.evaluate_folders(Path(source), Path(real), wanted)]
    loaded = load_generator(source, trust_code)
    opened = trust.opened(loaded.experiment, trust_paths or trust_code)
    return evaluator.GeneratorEvaluator(loaded, opened, wanted)(loaded, loaded.step, str(source))
