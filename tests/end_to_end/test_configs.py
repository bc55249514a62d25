"""Every config loads, is stored and read back, and its training step can be traced; shrunk, it
trains.
"""

import ast
import dataclasses
import importlib
import re
import shlex
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imgtrans_jax.commands import app, visualize
from imgtrans_jax.commands.arguments import help_text, parse
from imgtrans_jax.config import overrides, stored
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.loading import load
from imgtrans_jax.data.datasets import Captioned, Labelled, Mixed, Paired, SelfPaired, Unpaired
from imgtrans_jax.engine import sharding
from imgtrans_jax.methods.base import new_game
from imgtrans_jax.methods.cogan import CoGAN
from imgtrans_jax.methods.cut import CUT
from imgtrans_jax.methods.stackgan import StackGAN
from imgtrans_jax.models.vgg import VGG
from imgtrans_jax.optim import GradientDescent, PixelAdam
from imgtrans_jax.report.run_page import read_metrics
from imgtrans_jax.style.deepdream import DeepDream
from imgtrans_jax.style.experiments import BrushStrokes, ContentReconstruction, WeightRatios
from imgtrans_jax.style.gatys import Gatys, by_depth
from imgtrans_jax.style.top_patches import TopPatches
from imgtrans_jax.training import loop
from imgtrans_jax.training.program import Program
from imgtrans_jax.types import UserError

ROOT = Path(__file__).parents[2]
PICTURES = {  # what stylize.py makes of pictures, without training
    "gatys": Gatys,
    "gatys_2016": Gatys,
    "deepdream": DeepDream,
    "content_reconstruction": ContentReconstruction,
    "brush_strokes": BrushStrokes,
    "weight_ratios": WeightRatios,
    "top_patches": TopPatches,
}
CONFIGS = sorted(
    path
    for path in (ROOT / "configs").glob("*.py")
    if path.stem not in PICTURES and path.stem != "__init__"
)
NAMED = {
    "quickstart",
    "cyclegan_openmoji",
    "cyclegan_horse2zebra",
    "cyclegan_sketches",
    "cyclegan_sketches_small",
    "my_loss",
}
NAMED |= {
    "gan_digits",
    "cgan_digits",
    "wgan_gp_digits",
    "srresnet",
    "srgan",
    "simgan_facades",
    "feature_gan_facades",
}
NAMED |= {"cut_horse2zebra", "fastcut_horse2zebra", "cut_cat2dog", "cut_small", "fastcut_small"}
NAMED |= {"mixed_small", "bigan_digits", "ali_facades", "cogan_digits", "cogan_facades"}
NAMED |= {"text_openmoji", "shifted_small", "shifted_small_l1", "cut_single"}
NAMED |= {f"vangogh_{name}" for name in ("smallBS", "largeBS", "largeBS_decay", "smallBS_decay")}
NAMED |= {
    f"pix2pix_{name}"
    for name in (
        "openmoji",
        "facades",
        "maps",
        "edges2shoes",
        "edges2handbags",
        "cityscapes",
        "day2night",
    )
}
TASKS = {
    "cezanne2photo",
    "monet2photo",
    "vangogh2photo",
    "ukiyoe2photo",
    "apple2orange",
    "summer2winter",
    "iphone2dslr",
}
TASKS |= {"maps", "facades", "cityscapes"}
ABLATIONS = {
    f"cyclegan_ablation_{name}" for name in ("cycle", "gan", "gan_forward", "gan_backward", "full")
}
ABLATIONS |= {f"pix2pix_ablation_{name}" for name in ("l1", "gan", "cgan", "l1_gan", "l1_cgan")}


def small_module(module):
    """A network of the same kind, two channels wide and as shallow as it can be."""
    few = {
        "width": 2,
        "blocks": 1,
        "depth": 1,
        "levels": 2,
        "layers": 1,
        "units": 2,
        "widths": (2, 2),
    }
    return module.clone(**{name: value for name, value in few.items() if hasattr(module, name)})


def shrunk(path: Path, pictures: Path) -> Experiment:
    """The config with small pictures and networks, and otherwise as it is."""
    experiment = load(str(path))
    recipe = experiment.recipe
    recipe = dataclasses.replace(
        recipe, generator=small_module(recipe.generator), critic=small_module(recipe.critic)
    )
    if isinstance(recipe, CUT):
        recipe = dataclasses.replace(recipe, taps=("input", "down_0", "block_0"), patches=4)
    if isinstance(recipe, CoGAN):
        recipe = dataclasses.replace(
            recipe, generator=recipe.generator.clone(size=16), search_steps=2
        )
    if isinstance(recipe, StackGAN):
        recipe = dataclasses.replace(
            recipe,
            generator=recipe.generator.clone(size=8),
            refiner=small_module(recipe.refiner),
            conditioning=small_module(recipe.conditioning),
        )
    if hasattr(recipe, "pool_size"):
        recipe = dataclasses.replace(recipe, pool_size=min(recipe.pool_size, 2))
    data, folder = experiment.data, str(pictures)
    own = {
        Unpaired: {"a": folder, "b": folder},
        Paired: {"pairs": folder},
        Mixed: {"pairs": folder, "a": folder, "b": folder, "count": 2},
        SelfPaired: {"pictures": folder},
        Labelled: {},
        Captioned: {"pictures": folder},
    }
    cut = (
        data.cut
        if isinstance(data, Labelled)
        else dataclasses.replace(data.cut, load_size=20, crop_size=16)
    )
    data = dataclasses.replace(data, cut=cut, **own[type(data)])
    return dataclasses.replace(experiment, data=data, recipe=recipe, batch_size=2, init_from="")


def test_all_that_is_promised_is_there():
    names = {path.stem for path in CONFIGS}
    assert NAMED | ABLATIONS | {f"cyclegan_{task}" for task in TASKS} <= names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_loads_and_is_stored(path):
    experiment = load(str(path))
    if not experiment.recipe.extra:
        assert stored.from_json(stored.to_json(experiment)) == experiment
    experiment.data.cut.check()


@pytest.mark.parametrize("pictures", [100, 10_000])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_s_rate_is_sane_for_few_pictures_and_for_many(path, pictures):
    experiment = load(str(path))
    optimizer = experiment.optimizer
    per_epoch = max(
        1, pictures // (experiment.batch_size * new_game(experiment.recipe).minibatches)
    )
    length = (optimizer.schedule.epochs or 0) * (1 if optimizer.by_steps else per_epoch)
    total = experiment.steps or length
    rates = [float(optimizer.rate(step, per_epoch)) for step in (0, total // 2, 9 * total // 10)]
    assert 1e-5 <= rates[0] <= 5e-3
    assert rates[1] >= rates[0] / 20  # the paper of SRGAN has a tenth from the middle on
    assert rates[2] >= rates[0] / 100


def distinct() -> list[Path]:
    """One config of those that differ in nothing but their pictures and their schedule."""
    found = {}
    for path in CONFIGS:
        experiment = load(str(path))
        found[
            str((experiment.recipe, experiment.data.cut.crop_size, experiment.batch_size > 1))
        ] = path
    return list(found.values())


def one_of_each(paths: list[Path]) -> list:
    """The others of a method are slow: half a minute."""
    methods: set[str] = set()
    cases = []
    for path in paths:
        method = type(load(str(path)).recipe).__name__
        marks = (pytest.mark.slow,) if method in methods else ()
        cases.append(pytest.param(path, id=path.stem, marks=marks))
        methods.add(method)
    return cases


@pytest.mark.parametrize("path", one_of_each(distinct()))
def test_every_config_s_step_is_traced_at_its_full_size(path):
    experiment = load(str(path))
    game = new_game(experiment.recipe)
    rows = experiment.batch_size * game.minibatches
    example = {
        name: np.zeros((rows, *shape), np.float32)
        for name, shape in batch_shapes(experiment.data).items()
    }
    mesh = sharding.device_mesh((0, 1), 1, 1)
    program = Program(experiment, mesh, example, per_epoch=100)
    frozen = None
    # the shapes of VGG, and of what is made of it, without its weights
    if experiment.recipe.frozen_network:
        picture = jnp.zeros((1, 32, 32, 3))
        network = jax.eval_shape(lambda: VGG(16, ("relu5_3",)).init(jax.random.key(0), picture))
        frozen = jax.eval_shape(
            lambda params: experiment.recipe.frozen(params, lambda *_: np.asarray(picture)), network
        )
    state, metrics = jax.eval_shape(program.step, program.like, program.batch, frozen)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), state) == jax.tree.map(
        lambda x: (x.shape, x.dtype), program.like
    )
    assert all(value.shape == () for value in metrics.values())


def batch_shapes(data) -> dict[str, tuple[int, ...]]:
    side = data.cut.crop_size
    match data:
        case Labelled():
            return {"x": (side, side, data.channels), "y": (10,)}
        case Captioned():
            return {"x": (side, side, data.channels), "y": (data.words,)}
        case SelfPaired():
            (a, b) = data.by.pair(np.zeros((side, side, 3), np.float32), np.random.default_rng(0))
            return {"a": a.shape, "b": b.shape}
        case _:
            return dict.fromkeys("ab", (side, side, data.channels))


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.stem != "my_loss"], ids=lambda p: p.stem)
def test_every_header_says_what_a_user_needs(path):
    header = ast.get_docstring(ast.parse(path.read_text())) or ""
    for word in ("Paper:", "Command:", "Data:", "Expected:", "Needs:"):
        assert word in header
    assert re.search(rf"^Command:  imgtrans train {path.stem}( |$)", header, re.M)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("[a-z]*.py")), ids=lambda p: p.stem)
def test_the_command_of_every_header_is_one(path):
    (line,) = re.findall(r"^Command:  imgtrans (.*)$", path.read_text(), re.M)
    name, *arguments = shlex.split(line)
    assert name in app.commands()
    command = importlib.import_module(f"imgtrans_jax.commands.{name}")
    rest, fields = app.split_overrides(arguments)
    parse(command, rest)
    app.overridden(load(str(path), object), fields)
    command.FLAGS.unparse_flags()


def test_the_help_of_visualize_gives_each_experiment_steps_that_it_takes():
    assert "sizes and takes the\nsteps at each, --config.steps=75,50;" in help_text(visualize)
    strokes = app.overridden(BrushStrokes(), [("steps", "75,50")])
    assert strokes.steps == (75, 50)
    assert len(strokes.scales) == 2
    for experiment in (ContentReconstruction(), WeightRatios()):
        assert app.overridden(experiment, [("steps", "50")]).steps == 50
    assert not hasattr(TopPatches(), "steps")


@pytest.mark.parametrize(("name", "kind"), PICTURES.items())
def test_every_config_of_pictures_loads_and_says_how(name, kind):
    path = ROOT / "configs" / f"{name}.py"
    recipe = load(str(path), *PICTURES.values())
    assert type(recipe) is kind
    header = ast.get_docstring(ast.parse(path.read_text())) or ""
    command = {Gatys: "transfer", DeepDream: "dream"}.get(kind, f"visualize {name}")
    assert re.search(rf"^Command:  imgtrans {command} ", header, re.M)
    assert name != "gatys_2016" or "--config=gatys_2016 " in header
    with pytest.raises(
        UserError,
        match=f"must return Experiment; it returned {kind.__name__}; it is for stylize.py",
    ):
        load(str(path))


def test_losses_optimizers_and_layers_are_set_by_name():
    recipe = Gatys()
    for name, text in (
        ("style_loss", "style_normalized"),
        ("layer_weights", "by_depth"),
        ("optimizer", "PixelAdam"),
    ):
        recipe = overrides.override(recipe, name, text)
    recipe = overrides.override(recipe, "optimizer.rate", "0.05")
    recipe = overrides.override(recipe, "content_layers", "relu3_2,relu4_2")
    recipe = overrides.override(recipe, "steps", "10,20,30")
    assert recipe.optimizer == PixelAdam(0.05)
    assert recipe.layer_weights is by_depth
    assert recipe.content_layers == ("relu3_2", "relu4_2")
    assert recipe.steps == (10, 20, 30)
    assert overrides.override(recipe, "optimizer", "GradientDescent").optimizer == GradientDescent()
    with pytest.raises(UserError, match="one of"):
        overrides.override(recipe, "optimizer", "Adam")


def test_the_paper_s_values_are_the_config_s():
    experiment = load(str(ROOT / "configs" / "cyclegan_horse2zebra.py"))
    recipe, schedule = experiment.recipe, experiment.optimizer.schedule
    assert (recipe.generator.width, recipe.generator.blocks, recipe.critic.layers) == (64, 9, 3)
    assert (recipe.cycle, recipe.identity, recipe.pool_size, recipe.halve_critic) == (
        10.0,
        0.5,
        50,
        True,
    )
    assert (schedule.rate, schedule.epochs) == (2e-4, 200)
    assert (experiment.optimizer.b1, experiment.optimizer.b2, experiment.batch_size) == (
        0.5,
        0.999,
        1,
    )
    assert (
        experiment.data.cut.load_size,
        experiment.data.cut.crop_size,
        experiment.data.cut.flip,
    ) == (286, 256, True)


@pytest.mark.slow  # with all the other configs
def test_one_config_of_the_recipe_trains_two_steps(pictures, tmp_path):
    experiment = shrunk(ROOT / "configs" / "cyclegan_horse2zebra.py", pictures)
    assert int(loop.train(experiment, tmp_path / "run", steps=2).step) == 2


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_trains_two_steps(path, pictures, tmp_path):
    experiment = shrunk(path, pictures)
    assert int(loop.train(experiment, tmp_path / "run", steps=2).step) == 2
    assert np.isfinite(list(read_metrics(tmp_path / "run")[-1].values())).all()
