"""Files of the common PyTorch code as a user meets them: pictures from them, training from them,
and back to them.
"""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_commands import answer

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.engine import sharding
from imgtrans_jax.engine.game import Networks
from imgtrans_jax.engine.state import TrainState
from imgtrans_jax.inference import translator
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.generator_file import example_shapes, save_generator
from imgtrans_jax.inference.load import load_file, load_generator
from imgtrans_jax.inference.pytorch import networks_of, write_network
from imgtrans_jax.inference.translate import translate
from imgtrans_jax.io import images
from imgtrans_jax.methods.base import Recipe
from imgtrans_jax.methods.cut import CUT
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.models.patch_heads import PatchHeads
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, Constant
from imgtrans_jax.training import convert, loop
from imgtrans_jax.training.program import Program
from imgtrans_jax.training.warm_start import started_from
from imgtrans_jax.types import Direction, UserError
from imgtrans_jax.weights.pth import read_torch, write_torch
from imgtrans_jax.weights.pytorch_layouts import Network, state_dict
from imgtrans_jax.weights.pytorch_recognition import recognized

GOLDEN = Path(__file__).parents[1] / "golden"
ROOT = GOLDEN.parents[1]


@pytest.fixture
def folder(tmp_path) -> Path:
    """What a CycleGAN of the common code leaves behind: an old epoch, the latest, options and a
    half-written file.
    """
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    critic = read_torch(GOLDEN / "latest_net_D_A.pth")
    generator = read_torch(GOLDEN / "latest_net_G_A.pth")
    for scale, name in ((1.0, "A"), (0.5, "B")):
        write_torch(
            folder / f"latest_net_G_{name}.pth",
            {key: np.float32(scale) * x for key, x in generator.items()},
        )
        write_torch(
            folder / f"latest_net_D_{name}.pth",
            {key: np.float32(scale) * x for key, x in critic.items()},
        )
    (folder / "5_net_G_A.pth").write_bytes(b"half written")
    (folder / "train_opt.txt").write_text("--norm instance")
    return folder


def photo(path: Path, height: int = 50, width: int = 61) -> np.ndarray:
    rng = np.random.default_rng(0)
    picture = images.resize(rng.uniform(size=(5, 6, 3)).astype(np.float32), height, width)
    images.write_picture(path, (255 * np.clip(picture, 0, 1)).astype(np.uint8))
    return images.to_signed(images.read_picture(path))


def assert_equal(found: Network, wanted: Network, atol: float = 0.0) -> None:
    ours, theirs = state_dict(found), state_dict(wanted)
    assert ours.keys() == theirs.keys()
    for key in ours:
        np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=atol)


# ----------------------------------------------------------------------------------------- pictures


def test_a_pth_makes_a_picture(tmp_path, capsys):
    seen = photo(tmp_path / "photo.png")
    (written,) = translate(GOLDEN / "latest_net_G_A.pth", tmp_path / "photo.png", tmp_path / "out")
    assert (
        "is a ResNet generator of 1 block: 3 to 3 channels, width 2, instance norm, no dropout"
        in capsys.readouterr().out
    )
    network = recognized(read_torch(GOLDEN / "latest_net_G_A.pth"), "x")
    padded = images.pad_to_multiple(seen[None], 4, 16)
    applied = jax.jit(lambda x: network.module.apply({"params": network.params}, x, train=False))
    made: Any = applied(padded)
    wanted = made[0, :50, :61]
    np.testing.assert_allclose(
        images.read_picture(written), images.to_uint8(np.asarray(wanted)), atol=1
    )


def test_the_modes_of_a_batch_norm_u_net_differ_and_eval_is_the_default(tmp_path, capsys):
    source = GOLDEN / "latest_net_G.pth"
    loaded = load_generator(source)
    assert "dropout taken to be 0.5" in capsys.readouterr().out
    x = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    made = {
        mode: np.asarray(translator.Translation(loaded, test_mode=mode)(x))
        for mode in (None, "eval", "paper")
    }
    np.testing.assert_array_equal(made[None], made["eval"])
    assert np.abs(made["paper"] - made["eval"]).max() > 0.01
    variables = {"params": loaded.params["g"], "batch_stats": loaded.stats["g"]}
    generator = loaded.experiment.recipe.generator
    wanted = jax.jit(lambda x: generator.apply(variables, x, train=False))(x)
    np.testing.assert_allclose(made["eval"], wanted, atol=1e-5)
    # The mode goes along into our own form.
    save_generator(loaded, tmp_path / "x.safetensors")
    again = translator.Translation(load_generator(tmp_path / "x.safetensors"))(x)
    np.testing.assert_allclose(again, made["eval"], atol=1e-6)


def test_a_u_net_works_at_its_own_size(tmp_path, capsys):
    photo(tmp_path / "photo.png", 45, 45)
    (written,) = translate(GOLDEN / "latest_net_G.pth", tmp_path / "photo.png", tmp_path / "out")
    assert images.read_picture(written).shape == (45, 45, 3)
    assert "Working at 32 pixels" in capsys.readouterr().out


def test_hostile_files_end_stylize_with_one_sentence(tmp_path):
    photo(tmp_path / "photo.png")
    (tmp_path / "latest_net_G.pth").write_bytes(b"\x80\x02cos\nsystem\n(X\x04\0\0\0truetR.")
    command = [
        "stylize.py",
        f"--generator={tmp_path}/latest_net_G.pth",
        f"--input={tmp_path}/photo.png",
    ]
    done = answer([*command, f"--out={tmp_path}/out"])
    assert done.code == 2
    assert done.said.startswith("Error: ")
    assert "asks for os.system" in done.said
    assert "Traceback" not in done.said


# -------------------------------------------------------------------------------------------- forms


def converted(source: Path, target: Path, direction: Direction = "a2b") -> None:
    convert.convert(source, target, direction)


def test_round_through_every_form(tmp_path, capsys):
    """.pth -> .safetensors -> run -> folder -> .pth: the same tensors, bit by bit."""
    source = GOLDEN / "latest_net_G.pth"
    converted(source, tmp_path / "a.safetensors")
    converted(tmp_path / "a.safetensors", tmp_path / "run")
    converted(tmp_path / "run", tmp_path / "folder")
    converted(tmp_path / "folder" / "latest_net_G.pth", tmp_path / "b.pth")
    first, last = read_torch(source), read_torch(tmp_path / "b.pth")
    assert list(first) == list(last)
    assert all(np.array_equal(first[key], last[key]) for key in first)
    said = capsys.readouterr().out
    assert "a U-Net generator of 5 levels (32 px)" in said
    assert "g from the source; d from the seed" in said
    # Nothing is overwritten.
    with pytest.raises(UserError, match="holds networks already; give another folder"):
        converted(GOLDEN / "latest_net_G.pth", tmp_path / "run")
    (tmp_path / "x.pth").mkdir()
    (tmp_path / "plain").write_text("mine")
    for taken in ("x.pth", "plain"):
        with pytest.raises(UserError, match="is there already"):
            converted(GOLDEN / "latest_net_G.pth", tmp_path / taken)
    # Trained where PyTorch's files lie: the run counts.
    shutil.copy(GOLDEN / "latest_net_G_A.pth", tmp_path / "run")
    assert isinstance(load_generator(tmp_path / "run").experiment.recipe.generator, UNet)
    with pytest.raises(UserError, match="is SRC, which is never overwritten"):
        converted(tmp_path / "run", tmp_path / "run")


def test_a_critic_goes_round_too(tmp_path):
    converted(GOLDEN / "latest_net_D_A.pth", tmp_path / "d.safetensors")
    converted(tmp_path / "d.safetensors", tmp_path / "d.pth")
    first, last = read_torch(GOLDEN / "latest_net_D_A.pth"), read_torch(tmp_path / "d.pth")
    assert list(first) == list(last)
    assert all(np.array_equal(first[key], last[key]) for key in first)
    with pytest.raises(UserError, match="a generator is needed here"):
        converted(tmp_path / "d.safetensors", tmp_path / "run")


def test_a_folder_of_four_networks(folder, tmp_path):
    converted(folder, tmp_path / "run")
    loaded = load_generator(tmp_path / "run")
    assert isinstance(loaded.experiment.recipe, CycleGAN)
    assert loaded.experiment.recipe.critic == PatchGAN(width=2, layers=2)
    for name, network in networks_of(loaded).items():
        assert_equal(network, recognized(read_torch(folder / f"latest_net_{name}.pth"), name))
    converted(tmp_path / "run", tmp_path / "back")
    assert sorted(p.name for p in (tmp_path / "back").iterdir()) == [
        f"latest_net_{n}.pth" for n in ("D_A", "D_B", "G_A", "G_B")
    ]
    for direction, name in (("a2b", "G_A"), ("b2a", "G_B")):
        converted(tmp_path / "run", tmp_path / f"{direction}.pth", direction)
        found = load_file(tmp_path / f"{direction}.pth")
        assert isinstance(found, Network)
        assert_equal(found, networks_of(loaded)[name])


def test_cut_comes_with_its_heads_and_goes_back(tmp_path, capsys):
    blurred = {"downsample": "blurred", "upsample": "blurred"}
    nets = {
        "G": (ResNetGenerator(width=2, blocks=5, **blurred), (jnp.zeros((1, 16, 16, 3)), False)),
        "D": (PatchGAN(width=2, downsample="blurred"), (jnp.zeros((1, 32, 32, 3)), False)),
        "F": (
            PatchHeads(6),
            ([jnp.zeros((1, 4, 4, c)) for c in (3, 4, 8, 8, 8)], [jnp.arange(2)] * 5),
        ),
    }
    (tmp_path / "cut").mkdir()
    for number, (name, (net, inputs)) in enumerate(nets.items()):
        params = net.init(jax.random.key(number), *inputs)["params"]
        write_network(Network(net, params, {}), tmp_path / "cut" / f"latest_net_{name}.pth")
    first = {n: read_torch(tmp_path / "cut" / f"latest_net_{n}.pth") for n in nets}
    parts = [f"mlp_0.{layer}.{part}" for layer in (0, 2) for part in ("weight", "bias")]
    assert list(first["F"])[:4] == parts
    assert first["F"]["mlp_1.0.weight"].shape == (6, 4)

    converted(tmp_path / "cut", tmp_path / "run")
    recipe = load_generator(tmp_path / "run").experiment.recipe
    assert recipe == CUT(generator=nets["G"][0], critic=nets["D"][0], heads=PatchHeads(6))
    converted(tmp_path / "run", tmp_path / "back")
    for name, tensors in first.items():
        back = read_torch(tmp_path / "back" / f"latest_net_{name}.pth")
        assert back.keys() == tensors.keys()
        assert all(np.array_equal(back[key], tensors[key]) for key in tensors)

    for name, words in (("F", "is the heads of CUT"), ("D", "is a critic")):
        with pytest.raises(UserError, match=words):
            load_generator(tmp_path / "cut" / f"latest_net_{name}.pth")
    less = {key: x for key, x in first["F"].items() if not key.startswith("mlp_4")}
    for other, words in ((less, "not for layers 0, 4, 8"), ({}, "Without the heads of CUT")):
        write_torch(tmp_path / "cut" / "latest_net_F.pth", other)
        capsys.readouterr()
        assert isinstance(load_generator(tmp_path / "cut").experiment.recipe, Pix2Pix)
        assert words in capsys.readouterr().out
    with pytest.raises(UserError, match=r"has mlp_4\.0\.bias too"):
        recognized(less | {"mlp_4.0.bias": np.zeros(6, np.float32)}, "x")
    with pytest.raises(UserError, match="not as matrices"):
        recognized({"mlp_0.0.weight": np.float32(1).reshape(())}, "x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: [p.unlink() for p in f.glob("*_net_G_*")], "holds no generator"),
        (lambda f: (f / "latest_net_G_B.pth").write_bytes(b"PK"), "latest_net_G_B.pth"),
        (
            lambda f: shutil.copy(f / "latest_net_D_A.pth", f / "latest_net_G_B.pth"),
            "which its name does not say",
        ),
        (
            lambda f: shutil.copy(GOLDEN / "latest_net_G.pth", f / "latest_net_G_B.pth"),
            "g_ab and g_ba .* differ",
        ),
        (lambda f: [p.unlink() for p in f.glob("latest*")], "5_net_G_A.pth is no file of weights"),
    ],
)
def test_folders_that_do_not_fit_together(folder, change, words):
    change(folder)
    with pytest.raises(UserError, match=words):
        load_generator(folder)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("nowhere.pth", "x.safetensors", "There is no nowhere.pth"),
        (GOLDEN, "x.safetensors", r"The generators .* do not belong together"),
        (GOLDEN / "latest_net_G.pth", "x.onnx", "says no form"),
        (GOLDEN / "latest_net_G.pth", GOLDEN / "latest_net_G.pth", "is there already"),
        (GOLDEN / "latest_net_G.pth", ROOT / "pyproject.toml", "says no form"),
        (GOLDEN / "latest_net_G.pth", GOLDEN, "holds networks already"),
        (
            ROOT / "docs",
            "x.pth",
            r"is no trained run .* nor does it hold files such as latest_net_G.pth",
        ),
    ],
)
def test_conversions_that_cannot_be(source, target, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        converted(Path(source), Path(target))


def test_the_command(tmp_path):
    command = ["convert", str(GOLDEN / "latest_net_G_A.pth")]
    for arguments, code, words in (
        ([], 2, "Two names are needed"),
        ([str(tmp_path / "x.pth"), "--direction=b2a"], 2, "There is one generator only"),
        ([str(tmp_path / "x.pth")], 0, "Wrote"),
    ):
        done = answer([*command, *arguments])
        assert done.code == code, done.said
        assert words in done.said
        assert "Traceback" not in done.said


# ----------------------------------------------------------------------------------------- training


CYCLEGAN = CycleGAN(
    generator=ResNetGenerator(width=2, blocks=1),
    critic=PatchGAN(width=2, layers=2),
    pool_size=2,
    ema=0.9,
)


def program(recipe: Recipe, side: int = 16) -> Program:
    batch = example_shapes({"a": [1, side, side, 3], "b": [1, side, side, 3]})
    return Program(Experiment(recipe=recipe, seed=1), sharding.one_device(), batch, 1)


def networks(state: TrainState, recipe: Any) -> dict[str, Network]:
    critics = Networks(state.d.params, state.d.stats)
    return networks_of(
        TrainedGenerator(Experiment(recipe=recipe), state.g.params, state.g.stats, {}, critics)
    )


@pytest.mark.slow
def test_training_starts_from_a_folder_and_from_the_run_that_came_of_it(
    folder, tmp_path, pictures, capsys
):
    data = Unpaired(str(pictures), str(pictures), Preprocess(load_size=20, crop_size=16))
    started = Experiment(
        data, CYCLEGAN, Adam(Constant(0.0)), steps=1, samples=1, init_from=str(folder)
    )
    loop.train(started, tmp_path / "run")
    assert f"Starting with g_ab, g_ba, d_a, d_b from {folder}" in capsys.readouterr().out
    found = networks_of(load_generator(tmp_path / "run"))
    for name in ("G_A", "G_B", "D_A", "D_B"):  # the rate was zero; the smoothing rounds
        assert_equal(
            found[name], recognized(read_torch(folder / f"latest_net_{name}.pth"), name), atol=1e-6
        )
    # A run brings its critics along; its file, a generator alone, does not.
    converted(tmp_path / "run", tmp_path / "run.safetensors")
    for source, critic_too in ((tmp_path / "run", True), (tmp_path / "run.safetensors", False)):
        new = program(CYCLEGAN)
        state, said = started_from(new.initial_state(), str(source), new.like, CYCLEGAN)
        assert ("d_a, d_b from the seed" in said) is not critic_too
        got = networks(state, CYCLEGAN)
        assert_equal(got["G_B"], found["G_B"])
        same = np.array_equal(
            state_dict(got["D_A"])["model.0.weight"], state_dict(found["D_A"])["model.0.weight"]
        )
        assert same is critic_too


def test_one_network_of_several_and_another_critic(folder):
    new = program(CYCLEGAN)
    drawn = new.initial_state()
    state, said = started_from(drawn, str(GOLDEN / "latest_net_G_A.pth"), new.like, CYCLEGAN)
    assert said.startswith("g_ab from")
    assert "g_ba, d_a, d_b from the seed" in said
    assert_equal(
        networks(state, CYCLEGAN)["G_A"], recognized(read_torch(GOLDEN / "latest_net_G_A.pth"), "x")
    )
    state, said = started_from(drawn, str(folder), new.like, CYCLEGAN)
    assert said == f"g_ab, g_ba, d_a, d_b from {folder} (config.init_from)."
    for name, network in networks(state, CYCLEGAN).items():
        assert_equal(network, recognized(read_torch(folder / f"latest_net_{name}.pth"), name))
    other = dataclasses.replace(CYCLEGAN, critic=PatchGAN(width=2, layers=1))
    new = program(other)
    state, said = started_from(new.initial_state(), str(folder), new.like, other)
    assert said.startswith("g_ab, g_ba from")
    assert "d_a, d_b from the seed (the source's critics are other networks)" in said


def test_pix2pix_starts_from_a_generator_with_its_statistics_and_smoothed():
    recipe = Pix2Pix(UNet(width=1, levels=5), PatchGAN(width=2, layers=1), ema=0.9)
    source = str(GOLDEN / "latest_net_G.pth")
    new = program(recipe, 32)
    state, said = started_from(new.initial_state(), source, new.like, recipe)
    assert said.startswith("g from")
    wanted = recognized(read_torch(Path(source)), "x")
    assert state.ema is not None
    for player in (state.g, state.ema):
        assert_equal(Network(recipe.generator, player.params["g"], player.stats["g"]), wanted)
    buffers = [x.unsafe_buffer_pointer() for x in jax.tree.leaves(state) if x.size > 1]
    assert len(buffers) == len(set(buffers)), "a buffer that is shared cannot be donated"
    wider = program(dataclasses.replace(recipe, generator=UNet(width=2, levels=5)), 32)
    with pytest.raises(
        UserError, match=r"config: down_0/kernel.* Add `config.recipe.generator.width=1`$"
    ):
        started_from(wider.initial_state(), source, wider.like, wider.experiment.recipe)
