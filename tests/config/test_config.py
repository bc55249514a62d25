"""Configs: overrides by name, mistakes answered by a sentence, and a stored form that executes
nothing.
"""

import dataclasses
import enum
import inspect
import json
import sys
from collections.abc import Sequence

import optax
import pytest
from flax import linen as nn
from PIL import Image

from imgtrans_jax import data, losses, methods, models, optim, style
from imgtrans_jax.commands import app
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.loading import load, shipped
from imgtrans_jax.config.overrides import override
from imgtrans_jax.config.stored import differences, from_json, names_in, to_json
from imgtrans_jax.data.datasets import Labelled, Paired, SelfPaired, Unpaired
from imgtrans_jax.data.pairs import Pix2PixPairs
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.losses.adversarial import hinge, vanilla
from imgtrans_jax.losses.pixel import l1_sum
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.metrics.segmentation import colors_of
from imgtrans_jax.models.layers import Xavier
from imgtrans_jax.models.patchgan import StrideOneCritic
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.srgan import SRResNet
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, Constant, Cosine, LinearDecay, Optax, RMSProp
from imgtrans_jax.training import loop
from imgtrans_jax.training.checks import check_config
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.metric_networks import load_inception
from imgtrans_jax.weights.vgg import load_vgg

PLAIN = Experiment()


def field(experiment, name):
    for part in name.split("."):
        experiment = getattr(experiment, part)
    return experiment


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("batch_size", "4", 4),
        ("steps", "none", None),
        ("steps", "100", 100),
        ("matmul_precision", "highest", "highest"),
        ("recipe.generator.blocks", "6", 6),
        ("recipe.generator.upsample", "nearest", "nearest"),
        ("recipe.generator.dtype", "bfloat16", "bfloat16"),
        ("recipe.generator.kernel_init", "Xavier", Xavier()),
        ("recipe.generator.kernel_init.stddev", "0.1", None),
        ("recipe.generator", "UNet", UNet()),
        ("recipe.generator", "SRResNet", SRResNet()),
        ("recipe.critic", "StrideOneCritic", StrideOneCritic()),
        ("recipe", "Pix2Pix", Pix2Pix()),
        ("data", "Paired", Paired()),
        ("data", "Derived", SelfPaired()),  # as it was called before
        ("recipe.gan", "vanilla", vanilla),
        ("recipe.gan", "hinge", hinge),
        ("recipe.distance", "l1_sum", l1_sum),
        ("recipe.halve_critic", "false", False),
        ("recipe.cycle", "5", 5.0),
        ("recipe.cycle", "10,0", (10.0, 0.0)),
        ("optimizer.schedule.rate", "1e-4", 1e-4),
        ("optimizer.schedule", "Cosine", Cosine()),
        ("data.a", "some/folder", "some/folder"),
        ("data.cut.resize", "short", "short"),
    ],
)
def test_overrides_are_read_by_the_fields_type(name, text, value):
    changed = field(override(PLAIN, name, text), name)
    if value is not None or text == "none":
        assert changed == value
        assert type(changed) is type(value)
    else:
        assert changed == float(text)
    assert Experiment() == PLAIN


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "recipe.generator.blocks",
            "banana",
            r"config\.recipe\.generator\.blocks needs an int \(now 9\); 'banana' is none",
        ),
        (
            "recipe.generatr.blocks",
            "6",
            r"config\.recipe \(CycleGAN\) has no field 'generatr'\. Did you mean generator\?",
        ),
        ("recipe.generator.blocks.more", "6", r"has no field 'more'"),
        (
            "recipe.gan",
            "wasserstein",
            r"needs one of hinge, lsgan, saturating, vanilla, wgan \(now lsgan\)",
        ),
        (
            "recipe.generator",
            "PatchGAN",
            r"needs one of DnCNN, ResNetGenerator, SRResNet, StyleNetwork, UNet \(now",
        ),
        ("recipe.generator", "no_such_module:Net", "There is no module no_such_module in /"),
        ("recipe.generator", "Unet", r"'Unet' is none\. Did you mean UNet\?"),
        ("optimizer.b1", "nan", "needs a float"),
        ("recipe.generator", "json:loads", "needs one of DnCNN"),
        ("recipe.generator", "json:nothing", "json:nothing cannot be used: AttributeError"),
        ("recipe.distance", "content_mean", r"needs one of l1, l1_sum, l2, pyramid_l1 \(now"),
        ("recipe.halve_critic", "maybe", "needs true or false"),
        ("recipe.cycle", "1,2,3", "needs a float or 2 numbers joined by commas"),
        ("matmul_precision", "fast", "needs one of default, high, highest"),
        ("recipe.extra", "x", "a tuple that a config file sets"),
        ("optimizer.schedule", "Adam", "needs one of"),
        ("optimizer", "PixelAdam", r"needs one of Adam, Optax, RMSProp \(now Adam"),
        ("critic_optimizer", "sgd", "needs one of Adam, Optax, RMSProp or none"),
        ("critic_optimizer.schedule.rate", "1", "is none and has no field 'schedule.rate'; set it"),
        ("optimizer.clip_norm", "-1", "optimizer.clip_norm cannot be -1: .*must not be negative"),
        ("data.cut.zoom", "2", "Its fields: load_size, crop_size, resize, flip"),
        ("recipe.generator.parent", "x", "has no field 'parent'"),
        ("recipe", "x", "needs one of ALI, BiGAN, CUT, CoGAN, CycleGAN, FastStyle, GAN"),
    ],
)
def test_mistakes_get_a_sentence(name, text, words):
    with pytest.raises(UserError, match=words):
        override(PLAIN, name, text)


def test_a_config_is_stored_and_read_back():
    recipe = CycleGAN(
        generator=ResNetGenerator(blocks=6, kernel_init=Xavier(2.0)), gan=hinge, cycle=(10.0, 0.0)
    )
    experiment = dataclasses.replace(PLAIN, recipe=recipe, steps=None)
    stored = json.loads(json.dumps(to_json(experiment)))
    assert stored["recipe"]["gan"] == {"ref": "hinge"}
    assert stored["recipe"]["generator"]["type"] == "ResNetGenerator"
    assert "parent" not in stored["recipe"]["generator"]
    assert from_json(stored) == experiment


def test_each_player_has_its_optimizer_by_flags_and_it_is_stored():
    experiment = PLAIN
    for name, text in (
        ("critic_optimizer", "Adam"),
        ("critic_optimizer.schedule.rate", "4e-4"),
        ("critic_optimizer.weight_decay", "0.01"),
        ("optimizer", "RMSProp"),
        ("optimizer.clip_norm", "1"),
    ):
        experiment = override(experiment, name, text)
    assert experiment.critic_optimizer == Adam(LinearDecay(4e-4), weight_decay=0.01)
    assert experiment.optimizer == RMSProp(Constant(5e-5), clip_norm=1.0)
    assert from_json(json.loads(json.dumps(to_json(experiment)))) == experiment
    (line,) = differences(
        to_json(experiment), to_json(override(experiment, "critic_optimizer.b1", "0"))
    )
    assert line == "config.critic_optimizer.b1: 0.5 -> 0.0"
    assert override(experiment, "critic_optimizer", "none").critic_optimizer is None


def own_optimizer(learning_rate):
    return optax.chain(optax.clip(1.0), optax.lion(learning_rate))


def test_an_optimizer_of_optax_is_stored_by_its_name_and_one_s_own_is_code():
    lion = Optax(optax.lion, options=(("b1", 0.8), ("weight_decay", 0.1)))
    stored = json.loads(json.dumps(to_json(lion)))
    assert stored["factory"] == "lion"
    assert from_json(stored) == lion
    assert override(
        override(PLAIN, "optimizer", "Optax"), "optimizer.factory", "lion"
    ).optimizer == (Optax("lion"))
    mine = json.loads(json.dumps(to_json(Optax(own_optimizer))))
    with pytest.raises(UserError, match="is code outside imgtrans_jax and is not run unasked"):
        from_json(mine)
    assert from_json(mine, trust_code=True) == Optax(own_optimizer)


@pytest.mark.parametrize(
    "factory",
    ["os.system", "optax.lion", "__import__", "apply_if_finite", {"ref": "l1"}, {"ref": "GAN"}, 3],
)
def test_a_stored_optimizer_names_nothing_but_those_of_optax(factory):
    with pytest.raises(UserError, match="damaged"):
        from_json(to_json(Optax()) | {"factory": factory})
    with pytest.raises(UserError, match="damaged"):
        from_json(to_json(Optax()) | {"options": [["momentum", ["x"]]]})


def test_differences_name_the_fields():
    changed = override(override(PLAIN, "batch_size", "4"), "recipe.gan", "vanilla")
    assert differences(to_json(PLAIN), to_json(changed)) == [
        "config.recipe.gan: lsgan -> vanilla",
        "config.batch_size: 1 -> 4",
    ]
    other = dataclasses.replace(
        PLAIN, optimizer=dataclasses.replace(PLAIN.optimizer, schedule=Cosine())
    )
    (line,) = differences(to_json(PLAIN), to_json(other))
    assert line.startswith("config.optimizer.schedule: LinearDecay(")
    assert "Cosine(" in line
    assert differences(to_json(PLAIN), to_json(Experiment())) == []


def my_loss(batch, samples, logits, frozen):
    return {}


def test_what_has_no_name_is_refused():
    for extra in ((lambda *_: {},), (print,)):
        experiment = dataclasses.replace(PLAIN, recipe=CycleGAN(extra=extra))
        with pytest.raises(UserError, match=r"config\.recipe\.extra\[0\] is .* cannot be stored"):
            to_json(experiment)


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "builtins:eval",
        "imgtrans_jax.config:importlib",
        "imgtrans_jax.report:os",
        "imgtrans_jax.cli:app",
    ],
)
def test_a_strangers_run_executes_nothing(name):
    stored = to_json(PLAIN)
    stored["recipe"]["distance"] = {"ref": name}
    with pytest.raises(UserError):
        from_json(stored)
    stored = to_json(PLAIN) | {"type": name}
    with pytest.raises(UserError):
        from_json(stored)


def test_ones_own_code_needs_trust():
    stored = {"ref": f"{my_loss.__module__}:my_loss"}
    with pytest.raises(UserError, match="`trust_code`"):
        from_json(stored)


MINE = """
import dataclasses
import {module} as mine
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.methods.cyclegan import CycleGAN


def in_the_config(batch, samples, logits, frozen):
    return {{}}


def get_config():
    return Experiment(recipe=CycleGAN(generator=mine.Net(), extra=(mine.loss, in_the_config)))
"""
MODULE = """
from flax import linen as nn


class Net(nn.Module):
    width: int = 3

    def __call__(self, x, train):
        return x


def loss(batch, samples, logits, frozen):
    return {}
"""


def forget(*modules):
    """As a later program, which was started elsewhere, has none of them."""
    for module in modules:
        sys.modules.pop(module, None)


@pytest.mark.parametrize("package", [False, True])
def test_a_run_with_modules_of_ones_own_is_found_again(package, tmp_path, monkeypatch):
    folder = tmp_path / "project"
    (folder / "configs").mkdir(parents=True)
    name = "mynets.inner" if package else "mynet"
    if package:
        (folder / "mynets").mkdir()
        (folder / "mynets" / "__init__.py").touch()
    (folder / f"{name.replace('.', '/')}.py").write_text(MODULE)
    (folder / "configs" / "myconfig.py").write_text(MINE.format(module=name))
    forget("myconfig", "mynet", "mynets", "mynets.inner")
    experiment = load(str(folder / "configs" / "myconfig.py"))
    stored, known = json.loads(json.dumps(to_json(experiment))), names_in(experiment)
    assert stored["recipe"]["generator"]["from"] == str(folder)
    assert stored["recipe"]["extra"][0] == {"ref": f"{name}:loss", "from": str(folder)}
    assert stored["recipe"]["extra"][1] == {
        "ref": "myconfig:in_the_config",
        "from": str(folder / "configs"),
    }
    path = list(sys.path)
    forget("myconfig", "mynet", "mynets", "mynets.inner")
    with pytest.raises(
        UserError, match=rf"{name}:Net in {folder}, which is code outside .* `trust_code`"
    ):
        from_json(stored)
    assert name not in sys.modules
    with pytest.raises(UserError, match="code outside"):
        from_json(stored, names_in(PLAIN))
    assert to_json(from_json(stored, known)) == stored
    forget("myconfig", "mynet", "mynets", "mynets.inner")
    again = from_json(stored, trust_code=True)
    assert again.recipe.generator.width == 3
    assert to_json(again) == stored
    assert sys.path == path
    # Where it has moved since, it changed nothing, and the sentence says what to do.
    moved = json.loads(json.dumps(stored).replace(str(folder), str(tmp_path / "elsewhere")))
    assert differences(stored, moved) == []
    forget("myconfig", "mynet", "mynets", "mynets.inner")
    with pytest.raises(
        UserError,
        match=rf"{name}:Net, which cannot be imported .* it was in .*elsewhere; .*set PYTHONPATH",
    ):
        from_json(moved, trust_code=True)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.syspath_prepend(folder / "configs")
    assert from_json(moved, trust_code=True).recipe.generator.width == 3
    forget("myconfig", "mynet", "mynets", "mynets.inner")


def test_a_generator_of_ones_own_is_one_file_and_a_flag(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_nets.py").write_text(MODULE)
    forget("my_nets")
    path = list(sys.path)
    changed = override(PLAIN, "recipe.generator", "my_nets:Net")
    assert override(changed, "recipe.generator.width", "5").recipe.generator.width == 5
    stored = to_json(changed)
    assert stored["recipe"]["generator"] == {
        "type": "my_nets:Net",
        "from": str(tmp_path),
        "width": 3,
    }
    assert to_json(override(changed, "recipe.generator", "UNet"))["recipe"]["generator"] == {
        **to_json(override(PLAIN, "recipe.generator", "UNet"))["recipe"]["generator"]
    }
    assert sys.path == path
    forget("my_nets")


def test_no_two_packages_export_one_name():
    packages = (data, losses, models, optim, methods, style)
    names = [name for package in packages for name in package.__all__]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("package", [data, losses, models, optim, methods, style])
def test_what_is_exported_has_a_home_in_its_package(package):
    """And everything that a config can name is exported: functions, values and modules."""
    for name in package.__all__:
        kind = getattr(package, name)
        home = kind if inspect.isfunction(kind) or inspect.isclass(kind) else type(kind)
        assert home.__module__.startswith(package.__name__)


def test_runs_of_the_first_version_are_read_by_the_names_of_today():
    old = {
        "type": "imgtrans_jax.data.pipeline:Paired",
        "pairs": {"type": "imgtrans_jax.data.pairs:Pix2Pix", "name": "maps"},
    }
    assert from_json(old) == Paired(Pix2PixPairs("maps"))
    mixed = {
        "type": "imgtrans_jax.losses.adversarial:GanLoss",
        "real": {"ref": "imgtrans_jax.losses.adversarial:hinge_real"},
        "fake": {"ref": "imgtrans_jax.losses.adversarial:hinge_fake"},
        "fool": {"ref": "imgtrans_jax.losses.adversarial:mean"},
    }
    assert from_json(mixed).generator is losses.mean
    now = to_json(from_json(mixed))
    assert now["generator"] == {"ref": "mean"}
    assert differences(mixed, now) == differences(now, mixed) == []


def test_home_is_the_users_own(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert override(PLAIN, "data.a", "~/photos").data.a == "/home/me/photos"
    assert override(PLAIN, "init_from", "~/run").init_from == "/home/me/run"
    assert override(PLAIN, "evaluation.features", "~/x.pth").evaluation.features == "/home/me/x.pth"
    assert override(PLAIN, "evaluation.best", "~").evaluation.best == "~"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def get_config(: pass", "line 1 does not load: SyntaxError"),
        ("import no_such_module", "line 1 does not load: ModuleNotFoundError"),
        ("x = 1", r"has no function get_config\(\)"),
        ("def get_config(): return 3", "must return Experiment; it returned int"),
        ("\n\ndef get_config():\n    return 1 / 0", "line 4 does not load: ZeroDivisionError"),
    ],
)
def test_broken_config_files(tmp_path, text, words):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        load(str(path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optimizer=Adam(1e-3)", r"config.optimizer.schedule is 0.001; it needs one of Const"),
        ("batch_size='4'", r"config.batch_size is '4'; it needs an int\."),
        ("batch_size=2.5", r"config.batch_size is 2.5; it needs an int\."),
        ("recipe=CUT(taps=(1,))", r"config.recipe.taps is \(1,\); it needs names"),
    ],
)
def test_a_config_file_with_a_value_of_another_type(tmp_path, change, words):
    path = tmp_path / "mine.py"
    path.write_text(
        "from imgtrans_jax.config import Experiment\n"
        "from imgtrans_jax.methods import CUT\n"
        "from imgtrans_jax.optim import Adam\n"
        f"def get_config(): return Experiment({change})\n"
    )
    with pytest.raises(UserError, match=words):
        load(str(path))


def test_a_config_made_in_python_with_a_value_of_another_type():
    with pytest.raises(UserError, match=r"config.batch_size is '4'; it needs an int\."):
        check_config(dataclasses.replace(PLAIN, batch_size="4"))


def test_a_config_file_may_compute_numbers(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\n"
        "from imgtrans_jax.config import Experiment\n"
        "from imgtrans_jax.optim import Adam, Constant\n"
        "def get_config(): return Experiment(optimizer=Adam(Constant(np.sqrt(4e-8))))\n"
    )
    assert load(str(path)).optimizer.schedule.rate == pytest.approx(2e-4)


def test_a_missing_config_names_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"did you mean quickstart"):
        load("configs/quikstart.py")
    with pytest.raises(UserError, match="imgtrans configs lists what there is"):
        load("zzz")


def test_overrides_are_split_from_other_flags():
    argv = ["train.py", "--config=x.py", "--config.a.b=1", "--steps=3", "-config.c", "2"]
    assert app.split_overrides(argv) == (
        ["train.py", "--config=x.py", "--steps=3"],
        [("a.b", "1"), ("c", "2")],
    )
    with pytest.raises(UserError, match="needs a value"):
        app.split_overrides(["train.py", "--config.a"])


@dataclasses.dataclass(frozen=True)
class Listed:
    points: Sequence[float] = (1.0, 2.0)
    more: list[str] | None = None


class Mode(enum.StrEnum):
    FAST = "fast"


@dataclasses.dataclass(frozen=True)
class GanLoss:
    """Called as one of ours, with a field that ours had."""

    fool: float = 1.0
    type: str = ""


def test_a_value_of_ones_own_is_read_back_or_refused():
    assert from_json(to_json(Listed()), trust_code=True) == Listed()
    assert override(GanLoss(), "fool", "3").fool == 3
    with pytest.raises(UserError, match="has a field 'type', a name that runs need"):
        to_json(GanLoss())
    with pytest.raises(UserError, match="which would be read back as a text"):
        to_json(dataclasses.replace(Listed(), more=[Mode.FAST]))
    sys.modules["__main__"].Listed = type("Listed", (Listed,), {"__module__": "__main__"})
    with pytest.raises(UserError, match="in a module that can be imported"):
        to_json(sys.modules["__main__"].Listed())
    del sys.modules["__main__"].Listed


@pytest.mark.parametrize(
    "stored",
    [
        {"type": "GanLoss", "real": {"ref": "mean"}, "generator": None, "fool": None},
        {"type": "Experiment", "optimizer": {"ref": "Adam"}},
        {"type": "Experiment", "recipe": {"ref": "CycleGAN"}},
        {"type": "Adam", "schedule": {"ref": "Constant"}},
    ],
)
def test_what_stands_twice_or_is_a_class_is_damaged(stored):
    with pytest.raises(UserError, match="the run is damaged"):
        from_json(stored)


def test_a_config_is_loaded_anew_and_hides_no_module(tmp_path):
    text = "import dataclasses, {0}\nfrom imgtrans_jax.config import Experiment\n"
    text += "from imgtrans_jax.optim import Adam, Constant\n"
    text += "@dataclasses.dataclass(frozen=True)\nclass S(Constant): pass\n"
    text += "def get_config(): return Experiment(optimizer=Adam(S({1})))\n"
    for rate in (0.5, 0.25):
        (tmp_path / "loaded_twice.py").write_text(text.format("colorsys", rate))
        (tmp_path / "colorsys.py").write_text("raise ValueError('it hides the one of Python')")
        sys.modules.pop("colorsys", None)
        experiment = load(str(tmp_path / "loaded_twice.py"))
        assert from_json(to_json(experiment), trust_code=True) == experiment
        assert experiment.optimizer.schedule.rate == rate
    forget("loaded_twice")


@pytest.mark.parametrize("name", ["colors", "colours"])
def test_fields_are_known_by_their_older_names_too(name):
    assert override(style.Gatys(), name, "content").colors == "content"


def test_modules_are_replaced_not_bound():
    changed = override(PLAIN, "recipe.critic.layers", "5")
    assert isinstance(changed.recipe.critic, nn.Module)
    assert changed.recipe.critic.parent is None
    assert isinstance(PLAIN.optimizer.schedule, LinearDecay)


def test_a_shipped_config_is_found_by_its_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("quickstart", "quickstart.py", "configs/quickstart.py"):
        assert load(name).batch_size == 4
    assert {"quickstart", "gatys", "my_loss"} <= {*shipped()}
    (tmp_path / "quickstart").write_text("")
    assert load("quickstart").batch_size == 4
    (tmp_path / "quickstart.py").write_text(
        "from imgtrans_jax.config import Experiment\n"
        "def get_config(): return Experiment(batch_size=9)\n"
    )
    assert load("quickstart").batch_size == load("./quickstart").batch_size == 9  # one's own
    with pytest.raises(UserError, match="There is no config file \\./gatys"):
        load("./gatys")
    (tmp_path / "other.txt").write_text("")
    with pytest.raises(UserError, match=r"other\.txt is no Python file"):
        load("other.txt")


def test_a_config_builds_on_what_lies_beside_it(tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "base_of_mine.py").write_text(
        "from imgtrans_jax.config.experiment import Experiment\n"
        "def get_config(): return Experiment(batch_size=7)\n"
    )
    (tmp_path / "configs" / "built.py").write_text("from base_of_mine import get_config\n")
    path = list(sys.path)
    assert load(str(tmp_path / "configs" / "built.py")).batch_size == 7
    assert sys.path == path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("~/configs/base_of_mine.py").batch_size == 7


@pytest.mark.parametrize(
    "read",
    [
        load_generator,
        load_vgg,
        load_inception,
        colors_of,
        lambda path: loop.train(Experiment(init_from=path, batch_size=0), "unused"),
    ],
)
def test_a_path_of_a_config_or_a_flag_may_begin_at_home(read, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "there.pth").write_text("no weights")
    with pytest.raises(UserError, match=r"^(?!There (is|are) no )"):
        read("~/there.pth")
    with pytest.raises(UserError, match=r"^There (is|are) no "):
        read("~/not_there.pth")


@pytest.mark.parametrize(
    "opened",
    [
        lambda path: Unpaired(f"{path}/one", f"{path}/one").open(),
        lambda path: Paired(path).open(),
        lambda path: Paired(a=f"{path}/one", b=f"{path}/two").open(),
        lambda path: SelfPaired(path).open(),
        lambda path: Labelled(path).open(),
    ],
)
def test_a_folder_of_pictures_may_begin_at_home(opened, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("one", "two"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.new("RGB", (40, 20)).save(tmp_path / "pictures" / name / "x.png")
    assert opened("~/pictures").largest() >= 1
