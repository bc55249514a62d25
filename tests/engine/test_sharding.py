"""Meshes, who holds what, and what is refused; how a step computes on several devices:
tests/faults/test_devices.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from imgtrans_jax.engine import sharding
from imgtrans_jax.engine.state import init_state
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam
from imgtrans_jax.optim.adam import Transformations
from imgtrans_jax.types import UserError

pytestmark = pytest.mark.usefixtures("unchecked")  # what stands in for meshes is none


@pytest.fixture
def eight(monkeypatch):
    """As if there were eight devices; they are looked at, not used."""
    (device,) = jax.devices()[:1]
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    monkeypatch.setattr(jax, "local_device_count", lambda: 8)
    monkeypatch.setattr(
        sharding, "Mesh", lambda devices, axes: dict(zip(axes, devices.shape, strict=True))
    )
    monkeypatch.setattr(jax, "devices", lambda: [device] * 8)


@pytest.mark.parametrize(
    ("wanted", "rows", "groups", "shape", "said"),
    [
        ((0, 1), 8, 8, (8, 1), ""),
        ((0, 1), 8, None, (8, 1), ""),
        ((0, 1), 16, 4, (4, 1), "Using 4 of 8 devices"),
        (
            (0, 1),
            1,
            1,
            (1, 1),
            "--config.batch_size=8 --config.recipe.pool_groups=8 (or multiples) uses all",
        ),
        ((0, 2), 4, None, (4, 2), ""),
        ((0, 8), 1, 1, (1, 8), ""),
        ((2, 1), 4, 2, (2, 1), ""),
    ],
)
def test_the_mesh_that_a_config_gets(eight, wanted, rows, groups, shape, said, capsys):
    mesh = sharding.device_mesh(wanted, rows, groups)
    assert (mesh["data"], mesh["height"]) == shape
    out = capsys.readouterr().out
    assert said in out
    assert bool(said) == bool(out)


@pytest.mark.parametrize(
    ("wanted", "rows", "groups", "words"),
    [
        ((0, 3), 8, None, "config.mesh=0,3: the second number .* must divide the 8 of a host"),
        ((-1, 1), 8, None, "config.mesh=-1,1: the first number"),
        ((0, 1), 4, 3, "pool_groups=3 does not divide the 4 rows of a batch"),
        ((16, 1), 16, None, "does not fit 16 rows and 8 devices"),
        ((4, 1), 6, None, "does not fit 6 rows"),
        ((4, 1), 8, 2, "does not fit 8 rows, 2 pool groups and 8 devices"),
    ],
)
def test_a_mesh_that_cannot_be_is_refused(eight, wanted, rows, groups, words):
    with pytest.raises(UserError, match=words):
        sharding.device_mesh(wanted, rows, groups)


def test_the_rows_of_a_part_count(eight):
    assert sharding.device_mesh((8, 1), 16, 8, parts=2)["data"] == 8
    with pytest.raises(
        UserError, match=r"4 rows \(in each of 2 parts\), 4 pool groups.*batch_size=16 --config"
    ):
        sharding.device_mesh((8, 1), 8, 4, parts=2)


def test_several_processes_use_all_devices_or_none(eight, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(UserError, match=r"Of 8 devices over 2 processes 4 would be used"):
        sharding.device_mesh((0, 1), 4)


class Wide:
    """A mesh to be asked for its shape."""

    shape = {"data": 4, "height": 2}  # noqa: RUF012


class Spec:
    """Of a sharding its spec alone."""

    def __new__(cls, mesh, spec):
        return spec


def test_who_holds_what(monkeypatch):
    monkeypatch.setattr(sharding, "NamedSharding", Spec)
    game = CycleGAN(
        ResNetGenerator(width=4, blocks=1),
        PatchGAN(width=4, layers=1),
        pool_size=8,
        pool_groups=4,
        ema=0.9,
    ).game()
    batch = {side: jnp.zeros((4, 16, 16, 3)) for side in "ab"}
    tx = Transformations(Adam().transformation(1), Adam().transformation(1))
    state = jax.eval_shape(lambda: init_state(game, tx, batch, jax.random.key(0)))
    plain = sharding.state_shardings(state, Wide)
    assert plain.pool["d_a"].images == PartitionSpec("data", None, "height")
    assert plain.pool["d_a"].count == PartitionSpec("data")
    rest = jax.tree.leaves(plain.replace(pool={}), is_leaf=lambda x: isinstance(x, PartitionSpec))
    assert set(rest) == {PartitionSpec()}
    split = sharding.state_shardings(state, Wide, shard_optimizer=True)
    (moments, _), params = split.g.opt, split.g.params
    assert moments.mu["g_ab"]["down_0"]["kernel"] == PartitionSpec(None, None, None, "data")
    assert moments.count == PartitionSpec()
    assert params["g_ab"]["down_0"]["kernel"] == PartitionSpec()
    assert sharding.split(Wide, (8, 16, 16, 3)) == PartitionSpec("data", "height")
    assert sharding.split(Wide, (8, 10)) == PartitionSpec("data")
    with pytest.raises(UserError, match="15 pixels high cannot be split over 2 devices"):
        sharding.split(Wide, (8, 15, 16, 3))


def test_a_batch_comes_to_one_device_as_it_is():
    batch = {"x": np.arange(16.0).reshape(1, 4, 2, 2)}
    np.testing.assert_array_equal(
        sharding.to_devices(batch, sharding.one_device())["x"], batch["x"]
    )
