"""Panel: what stands in one frame of the page: a figure or words, never nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

_JSON_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


@dataclass(frozen=True)
class Panel:
    """One figure of the page.

    Parameters
    ----------
    title : str
        Heading above it.
    caption : str
        What to see in it. For a panel without a figure: why there is none.
    spec : Markup or None
        The plotly figure as JSON that is safe inside a script element; None for words alone.
    height : int
        Height in px.
    name : str
        Its id on the page: letters, digits, ``-``.
    """

    title: str
    caption: str
    spec: Markup | None = None
    height: int = 0
    name: str = ""

    @classmethod
    def plot(cls, name: str, title: str, spec: Mapping[str, Any], caption: str) -> Panel:
        """Make a panel of a figure: plotly's data and layout, whose height is set."""
        text = json.dumps(spec, allow_nan=False, separators=(",", ":")).translate(_JSON_ESCAPES)
        return cls(title, caption, Markup(text), int(spec["layout"]["height"]), name)  # noqa: S704  (<, > and & are escaped)

    @classmethod
    def words(cls, title: str, reason: str) -> Panel:
        """Make a panel that says why there is no figure."""
        return cls(title, reason)
