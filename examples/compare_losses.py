"""Trains the same small network with each of five losses, and lays the results side by side.

  python examples/compare_losses.py --method=pix2pix
  python examples/compare_losses.py --method=cyclegan

pix2pix: L1, GAN, cGAN, L1+GAN, L1+cGAN (Isola et al. 2017, table 1 and figure 4). CycleGAN: cycle
alone, GAN alone, GAN and forward cycle, GAN and backward cycle, all (Zhu et al. 2017, tables 4 and
5, figure 7). The weights are those of the configs METHOD_ablation_*, networks and data those of
configs/pix2pix_openmoji.py and configs/quickstart.py. Runs, the sheet compare.png and the table go
to --out; what is trained already is not trained again.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from imgtrans_jax.commands import app

FLAGS = app.Flags()
METHOD = FLAGS.choice("method", "pix2pix", ["pix2pix", "cyclegan"], "Whose losses.")
STEPS = FLAGS.whole("steps", 600, "How long each is trained.", 1)
OUT = FLAGS.path("out", None, "The folder. Default: runs/compare_METHOD.")
OVERWRITE = FLAGS.switch("overwrite", "Replace a sheet that is there already.")

LOSSES = {
    "pix2pix": (
        "configs/pix2pix_openmoji.py",
        ("l1", "gan", "cgan", "l1_gan", "l1_cgan"),
        ("adversarial", "pixel", "conditional"),
    ),
    "cyclegan": (
        "configs/quickstart.py",
        ("cycle", "gan", "gan_forward", "gan_backward", "full"),
        ("adversarial", "cycle", "identity"),
    ),
}


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.config.loading import load
    from imgtrans_jax.inference import translator
    from imgtrans_jax.io import images
    from imgtrans_jax.io.files import refuse_existing
    from imgtrans_jax.metrics.kernel_distance import kernel_distance
    from imgtrans_jax.training import loop

    small, names, fields = LOSSES[METHOD.value]
    out = Path(OUT.value or f"runs/compare_{METHOD.value}")
    refuse_existing(out / "compare.png", overwrite=OVERWRITE.value)
    base = app.overridden(load(small), overrides)
    test = base.data.open().samples(190)
    coloured = test["b"]
    columns = {"input": test["a"]}
    lines = []
    for name in names:
        ablation = load(f"configs/{METHOD.value}_ablation_{name}.py").recipe
        recipe = dataclasses.replace(
            base.recipe, **{field: getattr(ablation, field) for field in fields}
        )
        print(f"\n{name}: " + ", ".join(f"{field}={getattr(recipe, field)}" for field in fields))
        loop.train(dataclasses.replace(base, recipe=recipe), out / name, STEPS.value)
        apply, _ = translator.generator(out / name, "a2b")
        columns[name] = np.concatenate([np.asarray(apply(a[None])) for a in test["a"]])
        ratio = kernel_distance(columns[name], coloured) / kernel_distance(test["a"], coloured)
        error = np.abs(columns[name] - coloured).mean() / np.abs(test["a"] - coloured).mean()
        lines.append(f"{name:14s}{ratio:10.3f}{error:12.3f}")
    columns["truth"] = coloured
    print(
        f"\n{'':14s}{'distance':>10s}{'difference':>12s}   kernel distance to, and mean absolute "
        "difference from, the coloured"
    )
    print(
        "\n".join(lines)
        + f"\n{'':39s}drawings of {len(coloured)} held-out subjects, of the sketches' own"
    )
    chosen = np.linspace(0, len(coloured) - 1, 8).round().astype(int)
    rows = [
        [np.repeat(np.repeat(images.to_uint8(x[i]), 2, 0), 2, 1) for x in columns.values()]
        for i in chosen
    ]
    images.write_picture(
        out / "compare.png",
        images.captioned_grid(rows, [list(columns)] * len(rows), f"{METHOD.value}: five losses"),
    )
    print(f"Wrote {out / 'compare.png'}")
    return 0


if __name__ == "__main__":
    app.main(sys.modules[__name__])
