"""Ablation: the full objective, to compare the other four with.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.1.4, tables 4 and 5, figure 7 (there on
          Cityscapes; here on facades).
Command:  imgtrans train cyclegan_ablation_full
Data:     as configs/cyclegan_facades.py.
Expected: the best of the five in both directions (figure 7).
Needs:    80,000 steps (200 epochs of 400). Estimate, not measured: 2 to 4 hours on a data-centre
          GPU.
"""

from imgtrans_jax.configs.cyclegan_facades import get_config as facades

from imgtrans_jax.config.experiment import Experiment


def get_config() -> Experiment:
    return facades()
