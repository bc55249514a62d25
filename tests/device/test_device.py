"""What a machine's accelerator computes is what a CPU computes by lax's own convolutions.

Without an accelerator the CPU's fast forms stand in its place: python -m pytest -m device
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.device
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The numbers of the device, and of the CPU."""
    folder = tmp_path_factory.mktemp("numbers")
    ours = {k: v for k, v in os.environ.items() if k not in ("JAX_PLATFORMS", "XLA_FLAGS")}
    ours |= {
        "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    changes = {"device": {}, "cpu": {"JAX_PLATFORMS": "cpu", "IMGTRANS_CONVOLUTIONS": "plain"}}
    witness, pipe = str(Path(__file__).with_name("witness.py")), subprocess.PIPE
    started = {
        name: subprocess.Popen(
            [sys.executable, witness, str(folder / f"{name}.npz")],
            env=ours | changed,
            text=True,
            stdout=pipe,
            stderr=pipe,
        )
        for name, changed in changes.items()
    }
    found = []
    for name, process in started.items():
        said, complaints = process.communicate()
        assert process.returncode == 0, complaints[-2000:]
        print(said)
        with np.load(folder / f"{name}.npz") as arrays:
            found.append(dict(arrays))
    return found[0], found[1]


@pytest.mark.parametrize("name", ["cyclegan", "pix2pix", "wgan_gp", "style", "tiles"])
def test_the_device_computes_what_a_cpu_does(name, both):
    device, cpu = both
    names = [term for term in cpu if term.startswith(name)]
    assert names
    for term in names:
        # Adam's first updates are little more than signs, which a rounding can turn: of norms the
        # first step's are compared.
        rows = slice(1) if "/norm/" in term else slice(None)
        device[term], cpu[term] = device[term][rows], cpu[term][rows]
        scale = np.abs(cpu[term]).max()
        np.testing.assert_allclose(
            device[term], cpu[term], rtol=5e-3, atol=1e-4 * scale, err_msg=term
        )
