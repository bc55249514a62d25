"""Checkpoints: whole, checked, and walking back past what is damaged."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import SingleDeviceSharding

from imgtrans_jax.checkpoint import Checkpoints, OtherArraysError, _checksums
from imgtrans_jax.types import UserError


def state(seed: int) -> dict:
    key = jax.random.key(seed)
    return {"w": jax.random.normal(key, (64, 64)), "n": jnp.int32(seed), "h": jnp.ones((3,), jnp.bfloat16), "none": None}


def like() -> dict:
    sharding = SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), state(0))


@pytest.fixture
def saved(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", keep=3)
    for step in (10, 20, 30):
        checkpoints.save(step, state(step), {"data": {"next_index": step}, "config": {"x": 1}})
    return checkpoints


def restore(checkpoints: Checkpoints):
    restored = checkpoints.restore(like())
    assert restored is not None
    return restored


def same(x, y) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True))


def test_the_newest_comes_back_with_its_metadata(saved):
    restored, metadata = restore(Checkpoints(saved.folder))
    assert same(restored, state(30))
    assert (metadata["step"], metadata["data"], metadata["config"]) == (30, {"next_index": 30}, {"x": 1})
    assert metadata == saved.metadata() | {"step": 30}


def test_the_oldest_are_dropped(saved):
    saved.save(40, state(40), {})
    assert saved.manager.all_steps() == [20, 30, 40]


def test_nothing_saved_is_none(tmp_path):
    assert Checkpoints(tmp_path).restore(like()) is None
    assert Checkpoints(tmp_path).metadata() is None


def largest_file(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def flip_bytes(folder):
    file = largest_file(folder)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


def cut_in_half(folder):
    file = largest_file(folder)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def lose_metadata(folder):
    (folder / "metadata" / "metadata").unlink()


def lie_about_the_position(folder):
    file = folder / "metadata" / "metadata"
    record = json.loads(file.read_text())
    record["data"]["next_index"] = 7
    file.write_text(json.dumps(record))


def lose_arrays(folder):
    for file in (folder / "state").rglob("*"):
        if file.is_file():
            file.unlink()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # tensorstore's, of the damaged file
@pytest.mark.parametrize("damage", [flip_bytes, cut_in_half, lose_metadata, lie_about_the_position, lose_arrays])
def test_a_damaged_step_is_set_aside_and_the_one_before_is_used(saved, damage, capsys):
    damage(saved.folder / "30")
    again = Checkpoints(saved.folder)
    restored, metadata = restore(again)
    assert metadata["step"] == 20
    assert same(restored, state(20))
    assert "step 30 is damaged" in capsys.readouterr().out
    assert (saved.folder / "damaged" / "30").is_dir()
    again.save(30, state(30), {"data": {}})
    assert Checkpoints(saved.folder).restore(like())[1]["step"] == 30


def test_if_all_are_damaged_it_says_so_and_keeps_them(saved):
    for step in (10, 20, 30):
        flip_bytes(saved.folder / str(step))
    with pytest.raises(UserError, match=r"No checkpoint of .* is sound"):
        Checkpoints(saved.folder).restore(like())
    assert sorted(p.name for p in (saved.folder / "damaged").iterdir()) == ["10", "20", "30"]


def test_a_save_that_was_killed_is_ignored(saved):
    (saved.folder / "40.orbax-checkpoint-tmp").mkdir()
    assert Checkpoints(saved.folder).restore(like())[1]["step"] == 30


def test_other_arrays_are_no_damage(saved):
    other = like() | {"w": jax.ShapeDtypeStruct((64, 65), jnp.float32, sharding=SingleDeviceSharding(jax.devices()[0]))}
    with pytest.raises(OtherArraysError) as error:
        Checkpoints(saved.folder).restore(other)
    assert error.value.metadata["config"] == {"x": 1}
    assert sorted(saved.manager.all_steps()) == [10, 20, 30]


def test_a_full_disk_is_said_and_loses_nothing(saved, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saved.manager, "save", full)
    with pytest.raises(UserError, match="step 40 could not be written"):
        saved.save(40, state(40), {})
    assert Checkpoints(saved.folder).restore(like())[1]["step"] == 30


def test_every_single_change_of_an_array_changes_its_checksum():
    x = np.random.default_rng(0).normal(size=(50,)).astype(np.float32)
    base = _checksums({"x": jnp.asarray(x)})
    for place in range(50):
        changed = x.copy()
        changed.view(np.uint32)[place] ^= 1 << (place % 32)
        assert _checksums({"x": jnp.asarray(changed)}) != base
    swapped = x[[1, 0, *range(2, 50)]]
    assert _checksums({"x": jnp.asarray(swapped)}) != base
