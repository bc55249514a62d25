"""Writes torch.npz: small networks of the common PyTorch CycleGAN, their weights, inputs, outputs and gradients.

The networks are written here from the paper's description with torch.nn layers. Needs PyTorch and NumPy alone; no test
needs PyTorch. Run from anywhere: python tests/golden/make_torch_golden.py
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn


def resnet_generator(width: int, blocks: int, norm: str) -> nn.Sequential:
    bias = norm != "batch"

    def normed(channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels) if norm == "batch" else nn.InstanceNorm2d(channels)

    class Block(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            half = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), normed(channels)]
            other = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), normed(channels)]
            self.body = nn.Sequential(*half, nn.ReLU(), *other)

        def forward(self, x):
            return x + self.body(x)

    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7, bias=bias), normed(width), nn.ReLU()]
    for level in range(2):
        i, o = width * 2**level, width * 2 ** (level + 1)
        layers += [nn.Conv2d(i, o, 3, stride=2, padding=1, bias=bias), normed(o), nn.ReLU()]
    layers += [Block(4 * width) for _ in range(blocks)]
    for level in range(2):
        i, o = width * 2 ** (2 - level), width * 2 ** (1 - level)
        up = nn.ConvTranspose2d(i, o, 3, stride=2, padding=1, output_padding=1, bias=bias)
        layers += [up, normed(o), nn.ReLU()]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def patch_critic(width: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    for level, stride in ((1, 2), (2, 2), (3, 1)):
        i, o = width * 2 ** (level - 1), width * 2**level
        layers += [nn.Conv2d(i, o, 4, stride=stride, padding=1), nn.InstanceNorm2d(o), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, padding=1))


def record(arrays: dict[str, np.ndarray], name: str, net: nn.Module, x: torch.Tensor) -> None:
    """Weights in order (HWIO), input, output, and the gradients of sum(output^2); images as NHWC."""
    x = x.clone().requires_grad_()
    y = net(x)
    torch.sum(y**2).backward()
    arrays[f"{name}/input"], arrays[f"{name}/output"] = nhwc(x), nhwc(y)
    arrays[f"{name}/input_grad"] = nhwc(x.grad)
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d))]
    for number, layer in enumerate(layers):
        if isinstance(layer, nn.BatchNorm2d):
            arrays[f"{name}/{number}/mean"] = layer.running_mean.numpy().copy()
        # Conv2d stores OIHW, ConvTranspose2d IOHW; both become HWIO here.
        order = (2, 3, 0, 1) if isinstance(layer, nn.ConvTranspose2d) else (2, 3, 1, 0)
        for kind, parameter in layer.named_parameters():
            for suffix, tensor in (("", parameter), ("_grad", parameter.grad)):
                array = tensor.detach().numpy().copy()
                arrays[f"{name}/{number}/{kind}{suffix}"] = array.transpose(order) if array.ndim == 4 else array


def nhwc(x: torch.Tensor) -> np.ndarray:
    return x.detach().numpy().transpose(0, 2, 3, 1).copy()


def main() -> None:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    arrays: dict[str, np.ndarray] = {}
    for name, net, shape in (
        ("resnet", resnet_generator(4, 2, "instance"), (2, 3, 16, 20)),
        ("resnet_batch", resnet_generator(4, 1, "batch"), (2, 3, 16, 16)),
        ("patchgan", patch_critic(4), (2, 3, 32, 40)),
    ):
        record(arrays, name, net, torch.rand(shape) * 2 - 1)
    single = {name: array.astype(np.float32) for name, array in arrays.items()}
    np.savez_compressed(Path(__file__).with_name("torch.npz"), **single)


if __name__ == "__main__":
    main()
