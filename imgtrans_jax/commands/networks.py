"""Lists the finished networks that come along, or says all about one.

  imgtrans networks
  imgtrans networks painters

A name stands wherever a run or a file of a generator does: imgtrans translate painters photo.jpg,
imgtrans convert painters painters.safetensors, --config.init_from=painters.
"""

from __future__ import annotations

import textwrap
from typing import Any

from imgtrans_jax.commands import app

FLAGS = app.Flags()
NAME = FLAGS.string("name", None, "The network to read about.")
POSITIONAL = (NAME,)
_WIDTH = 100


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.inference import shelf
    from imgtrans_jax.inference.load import load_generator
    from imgtrans_jax.types import UserError

    app.no_overrides(overrides)
    names = shelf.names()
    if NAME.value is None:
        width = max(map(len, names))
        for name in names:
            size = shelf.found(name).stat().st_size / 1e6
            print(f"  {name:{width}}  {shelf.card(name).makes} ({size:.1f} MB)")
        print(
            "\nTry one: imgtrans translate NAME [PICTURE]. All about one: imgtrans networks NAME."
            f"\nPictures of what they make: {shelf.FOLDER}/NAME.jpg"
        )
        return 0
    if NAME.value not in names:
        raise UserError(f"There is no network {NAME.value}; there are {', '.join(names)}.")
    card = shelf.card(NAME.value)
    recipe: Any = load_generator(NAME.value).experiment.recipe
    looks = ", ".join(look.name for look in getattr(recipe, "looks", ()))
    lines = {
        "Makes": card.makes,
        **({"Looks": looks} if looks else {}),
        "Use": card.use,
        "Trained": card.trained,
        "Data": card.data,
        "Licence": card.licence,
        "Scores": card.scores,
        "Limits": card.limits,
        "Picture": str(shelf.FOLDER / f"{NAME.value}.jpg"),
        "File": str(shelf.FOLDER / f"{NAME.value}.safetensors"),
    }
    for label, text in lines.items():
        indent = " " * 10
        print(textwrap.fill(f"{label + ':':10}{text}", _WIDTH, subsequent_indent=indent))
    return 0
