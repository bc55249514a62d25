"""A loss of your own: an objective is a function to named, weighted terms. See configs/my_loss.py."""

import jax.numpy as jnp


def warm(batch, samples, logits, frozen):
    """Asks for more red than blue in the translations: samples are (N, H, W, 3) in [-1, 1]."""
    blue_over_red = jnp.maximum(0, samples["fake_b"][..., 2] - samples["fake_b"][..., 0])
    return {"warm": 2.0 * jnp.mean(blue_over_red)}
