"""The sheets that the gallery's sliders cut pictures out of are as large as it takes them to be."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"


def sheets() -> list[dict]:
    page = (GALLERY / "compare.html").read_text(encoding="utf-8")
    found = re.search(r"const sheets = (\[.*?\n\]);", page, re.DOTALL)
    assert found
    quoted = re.sub(r"([{,]\s*)(\w+):", r'\1"\2":', found[1])
    return json.loads(re.sub(r",(\s*[\]}])", r"\1", quoted))


@pytest.mark.parametrize("sheet", sheets(), ids=lambda sheet: sheet["file"])
def test_the_last_picture_of_a_sheet_ends_where_the_sheet_does(sheet):
    with Image.open(GALLERY / sheet["file"]) as picture:
        whole = picture.size
    steps = sheet.get("step", [0, 0])
    counts = sheet.get("columns", 1), sheet.get("rows", 1)
    for side in (*(() if "given" in sheet else ("before",)), "after"):
        place = sheet.get(side, [0, 0])
        ends = [
            at + step * (count - 1) + size
            for at, step, count, size in zip(place, steps, counts, sheet["size"], strict=True)
        ]
        assert all(end <= limit for end, limit in zip(ends, whole, strict=True))
        assert whole[0] - ends[0] <= 8  # no column is left out
    if "given" in sheet:
        with Image.open(GALLERY / sheet["given"]) as picture:
            assert picture.width / picture.height == pytest.approx(
                sheet["size"][0] / sheet["size"][1], rel=0.01
            )
