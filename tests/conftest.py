"""Settings for all tests. Programs are compiled without optimisation: they are many, small and run
once.
"""

import gc
import importlib.metadata
import os

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
if importlib.metadata.version("jaxlib").startswith("0.10."):
    # one kernel for a whole expression: a third of a training step's compilation; jaxlib 0.11 does
    # not know the flag
    os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# where in the source an operation stands: a tenth of tracing and compiling
os.environ.setdefault("JAX_INCLUDE_FULL_TRACEBACKS_IN_LOCATIONS", "false")

import jax
import jaxtyping
import numpy as np
import pytest
from PIL import Image

from imgtrans_jax.config import trust
from imgtrans_jax.convolution.forms import form

gc.set_threshold(100_000, 20, 100)  # a third of tracing would be the garbage collector's


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Programs that several tests share are compiled once, also by several processes of
    pytest-xdist.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    jax.config.update("jax_compilation_cache_dir", str(shared / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    # The same for the programs that tests start, which then leave the user's own folder alone.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(shared / "compiled")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
    # what tests train with is not noted among the user's own
    trust._OWN = str(base / "own_paths.txt")


@pytest.fixture(scope="module")
def plain_convolutions():
    """lax's own convolutions, whose programs are compiled soonest: for tests with whole VGGs whose
    matter is another. tests/convolution and tests/models have the fast forms.
    """
    with form("plain"):
        yield


@pytest.fixture
def unchecked():
    """No shapes are checked: for what a function itself says of wrong ones."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def pictures(tmp_path):
    """Two folders of drawn pictures, trainA and trainB, and two for testing; returns their
    parent.
    """
    rng = np.random.default_rng(0)
    for name, count in (("trainA", 6), ("trainB", 5), ("testA", 2), ("testB", 2)):
        (tmp_path / name).mkdir()
        for number in range(count):
            color = rng.integers(0, 255, 3)
            picture = np.full((20, 24, 3), 255, np.uint8)
            picture[4:16, 4 + number : 16 + number] = color if name.endswith("B") else 0
            Image.fromarray(picture).save(tmp_path / name / f"{number}.png")
    return tmp_path


TINY_CONFIG = '''
"""A run of seconds, for tests."""
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam, LinearDecay
from imgtrans_jax.methods.cyclegan import CycleGAN

def get_config():
    return Experiment(
        data=Unpaired("{a}", "{b}", Preprocess(load_size=20, crop_size=16)),
        recipe=CycleGAN(
            generator=ResNetGenerator(width=2, blocks=1),
            critic=PatchGAN(width=2, layers=1),
            pool_size=4,
            ema=0.9,
        ),
        optimizer=Adam(LinearDecay(1e-3, constant_epochs=2, decay_epochs=4)),
        batch_size=2, log_every=2, sample_every=10, save_every=5, samples=2,
    )
'''


@pytest.fixture
def tiny_config(pictures):
    """The path of a config that trains on `pictures`."""
    path = pictures / "tiny.py"
    path.write_text(TINY_CONFIG.format(a=pictures, b=pictures))
    return path
