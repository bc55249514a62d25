"""How much memory is free, by made-up control groups, and how much a program needs."""

import jax
import jax.numpy as jnp
import pytest

from imgtrans_jax.runtime import memory

GB = 2**30
V1, V1_NONE = "memory/", 2**63 - 4096


def stat(inactive: int, active: int, prefix: str = "") -> str:
    kinds = {"anon": 5, f"{prefix}inactive_file": inactive, f"{prefix}active_file": active}
    return "".join(f"{name} {int(size)}\n" for name, size in kinds.items())


@pytest.mark.parametrize(
    ("own", "files", "free"),
    [
        # 8 GB allowed, and 7.9 of it in use, of which 7.4 are what was read from files.
        (
            "0::/\n",
            {
                "memory.max": 8 * GB,
                "memory.current": 7.9 * GB,
                "memory.stat": stat(7 * GB, 0.4 * GB),
            },
            [7.5 * GB],
        ),
        ("0::/\n", {"memory.max": 8 * GB, "memory.current": 3 * GB}, [5 * GB]),
        ("0::/\n", {"memory.max": "max", "memory.current": 3 * GB, "memory.stat": stat(GB, 0)}, []),
        ("0::/\n", {"memory.max": "max", "memory.high": 4 * GB, "memory.current": 3 * GB}, [GB]),
        ("0::/\n", {"memory.max": 2 * GB, "memory.current": 3 * GB}, [0]),
        # Nested: the narrowest counts, wherever it is.
        (
            "0::/user/job\n",
            {
                "user/job/memory.max": "max",
                "user/job/memory.current": GB,
                "user/memory.max": 4 * GB,
                "user/memory.current": 3 * GB,
                "user/memory.stat": stat(GB, GB),
            },
            [3 * GB],
        ),
        # A container that sees its own group as the root, and the host's name of it.
        (
            "0::/docker/1f\n",
            {"memory.max": 8 * GB, "memory.current": 6 * GB, "memory.stat": stat(GB, 0)},
            [3 * GB],
        ),
        ("0::/../other\n", {"memory.max": 8 * GB, "memory.current": 6 * GB}, [2 * GB]),
        # Version 1, alone and beside an empty version 2.
        (
            "4:cpu,memory:/job\n0::/\n",
            {
                f"{V1}job/memory.limit_in_bytes": 8 * GB,
                f"{V1}job/memory.usage_in_bytes": 7.9 * GB,
                f"{V1}job/memory.stat": stat(GB, 0) + stat(7 * GB, 0.4 * GB, "total_"),
                f"{V1}memory.limit_in_bytes": V1_NONE,
                f"{V1}memory.usage_in_bytes": 9 * GB,
            },
            [7.5 * GB, V1_NONE - 9 * GB],
        ),
        (
            "4:memory:/\n",
            {f"{V1}memory.limit_in_bytes": 4 * GB, f"{V1}memory.usage_in_bytes": GB},
            [3 * GB],
        ),
        ("damaged\n", {"memory.max": "?", "memory.current": 1, "memory.stat": "no"}, []),
        (
            "0::/\n",
            {"memory.max": 8 * GB, "memory.current": GB, "memory.stat": "inactive_file many"},
            [7 * GB],
        ),
        ("", {}, []),
    ],
)
def test_what_a_control_group_leaves(tmp_path, own, files, free):
    (tmp_path / "own").write_text(own)
    for name, value in files.items():
        file = tmp_path / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value if isinstance(value, str) else f"{int(value)}\n")
    found = memory.free_in_groups(tmp_path / "cgroup", tmp_path / "own")
    assert found == [int(size) for size in free]


def test_no_control_groups_at_all_are_no_limit(tmp_path):
    assert memory.free_in_groups(tmp_path / "none", tmp_path / "none") == []


def test_a_state_that_is_donated_counts_once():
    state = {"w": jax.ShapeDtypeStruct((1000, 1000), jnp.float32)}

    def step(state, batch):
        return jax.tree.map(lambda x: x + batch.sum(), state), batch.mean()

    row = jax.ShapeDtypeStruct((10,), jnp.float32)
    once, twice = (
        memory.needed(jax.jit(step, donate_argnums=donated).lower(state, row).compile())
        for donated in ((0,), ())
    )
    assert 4_000_000 <= once < 4_010_000
    assert 8_000_000 <= twice < 8_010_000
    assert memory.held(jax.tree.map(jnp.zeros_like, state)) == 4_000_000
