"""Ablation: the full objective, to compare the other four with.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), section 4.2, table 1 and figure 4.
Command:  imgtrans train pix2pix_ablation_l1_cgan
Data:     as configs/pix2pix_facades.py. All five, small: python examples/compare_losses.py
          --method=pix2pix
Expected: the best of the five (table 1).
Needs:    80,000 steps (200 epochs of 400). Estimate, not measured: 1 to 2 hours on a data-centre
          GPU.
"""

from imgtrans_jax.configs.pix2pix_facades import get_config as facades

from imgtrans_jax.config.experiment import Experiment


def get_config() -> Experiment:
    return facades()
