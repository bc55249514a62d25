"""What the compiled training step takes."""

import numpy as np

from imgtrans_jax.config import Experiment
from imgtrans_jax.models.convolution import form
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.program import Program
from imgtrans_jax.recipes.cyclegan import CycleGAN
from imgtrans_jax.sharding import device_mesh


def test_a_step_with_remat_takes_less_memory():
    batch = {side: np.zeros((1, 32, 32, 3), np.float32) for side in "ab"}

    def working_memory(remat: bool) -> int:
        recipe = CycleGAN(ResNetGenerator(width=8, blocks=2, remat=remat), PatchGAN(width=4, layers=1), pool_size=0)
        program = Program(Experiment(recipe=recipe), device_mesh((0, 1), 1), batch, per_epoch=100)
        with form("plain"):
            found = program._compiled({}).memory_analysis()
        assert found is not None
        return found.temp_size_in_bytes

    assert working_memory(True) < 0.85 * working_memory(False)
