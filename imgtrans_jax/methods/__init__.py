"""Methods as values: a frozen dataclass of hyper-parameters with one pure method, `game()`."""

from imgtrans_jax.methods.base import Recipe
from imgtrans_jax.methods.bigan import ALI, BiGAN
from imgtrans_jax.methods.cogan import CoGAN
from imgtrans_jax.methods.cut import CUT
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.fast_style import FastStyle, Look
from imgtrans_jax.methods.gan import GAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.methods.simgan import SimGAN
from imgtrans_jax.methods.srgan import SRGAN
from imgtrans_jax.methods.stackgan import StackGAN

__all__ = [
    "ALI",
    "CUT",
    "GAN",
    "SRGAN",
    "BiGAN",
    "CoGAN",
    "CycleGAN",
    "FastStyle",
    "Look",
    "Pix2Pix",
    "Recipe",
    "SimGAN",
    "StackGAN",
]
