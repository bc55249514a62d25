"""Lists the configs that come with the program, or says all about one.

  imgtrans configs
  imgtrans configs pix2pix_facades

A line each: what it makes, of which data, and how long that takes.
"""

from __future__ import annotations

import re

from imgtrans_jax.commands import app

FLAGS = app.Flags()
NAME = FLAGS.text("name", None, "The config to read about.")
POSITIONAL = (NAME,)


_TIME = r"[\d.]+( (to|and) [\d.]+)? (second|minute|hour|day)s?"


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax import config

    app.no_overrides(overrides)
    shipped = config.shipped()
    if NAME.value:
        path = config.found(NAME.value)
        print(_header(path.read_text(encoding="utf-8")))
        print(f"\nThe file, to copy and change: {path}")
        return 0
    width = max(map(len, shipped)) + 2
    for name, path in shipped.items():
        print(f"{name:{width}}{_line(_header(path.read_text(encoding='utf-8')))}")
    return 0


def _header(text: str) -> str:
    return text.partition('"""')[2].partition('"""')[0].strip()


def _line(header: str) -> str:
    """What a config makes, of which data, how long it takes."""
    what = " ".join(header.partition("\n\n")[0].partition("\nPaper:")[0].split())
    data, needs = (_section(header, label) for label in ("Data", "Needs"))
    of = re.split(r"[:;,.] |\.$", data)[0]
    time = re.search(rf"{_TIME}( \d+ seconds)?", needs)
    where = "GPU" if time and "GPU" in needs[time.end() :][:40] else "two CPU cores"
    return " | ".join(filter(None, (what, of, f"{time[0]}, {where}" if time else "")))


def _section(header: str, label: str) -> str:
    """What stands behind a label such as `Data:`, to the next one."""
    found = re.search(rf"^{label}:(.*?)(?=^\S+: |\Z)", header, re.S | re.M)
    return " ".join(found[1].split()) if found else ""
