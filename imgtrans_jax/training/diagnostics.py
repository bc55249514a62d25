"""What goes wrong in adversarial training and no loss says: looked for as it goes, said, and never
a reason to stop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np

from imgtrans_jax.io import json_files
from imgtrans_jax.losses.adversarial import GanLoss
from imgtrans_jax.report.run_page import Alarm

ALIKE = 0.15
"""Results that differ from each other by less than this share of what their inputs, or real
pictures, do have collapsed.
"""

INVERTED = -0.15
"""A mean correlation of the brightness of inputs and results below this is an inversion."""

WON = 0.05
"""A critic whose loss is below this share of a guessing critic's has won."""

BY_HEART = 0.5
"""A critic that takes pictures that it never saw for made ones by more than this share knows its
own by heart.
"""

LOOKS, LOGS = 2, 5
"""In how many samples, or logs, running it must be seen, to be said."""


Judgement: TypeAlias = tuple[np.ndarray, np.ndarray]
"""A critic's logits of real and of made pictures, (N,) each."""


class Watch:
    """Looks at what a run shows and logs, and knows what stands. It is kept in `watch.json` of the
    run's folder, for a resume.

    Args:
        folder: Of the run.
        gan: The adversarial loss; None for none.
        halved: Whether the critic's is halved.
    """

    def __init__(self, folder: Path, gan: GanLoss | None, halved: bool = False) -> None:
        self.file, self.guessing_loss = (
            folder / "watch.json",
            guessing_loss(gan) * (0.5 if halved else 1) if gan else 0.0,
        )
        self.seen: dict[str, list[int]] = {}
        self.standing: dict[str, Alarm] = {}
        with contextlib.suppress(
            ValueError, KeyError, TypeError, AttributeError, OverflowError
        ):  # it is damaged, and begins anew
            read = json_files.read_or_none(self.file) or {"seen": {}, "standing": []}
            self.seen = {
                name: [int(step) for step in steps] for name, steps in read["seen"].items()
            }
            alarms = [
                Alarm(str(a["name"]), str(a["text"]), int(a["since"])) for a in read["standing"]
            ]
            self.standing = {alarm.name: alarm for alarm in alarms}

    def check_sheets(
        self, step: int, sheets: Mapping[str, Mapping[str, np.ndarray]]
    ) -> tuple[dict[str, float], list[Alarm]]:
        """Looks at the sheets of a step.

        Args:
            step: From 1.
            sheets: By name, columns of pictures (N, H, W, C) in [-1, 1] by their names.

        Returns:
            Figures by name, and what is newly seen.
        """
        figures: dict[str, float] = {}
        alarms = []
        for name, columns in sheets.items():
            if "output" not in columns:
                continue
            inputs = next(x for key, x in columns.items() if key != "output")
            reference = columns.get("truth", inputs)
            likeness = figures[f"watch/{name}/variety"] = variety(columns["output"], reference)
            alarms += self._look(
                f"{name}: collapse", step, likeness < ALIKE, LOOKS, _COLLAPSE.format(name, likeness)
            )
            if inputs.shape == columns["output"].shape and "truth" not in columns:
                found = figures[f"watch/{name}/brightness"] = brightness_correlation(
                    inputs, columns["output"]
                )
                alarms += self._look(
                    f"{name}: inversion",
                    step,
                    found < INVERTED,
                    LOOKS,
                    _INVERSION.format(name, found),
                )
        if "samples" in sheets and "real pictures" in sheets:
            made, real = (
                np.concatenate(list(sheets[key].values())) for key in ("samples", "real pictures")
            )
            likeness = figures["watch/samples/variety"] = variety(made, real)
            alarms += self._look(
                "samples: collapse",
                step,
                likeness < ALIKE,
                LOOKS,
                _COLLAPSE.format("samples", likeness),
            )
        self._keep()
        return figures, alarms

    def check_critics(
        self, step: int, learned: Mapping[str, Judgement], held_out: Mapping[str, Judgement]
    ) -> tuple[dict[str, float], list[Alarm]]:
        """Looks at what the critics say of pictures that they have seen and of others.

        Args:
            step: From 1.
            learned: By the name of a critic, what it says of training pictures.
            held_out: The same of test pictures.

        Returns:
            Figures by name, and what is newly seen.
        """
        figures: dict[str, float] = {}
        alarms = []
        for name in learned.keys() & held_out.keys():
            share, sure = overfitting(*learned[name], held_out[name][0])
            figures[f"watch/{name}/by_heart"] = share
            wrong = sure and share > BY_HEART
            text = _BY_HEART.format(name, share)
            alarms += self._look(f"{name}: by heart", step, wrong, LOOKS, text)
        self._keep()
        return figures, alarms

    def check_losses(self, step: int, values: Mapping[str, float]) -> list[Alarm]:
        """Looks at the critics' losses.

        Args:
            step: From 1.
            values: A log's mean losses by name: `d_real` and `d_fake`, `d_a_real`, …

        Returns:
            What is newly seen.
        """
        alarms = []
        for critic in [
            name.removesuffix("_real")
            for name in values
            if name.startswith("d") and name.endswith("_real")
        ]:
            if self.guessing_loss > 0 and f"{critic}_fake" in values:
                share = (values[f"{critic}_real"] + values[f"{critic}_fake"]) / self.guessing_loss
                alarms += self._look(
                    f"{critic}: won", step, share < WON, LOGS, _VICTORY.format(critic, share)
                )
        if alarms:
            self._keep()
        return alarms

    def _look(self, name: str, step: int, wrong: bool, needed: int, text: str) -> list[Alarm]:
        if not wrong:
            self.seen.pop(name, None)
            self.standing.pop(name, None)
            return []
        steps = [s for s in self.seen.get(name, []) if s < step][: needed - 1]
        self.seen[name] = [*steps, step]
        if len(self.seen[name]) < needed or name in self.standing:
            return []
        self.standing[name] = Alarm(name, text, self.seen[name][0])
        return [self.standing[name]]

    def _keep(self) -> None:
        stored = {
            "seen": self.seen,
            "standing": [dataclasses.asdict(alarm) for alarm in self.standing.values()],
        }
        self.file.write_text(json.dumps(stored, indent=1) + "\n")


_COLLAPSE = (
    "{0}: results of different inputs are nearly one picture (their differences are {1:.0%} of "
    "what they should be). If that stays, the generator has collapsed: try a lower rate "
    "(--config.optimizer.schedule.rate), another --config.seed, another loss "
    "(--config.recipe.gan=hinge), or a heavier cycle or pixel loss."
)
_INVERSION = (
    "{0}: what is bright in the input is dark in the result (correlation {1:.2f}). Unless you "
    "want that, the colours are inverted, which a cycle loss does not mind: train anew with "
    "--config.recipe.identity=0.5 or more (CycleGAN), or with another --config.seed."
)
_BY_HEART = (
    "{0}: the critic knows its pictures by heart (real pictures that it never saw are {1:.0%} of "
    "the way to made ones for it), and what it teaches from here on is those pictures: try more "
    "pictures, a smaller critic (--config.recipe.critic.width), or keep what is there already."
)
_VICTORY = (
    "{0}: the critic tells every result from real pictures (its loss is {1:.0%} of a guess's), "
    "and a generator learns little from that: try a slower critic "
    "(--config.recipe.halve_critic=true), a smaller one (--config.recipe.critic.width), or more "
    "pictures."
)


def overfitting(learned: np.ndarray, made: np.ndarray, held_out: np.ndarray) -> tuple[float, bool]:
    """How far a critic's opinion of real pictures that it never saw is on the way from that of the
    ones it learned to that of made ones: r_v of Karras et al. 2020 (arXiv 2006.06676), equation 1.

    Args:
        learned: Its logits of training pictures, (N,).
        made: Of made ones, (M,).
        held_out: Of held-out pictures, (K,).

    Returns:
        0 if it knows no difference, 1 if held-out pictures are to it as made ones; 0 too where it
        does not tell made pictures from real ones. And whether the difference is larger than chance
        makes it, by two standard errors.
    """
    gap, shift = learned.mean() - made.mean(), learned.mean() - held_out.mean()
    error = np.hypot(learned.std() / len(learned) ** 0.5, held_out.std() / len(held_out) ** 0.5)
    return (float(np.clip(shift / gap, 0, 1)), bool(shift > 2 * error)) if gap > 0 else (0.0, False)


def variety(results: np.ndarray, reference: np.ndarray) -> float:
    """How much pictures differ from one another, by how much those of a reference do: means over
    pairs of the mean absolute difference.

    Args:
        results: (N, H, W, C).
        reference: (M, H, W, C).

    Returns:
        0 if all are one picture; 1 for fewer than two, or where the reference's are all alike.
    """
    if min(len(results), len(reference)) < 2:
        return 1.0
    found, wanted = _differences(results), _differences(reference)
    return found / wanted if wanted > 1e-3 else 1.0


def _differences(pictures: np.ndarray) -> float:
    pairs = [(i, j) for i in range(len(pictures)) for j in range(i)]
    return float(np.mean([np.abs(pictures[i] - pictures[j]).mean() for i, j in pairs]))


def brightness_correlation(inputs: np.ndarray, results: np.ndarray) -> float:
    """The correlation of brightness, the mean of the channels, over pixels.

    Args:
        inputs: (N, H, W, C).
        results: (N, H, W, C'), made of them.

    Returns:
        From -1 to 1, averaged over those pictures that are not flat; 0 if all are.
    """
    found = []
    for x, y in zip(inputs.mean(-1), results.mean(-1), strict=True):
        if x.std() > 1e-3 and y.std() > 1e-3:
            found.append(float(np.mean((x - x.mean()) * (y - y.mean())) / (x.std() * y.std())))
    return float(np.mean(found)) if found else 0.0


def guessing_loss(gan: GanLoss) -> float:
    """The least loss of a critic that says the same of all pictures; 0 or less where there is no
    such level (WGAN).
    """
    all_logits = (jnp.full((1,), z, jnp.float32) for z in np.linspace(-3, 3, 121).tolist())
    return min(float(gan.real(logits) + gan.fake(logits)) for logits in all_logits)
