"""Lists the configs that come with the program, or says all about one.

  imgtrans configs
  imgtrans configs pix2pix_facades

A line each, by method: what it makes, of which data, and how long that takes.
"""

from __future__ import annotations

import re
import tokenize
from pathlib import Path

from imgtrans_jax.commands import app

FLAGS = app.Flags()
NAME = FLAGS.string("name", None, "The config to read about.")
POSITIONAL = (NAME,)

OTHERS = "Others"
METHODS = {
    "Translation learned without pairs": "(quickstart|my_loss|cyclegan|vangogh|simgan|"
    "feature_gan|ali_|cogan_|(fast)?cut_|mixed_)(?!_ablation)",
    "Translation learned from pairs": "(pix2pix|sketch2color|color2sketch|flat2shaded|own_colors|"
    "satellite2relief|shifted_)(?!_ablation)",
    "Pictures from noise": "c?gan_|wgan_|bigan_|text_",
    "Enlargement": "srresnet|srgan|enlarge",
    "Style transfer and dreams, without training": "gatys|deepdream",
    "Style transfer by a trained network": "painters|fast_style",
    "What a network sees": "brush_strokes|content_reconstruction|top_patches|weight_ratios",
    "Ablations": r"\w+_ablation_",
    OTHERS: "",
}
"""What a config's name begins with, by its method; the first that fits."""

_WIDTH, _DATA = 100, 18  # of a line, and of its third column


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax import config

    app.no_overrides(overrides)
    if NAME.value:
        path = config.found(NAME.value)
        print(header(path) or "It begins with no description.")
        print(f"\nThe file, to copy and change: {path}")
        return 0
    headers = {name: header(path) for name, path in config.shipped().items()}
    methods: dict[str, list[str]] = {method: [] for method in METHODS}
    for name in headers:
        methods[next(m for m, begin in METHODS.items() if re.match(begin, name))].append(name)
    print("GPU is one of a data centre, CPU two cores. imgtrans configs NAME says all about one.")
    for method, names in methods.items():
        if names:
            print("\n".join([f"\n{method}", *_lines(names, headers)]))
    return 0


def header(path: Path) -> str:
    """A config's description: the text that it begins with. Raises UserError for a file that is no
    text.
    """
    from imgtrans_jax.types import UserError

    try:
        with tokenize.open(path) as file:
            text = file.read()
    except (SyntaxError, UnicodeDecodeError):
        raise UserError(f"The config {path} is no text; give a Python file.") from None
    found = re.match(r'(?:\s|#.*\n)*r?"""(.*?)"""', text, re.S)
    return found[1].strip() if found else ""


def _lines(names: list[str], headers: dict[str, str]) -> list[str]:
    """What configs make, of which data, how long it takes, in columns; what is too long is cut."""
    rows = [
        (
            re.split(r"\n\n|\nPaper:", headers[name])[0].removeprefix("Ablation: "),
            _data(headers[name], headers),
            _time(_section(headers[name], "Needs")),
        )
        for name in names
    ]
    width, time = max(map(len, names)), max(len(row[-1]) for row in rows)
    data = min(_DATA, max(len(row[1]) for row in rows))
    room = _WIDTH - width - data - time - 8
    return [
        f"  {name:{width}}  {_cut(what, room):{room}}  {_cut(of, data):{data}}  {long}".rstrip()
        for name, (what, of, long) in zip(names, rows, strict=True)
    ]


def _cut(text: str, most: int) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _data(header: str, headers: dict[str, str]) -> str:
    """The data of a config, which may be those of another."""
    data = _section(header, "Data")
    other = re.match(r"as configs/(\w+)\.py", data)
    if other and other[1] in headers:
        return _data(headers[other[1]], headers)
    name = re.split(r"[:;,.] |\.$| of (?:tensorflow-datasets|scikit-learn)", data)[0]
    return re.sub("^(the |embedded |cycle_gan/|pix2pix's )*", "", name)


def _time(needs: str) -> str:
    """How long a config takes, in one unit, and on what."""
    found = re.search(r"([\d.]+(?: to [\d.]+)?) (minute|hour)s?(?: (\d+) seconds)?", needs)
    if not found:
        return ""
    amount, unit, seconds = found.groups()
    if seconds:
        amount = str(round(int(amount) + int(seconds) / 60))
    where = re.findall("GPU|CPU", needs[found.end() :])[:1]
    short = {"minute": "min", "hour": "h"}[unit]
    return ", ".join([f"{amount.replace(' to ', '–')} {short}", *where])


def _section(header: str, label: str) -> str:
    """What stands behind a label such as `Data:`, to the next one."""
    found = re.search(rf"^{label}:(.*?)(?=^\S+: |\Z)", header, re.S | re.M)
    return " ".join(found[1].split()) if found else ""
