"""Pages from the files of `templates`: each is one file that opens from disk. Imports nothing here.

In every template `$name` stands for a value. A text is escaped when it is put in; what is `Html`
already is put in as it is. A value is never searched for `$` again.
"""

from __future__ import annotations

import functools
import html
import importlib.resources
import string


class Html(str):
    """A text that is HTML, or a script, already."""

    __slots__ = ()


def markup(template: str, **values: object) -> Html:
    """A piece of HTML with its values put in.

    Args:
        template: With `$name` for each value.
        **values: By name; a text is escaped, what is `Html` is not.

    Returns:
        The piece.

    Raises:
        KeyError: For a value that is missing.
    """
    safe = {
        name: value if isinstance(value, Html) else html.escape(str(value))
        for name, value in values.items()
    }
    return Html(string.Template(template).substitute(safe))


def joined(parts: list[Html], between: str = "") -> Html:
    """Pieces of HTML, one after the other.

    Args:
        parts: The pieces.
        between: What stands between two of them, HTML too.

    Returns:
        One piece.
    """
    return Html(between.join(parts))


def page(template: str, title: str, head: Html = Html(), **values: object) -> str:
    """A whole page. The stylesheet is put in.

    Args:
        template: The file of its body.
        title: Of the page.
        head: More for its head.
        **values: For the body, as for `markup`.

    Returns:
        HTML.

    Raises:
        KeyError: For a value that is missing.
    """
    body = markup(file(template), title=title, **values)
    return markup(file("page.html"), title=title, head=head, style=file("style.css"), body=body)


@functools.cache
def file(name: str) -> Html:
    """The text of one of the files."""
    folder = importlib.resources.files("imgtrans_jax.report") / "templates"
    return Html((folder / name).read_text(encoding="utf-8"))
