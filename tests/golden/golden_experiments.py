"""The experiments whose stored forms and runs are kept as golden files, as Python writes them.

make_runs_golden.py made the files of them with the code of version 0.1.0; test_golden_runs.py
compares what later versions read from the files with what they make of these lines. Where a later
version calls something by another name, this file follows; the values stay.
"""

from __future__ import annotations

from typing import Any

from imgtrans_jax.config import Evaluation, Experiment
from imgtrans_jax.data import (
    ClassFolders,
    Digits,
    Downscale,
    Edges,
    Folder,
    Gray,
    Inpaint,
    Lab,
    Labelled,
    OneSide,
    OpenMoji,
    OpenMojiGroups,
    OpenMojiPairs,
    Paired,
    Pix2PixPairs,
    Preprocess,
    SelfPaired,
    SideBySide,
    Tfds,
    TfdsLabelled,
    TfdsPairs,
    TwoFolders,
    Unpaired,
)
from imgtrans_jax.losses import GanLoss, adversarial, pixel
from imgtrans_jax.losses import style as feature
from imgtrans_jax.methods import GAN, SRGAN, CycleGAN, Pix2Pix, SimGAN
from imgtrans_jax.models import (
    DCGANCritic,
    DCGANGenerator,
    DnCNN,
    Kaiming,
    Normal,
    Orthogonal,
    PatchGAN,
    ResNetGenerator,
    SRGANCritic,
    SRResNet,
    StrideOneCritic,
    UNet,
    Xavier,
)
from imgtrans_jax.optim import (
    LBFGS,
    Adam,
    Constant,
    Cosine,
    Exponential,
    GradientDescent,
    LinearDecay,
    PixelAdam,
    SmoothedDescent,
    StepDecay,
)
from imgtrans_jax.style import (
    BrushStrokes,
    ContentReconstruction,
    DeepDream,
    Gatys,
    TopPatches,
    WeightRatios,
    by_depth,
    equal,
)

STEPS = 3
"""Of every run; the test goes on with one more."""

_RARELY: dict[str, Any] = {
    "log_every": 1,
    "sample_every": 1000,
    "save_every": 1000,
    "keep": 1,
    "samples": 2,
}


def runs() -> dict[str, Experiment]:
    """By the names of their folders, in the order in which they are trained. All paths are relative
    to the folder that holds them all, so that it can lie anywhere."""
    return {
        "cyclegan": Experiment(
            data=Unpaired("data/a", "data/b", Preprocess(load_size=20, crop_size=16)),
            recipe=CycleGAN(
                generator=ResNetGenerator(width=2, blocks=1, remat=False, kernel_init=Xavier(2.0)),
                critic=PatchGAN(width=2, layers=1, kernel_init=Orthogonal(0.5)),
                gan=adversarial.hinge,
                adversarial=(1.0, 0.5),
                cycle=(10.0, 5.0),
                identity=(0.5, 0.0),
                distance=pixel.l1_sum,
                pool_size=4,
                ema=0.9,
            ),
            optimizer=Adam(LinearDecay(1e-3, constant_epochs=1, decay_epochs=6, to_zero=True)),
            batch_size=2,
            **_RARELY,
        ),
        "pix2pix": Experiment(
            data=Paired(
                Pix2PixPairs("facades"), direction="b2a", cut=Preprocess(20, 16, resize="short")
            ),
            recipe=Pix2Pix(
                generator=UNet(
                    width=2, levels=3, upsample="nearest", kernel_init=Normal(0.3, 0.01)
                ),
                critic=PatchGAN(width=2, layers=0, norm="batch"),
                pixel=50.0,
            ),
            optimizer=Adam(LinearDecay(1e-3, 3, 3), b1=0.4),
            evaluation=Evaluation(every=1, metrics=("psnr", "ssim"), count=2, best="psnr"),
            **_RARELY,
        ),
        "cgan": Experiment(
            data=Labelled(cut=Preprocess(8, 8, flip=False)),
            recipe=GAN(
                generator=DCGANGenerator(size=8, width=2, channels=1, kernel_init=Normal(0.5)),
                critic=DCGANCritic(width=2),
                latent=4,
                conditional=True,
            ),
            optimizer=Adam(Constant(1e-3, length=8, unit="steps")),
            batch_size=2,
            seed=7,
            **_RARELY,
        ),
        "wgan_gp": Experiment(
            data=Labelled("data/classes", Preprocess(12, 8), channels=3),
            recipe=GAN(
                generator=DCGANGenerator(size=8, width=2, kernel_init=Normal(0.5)),
                critic=DCGANCritic(width=2, norm="none"),
                gan=adversarial.wgan,
                latent=4,
                critic_steps=2,
                penalty=10.0,
                ema=0.5,
            ),
            optimizer=Adam(Exponential(1e-3, factor=0.5), b1=0.0, b2=0.9),
            batch_size=2,
            **_RARELY,
        ),
        "srresnet": Experiment(
            data=SelfPaired("data/b", Downscale(), Preprocess(36, 32, resize="none")),
            recipe=SRGAN(
                generator=SRResNet(width=2, blocks=1),
                critic=SRGANCritic(width=1, units=4, norm="none"),
                distance=pixel.l2,
            ),
            optimizer=Adam(StepDecay(1e-3, factor=0.5, every=2), b1=0.9),
            batch_size=2,
            accumulate=2,
            matmul_precision="highest",
            **_RARELY,
        ),
        "srgan": Experiment(
            data=SelfPaired(Folder("data/b"), Downscale(4), Preprocess(36, 32, resize="width")),
            recipe=SRGAN(
                generator=SRResNet(width=2, blocks=1),
                critic=SRGANCritic(width=1, units=4, norm="none"),
                gan=adversarial.saturating,
                adversarial=0.1,
            ),
            optimizer=Adam(Cosine(1e-3, length=9, final=1e-4), b1=0.9),
            init_from="runs/srresnet",
            **_RARELY,
        ),
        "holes": Experiment(
            data=SelfPaired("data/b", Inpaint(2), Preprocess(20, 16)),
            recipe=Pix2Pix(
                generator=DnCNN(width=2, depth=1, kernel_init=Kaiming()),
                critic=StrideOneCritic(widths=(2, 2)),
                gan=adversarial.lsgan,
                conditional=False,
                test_mode="eval",
            ),
            optimizer=Adam(StepDecay(1e-3, factor=0.5, every=2, length=9, unit="steps")),
            **_RARELY,
        ),
        "simgan": Experiment(
            data=Unpaired(
                OneSide(SideBySide("data/facades"), "a"), Folder("data/b"), Preprocess(16, 0)
            ),
            recipe=SimGAN(
                generator=ResNetGenerator(
                    width=2,
                    blocks=1,
                    downsample="blurred",
                    upsample="blurred",
                    norm="batch",
                    dropout=0.5,
                    remat=False,
                    kernel_init=Normal(0.2),
                ),
                critic=PatchGAN(width=2, layers=1, norm="none"),
                gan=adversarial.vanilla,
                similarity=2.0,
                halve_critic=False,
                pool_size=2,
            ),
            mesh=(1, 1),
            shard_optimizer=True,
            **_RARELY,
        ),
    }


def noisy() -> Experiment:
    """pix2pix with dropout, which is on when it is used, too: trained for its generator alone."""
    generator = UNet(width=1, levels=6, kernel_init=Normal(1.0))
    recipe = Pix2Pix(generator=generator, critic=PatchGAN(width=1, layers=1))
    return Experiment(data=Paired("data/facades", cut=Preprocess(72, 64)), recipe=recipe, **_RARELY)


def with_own_code(net: Any, loss: Any) -> Experiment:
    """The run `mine`, of a network and a loss that a user wrote in a module of his own."""
    return Experiment(
        data=Paired(TwoFolders("data/a", "data/b"), cut=Preprocess(20, 16)),
        recipe=Pix2Pix(
            generator=net(width=3),
            critic=PatchGAN(width=2, layers=1),
            gan=GanLoss(adversarial.squared_to_one, adversarial.hinge_fake, adversarial.minus_mean),
            extra=(loss,),
        ),
        **_RARELY,
    )


def choices() -> dict[str, Any]:
    """Values that, with the configs and the runs, name everything public that a config can name,
    and give every field once another value than its default, so that none can be lost unseen."""
    small = Preprocess(40, 32, resize="width", flip=False)
    own = DnCNN(depth=2, channels=1, residual=True, dtype="bfloat16")
    tfds = Tfds("cycle_gan/maps", train="trainB", test="testB", key="picture", data_dir="prepared")
    return {
        "the data set of a name": Experiment(
            data=Unpaired(tfds, OpenMoji("sketch", whole=True), small, channels=1),
            recipe=CycleGAN(
                critic=StrideOneCritic(widths=(3, 5), dtype="bfloat16"),
                gan=adversarial.saturating,
                pool_groups=2,
            ),
            optimizer=Adam(Constant(3e-4, length=7)),
            steps=11,
            evaluation=Evaluation(2, ("kid", "fid", "cycle"), "vgg19", 9, "fid"),
            mesh=(2, 3),
            matmul_precision="high",
        ),
        "drawings in pairs": Experiment(
            data=Paired(OpenMojiPairs(), cut=Preprocess(20, 0, resize="none")),
            recipe=Pix2Pix(
                ResNetGenerator(channels=1, dtype="bfloat16"),
                distance=pixel.l1_sum,
                gan=adversarial.vanilla,
            ),
            optimizer=Adam(StepDecay(1e-3, 0.3, 4, 12, unit="steps"), 0.6, 0.95),
        ),
        "a data set of pairs": Experiment(
            data=Paired(
                TfdsPairs("maps/pairs", "left", "right", "first", "second", "prepared"),
                direction="b2a",
            ),
            recipe=Pix2Pix(
                critic=PatchGAN(downsample="blurred", dtype="bfloat16"),
                distance=pixel.l2,
                gan=adversarial.wgan,
                ema=0.7,
            ),
            optimizer=Adam(Exponential(1e-3, 0.9, unit="steps")),
        ),
        "pairs of two folders": Experiment(
            data=Paired(a="left", b="right", channels=4),
            recipe=Pix2Pix(
                generator=UNet(norm="instance", dropout=0.1, dtype="bfloat16"),
                adversarial=0.0,
                distance=pixel.l1,
            ),
            optimizer=Adam(Cosine(1e-3, 8, 1e-5, unit="steps")),
        ),
        "one side of pairs": Experiment(
            data=Unpaired(OneSide("pairs", "b"), OneSide(TwoFolders("left", "right"), "a")),
            recipe=SimGAN(
                gan=adversarial.hinge,
                adversarial=0.3,
                layer="relu4_2",
                weights="vgg16",
                pool_groups=5,
                ema=0.8,
            ),
            optimizer=Adam(LinearDecay(1e-3, 2, 3, to_zero=True, unit="steps")),
        ),
        "edges": Experiment(data=SelfPaired(by=Edges(0.5, 10.0)), recipe=Pix2Pix(own)),
        "grey": Experiment(data=SelfPaired(by=Gray()), recipe=Pix2Pix(halve_critic=False)),
        "lab": Experiment(data=SelfPaired(by=Lab()), recipe=Pix2Pix(UNet(channels=2), pixel=7.0)),
        "holes": Experiment(
            data=SelfPaired(by=Inpaint(5)), recipe=Pix2Pix(StrideOneCritic(kernel_init=Kaiming()))
        ),
        "smaller": Experiment(
            data=SelfPaired(Folder("photographs"), Downscale(2)),
            recipe=SRGAN(
                SRResNet(
                    channels=1, norm="none", skip=True, kernel_init=Normal(), dtype="bfloat16"
                ),
                SRGANCritic(norm="instance", kernel_init=Xavier(), dtype="bfloat16"),
                GanLoss(
                    adversarial.log_real, adversarial.squared_to_zero, adversarial.minus_log_fake
                ),
                content=0.1,
                layer="relu2_2",
                weights="vgg19",
            ),
            init_from="runs/before",
        ),
        "digits": Experiment(
            data=Labelled(Digits(), channels=1),
            recipe=GAN(
                DCGANGenerator(norm="instance", kernel_init=Orthogonal(0.3), dtype="bfloat16"),
                DCGANCritic(norm="instance", kernel_init=Xavier(0.4), dtype="bfloat16"),
                GanLoss(adversarial.hinge_real, adversarial.log_fake, adversarial.mean),
            ),
        ),
        "groups of drawings": Experiment(
            data=Labelled(OpenMojiGroups(("faces", "animals")), channels=3),
            recipe=GAN(gan=adversarial.lsgan),
        ),
        "classes of a data set": Experiment(
            data=Labelled(TfdsLabelled("svhn", "first", "second", "picture", "class", "prepared")),
            recipe=GAN(gan=adversarial.hinge, clip=0.01),
        ),
        "folders of classes": Experiment(
            data=Labelled(ClassFolders("classes")), recipe=GAN(gan=adversarial.wgan, clip=0.1)
        ),
        "pairs of an archive": Experiment(
            data=Paired(Pix2PixPairs("night2day")), recipe=Pix2Pix(ema=0.9)
        ),
        "pairs of a folder": Experiment(data=Paired("pairs"), recipe=Pix2Pix(pixel=0.0)),
        "pairs side by side": Experiment(
            data=Paired(SideBySide("pairs")), recipe=Pix2Pix(test_mode="eval")
        ),
        "sums": Gatys(
            scales=(0.25, 0.5, 1.0),
            steps=(100, 100, 100),
            content_weight=0.25,
            content_loss=feature.content_sum,
            style_loss=feature.style_raw,
            tv_loss=feature.total_variation,
            layer_weights=by_depth,
            optimizer=PixelAdam(0.03, 0.8, 0.98, 0.4),
            tv_weight=2.0,
            start="noise",
        ),
        "as the paper": Gatys(
            scales=(0.25, 0.5, 1.0),
            steps=(100, 100, 100),
            content_weight=0.25,
            content_loss=feature.content_half,
            style_loss=feature.style_normalized,
            tv_loss=feature.mean_variation,
            layer_weights=equal,
            optimizer=LBFGS(9),
            pooling="average",
            colors="luminance",
        ),
        "means": Gatys(
            content_weight=0.25,
            content_loss=feature.content_mean,
            style_loss=feature.style_mean,
            optimizer=GradientDescent(0.5),
            content_layers=("relu3_1", "relu3_2"),
            style_layers=("relu1_2",),
            style_weight=3.0,
            style_scale=1.5,
            dtype="bfloat16",
            scales=(0.5, 1.0),
            steps=(7, 8),
            seed=5,
        ),
        "relative": Gatys(
            scales=(0.25, 0.5, 1.0),
            steps=(100, 100, 100),
            content_weight=0.25,
            content_loss=feature.content_relative,
            style_loss=feature.style_relative,
            weights="vgg19",
            recolor=False,
        ),
        "a dream": DeepDream(
            weights="vgg19",
            dtype="bfloat16",
            channel=3,
            octaves=2,
            octave_scale=1.5,
            steps=4,
            jitter=6,
            optimizer=SmoothedDescent(0.02, (0.5, 3.0)),
        ),
        "a dream downhill": DeepDream(layer="relu3_1", optimizer=GradientDescent(2.0)),
        "rebuilt": ContentReconstruction("vgg16", ("conv1_1",), 64, 5, PixelAdam(), 3),
        "strokes": BrushStrokes(
            "vgg16", ("conv1_1",), 64, (1.0,), (5,), "max", 0.1, 2, PixelAdam(), 3
        ),
        "ratios": WeightRatios(
            "vgg16", (1.0, 10.0), "relu3_1", ("relu1_1",), 64, 5, True, PixelAdam()
        ),
        "patches": TopPatches("vgg16", ("relu1_2",), 2, 64, 32, 3),
    }
