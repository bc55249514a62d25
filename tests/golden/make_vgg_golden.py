"""Writes vgg.npz (features and input gradients of VGG-16 and VGG-19) and small .pth files in both
of torch's forms.

The networks' weights are 15 and 20 million numbers, too many to keep, so both sides draw them alike
from NumPy's RandomState, whose stream is frozen. Needs PyTorch and NumPy alone; no test needs
PyTorch. Run: python tests/golden/make_vgg_golden.py
"""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
LAYOUT = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WANTED = {
    16: ("conv1_1", "relu1_2", "pool1", "conv3_3", "relu4_2", "relu5_1", "pool5"),
    19: ("relu1_1", "relu3_4", "pool4", "conv5_4", "relu5_4"),
}
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def features(depth: int, images: torch.Tensor, pooling: str) -> dict[str, torch.Tensor]:
    """The layers as torch.nn has them, on (N, 3, H, W) in [0, 1]."""
    draw = np.random.RandomState(depth)
    pool = nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2)
    x = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    found, channels = {}, 3
    for block, count in enumerate(LAYOUT[depth], 1):
        width = min(64 * 2 ** (block - 1), 512)
        for i in range(1, count + 1):
            convolution = nn.Conv2d(channels, width, 3, padding=1)
            kernel = draw.standard_normal((3, 3, channels, width)) * (2 / (9 * channels)) ** 0.5
            convolution.weight.data = torch.tensor(kernel.transpose(3, 2, 0, 1))
            convolution.bias.data = torch.tensor(0.1 * draw.standard_normal(width))
            x = found[f"conv{block}_{i}"] = convolution(x)
            x = found[f"relu{block}_{i}"] = torch.relu(x)
            channels = width
        x = found[f"pool{block}"] = pool(x)
    return found


def main() -> None:
    torch.set_default_dtype(torch.float64)
    arrays: dict[str, np.ndarray] = {}
    for depth, wanted in WANTED.items():
        for pooling in ("max", "average"):
            images = torch.tensor(
                np.random.RandomState(7).uniform(size=(1, 3, 34, 40))
            ).requires_grad_()
            found = features(depth, images, pooling)
            sum(torch.mean(found[layer] ** 2) for layer in wanted).backward()
            name = f"{depth}/{pooling}"
            arrays[f"{name}/grad"] = images.grad.numpy().transpose(0, 2, 3, 1)
            for layer in wanted:
                # Every fifth channel at every second place keeps the file small.
                arrays[f"{name}/{layer}"] = (
                    found[layer].detach().numpy().transpose(0, 2, 3, 1)[:, ::2, ::2, ::5]
                )
    np.savez_compressed(
        HERE / "vgg.npz", **{name: array.astype(np.float32) for name, array in arrays.items()}
    )

    torch.set_default_dtype(torch.float32)
    whole = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    state = OrderedDict(
        {
            "module.features.0.weight": whole,
            "module.features.0.bias": nn.Parameter(torch.tensor([1.0, -2.0])),
            "turned": whole.permute(2, 0, 1),  # a view with strides of its own
            "part": whole[1, :, 1:3],  # a view that begins within the storage
            "half": torch.tensor([0.5, 1.5], dtype=torch.float16),
            "count": torch.tensor(7),
        }
    )
    torch.save(state, HERE / "zip.pth")
    torch.save(
        {"state_dict": state, "epoch": 3}, HERE / "legacy.pth", _use_new_zipfile_serialization=False
    )


if __name__ == "__main__":
    main()
