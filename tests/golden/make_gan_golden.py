"""Writes gan.npz: small networks in PyTorch (U-Net, DnCNN, DCGAN's critic, SRResNet, the stride-1
critic) with weights, inputs, outputs and gradients, and a gradient penalty with its own gradients.

The networks are written here from the papers' descriptions with torch.nn layers, which have the
names of ours, so that weights are found by them. Needs PyTorch and NumPy alone; no test needs
PyTorch. Run from anywhere:
python tests/golden/make_gan_golden.py
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    """Layers by name; `stages` is the forward pass as a function of self and the input."""

    def __init__(self, layers: dict[str, nn.Module], forward) -> None:
        super().__init__()
        self.layers, self.run = nn.ModuleDict(layers), forward

    def forward(self, x):
        return self.run(self.layers, x)


def unet(width: int, levels: int) -> Net:
    features = [width * 2 ** min(level, 3) for level in range(levels)]
    layers: dict[str, nn.Module] = {}
    for level in range(levels):
        layers[f"down_{level}"] = nn.Conv2d(
            features[level - 1] if level else 3, features[level], 4, 2, 1, bias=False
        )
        if 0 < level < levels - 1:
            layers[f"down_{level}_norm"] = nn.BatchNorm2d(features[level])
    for level in range(levels - 1, 0, -1):
        into = features[level] * (1 if level == levels - 1 else 2)
        layers[f"up_{level}"] = nn.ConvTranspose2d(into, features[level - 1], 4, 2, 1, bias=False)
        layers[f"up_{level}_norm"] = nn.BatchNorm2d(features[level - 1])
    layers["up_0"] = nn.ConvTranspose2d(2 * features[0], 3, 4, 2, 1)

    def block(of, x, level):
        """The submodule of the common code at this level: down, what is inside, up; and the skip
        connection round it.
        """
        y = of[f"down_{level}"](F.leaky_relu(x, 0.2) if level else x)
        if f"down_{level}_norm" in of:
            y = of[f"down_{level}_norm"](y)
        if level < levels - 1:
            y = block(of, y, level + 1)
        y = of[f"up_{level}"](F.relu(y))
        return torch.cat([of[f"up_{level}_norm"](y), x], 1) if level else torch.tanh(y)

    return Net(layers, lambda of, x: block(of, x, 0))


def dncnn(width: int, depth: int) -> Net:
    layers: dict[str, nn.Module] = {"head": nn.Conv2d(3, width, 3, padding=1)}
    for level in range(depth):
        layers |= {
            f"conv_{level}": nn.Conv2d(width, width, 3, padding=1),
            f"norm_{level}": nn.BatchNorm2d(width),
        }
    layers["tail"] = nn.Conv2d(width, 3, 3, padding=1)

    def forward(of, x):
        y = F.relu(of["head"](x))
        for level in range(depth):
            y = F.relu(of[f"norm_{level}"](of[f"conv_{level}"](y)))
        return of["tail"](y)

    return Net(layers, forward)


def stride_one(widths: tuple[int, ...]) -> Net:
    channels = (3, *widths)
    layers: dict[str, nn.Module] = {
        f"conv_{i}": nn.Conv2d(channels[i], channels[i + 1], 3, padding=1)
        for i in range(len(widths))
    }
    layers["logits"] = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)

    def forward(of, x):
        for i in range(len(widths)):
            x = F.leaky_relu(F.instance_norm(of[f"conv_{i}"](x)), 0.2)
        return of["logits"](x).flatten(1)

    return Net(layers, forward)


def dcgan_critic(width: int, channels: int) -> Net:
    layers: dict[str, nn.Module] = {
        "conv_0": nn.Conv2d(channels, width, 4, 2, 1),
        "conv_1": nn.Conv2d(width, 2 * width, 4, 2, 1),
        "logit": nn.Conv2d(2 * width, 1, 4),
    }

    def forward(of, x):
        y = F.leaky_relu(of["conv_0"](x), 0.2)
        return of["logit"](F.leaky_relu(of["conv_1"](y), 0.2))

    return Net(layers, forward)


def srresnet(width: int, blocks: int) -> Net:
    def inner():
        return nn.Conv2d(width, width, 3, padding=1, bias=False)

    layers: dict[str, nn.Module] = {
        "head": nn.Conv2d(3, width, 9, padding=4),
        "head_prelu": nn.PReLU(width),
    }
    for block in range(blocks):
        layers |= {f"block_{block}_0": inner(), f"block_{block}_0_norm": nn.BatchNorm2d(width)}
        layers |= {f"block_{block}_prelu": nn.PReLU(width)}
        layers |= {f"block_{block}_1": inner(), f"block_{block}_1_norm": nn.BatchNorm2d(width)}
    layers |= {"body": inner(), "body_norm": nn.BatchNorm2d(width)}
    for level in range(2):
        layers |= {
            f"up_{level}": nn.Conv2d(width, 4 * width, 3, padding=1),
            f"up_{level}_prelu": nn.PReLU(width),
        }
    layers["tail"] = nn.Conv2d(width, 3, 9, padding=4)

    def forward(of, x):
        first = y = of["head_prelu"](of["head"](x))
        for block in range(blocks):
            z = of[f"block_{block}_prelu"](of[f"block_{block}_0_norm"](of[f"block_{block}_0"](y)))
            y = y + of[f"block_{block}_1_norm"](of[f"block_{block}_1"](z))
        y = first + of["body_norm"](of["body"](y))
        for level in range(2):
            y = of[f"up_{level}_prelu"](F.pixel_shuffle(of[f"up_{level}"](y), 2))
        return of["tail"](y)

    return Net(layers, forward)


def record(arrays: dict[str, np.ndarray], name: str, net: Net, x: torch.Tensor) -> None:
    """Weights and the gradients of sum(output^2) by our names; input, output and input gradient as
    NHWC.
    """
    for layer in net.layers.values():
        if isinstance(layer, (nn.BatchNorm2d, nn.PReLU)):  # so that a mistaken order shows
            nn.init.normal_(layer.weight, 0.5, 0.3)
    x = x.clone().requires_grad_()
    y = net(x)
    torch.sum(y**2).backward()
    arrays[f"{name}/input"], arrays[f"{name}/input_grad"] = nhwc(x), nhwc(x.grad)
    arrays[f"{name}/output"] = nhwc(y) if y.ndim == 4 else y.detach().numpy()
    record_weights(arrays, name, net)


def record_weights(arrays: dict[str, np.ndarray], name: str, net: Net) -> None:
    for layer_name, layer in net.layers.items():
        for field, parameter in layer.named_parameters():
            if isinstance(layer, nn.BatchNorm2d):
                path = f"{layer_name}/batch/{'scale' if field == 'weight' else field}"
            elif isinstance(layer, nn.PReLU):
                path = f"{layer_name}/slope"
            else:
                path = f"{layer_name}/{'kernel' if field == 'weight' else field}"
            # Conv2d stores OIHW, ConvTranspose2d IOHW; both become HWIO here.
            order = (2, 3, 0, 1) if isinstance(layer, nn.ConvTranspose2d) else (2, 3, 1, 0)
            for kind, tensor in (("params", parameter), ("grads", parameter.grad)):
                array = tensor.detach().numpy().copy()
                arrays[f"{name}/{kind}/{path}"] = (
                    array.transpose(order) if array.ndim == 4 else array
                )


def penalty(arrays: dict[str, np.ndarray]) -> None:
    """E (||grad D|| - 1)^2 at given points, and its gradients by the critic's weights."""
    net = dcgan_critic(4, 2)
    x = (torch.rand(5, 2, 16, 16) * 2 - 1).requires_grad_()
    (gradient,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    value = torch.mean((gradient.flatten(1).norm(dim=1) - 1) ** 2)
    value.backward()
    net.layers["logit"].bias.grad = torch.zeros(1)  # the penalty does not depend on it
    for name in ("conv_0", "conv_1"):
        if net.layers[name].bias.grad is None:
            net.layers[name].bias.grad = torch.zeros_like(net.layers[name].bias)
    arrays["penalty/input"], arrays["penalty/output"] = nhwc(x), value.detach().numpy()
    record_weights(arrays, "penalty", net)


def nhwc(x: torch.Tensor) -> np.ndarray:
    return x.detach().numpy().transpose(0, 2, 3, 1).copy()


def main() -> None:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    arrays: dict[str, np.ndarray] = {}
    for name, net, shape in (
        ("unet", unet(2, 5), (2, 3, 64, 32)),
        ("dncnn", dncnn(4, 2), (2, 3, 9, 12)),
        ("stride_one", stride_one((3, 4)), (2, 3, 10, 9)),
        ("dcgan_critic", dcgan_critic(4, 3), (3, 3, 16, 16)),
        ("srresnet", srresnet(4, 2), (2, 3, 6, 7)),
    ):
        record(arrays, name, net, torch.rand(shape) * 2 - 1)
    penalty(arrays)
    single = {name: array.astype(np.float32) for name, array in arrays.items()}
    np.savez_compressed(Path(__file__).with_name("gan.npz"), **single)


if __name__ == "__main__":
    main()
