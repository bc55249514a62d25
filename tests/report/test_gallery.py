"""The sheets that the gallery's sliders cut pictures out of lie as it takes them to lie."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from imgtrans_jax.io.images import read_picture

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"


def sheets() -> list[dict]:
    page = (GALLERY / "compare.html").read_text(encoding="utf-8")
    found = re.search(r"const sheets = (\[.*?\n\]);", page, re.DOTALL)
    assert found
    quoted = re.sub(r"([{,]\s*)(\w+):", r'\1"\2":', found[1])
    return json.loads(re.sub(r",(\s*[\]}])", r"\1", quoted))


@pytest.mark.parametrize("sheet", sheets(), ids=lambda sheet: sheet["file"])
def test_pictures_lie_where_the_sliders_cut_them_out(sheet):
    whole = read_picture(GALLERY / sheet["file"])
    (width, height), (across, down) = sheet["size"], sheet.get("step", [0, 0])
    columns, rows = sheet.get("columns", 1), sheet.get("rows", 1)
    for side in (*(() if "given" in sheet else ("before",)), "after"):
        x, y = sheet.get(side, [0, 0])
        right, below = x + across * (columns - 1) + width, y + down * (rows - 1) + height
        assert 0 <= whole.shape[1] - right <= 8  # no column is left out
        assert below <= whole.shape[0]
        for row in range(rows if rows > 1 else 0):  # each ends with a picture, and then is white
            end = y + down * row + height
            assert whole[end - 1, x:right].min() < 128
            assert whole[end + 1, x:right].min() > 200
    if "given" in sheet:
        with Image.open(GALLERY / sheet["given"]) as picture:
            assert picture.width / picture.height == pytest.approx(width / height, rel=0.01)
    assert len(sheet.get("names", [])) in (0, columns * rows)
