"""The networks of the common PyTorch CycleGAN, pix2pix and CUT code, with the names that its state
dicts have.

Written from their descriptions with torch.nn layers: a name says where in which torch.nn.Sequential
a layer stands, and a file of weights depends on nothing else. For the scripts here alone; no test
needs PyTorch.
"""

import torch
from torch import nn
from torch.nn import functional as F


def norm_of(kind: str, channels: int) -> nn.Module:
    kinds = {
        "batch": nn.BatchNorm2d,
        "instance": nn.InstanceNorm2d,
        "none": lambda _: nn.Identity(),
    }
    return kinds[kind](channels)


class Blur(nn.Module):
    """(1, 2, 1) x (1, 2, 1) / 16 over mirrored edges, at every second pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("filt", (torch.outer(taps, taps) / 16).repeat(channels, 1, 1, 1))

    def forward(self, x):
        return F.conv2d(
            F.pad(x, (1, 1, 1, 1), mode="reflect"), self.filt, stride=2, groups=x.shape[1]
        )


class Unblur(nn.Module):
    """Twice the size by (1, 3, 3, 1) x (1, 3, 3, 1) / 16 over repeated edges."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("filt", (torch.outer(taps, taps) / 16).repeat(channels, 1, 1, 1))

    def forward(self, x):
        y = F.conv_transpose2d(
            F.pad(x, (1, 1, 1, 1), mode="replicate"),
            self.filt,
            stride=2,
            padding=2,
            groups=x.shape[1],
        )
        return y[:, :, 1:-1, 1:-1]


class ResnetBlock(nn.Module):
    def __init__(self, channels: int, norm: str, dropout: bool) -> None:
        super().__init__()

        def half() -> list[nn.Module]:
            convolution = nn.Conv2d(channels, channels, 3, bias=norm == "instance")
            return [nn.ReflectionPad2d(1), convolution, norm_of(norm, channels)]

        self.conv_block = nn.Sequential(
            *half(), nn.ReLU(), *([nn.Dropout(0.5)] if dropout else []), *half()
        )

    def forward(self, x):
        return x + self.conv_block(x)


class ResnetGenerator(nn.Module):
    def __init__(
        self,
        into=3,
        out=3,
        width=64,
        blocks=9,
        norm="instance",
        dropout=False,
        down_blur=False,
        up_blur=False,
    ) -> None:
        super().__init__()
        bias = norm == "instance"
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(into, width, 7, bias=bias),
            norm_of(norm, width),
            nn.ReLU(),
        ]
        for level in range(2):
            i, o = width * 2**level, width * 2 ** (level + 1)
            layers += [
                nn.Conv2d(i, o, 3, 1 if down_blur else 2, 1, bias=bias),
                norm_of(norm, o),
                nn.ReLU(),
            ]
            layers += [Blur(o)] if down_blur else []
        layers += [ResnetBlock(4 * width, norm, dropout) for _ in range(blocks)]
        for level in range(2):
            i, o = width * 2 ** (2 - level), width * 2 ** (1 - level)
            if up_blur:
                layers += [Unblur(i), nn.Conv2d(i, o, 3, 1, 1, bias=bias)]
            else:
                layers += [nn.ConvTranspose2d(i, o, 3, 2, 1, 1, bias=bias)]
            layers += [norm_of(norm, o), nn.ReLU()]
        self.model = nn.Sequential(
            *layers, nn.ReflectionPad2d(3), nn.Conv2d(width, out, 7), nn.Tanh()
        )

    def forward(self, x):
        return self.model(x)

    def maps(self, x, places):
        """The results of the layers at these places of the Sequential."""
        found = []
        for place, layer in enumerate(self.model):
            x = layer(x)
            if place in places:
                found.append(x)
            if place == places[-1]:
                return found
        raise AssertionError(places)


class PatchHeads(nn.Module):
    """For every map Linear-ReLU-Linear over chosen places, and length 1."""

    def __init__(self, channels, width=256) -> None:
        super().__init__()
        for number, count in enumerate(channels):
            layers = nn.Linear(count, width), nn.ReLU(), nn.Linear(width, width)
            setattr(self, f"mlp_{number}", nn.Sequential(*layers))

    def forward(self, maps, places):
        found = []
        for number, (x, chosen) in enumerate(zip(maps, places, strict=True)):
            x = x.permute(0, 2, 3, 1).flatten(1, 2)[:, chosen].flatten(0, 1)
            x = getattr(self, f"mlp_{number}")(x)
            found.append(x / (x.pow(2).sum(1, keepdim=True).pow(0.5) + 1e-7))
        return found


class UnetLevel(nn.Module):
    """One level of the U-Net around the one inside; all but the outermost give back their input
    beside their result.
    """

    def __init__(
        self,
        outer: int,
        inner: int,
        inside: nn.Module | None,
        norm: str,
        dropout: bool,
        into: int | None = None,
    ) -> None:
        super().__init__()
        bias, self.outermost = norm == "instance", into is not None
        down = nn.Conv2d(outer if into is None else into, inner, 4, 2, 1, bias=bias)
        if self.outermost:
            up = nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1)
            layers = [down, inside, nn.ReLU(), up, nn.Tanh()]
        elif inside is None:
            up = nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=bias)
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, norm_of(norm, outer)]
        else:
            up = nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1, bias=bias)
            layers = [
                nn.LeakyReLU(0.2),
                down,
                norm_of(norm, inner),
                inside,
                nn.ReLU(),
                up,
                norm_of(norm, outer),
            ]
            layers += [nn.Dropout(0.5)] if dropout else []
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        y = self.model(x)
        return y if self.outermost else torch.cat([x, y], 1)


class UnetGenerator(nn.Module):
    def __init__(self, into=3, out=3, levels=8, width=64, norm="batch", dropout=False) -> None:
        super().__init__()
        level = UnetLevel(8 * width, 8 * width, None, norm, False)
        for _ in range(levels - 5):
            level = UnetLevel(8 * width, 8 * width, level, norm, dropout)
        for outer in (4, 2, 1):
            level = UnetLevel(outer * width, 2 * outer * width, level, norm, False)
        self.model = UnetLevel(out, width, level, norm, False, into)

    def forward(self, x):
        return self.model(x)


class PatchDiscriminator(nn.Module):
    def __init__(self, into=3, width=64, layers=3, norm="instance", blur=False) -> None:
        super().__init__()
        bias, stride = norm == "instance", 1 if blur else 2
        parts: list[nn.Module] = [
            nn.Conv2d(into, width, 4, stride, 1),
            nn.LeakyReLU(0.2),
            *([Blur(width)] if blur else []),
        ]
        for level in range(1, layers + 1):
            i, o = width * min(2 ** (level - 1), 8), width * min(2**level, 8)
            last = level == layers
            parts += [
                nn.Conv2d(i, o, 4, 1 if last else stride, 1, bias=bias),
                norm_of(norm, o),
                nn.LeakyReLU(0.2),
            ]
            parts += [Blur(o)] if blur and not last else []
        self.model = nn.Sequential(*parts, nn.Conv2d(o, 1, 4, 1, 1))

    def forward(self, x):
        return self.model(x)


class PixelDiscriminator(nn.Module):
    def __init__(self, into=3, width=64, norm="instance") -> None:
        super().__init__()
        bias = norm == "instance"
        middle = [
            nn.Conv2d(width, 2 * width, 1, bias=bias),
            norm_of(norm, 2 * width),
            nn.LeakyReLU(0.2),
        ]
        self.net = nn.Sequential(
            nn.Conv2d(into, width, 1),
            nn.LeakyReLU(0.2),
            *middle,
            nn.Conv2d(2 * width, 1, 1, bias=bias),
        )

    def forward(self, x):
        return self.net(x)
