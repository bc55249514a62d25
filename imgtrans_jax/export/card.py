"""The page that tells of an exported network. Imports io and report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

import numpy as np

from imgtrans_jax.io.images import data_uri
from imgtrans_jax.report.page import Html, joined, markup, page

# in the order of the page; others are left to the file itself
_LABELS = {
    "makes": "Makes",
    "file": "File",
    "network": "Network",
    "input": "Input",
    "looks_input": "Second input",
    "classes_input": "Second input",
    "output": "Output",
    "layout": "Layout",
    "best_size": "Best at",
    "precision": "Weights",
    "trained": "Trained",
    "data": "Data",
    "licence": "Licence",
    "scores": "Scores",
    "limits": "Limits",
    "made_by": "Made by",
}


def card_page(name: str, told: Mapping[str, str], samples: Sequence[tuple[str, np.ndarray]]) -> str:
    """The page.

    Args:
        name: Its title.
        told: What there is to say, as `Exported.told` has it.
        samples: Pictures (H, W, C) uint8 with their captions.

    Returns:
        HTML that opens from disk.
    """
    told = dict(told)
    if "best_size" in told:
        told["best_size"] += " pixels on the shorter side"
    rows = [
        markup("<tr><td>$label</td><td>$text</td></tr>\n", label=label, text=told[key])
        for key, label in _LABELS.items()
        if key in told
    ]
    figures = [
        markup(
            '<figure><img src="$url" alt="$caption" width="$width">'
            "<figcaption>$caption</figcaption></figure>\n",
            url=data_uri(picture, "PNG" if _is_flat(picture) else "JPEG"),
            caption=caption,
            width=picture.shape[1],
        )
        for caption, picture in samples
    ]
    runs = told.get("file", "").rpartition(",")[0]
    return page(
        "card.html", name, rows=joined(rows), figures=joined(figures), code=_code(runs, told)
    )


def _is_flat(picture: np.ndarray) -> bool:
    """Whether it is a drawing, whose edges JPEG would blur."""
    return float(np.mean(picture == 255)) > 0.3


def _code(name: str, told: Mapping[str, str]) -> Html:
    """How a program runs it, in lines to be copied."""
    if name.endswith(".onnx"):
        first = "latent" if told["input"].startswith("latent") else "image"
        more = ', "looks": looks' if "looks_input" in told else ""
        more = more or (', "classes": classes' if "classes_input" in told else "")
        text = (
            f"session = onnxruntime.InferenceSession({json.dumps(name)})\n"
            f'(result,) = session.run(None, {{"{first}": {first}{more}}})'
        )
    elif name.endswith(".stablehlo"):
        more = ", looks" if "looks_input" in told else ""
        more = more or (", classes" if "classes_input" in told else "")
        first = "latent" if told["input"].startswith("latent") else "image"
        text = (
            f'network = jax.export.deserialize(open({json.dumps(name)}, "rb").read())\n'
            f"result = network.call({first}{more})"
        )
    else:
        text = f"imgtrans translate {shlex.quote(name)} PICTURE"
    return markup("$text", text=text)
