"""Round trips at full size with PyTorch itself: its .pth -> our .safetensors -> .pth, which it must
load strictly; and the outputs of all three. Needs PyTorch beside imgtrans_jax. Run from anywhere:
python tests/golden/check_with_torch.py
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from make_with_torch import with_draws
from torch_networks import PatchDiscriminator, PixelDiscriminator, ResnetGenerator, UnetGenerator

from imgtrans_jax.inference.load import load_file, load_generator
from imgtrans_jax.training.convert import convert
from imgtrans_jax.weights.pytorch_layouts import Network

NETWORKS = {
    "ResNet-9": ResnetGenerator,
    "ResNet-6, batch norm, dropout": lambda: ResnetGenerator(blocks=6, norm="batch", dropout=True),
    "CUT's ResNet-9": lambda: ResnetGenerator(down_blur=True, up_blur=True),
    "U-Net-256": UnetGenerator,
    "U-Net-128, instance norm": lambda: UnetGenerator(levels=7, norm="instance"),
    "PatchGAN": PatchDiscriminator,
    "PatchGAN, 6 channels, batch norm": lambda: PatchDiscriminator(6, norm="batch"),
    "CUT's PatchGAN": lambda: PatchDiscriminator(blur=True),
    "PixelGAN": PixelDiscriminator,
}


def check(name: str, make, folder: Path, legacy: bool) -> None:
    net = with_draws(make(), 1)
    channels = next(net.parameters()).shape[1]
    first, middle, last = folder / "first.pth", folder / "middle.safetensors", folder / "last.pth"
    torch.save(net.state_dict(), first, _use_new_zipfile_serialization=not legacy)
    convert(first, middle)
    convert(middle, last)
    again = make()
    again.load_state_dict(torch.load(last, weights_only=True), strict=True)
    again.eval()
    for height, width in ((256, 256), (200, 264)):
        if name.startswith("U-Net") and height != width:
            continue
        x = np.random.RandomState(2).uniform(-1, 1, (1, height, width, channels)).astype(np.float32)
        with torch.no_grad():
            theirs, returned = (
                n(torch.tensor(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
                for n in (net, again)
            )
        found = load_file(middle)
        if not isinstance(found, Network):
            loaded = load_generator(middle)
            found = Network(
                loaded.experiment.recipe.generator, loaded.params["g"], loaded.stats.get("g", {})
            )
        ours = found.module.apply(
            {"params": found.params, "batch_stats": found.stats}, x, train=False
        )
        difference = float(np.abs(np.asarray(ours) - theirs).max())
        print(
            f"{name}, {height}x{width}: ours {difference:.1e}, after the round trip "
            f"{np.abs(returned - theirs).max():.1e}"
        )
        assert difference < 1e-4
        assert np.array_equal(returned, theirs)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, make) in enumerate(NETWORKS.items()):
            check(name, make, Path(folder), legacy=number % 2 == 1)
