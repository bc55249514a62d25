"""Ablation: adversarial losses and the forward cycle F(G(a)) ~ a.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.1.4, tables 4 and 5, figure 7 (there on
          Cityscapes; here on facades).
Command:  imgtrans train cyclegan_ablation_gan_forward
Data:     as configs/cyclegan_facades.py.
Expected: unstable, and collapse in the direction without a cycle (figure 7).
Needs:    80,000 steps (200 epochs of 400). Estimate, not measured: 2 to 4 hours on a data-centre
          GPU.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_facades import get_config as facades

from imgtrans_jax.config.experiment import Experiment


def get_config() -> Experiment:
    base = facades()
    return dataclasses.replace(base, recipe=dataclasses.replace(base.recipe, cycle=(10.0, 0.0)))
