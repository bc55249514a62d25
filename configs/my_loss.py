"""The quickstart with a loss of one's own: warmer colours.

An objective is a function to named, weighted terms. It gets the batch (`a`, `b`), the samples
(`fake_b`, `rec_a`, `fake_a`, `rec_b`, `idt_a`, `idt_b`; all (N, H, W, C) in [-1, 1]), the critics'
logits on the fakes (`d_a`, `d_b`) and frozen weights; the term is logged under its name.

Command:  imgtrans train my_loss
Data:     the embedded OpenMoji drawings: no download.
Needs:    about 5 minutes on two CPU cores.
"""

import dataclasses

import jax.numpy as jnp
from imgtrans_jax.configs.quickstart import get_config as quickstart


def warm(batch, samples, logits, frozen):
    """Asks for no more blue than red in the translations."""
    red, blue = samples["fake_b"][..., 0], samples["fake_b"][..., 2]
    return {"warm": 2.0 * jnp.mean(jnp.maximum(0, blue - red))}


def get_config():
    base = quickstart()
    return dataclasses.replace(base, recipe=dataclasses.replace(base.recipe, extra=(warm,)))
