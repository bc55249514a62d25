"""A loss of your own: an objective is a function to named, weighted terms. See
configs/my_loss.py.
"""

import jax.numpy as jnp


def warm(batch, samples, logits, frozen):
    """Asks for no more blue than red in the translations: samples are (N, H, W, 3) in [-1, 1]."""
    return {
        "warm": 2.0
        * jnp.mean(jnp.maximum(0, samples["fake_b"][..., 2] - samples["fake_b"][..., 0]))
    }
