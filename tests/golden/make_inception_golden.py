"""Writes inception.npz: features by PyTorch of the Inception-v3 that pytorch-fid uses, with drawn
weights. Needs torch, numpy.

The network is written here from the paper's figures and the names of that package's file; nothing
is shared with
imgtrans_jax/models/inception.py but the names.
"""

import json
from pathlib import Path

import numpy as np
import torch
from draws import drawn
from torch import nn
from torch.nn import functional as F


class Unit(nn.Module):
    def __init__(self, i, o, kernel_size, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(i, o, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(o, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


def average(x):
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class A(nn.Module):
    def __init__(self, i, pool):
        super().__init__()
        self.branch1x1 = Unit(i, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = Unit(i, 48, 1), Unit(48, 64, 5, padding=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Unit(i, 64, 1), Unit(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Unit(96, 96, 3, padding=1)
        self.branch_pool = Unit(i, pool, 1)

    def forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch5x5_2(self.branch5x5_1(x)),
                double,
                self.branch_pool(average(x)),
            ],
            1,
        )


class B(nn.Module):
    def __init__(self, i):
        super().__init__()
        self.branch3x3 = Unit(i, 384, 3, 2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Unit(i, 64, 1), Unit(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Unit(96, 96, 3, 2)

    def forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 2)], 1)


class C(nn.Module):
    def __init__(self, i, w):
        super().__init__()
        wide, high = (
            {"kernel_size": (1, 7), "padding": (0, 3)},
            {"kernel_size": (7, 1), "padding": (3, 0)},
        )
        self.branch1x1 = Unit(i, 192, 1)
        self.branch7x7_1, self.branch7x7_2, self.branch7x7_3 = (
            Unit(i, w, 1),
            Unit(w, w, **wide),
            Unit(w, 192, **high),
        )
        self.branch7x7dbl_1, self.branch7x7dbl_2 = Unit(i, w, 1), Unit(w, w, **high)
        self.branch7x7dbl_3, self.branch7x7dbl_4 = Unit(w, w, **wide), Unit(w, w, **high)
        self.branch7x7dbl_5 = Unit(w, 192, **wide)
        self.branch_pool = Unit(i, 192, 1)

    def forward(self, x):
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(average(x))], 1)


class D(nn.Module):
    def __init__(self, i):
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = Unit(i, 192, 1), Unit(192, 320, 3, 2)
        self.branch7x7x3_1 = Unit(i, 192, 1)
        self.branch7x7x3_2 = Unit(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Unit(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Unit(192, 192, 3, 2)

    def forward(self, x):
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, F.max_pool2d(x, 3, 2)], 1)


class E(nn.Module):
    def __init__(self, i, last):
        super().__init__()
        across, down = (
            {"kernel_size": (1, 3), "padding": (0, 1)},
            {"kernel_size": (3, 1), "padding": (1, 0)},
        )
        self.last = last
        self.branch1x1 = Unit(i, 320, 1)
        self.branch3x3_1 = Unit(i, 384, 1)
        self.branch3x3_2a, self.branch3x3_2b = Unit(384, 384, **across), Unit(384, 384, **down)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Unit(i, 448, 1), Unit(448, 384, 3, padding=1)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = (
            Unit(384, 384, **across),
            Unit(384, 384, **down),
        )
        self.branch_pool = Unit(i, 192, 1)

    def forward(self, x):
        three, double = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = [self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        parts += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat(
            [*parts, self.branch_pool(F.max_pool2d(x, 3, 1, 1) if self.last else average(x))], 1
        )


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3, self.Conv2d_2a_3x3 = Unit(3, 32, 3, 2), Unit(32, 32, 3)
        self.Conv2d_2b_3x3, self.Conv2d_3b_1x1 = Unit(32, 64, 3, padding=1), Unit(64, 80, 1)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = A(192, 32), A(256, 64), A(288, 64)
        self.Mixed_6a = B(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = (
            C(768, 128),
            C(768, 160),
            C(768, 160),
            C(768, 192),
        )
        self.Mixed_7a, self.Mixed_7b, self.Mixed_7c = D(768), E(1280, False), E(2048, True)

    def forward(self, x):
        x = 2 * F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False) - 1
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        for block in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = getattr(self, f"Mixed_{block}")(x)
        return x.mean((2, 3))


net = Inception().eval()
state = net.state_dict()
values = drawn({name: tuple(x.shape) for name, x in state.items()}, seed=5)
net.load_state_dict(
    {
        name: torch.from_numpy(np.float32(values[name])) if name in values else x
        for name, x in state.items()
    }
)
pictures = np.random.RandomState(6).uniform(0, 1, (2, 3, 100, 140)).astype(np.float32)
with torch.no_grad():
    found = net(torch.from_numpy(pictures)).numpy()
shapes = {name: list(x.shape) for name, x in state.items() if x.ndim}
np.savez_compressed(
    Path(__file__).with_name("inception.npz"), features=found, shapes=np.array(json.dumps(shapes))
)
print(found.shape, found.min(), found.max(), found.std(), len(shapes))
