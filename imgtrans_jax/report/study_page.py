"""The page of the perceptual study. Imports io."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgtrans_jax.io import json_files
from imgtrans_jax.report.page import Html, file, page


def study_page(title: str, data: Mapping[str, Any]) -> str:
    """The page of a study.

    Args:
        title: Of the page.
        data: What `templates/study.js` reads, pictures and all.

    Returns:
        HTML.
    """
    embedded = Html(json_files.embedded(data))
    return page("study.html", title, data=embedded, script=file("study.js"))
