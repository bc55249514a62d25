"""Writes what PyTorch makes of the same numbers: parity.npz (layers, blocks, losses, Adam),
networks.npz (the common code's networks, small, with gradients), full_size.npz (its networks as
they are used), trajectories.npz (20 steps of CycleGAN, of pix2pix and of CUT), and small .pth files
as that code leaves them.

Images are NCHW here and NHWC in the files; weights keep PyTorch's names and layouts, so that our
reading of them is tested as well. Needs PyTorch and NumPy alone; no test needs PyTorch. Run from
anywhere: python tests/golden/make_with_torch.py
"""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from draws import drawn
from torch import nn
from torch.nn import functional as F
from torch_networks import (
    Blur,
    PatchDiscriminator,
    PatchHeads,
    PixelDiscriminator,
    ResnetBlock,
    ResnetGenerator,
    Unblur,
    UnetGenerator,
)

HERE = Path(__file__).parent
Arrays = dict[str, np.ndarray]


def nhwc(x: torch.Tensor) -> np.ndarray:
    x = x.detach()
    return (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).numpy().copy()


def tensors(net: nn.Module) -> Arrays:
    return {
        name: x.detach().numpy().copy()
        for name, x in net.state_dict().items()
        if x.is_floating_point()
    }


def record(arrays: Arrays, name: str, net: Callable, *inputs: torch.Tensor) -> None:
    """Inputs, output, and the gradients of sum(output * seed) by inputs and weights."""
    inputs = tuple(x.clone().requires_grad_() for x in inputs)
    if isinstance(net, nn.Module):
        arrays |= {f"{name}/weights/{key}": x for key, x in tensors(net).items()}
    y = net(*inputs)
    seed = torch.randn_like(y)
    (y * seed).sum().backward()
    arrays |= {f"{name}/output": nhwc(y), f"{name}/seed": nhwc(seed)}
    for number, x in enumerate(inputs):
        arrays |= {f"{name}/input_{number}": nhwc(x), f"{name}/input_grad_{number}": nhwc(x.grad)}
    if isinstance(net, nn.Module):
        arrays |= {
            f"{name}/grads/{key}": p.grad.numpy().copy() for key, p in net.named_parameters()
        }
        arrays |= {f"{name}/after/{key}": x for key, x in tensors(net).items() if "running" in key}


def shaken(net: nn.Module) -> nn.Module:
    """Norms and running statistics away from 1 and 0, so that a mistaken order shows."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.3)
            nn.init.normal_(layer.bias, 0.0, 0.3)
            nn.init.normal_(layer.running_mean, 0.0, 0.3)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return net


# ----------------------------------------------------------------------------- layers, losses, Adam


def layers(arrays: Arrays) -> None:
    def images(*shape: int) -> torch.Tensor:
        return torch.rand(shape) * 2 - 1

    for kernel, stride, padding, bias in (
        (1, 1, 0, True),
        (3, 1, 1, True),
        (3, 2, 1, False),
        (4, 2, 1, True),
        (4, 1, 1, True),
    ):
        net = nn.Conv2d(3, 4, kernel, stride, padding, bias=bias)
        record(arrays, f"conv/{kernel}_{stride}_{padding}", net, images(2, 3, 9, 12))
    for kernel, padding in ((3, 1), (7, 3)):
        net = nn.Sequential(nn.ReflectionPad2d(padding), nn.Conv2d(3, 4, kernel))
        record(arrays, f"reflect/{kernel}", net, images(2, 3, 8, 11))
    record(arrays, "transposed/3", nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), images(2, 3, 5, 6))
    record(arrays, "transposed/4", nn.ConvTranspose2d(3, 4, 4, 2, 1), images(2, 3, 5, 6))
    for how in ("nearest", "bilinear"):
        net = nn.Sequential(
            nn.Upsample(scale_factor=2, mode=how), nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3)
        )
        record(arrays, f"upsample/{how}", net, images(2, 3, 5, 6))
    record(
        arrays,
        "upsample/blurred",
        nn.Sequential(Unblur(3), nn.Conv2d(3, 4, 3, 1, 1)),
        images(2, 3, 5, 6),
    )
    record(arrays, "halved/even", Blur(3), images(2, 3, 8, 6))
    record(arrays, "halved/odd", Blur(3), images(2, 3, 7, 9))
    record(arrays, "instance_norm", nn.InstanceNorm2d(3), images(2, 3, 5, 6) + 3)
    record(arrays, "batch_norm/train", shaken(nn.BatchNorm2d(3)), images(2, 3, 5, 6) + 3)
    record(arrays, "batch_norm/eval", shaken(nn.BatchNorm2d(3)).eval(), images(2, 3, 5, 6))
    for norm in ("instance", "batch"):
        record(arrays, f"block/{norm}", shaken(ResnetBlock(4, norm, False)), images(2, 4, 6, 7))


def losses(arrays: Arrays) -> None:
    logits, x, y = torch.randn(2, 1, 5, 4) * 3, torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 4)
    ones, zeros = torch.ones_like(logits), torch.zeros_like(logits)
    mse, bce = nn.MSELoss(), nn.BCEWithLogitsLoss()
    for name, loss in {
        "lsgan/real": lambda z: mse(z, ones),
        "lsgan/fake": lambda z: mse(z, zeros),
        "lsgan/fool": lambda z: mse(z, ones),
        "vanilla/real": lambda z: bce(z, ones),
        "vanilla/fake": lambda z: bce(z, zeros),
        "vanilla/fool": lambda z: bce(z, ones),
        "saturating/fool": lambda z: -bce(z, zeros),
        "hinge/real": lambda z: F.relu(1 - z).mean(),
        "hinge/fake": lambda z: F.relu(1 + z).mean(),
        "hinge/fool": lambda z: -z.mean(),
        "wgan/real": lambda z: -z.mean(),
        "wgan/fake": lambda z: z.mean(),
    }.items():
        record(arrays, f"gan/{name}", loss, logits)

    def gram(z):
        z = z.flatten(2)
        return z @ z.transpose(1, 2)

    positions, width = 20, 3
    for name, distance in {
        "l1": nn.L1Loss(),
        "l1_sum": lambda p, q: F.l1_loss(p, q, reduction="sum") / 2,
        "l2": mse,
        "content_half": lambda p, q: 0.5 * F.mse_loss(p, q, reduction="sum") / 2,
        "content_mean": mse,
        "style_normalised": lambda p, q: (
            F.mse_loss(gram(p), gram(q), reduction="sum") / (8 * width**2 * positions**2)
        ),
        "style_mean": lambda p, q: mse(
            gram(p) / (width * positions), gram(q) / (width * positions)
        ),
    }.items():
        record(arrays, f"distance/{name}", distance, x, y)

    def variation(p):
        right, down = p[..., 1:] - p[..., :-1], p[..., 1:, :] - p[..., :-1, :]
        return (right**2).sum() / 2 + (down**2).sum() / 2

    record(arrays, "total_variation", variation, x)


def schedule(optimizer, constant: int, decay: int):
    """The common code's `linear` policy."""
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda epoch: 1.0 - max(0, epoch + 1 - constant) / float(decay + 1)
    )


def adam(arrays: Arrays) -> None:
    """15 steps of 3 an epoch: parameters after each, and the rates that they were made with."""
    x = torch.linspace(-2, 2, 5).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.05, betas=(0.5, 0.999))
    rates, found = [], [x.detach().numpy().copy()]
    scheduler = schedule(optimizer, 2, 3)
    for step in range(15):
        optimizer.zero_grad()
        (torch.cos(3 * x) + x**2).sum().backward()
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        found.append(x.detach().numpy().copy())
        if step % 3 == 2:
            scheduler.step()
    arrays |= {"adam/params": np.stack(found), "adam/rates": np.array(rates)}


# ----------------------------------------------------------------------------------------- networks


def small_networks(arrays: Arrays) -> None:
    for name, net, shape in (
        ("resnet", ResnetGenerator(3, 2, 2, 2), (2, 3, 16, 20)),
        ("resnet_batch", ResnetGenerator(1, 3, 2, 1, "batch"), (2, 1, 16, 16)),
        ("resnet_none", ResnetGenerator(3, 3, 2, 0, "none"), (1, 3, 12, 16)),
        ("cut", ResnetGenerator(3, 3, 2, 1, "instance", False, True, True), (1, 3, 16, 20)),
        ("unet", UnetGenerator(3, 1, 5, 1), (2, 3, 64, 32)),
        ("unet_instance", UnetGenerator(3, 3, 5, 1, "instance"), (1, 3, 64, 64)),
        ("patchgan", PatchDiscriminator(6, 2), (2, 6, 32, 40)),
        ("patchgan_batch", PatchDiscriminator(3, 2, 2, "batch"), (2, 3, 24, 24)),
        ("cut_critic", PatchDiscriminator(3, 2, 3, "instance", True), (1, 3, 40, 44)),
        ("pixelgan", PixelDiscriminator(3, 2), (2, 3, 6, 5)),
        ("pixelgan_batch", PixelDiscriminator(3, 2, "batch"), (2, 3, 6, 5)),
    ):
        record(arrays, name, shaken(net), torch.rand(shape) * 2 - 1)


def with_draws(net: nn.Module, seed: int) -> nn.Module:
    """The network with the weights of draws.py, for evaluation."""
    state = net.state_dict()
    values = drawn({name: tuple(x.shape) for name, x in state.items()}, seed)
    net.load_state_dict(
        state | {name: torch.tensor(x).to(state[name].dtype) for name, x in values.items()}
    )
    return net.eval()


def full_size(arrays: Arrays) -> None:
    for name, net, sizes in (
        ("resnet", ResnetGenerator(), ((256, 256), (200, 264))),
        ("unet", UnetGenerator(), ((256, 256),)),
        ("patchgan", PatchDiscriminator(), ((256, 256), (200, 264))),
    ):
        with_draws(net, 1)
        for height, width in sizes:
            x = torch.tensor(
                np.random.RandomState(2).uniform(-1, 1, (1, height, width, 3))
            ).permute(0, 3, 1, 2)
            y = nhwc(net(x.to(torch.float32)))
            step = 1 if name == "patchgan" else 4
            arrays[f"{name}/{height}x{width}"] = y[:, ::step, ::step].astype(np.float32)


def pth_files() -> None:
    """What the common code leaves behind: parallel and old networks, half precision, both forms."""
    torch.manual_seed(1)
    generator, critic = ResnetGenerator(3, 3, 2, 1).float(), PatchDiscriminator(3, 2, 2).float()
    unet = shaken(UnetGenerator(3, 3, 5, 1)).float()
    old = dict(generator.state_dict())
    for place in (2, 5, 8):  # instance norms once kept statistics that nothing used
        channels = {2: 2, 5: 4, 8: 8}[place]
        old |= {
            f"model.{place}.running_mean": torch.rand(channels),
            f"model.{place}.running_var": torch.rand(channels),
        }
        old[f"model.{place}.num_batches_tracked"] = torch.tensor(7)
    torch.save(generator.state_dict(), HERE / "latest_net_G_A.pth")
    torch.save(old, HERE / "old_net_G_A.pth", _use_new_zipfile_serialization=False)
    torch.save(
        {f"module.{k}": x.half() for k, x in generator.state_dict().items()},
        HERE / "half_net_G_A.pth",
    )
    torch.save(critic.state_dict(), HERE / "latest_net_D_A.pth")
    torch.save(unet.state_dict(), HERE / "latest_net_G.pth")


# ------------------------------------------------------------------------------------- trajectories

STEPS, EPOCH = 20, 4
CONSTANT, DECAY = 2, 3
SIDE = 32


def initialised(net: nn.Module) -> nn.Module:
    """The common code's N(0, 0.02), with single-precision values, which both precisions can begin
    with.
    """
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
    for parameter in net.parameters():
        parameter.data = parameter.data.float().double()
    return net


def batches(seed: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """STEPS batches of `count` images of each domain in [-1, 1], from 8-bit values."""
    values = (
        np.random.RandomState(seed).randint(0, 256, (2, STEPS, count, SIDE, SIDE, 3)) / 127.5 - 1
    )
    a, b = torch.tensor(values).permute(0, 1, 2, 5, 3, 4)
    return a, b


class Pool:
    """The last `size` images that were shown, exchanged as `exchanges` and `slots` say."""

    def __init__(self, size: int, exchanges: np.ndarray, slots: np.ndarray) -> None:
        self.size, self.images, self.draws = size, [], iter(zip(exchanges, slots, strict=True))

    def show(self, images: torch.Tensor) -> torch.Tensor:
        shown = []
        for image, exchange, slot in zip(images.detach(), *next(self.draws), strict=True):
            if len(self.images) < self.size:
                self.images.append(image)
                shown.append(image)
            elif exchange:
                shown.append(self.images[slot])
                self.images[slot] = image
            else:
                shown.append(image)
        return torch.stack(shown)


def optimizers(*groups: list[nn.Module]):
    made = [
        torch.optim.Adam(
            itertools.chain(*(n.parameters() for n in nets)), lr=2e-4, betas=(0.5, 0.999)
        )
        for nets in groups
    ]
    return made, [schedule(optimizer, CONSTANT, DECAY) for optimizer in made]


def move(optimizer, terms: dict[str, torch.Tensor], log: dict[str, float]) -> None:
    optimizer.zero_grad()
    sum(terms.values()).backward()
    optimizer.step()
    log |= {name: float(term.detach()) for name, term in terms.items()}


def cyclegan(arrays: Arrays) -> None:
    """Generators first, both at once; then both critics, on images from pools of 3."""
    nets = {name: initialised(ResnetGenerator(3, 3, 4, 2)) for name in ("G_A", "G_B")}
    nets |= {name: initialised(PatchDiscriminator(3, 4, 2)) for name in ("D_A", "D_B")}
    arrays |= {
        f"cyclegan/{name}/{key}": x.astype(np.float32)
        for name, net in nets.items()
        for key, x in tensors(net).items()
    }
    g_a, g_b, d_a, d_b = nets.values()
    (opt_g, opt_d), schedulers = optimizers([g_a, g_b], [d_a, d_b])
    draw = np.random.RandomState(5)
    exchanges, slots = draw.uniform(size=(2, STEPS, 1)) < 0.5, draw.randint(0, 3, (2, STEPS, 1))
    of_a, of_b = (Pool(3, exchanges[i], slots[i]) for i in range(2))
    mse, l1, rows = nn.MSELoss(), nn.L1Loss(), []
    for step, (a, b) in enumerate(zip(*batches(3, 1), strict=True)):
        fake_b = g_a(a)
        rec_a = g_b(fake_b)
        fake_a = g_b(b)
        rec_b = g_a(fake_a)
        fooled_b, fooled_a = d_a(fake_b), d_b(fake_a)
        log: dict[str, float] = {}
        terms = {
            "gan_ab": mse(fooled_b, torch.ones_like(fooled_b)),
            "gan_ba": mse(fooled_a, torch.ones_like(fooled_a)),
        }
        terms |= {"cycle_a": 10 * l1(rec_a, a), "cycle_b": 10 * l1(rec_b, b)}
        terms |= {"identity_b": 5 * l1(g_a(b), b), "identity_a": 5 * l1(g_b(a), a)}
        move(opt_g, terms, log)
        terms = {}
        for name, critic, real, fake in (
            ("d_a", d_b, a, of_a.show(fake_a)),
            ("d_b", d_a, b, of_b.show(fake_b)),
        ):
            on_real, on_fake = critic(real), critic(fake)
            terms |= {f"{name}_real": 0.5 * mse(on_real, torch.ones_like(on_real))}
            terms |= {f"{name}_fake": 0.5 * mse(on_fake, torch.zeros_like(on_fake))}
        move(opt_d, terms, log)
        rows.append(log)
        if step % EPOCH == EPOCH - 1:
            [scheduler.step() for scheduler in schedulers]
    arrays |= {f"cyclegan/terms/{name}": np.array([row[name] for row in rows]) for name in rows[0]}
    arrays |= {
        "cyclegan/exchanges": exchanges,
        "cyclegan/slots": slots,
        "cyclegan/last": nhwc(g_a(a)),
    }


def pix2pix(arrays: Arrays) -> None:
    """The critic first, then the generator against the critic so moved; batches of 2, batch norm,
    without dropout.
    """
    g, d = initialised(UnetGenerator(3, 3, 5, 4)), initialised(PatchDiscriminator(6, 4, 2, "batch"))
    for name, net in (("G", g), ("D", d)):
        arrays |= {f"pix2pix/{name}/{key}": x.astype(np.float32) for key, x in tensors(net).items()}
    (opt_g, opt_d), schedulers = optimizers([g], [d])
    bce, rows = nn.BCEWithLogitsLoss(), []
    for step, (a, b) in enumerate(zip(*batches(4, 2), strict=True)):
        fake = g(a)
        log: dict[str, float] = {}
        on_fake = d(torch.cat([a, fake.detach()], 1))
        on_real = d(torch.cat([a, b], 1))
        ones, zeros = torch.ones_like(on_real), torch.zeros_like(on_real)
        move(opt_d, {"d_fake": 0.5 * bce(on_fake, zeros), "d_real": 0.5 * bce(on_real, ones)}, log)
        move(
            opt_g,
            {"gan": bce(d(torch.cat([a, fake], 1)), ones), "pixel": 100 * nn.L1Loss()(fake, b)},
            log,
        )
        rows.append(log)
        if step % EPOCH == EPOCH - 1:
            [scheduler.step() for scheduler in schedulers]
    arrays |= {f"pix2pix/terms/{name}": np.array([row[name] for row in rows]) for name in rows[0]}
    arrays |= {f"pix2pix/after/{key}": x for key, x in tensors(g).items() if "running" in key}
    arrays["pix2pix/last"] = nhwc(g.eval()(a))


def patch_nce(queries, keys, pictures: int):
    """The cross entropy of the right key against it and the other patches of its picture."""
    own = (queries * keys).sum(1, keepdim=True)
    q, k = (x.view(pictures, -1, x.shape[1]) for x in (queries, keys))
    others = torch.bmm(q, k.transpose(2, 1))
    others = others.masked_fill(torch.eye(q.shape[1], dtype=torch.bool)[None], -10.0)
    logits = torch.cat([own, others.flatten(0, 1)], 1) / 0.07
    return nn.functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


def cut(arrays: Arrays) -> None:
    """CUT with FastCUT's mirroring: the critic first, then the generator and the heads, which have
    an optimiser of their own.
    """
    g = initialised(ResnetGenerator(3, 3, 4, 2, down_blur=True, up_blur=True))
    d = initialised(PatchDiscriminator(3, 4, 2))
    f = PatchHeads((3, 8, 16, 16, 16), 16)
    for layer in f.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 0.5)
            nn.init.normal_(layer.bias, 0.0, 0.1)
            for parameter in (layer.weight, layer.bias):
                parameter.data = parameter.data.float().double()
    for name, net in (("G", g), ("D", d), ("F", f)):
        arrays |= {f"cut/{name}/{key}": x.astype(np.float32) for key, x in tensors(net).items()}
    (opt_g, opt_f, opt_d), schedulers = optimizers([g], [f], [d])
    draw, layers = np.random.RandomState(6), (0, 4, 8, 12, 13)
    sizes = [(SIDE + 6) ** 2, SIDE**2, SIDE**2 // 4, SIDE**2 // 16, SIDE**2 // 16]
    mirrored = draw.uniform(size=STEPS) < 0.5
    places = np.stack(  # of each step, for a and for b, in each layer
        [[[draw.permutation(n)[:20] for n in sizes] for _ in range(2)] for _ in range(STEPS)]
    )
    mse, rows = nn.MSELoss(), []
    for step, (a, b) in enumerate(zip(*batches(7, 2), strict=True)):
        turned = (lambda x: torch.flip(x, [3])) if mirrored[step] else (lambda x: x)
        fake, identity = g(turned(torch.cat([a, b]))).chunk(2)
        log: dict[str, float] = {}
        on_fake, on_real = d(fake.detach()), d(b)
        ones, zeros = torch.ones_like(on_real), torch.zeros_like(on_real)
        move(opt_d, {"d_fake": 0.5 * mse(on_fake, zeros), "d_real": 0.5 * mse(on_real, ones)}, log)
        terms = {"gan": mse(d(fake), ones)}
        for side, (name, made, source) in enumerate(
            (("nce", fake, a), ("nce_identity", identity, b))
        ):
            chosen = [torch.tensor(x) for x in places[step, side]]
            keys = f([x.detach() for x in g.maps(source, layers)], chosen)
            queries = f([turned(x) for x in g.maps(made, layers)], chosen)
            pairs = zip(queries, keys, strict=True)
            terms[name] = 0.5 * sum(patch_nce(q, k.detach(), len(a)) for q, k in pairs) / 5
        opt_f.zero_grad()
        move(opt_g, terms, log)
        opt_f.step()
        rows.append(log)
        if step % EPOCH == EPOCH - 1:
            [scheduler.step() for scheduler in schedulers]
    arrays |= {f"cut/terms/{name}": np.array([row[name] for row in rows]) for name in rows[0]}
    arrays |= {"cut/mirrored": mirrored, "cut/places": places, "cut/last": nhwc(g(a))}


def main() -> None:
    torch.set_default_dtype(torch.float64)
    for name, makers in {
        "parity": (layers, losses, adam),
        "networks": (small_networks,),
        "trajectories": (cyclegan, pix2pix, cut),
    }.items():
        torch.manual_seed(0)
        arrays: Arrays = {}
        for make in makers:
            make(arrays)
        kind = np.float32 if name == "networks" else np.float64  # as they are compared
        np.savez_compressed(
            HERE / f"{name}.npz", **{key: x.astype(kind) for key, x in arrays.items()}
        )
    pth_files()
    torch.set_default_dtype(torch.float32)
    arrays = {}
    with torch.no_grad():
        full_size(arrays)
    np.savez_compressed(HERE / "full_size.npz", **arrays)


if __name__ == "__main__":
    main()
