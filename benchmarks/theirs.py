"""The same steps in PyTorch: minimal, and as fast as its settings make them. Imported only where
PyTorch is.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.cases import CONTENT_LAYER, RATE, STYLE_LAYERS, Case, vgg_layers

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "golden"))
from torch_networks import PatchDiscriminator, ResnetGenerator, UnetGenerator

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def variants(case: Case) -> list[str]:
    """The settings to choose the fastest of; a case that may use bfloat16 has those of float32 as
    well. `graphs`: compiled into CUDA graphs, for benchmarks/device.py.
    """
    casts = ("float32", "bfloat16") if case.precision == "bfloat16" else ("float32",)
    return [
        f"{how} {layout} {cast}"
        for how in ("eager", "compile")
        for layout in LAYOUTS
        for cast in casts
    ]


class Settings:
    """What a variant's words mean."""

    def __init__(self, variant: str) -> None:
        self.how, layout, self.cast = variant.split()
        self.layout = LAYOUTS[layout]
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")  # tf32 on a GPU, as ours

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """(N, H, W, C) -> (N, C, H, W) on the device, in the layout."""
        return (
            torch.tensor(array.transpose(0, 3, 1, 2))
            .to(DEVICE)
            .contiguous(memory_format=self.layout)
        )

    def network(self, net: nn.Module) -> nn.Module:
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0.0, 0.02)
        return self.compiled(net.to(DEVICE, memory_format=self.layout))

    def compiled(self, function: Callable) -> Callable:
        if self.how == "eager":
            return function
        return torch.compile(
            function, dynamic=False, mode="reduce-overhead" if self.how == "graphs" else "default"
        )

    def kept(self, tensor: torch.Tensor) -> torch.Tensor:
        """A CUDA graph's result, which its next run would write over."""
        return tensor.clone() if self.how == "graphs" else tensor

    def autocast(self) -> AbstractContextManager:
        return (
            torch.autocast(DEVICE.type, torch.bfloat16)
            if self.cast == "bfloat16"
            else nullcontext()
        )


class Prepared(NamedTuple):
    """A step of the case, which returns a loss that may still be on its way; what waits until all
    is done; how many seconds it took to compile: none, since PyTorch compiles within its first
    step; and its floating-point operations, which are for the other side to count.
    """

    step: Callable[[], Any]
    wait: Callable[[], object]
    compile_s: float = 0.0
    flop: Callable[[], Any] = lambda: math.nan


def prepare(case: Case, variant: str, inputs: dict[str, np.ndarray]) -> Prepared:
    torch.manual_seed(0)
    settings = Settings(variant)
    make = {
        "cyclegan": cyclegan,
        "pix2pix": pix2pix,
        "srgan": srgan,
        "generator": generator,
        "style_adam": style,
        "style_lbfgs": style,
    }[case.task]
    made = make(case, settings, inputs)

    def step() -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        return made()

    return Prepared(step, torch.cuda.synchronize if DEVICE.type == "cuda" else lambda: None)


def peak_mb() -> float | None:
    """Of the device's memory; None where that is the process's own."""
    return torch.cuda.max_memory_allocated() / 2**20 if DEVICE.type == "cuda" else None


def matmul_gflops(side: int = 2048, dtype: str = "float32") -> float:
    """Measured by the other side."""
    return math.nan


def version() -> str:
    return (
        f"torch {torch.__version__} on "
        f"{torch.cuda.get_device_name() if DEVICE.type == 'cuda' else 'cpu'}"
    )


# --------------------------------------------------------------------------------------------- GANs


def adam(*nets: nn.Module) -> torch.optim.Optimizer:
    params = itertools.chain(*(net.parameters() for net in nets))
    return torch.optim.Adam(params, lr=2e-4, betas=(0.5, 0.999), fused=True)


def move(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def trainable(wanted: bool, *nets: nn.Module) -> None:
    for param in itertools.chain(*(net.parameters() for net in nets)):
        param.requires_grad_(wanted)


class Pool:
    """The critics' images: the authors' pool of 50, for batches of any size."""

    def __init__(self, size: int = 50) -> None:
        self.size, self.images = size, []

    def show(self, images: torch.Tensor) -> torch.Tensor:
        shown = []
        # what a CUDA graph writes it writes over in its next run
        for image in images.detach().clone():
            if len(self.images) < self.size:
                self.images.append(image)
                shown.append(image)
            elif np.random.uniform() < 0.5:
                slot = np.random.randint(self.size)
                shown.append(self.images[slot])
                self.images[slot] = image
            else:
                shown.append(image)
        return torch.stack(shown)


def cyclegan(case: Case, settings: Settings, inputs: dict[str, np.ndarray]) -> Callable[[], Any]:
    g_ab, g_ba = (settings.network(ResnetGenerator(blocks=case.blocks)) for _ in range(2))
    d_a, d_b = (settings.network(PatchDiscriminator()) for _ in range(2))
    opt_g, opt_d = adam(g_ab, g_ba), adam(d_a, d_b)
    a, b = settings.tensor(inputs["a"]), settings.tensor(inputs["b"])
    pools, l1 = (Pool(), Pool()), F.l1_loss

    def score(logits: torch.Tensor, truth: float) -> torch.Tensor:
        return F.mse_loss(logits.float(), torch.full_like(logits, truth, dtype=torch.float32))

    def step() -> float:
        trainable(False, d_a, d_b)
        with settings.autocast():
            fake_b, fake_a = g_ab(a), g_ba(b)
            rec_a, rec_b = g_ba(fake_b), g_ab(fake_a)
            idt_b, idt_a = g_ab(b), g_ba(a)
            fooled = score(d_b(fake_b), 1.0) + score(d_a(fake_a), 1.0)
            loss = fooled + 10 * (l1(rec_a, a) + l1(rec_b, b)) + 5 * (l1(idt_a, a) + l1(idt_b, b))
        move(opt_g, loss)
        trainable(True, d_a, d_b)
        with settings.autocast():
            shown = ((d_a, a, pools[0].show(fake_a)), (d_b, b, pools[1].show(fake_b)))
            judged = sum(
                0.5 * (score(critic(real), 1.0) + score(critic(fake), 0.0))
                for critic, real, fake in shown
            )
        move(opt_d, judged)
        return loss.detach()

    return step


def pix2pix(case: Case, settings: Settings, inputs: dict[str, np.ndarray]) -> Callable[[], Any]:
    g = settings.network(UnetGenerator(levels=8, dropout=True))
    d = settings.network(PatchDiscriminator(6, norm="batch"))
    opt_g, opt_d = adam(g), adam(d)
    a, b = settings.tensor(inputs["a"]), settings.tensor(inputs["b"])

    def score(logits: torch.Tensor, truth: float) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(
            logits.float(), torch.full_like(logits, truth, dtype=torch.float32)
        )

    def step() -> float:
        with settings.autocast():
            fake = g(a)
        trainable(True, d)
        with settings.autocast():
            on_fake = score(d(torch.cat([a, fake.detach()], 1)), 0.0)
            judged = 0.5 * (on_fake + score(d(torch.cat([a, b], 1)), 1.0))
        move(opt_d, judged)
        trainable(False, d)
        with settings.autocast():
            loss = score(d(torch.cat([a, fake], 1)), 1.0) + 100 * F.l1_loss(fake, b)
        move(opt_g, loss)
        return loss.detach()

    return step


class SRResNet(nn.Module):
    def __init__(self, width: int = 64, blocks: int = 16) -> None:
        super().__init__()

        def normed() -> list[nn.Module]:
            return [nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)]

        self.head = nn.Sequential(nn.Conv2d(3, width, 9, 1, 4), nn.PReLU(width))
        self.blocks = nn.ModuleList(
            nn.Sequential(*normed(), nn.PReLU(width), *normed()) for _ in range(blocks)
        )
        self.body = nn.Sequential(*normed())
        up = [
            [nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU(width)]
            for _ in range(2)
        ]
        self.tail = nn.Sequential(*up[0], *up[1], nn.Conv2d(width, 3, 9, 1, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = y = self.head(x)
        for block in self.blocks:
            y = y + block(y)
        return self.tail(first + self.body(y))


def srgan_critic(size: int, width: int = 64) -> nn.Module:
    layers: list[nn.Module] = []
    into = 3
    for level in range(8):
        out = width * 2 ** (level // 2)
        layers.append(nn.Conv2d(into, out, 3, 1 + level % 2, 1, bias=level == 0))
        layers += [nn.BatchNorm2d(out)] if level else []
        layers.append(nn.LeakyReLU(0.2))
        into = out
    units = into * (size // 16) ** 2
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(units, 1024), nn.LeakyReLU(0.2), nn.Linear(1024, 1)
    )


def srgan(case: Case, settings: Settings, inputs: dict[str, np.ndarray]) -> Callable[[], Any]:
    g, d = settings.network(SRResNet()), settings.network(srgan_critic(case.size))
    opt_g, opt_d = adam(g), adam(d)
    a, b = settings.tensor(inputs["a"]), settings.tensor(inputs["b"])
    network = vgg(settings, inputs, ("relu5_3",))
    features = settings.compiled(lambda x: network(x / 2 + 0.5))
    bce = F.binary_cross_entropy_with_logits

    def step() -> float:
        with settings.autocast():
            fake = g(a)
        trainable(True, d)
        with settings.autocast():
            on_fake, on_real = d(fake.detach()).float(), d(b).float()
            judged = bce(on_fake, torch.zeros_like(on_fake)) + bce(
                on_real, torch.ones_like(on_real)
            )
        move(opt_d, judged)
        trainable(False, d)
        with settings.autocast():
            with torch.no_grad():
                wanted = features(b)["relu5_3"]
            fooled = d(fake).float()
            content = F.mse_loss(features(fake)["relu5_3"].float(), wanted.float())
            loss = 0.006 * content + 1e-3 * bce(fooled, torch.ones_like(fooled))
        move(opt_g, loss)
        return loss.detach()

    return step


def generator(case: Case, settings: Settings, inputs: dict[str, np.ndarray]) -> Callable[[], Any]:
    net = settings.network(ResnetGenerator(blocks=9)).eval()
    a = settings.tensor(inputs["a"])

    @torch.inference_mode()
    def step() -> float:
        with settings.autocast():
            return net(a)[0, 0, 0, 0]

    return step


# ----------------------------------------------------------------------------------- style transfer


def vgg(
    settings: Settings, inputs: dict[str, np.ndarray], wanted: tuple[str, ...]
) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """Features of images in [0, 1]."""
    mean = torch.tensor([0.485, 0.456, 0.406], device=DEVICE)[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225], device=DEVICE)[:, None, None]
    kernels = {}
    for name in vgg_layers(inputs):
        kernel = torch.tensor(inputs[f"{name}/kernel"].transpose(3, 2, 0, 1)).to(DEVICE)
        bias = torch.tensor(inputs[f"{name}/bias"]).to(DEVICE)
        kernels[name] = (kernel.contiguous(memory_format=settings.layout), bias)

    def features(x: torch.Tensor) -> dict[str, torch.Tensor]:
        found, x = {}, ((x - mean) / deviation).contiguous(memory_format=settings.layout)
        for name, parts in kernels.items():
            if name.endswith("_1") and name != "conv1_1":
                x = F.max_pool2d(x, 2)
            x = F.relu(F.conv2d(x, *parts, padding=1))
            relu = name.replace("conv", "relu")
            if relu in wanted:
                found[relu] = x
            if len(found) == len(wanted):
                break
        return found

    return features


def gram(f: torch.Tensor) -> torch.Tensor:
    flat = f.flatten(2)[0].float()
    return flat @ flat.T / flat.shape[1]


def style(case: Case, settings: Settings, inputs: dict[str, np.ndarray]) -> Callable[[], Any]:
    features = vgg(settings, inputs, (*STYLE_LAYERS, CONTENT_LAYER))
    content, painting = settings.tensor(inputs["content"]), settings.tensor(inputs["style"])
    with torch.no_grad():
        wanted = features(content)[CONTENT_LAYER]
        styles = {k: gram(f) for k, f in features(painting).items() if k in STYLE_LAYERS}
    powers = {k: m.square().sum() for k, m in styles.items()}

    @settings.compiled
    def objective(x: torch.Tensor) -> torch.Tensor:
        with settings.autocast():
            found = features(x)
        loss = (found[CONTENT_LAYER].float() - wanted).square().sum() / wanted.square().sum()
        return loss + sum(
            (gram(found[k]) - m).square().sum() / powers[k] for k, m in styles.items()
        ) / len(styles)

    x = content.contiguous().clone().requires_grad_()  # its L-BFGS takes views of it
    if case.task == "style_adam":
        optimizer = torch.optim.Adam([x], lr=RATE, betas=(0.9, 0.99), fused=True)

        def step() -> float:
            optimizer.zero_grad(set_to_none=True)
            loss = objective(x)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step
    return lbfgs(x, objective)


def lbfgs(x: torch.Tensor, objective: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], Any]:
    """An evaluation at a time of torch.optim.LBFGS without its line search, which is the faster way
    here.
    """
    optimizer = torch.optim.LBFGS(
        [x], lr=1.0, max_iter=1, history_size=20, tolerance_grad=0, tolerance_change=0
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = objective(x)
        loss.backward()
        return loss

    return lambda: optimizer.step(closure).detach()


def profile(
    step: Callable[[], Any], wait: Callable[[], object], steps: int
) -> list[tuple[str, float, int]]:
    """Looked at on the other side alone."""
    return []
