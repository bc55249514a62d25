"""What is read of a TPU compiler's text; and, where it is installed, the compiler itself."""

import importlib.util
import re
import subprocess
import sys

import pytest

from imgtrans_jax.planning import tpu
from imgtrans_jax.types import UserError

COST = '"window_config":{"estimated_cycles":"%d"}'
TEXT = f"""HloModule jit_step

%fused (p: f32[8]) -> f32[8] {{
  %inside = f32[8]{{0}} add(%p, %p), backend_config={{{COST % 1}}}
}}

%body (p: (s32[], f32[8])) -> (s32[], f32[8]) {{
  %p = (s32[]{{:T(128)}}, f32[8]{{0:T(8)}}) parameter(0)
  %f = f32[8]{{0}} fusion(%p), calls=%fused, m={{op_name="jit(f)/block_0/conv"}}, b={{{COST % 100}}}
  %r = f32[4,2]{{1,0}} all-reduce-start(%f), to_apply=%sum
  ROOT %t = (s32[], f32[8]) tuple(%p, %f)
}}

%condition (p: (s32[], f32[8])) -> pred[] {{
  %limit = s32[]{{:T(128)}} constant(9)
  ROOT %lt = pred[] compare(%i, %limit), direction=LT
}}

%dear (p: f32[8]) -> f32[8] {{
  ROOT %c = f32[8]{{0}} copy(%p), backend_config={{{COST % 50}}}
}}

%cheap (p: f32[8]) -> f32[8] {{
  ROOT %c = f32[8]{{0}} copy(%p), backend_config={{{COST % 5}}}
}}

ENTRY %main (x: f32[8]) -> f32[8] {{
  %w = (s32[], /*index=1*/f32[8]{{0:T(8)(2,1)S(1)}}) while(%x), condition=%condition, body=%body
  %d = f32[8] conditional(%x), branch_computations={{%cheap, %dear}}
  %k = f32[8] call(%d), to_apply=%dear
  %all = (bf16[16]{{0}}, f32[4]{{0}}) all-reduce(%d, %k), to_apply=%sum
  ROOT %o = f32[8]{{0}} copy(%d), backend_config={{{COST % 7}}}
}}
"""


def test_all_that_runs_is_counted_as_often_as_it_runs():
    found = tpu.operations(TEXT)
    assert tpu.cycles(found) == 9 * 100 + 50 + 50 + 7
    moved = [(one.kind, one.moved, one.times) for one in found if one.moved]
    assert moved == [("all-reduce-start", 32, 9), ("all-reduce", 2 * 16 + 4 * 4, 1)]
    assert tpu.dearest(found, lambda one: one.source or one.kind) == [
        ("jit(f)/block_0/conv", 900),
        ("copy", 107),
        ("all-reduce-start", 0),
        ("all-reduce", 0),
    ]
    noted = TEXT.replace("body=%body", 'body=%body, x={"known_trip_count":{"n":"4"}}')
    assert tpu.cycles(tpu.operations(noted)) == 4 * 100 + 107
    with pytest.raises(ValueError, match="unknown number of times"):
        tpu.operations(TEXT.replace("direction=LT", "direction=NE"))


def test_topologies_that_there_are_not():
    for name in ("v5e", "v5e:4", "v9:2x2", "v5e:2x2x", ""):
        with pytest.raises(UserError, match=r"use one as tpu:v5e:2x2"):
            tpu.devices(name)


BLOCKS = """
import os, sys
os.environ["JAX_PLATFORMS"] = "cpu"
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from imgtrans_jax.planning import tpu
from imgtrans_jax.planning.arithmetic import products, total

mesh = Mesh(np.array(tpu.devices("v5e:1x1")), ("x",))
here = NamedSharding(mesh, PartitionSpec())
x = jax.ShapeDtypeStruct((1, 64, 64, 128), jnp.float32, sharding=here)
kernels = jax.ShapeDtypeStruct((9, 3, 3, 128, 128), jnp.float32, sharding=here)

def step(x, kernels, unroll):
    def block(x, kernel):
        y = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jax.nn.relu(y), None
    return jnp.sum(jax.lax.scan(block, x, kernels, unroll=unroll)[0])

for unroll in (1, 9):
    traced = jax.jit(jax.grad(step, (0, 1)), static_argnums=2).trace(x, kernels, unroll)
    found = tpu.operations(traced.lower().compile().as_text())
    print(tpu.cycles(found), total(list(products(traced.jaxpr.jaxpr))))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason='needs pip install ".[tpu]", 200 MB'
)
def test_nine_blocks_cost_the_same_in_a_loop_and_unrolled():
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    looped, unrolled = ([float(x) for x in line.split()] for line in done.stdout.splitlines())
    assert looped[0] == pytest.approx(unrolled[0], rel=0.1)
    assert looped[1] == unrolled[1]


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason='needs pip install ".[tpu]", 200 MB'
)
@pytest.mark.parametrize(
    ("config", "most_cycles", "most_code"),
    [("quickstart", 9.0, 90), ("wgan_gp_digits", 1.5, 10), ("cyclegan_horse2zebra", 105, 350)],
)
def test_a_step_for_a_tpu_grows_no_dearer(config, most_cycles, most_code):
    """By libtpu 0.0.42.1 with jax 0.10.2: 8.4, 1.4, 100 million cycles a picture."""
    command = [sys.executable, "-m", "imgtrans_jax", "plan", config, "--on=tpu:v5e:2x2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cycles = re.search(r"([\d.]+) million cycles a picture", done.stdout)
    code = re.search(r"code +(\d+) MB", done.stdout)
    assert cycles
    assert code
    assert float(cycles[1]) <= most_cycles
    assert int(code[1]) <= most_code
    assert "(all-reduce)" in done.stdout
    assert "it fits" in done.stdout
