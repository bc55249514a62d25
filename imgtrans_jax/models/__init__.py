"""Networks as pure-function Flax modules: arrays in, arrays out, no config and no state of their
own.
"""

from imgtrans_jax.models.alexnet import AlexNet
from imgtrans_jax.models.bigan import Encoder, JointCritic
from imgtrans_jax.models.dcgan import (
    CoupledCritic,
    CoupledGenerator,
    DCGANCritic,
    DCGANGenerator,
)
from imgtrans_jax.models.dncnn import DnCNN
from imgtrans_jax.models.inception import Inception
from imgtrans_jax.models.layers import (
    BatchNorm,
    Conv,
    Critic,
    Generator,
    Initializer,
    Kaiming,
    Norm,
    Normal,
    Orthogonal,
    Upsample,
    Xavier,
)
from imgtrans_jax.models.patch_heads import PatchHeads
from imgtrans_jax.models.patchgan import ImageCritic, PatchGAN, StrideOneCritic
from imgtrans_jax.models.resnet import ResidualBlock, ResNetGenerator
from imgtrans_jax.models.srgan import SRGANCritic, SRResNet
from imgtrans_jax.models.stackgan import Conditioning, Refiner, TextCritic
from imgtrans_jax.models.style_network import ConditionalInstanceNorm, StyleNetwork
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.models.vgg import VGG

__all__ = [
    "VGG",
    "AlexNet",
    "BatchNorm",
    "ConditionalInstanceNorm",
    "Conditioning",
    "Conv",
    "CoupledCritic",
    "CoupledGenerator",
    "Critic",
    "DCGANCritic",
    "DCGANGenerator",
    "DnCNN",
    "Encoder",
    "Generator",
    "ImageCritic",
    "Inception",
    "Initializer",
    "JointCritic",
    "Kaiming",
    "Norm",
    "Normal",
    "Orthogonal",
    "PatchGAN",
    "PatchHeads",
    "Refiner",
    "ResNetGenerator",
    "ResidualBlock",
    "SRGANCritic",
    "SRResNet",
    "StrideOneCritic",
    "StyleNetwork",
    "TextCritic",
    "UNet",
    "Upsample",
    "Xavier",
]
