"""Checkpoints: whole, checked, and walking back past what is damaged."""

import json
import shutil
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import SingleDeviceSharding
from orbax.checkpoint._src.path import atomicity

from imgtrans_jax.engine.checkpoint import Checkpoints, OtherArraysError
from imgtrans_jax.engine.checksums import array_checksums, record_digest
from imgtrans_jax.types import UserError


def state(seed: int) -> dict:
    key = jax.random.key(seed)
    return {
        "w": jax.random.normal(key, (64, 64)),
        "n": jnp.int32(seed),
        "h": jnp.ones((3,), jnp.bfloat16),
        "none": None,
    }


def like() -> dict:
    sharding = SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), state(0)
    )


@pytest.fixture
def saved(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", keep=3)
    for step in (10, 20, 30):
        checkpoints.save(step, state(step), {"data": {"next_index": step}, "config": {"x": 1}})
    checkpoints.finish()
    return checkpoints


def restore(checkpoints: Checkpoints):
    restored = checkpoints.restore(like())
    assert restored is not None
    return restored


def same(x, y) -> bool:
    return all(
        np.array_equal(a, b) for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
    )


def test_the_newest_comes_back_with_its_metadata(saved):
    restored, metadata = restore(Checkpoints(saved.folder))
    assert same(restored, state(30))
    assert (metadata["step"], metadata["data"], metadata["config"]) == (
        30,
        {"next_index": 30},
        {"x": 1},
    )
    part, again = saved.restore_part(lambda record: {"n": like()["n"]})
    assert int(part["n"]) == 30
    assert metadata == again


def test_the_oldest_are_dropped(saved):
    saved.save(40, state(40), {})
    saved.finish()
    assert saved.manager.all_steps() == [20, 30, 40]


def test_nothing_saved_is_none(tmp_path):
    assert Checkpoints(tmp_path).restore(like()) is None
    assert Checkpoints(tmp_path).restore_part(lambda record: {}) is None


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


# tensorstore's, of the damaged file
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "damage", [flip_bytes, cut_in_half, lose_metadata, lie_about_the_position, lose_arrays]
)
def test_a_damaged_step_is_set_aside_and_the_one_before_is_used(saved, damage, capsys):
    damage(saved.folder / "30")
    again = Checkpoints(saved.folder)
    restored, metadata = restore(again)
    assert metadata["step"] == 20
    assert same(restored, state(20))
    assert "step 30 is damaged" in capsys.readouterr().out
    assert (saved.folder / "damaged" / "30").is_dir()
    again.save(30, state(30), {"data": {}})
    again.finish()
    assert Checkpoints(saved.folder).restore(like())[1]["step"] == 30


def test_if_all_are_damaged_it_says_so_and_keeps_them(saved):
    for step in (10, 20, 30):
        flip_bytes(saved.folder / str(step))
    with pytest.raises(UserError, match=r"No checkpoint of .* is sound"):
        Checkpoints(saved.folder).restore(like())
    assert sorted(p.name for p in (saved.folder / "damaged").iterdir()) == ["10", "20", "30"]
    # nothing begins anew unasked
    with pytest.raises(UserError, match=r"bring back a copy, or remove that folder"):
        Checkpoints(saved.folder).restore(like())


def test_a_save_that_was_killed_is_ignored(saved):
    (saved.folder / "40.orbax-checkpoint-tmp").mkdir()
    assert Checkpoints(saved.folder).restore(like())[1]["step"] == 30


def test_other_arrays_are_no_damage(saved):
    other = like() | {
        "w": jax.ShapeDtypeStruct(
            (64, 65), jnp.float32, sharding=SingleDeviceSharding(jax.devices()[0])
        )
    }
    with pytest.raises(OtherArraysError) as error:
        Checkpoints(saved.folder).restore(other)
    assert error.value.metadata["config"] == {"x": 1}
    assert sorted(saved.manager.all_steps()) == [10, 20, 30]


def test_a_save_that_fails_at_once_is_said_and_loses_nothing(saved, monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(saved.manager, "save", refused)
    saved.save(40, state(40), {})
    while not (said := saved.take_message()):
        pass
    assert saved.last_save_failed
    assert "step 40 could not be written" in said
    assert "(Permission denied); the newest there is of step 30." in said
    assert saved.take_message() == ""
    saved.save(50, state(50), {})
    with pytest.raises(UserError, match=r"step 50 could not be written.*Mend that"):
        saved.finish()
    monkeypatch.undo()
    saved.save(60, state(60), {})
    while not (said := saved.take_message()):
        pass
    assert said == "The checkpoint of step 60 is saved: there is room again."
    saved.finish()
    assert not saved.last_save_failed
    assert Checkpoints(saved.folder).restore(like())[1]["step"] == 60


def test_a_save_that_fails_in_the_background_is_said_and_loses_nothing(saved, monkeypatch):
    commit = atomicity.AtomicRenameTemporaryPath.finalize

    async def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomicity.AtomicRenameTemporaryPath, "finalize", full)
    saved.save(40, state(40), {})
    with pytest.raises(
        UserError,
        match=r"step 40 could not .*no space left on the disk.*newest there is of step 30",
    ):
        saved.finish()
    assert sorted(p.name for p in saved.folder.iterdir()) == ["10", "20", "30"]
    monkeypatch.setattr(atomicity.AtomicRenameTemporaryPath, "finalize", commit)
    saved.save(50, state(50), {})
    saved.finish()
    assert saved.manager.all_steps() == [20, 30, 50]


def test_what_a_killed_save_left_is_removed(saved):
    left = saved.folder / "40.orbax-checkpoint-tmp"
    left.mkdir()
    Checkpoints(saved.folder).remove_unfinished()
    assert not left.exists()


@pytest.mark.parametrize(
    "name",
    [
        "files.json",
        "_CHECKPOINT_METADATA",
        "commit_success.txt",
        "state/manifest.ocdbt",
        "state/_METADATA",
    ],
)
def test_a_changed_byte_of_any_file_is_noticed(saved, name, capsys):
    file = saved.folder / "30" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0x0D
    file.write_bytes(data)
    assert restore(Checkpoints(saved.folder))[1]["step"] == 20
    assert f"step 30 is damaged: {name if name != 'files.json' else ''}" in capsys.readouterr().out


def test_a_newer_format_is_said(saved):
    file = saved.folder / "30" / "metadata" / "metadata"
    record = json.loads(file.read_text())
    del record["digest"]
    record["format"] = 3
    file.write_text(json.dumps(record | {"digest": record_digest(record)}))
    (saved.folder / "30" / "files.json").unlink()
    with pytest.raises(
        UserError, match=r"newer imgtrans_jax \(format 3, this one knows 2\); update it"
    ):
        Checkpoints(saved.folder).restore(like())


def test_every_single_change_of_an_array_changes_its_checksum():
    x = np.random.default_rng(0).normal(size=(50,)).astype(np.float32)
    base = array_checksums({"x": jnp.asarray(x)})
    for place in range(50):
        changed = x.copy()
        changed.view(np.uint32)[place] ^= 1 << (place % 32)
        assert array_checksums({"x": jnp.asarray(changed)}) != base
    swapped = x[[1, 0, *range(2, 50)]]
    assert array_checksums({"x": jnp.asarray(swapped)}) != base


def test_format_1_is_read_and_goes_on_as_the_newest(tmp_path):
    """A checkpoint that the version before wrote, of `state(7)`: without a format number and
    without a seal.
    """
    with zipfile.ZipFile(
        Path(__file__).parents[1] / "golden" / "checkpoint_format_1.zip"
    ) as archive:
        archive.extractall(tmp_path)
    restored, metadata = restore(Checkpoints(tmp_path))
    for x, y in zip(jax.tree.leaves(restored), jax.tree.leaves(state(7)), strict=True):
        # random numbers to a bit or two
        np.testing.assert_allclose(x.astype(np.float32), y.astype(np.float32), atol=1e-6)
    assert (metadata["format"], metadata["step"], metadata["data"]) == (1, 7, {"next_index": 7})
    again = Checkpoints(tmp_path)
    again.save(8, state(8), metadata)
    again.finish()
    assert restore(Checkpoints(tmp_path))[1]["format"] == 2
    assert (tmp_path / "8" / "files.json").exists()


@pytest.mark.parametrize("damage", ["arrays", "state", "metadata", "sums"])
def test_a_part_of_the_newest_sound_state_is_read(damage, saved, capsys):
    newest = saved.folder / "30"
    if damage == "arrays":
        file = largest_file(newest / "state")
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 255
        file.write_bytes(content)
    elif damage == "state":
        shutil.rmtree(newest / "state")
    elif damage == "metadata":
        (newest / "metadata" / "metadata").write_text("{}")
    else:
        record = json.loads((newest / "metadata" / "metadata").read_text())
        del record["digest"], record["checksums"][-1]
        text = json.dumps(record | {"digest": record_digest(record)})
        (newest / "metadata" / "metadata").write_text(text)
    found = Checkpoints(saved.folder).restore_part(lambda record: {"w": like()["w"]})
    assert found is not None
    assert found[1]["step"] == 20
    assert np.array_equal(found[0]["w"], state(20)["w"])
    said = capsys.readouterr().out
    assert "The checkpoint of step 30 is damaged: its" in said
    assert "That of step 20 is sound, and used." in said


def test_a_part_that_was_not_saved_is_refused(saved):
    with pytest.raises(OtherArraysError):
        saved.restore_part(lambda record: {"x": like()["w"]})


def test_a_step_that_is_there_gives_way_where_it_is_to(saved):
    saved.save(30, state(7), {})
    saved.finish()
    assert same(restore(Checkpoints(saved.folder))[0], state(30))
    saved.save(30, state(7), {"mine": 1}, replace=True)
    saved.finish()
    restored, metadata = restore(Checkpoints(saved.folder))
    assert same(restored, state(7))
    assert metadata["mine"] == 1
