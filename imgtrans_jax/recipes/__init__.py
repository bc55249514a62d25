"""Methods as values: a frozen dataclass of hyper-parameters with one pure method, `game()`."""

from imgtrans_jax.recipes.cyclegan import CycleGAN
from imgtrans_jax.recipes.deepdream import DeepDream
from imgtrans_jax.recipes.gan import GAN
from imgtrans_jax.recipes.gatys import Gatys, by_depth, equal
from imgtrans_jax.recipes.pix2pix import Pix2Pix
from imgtrans_jax.recipes.recipe import Recipe
from imgtrans_jax.recipes.simgan import SimGAN
from imgtrans_jax.recipes.srgan import SRGAN

__all__ = [
    "GAN",
    "SRGAN",
    "CycleGAN",
    "DeepDream",
    "Gatys",
    "Pix2Pix",
    "Recipe",
    "SimGAN",
    "by_depth",
    "equal",
]
