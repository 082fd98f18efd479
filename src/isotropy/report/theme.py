"""Colours and figures that suit both paper and screen: plain Matplotlib on paper, theme-aware SVG in a page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib
from matplotlib.figure import Figure

INK = "#20242c"
FAINT = "#b9bec8"
QUIET = "#7f8795"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#b4569a", "#c98a00", "#3f9ad6", "#7a63c7", "#8a6d4b", "#5c8a2f")
"""Distinguishable with the common kinds of colour blindness, after Okabe and Ito (2008), darkened for thin lines."""

VARIABLES = {INK: "currentColor", FAINT: "var(--line)", QUIET: "var(--quiet)"} | {
    colour: f"var(--series-{k})" for k, colour in enumerate(SERIES)
}
"""The page's names for these colours, so that one drawing serves its light and its dark form."""

SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,  # a column may be called $x$, and is not a formula
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": "medium",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "grid.alpha": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "font.size": 10,
    "svg.fonttype": "none",
}


@contextmanager
def themed() -> Iterator[None]:
    """Draw inside this: the settings hold for what is made there, and nothing global stays changed."""
    with matplotlib.rc_context(SETTINGS):
        yield


def svg(figure: Figure, label: str, *, salt: str) -> str:
    """The figure as an SVG element for HTML: no outside resource, colours from the page, ``label`` for a screen reader.

    ``salt`` keeps the identifiers of several drawings in one page apart, and the same in every run.
    """
    stream = io.StringIO()
    with themed(), matplotlib.rc_context({"svg.hashsalt": salt}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    for colour, name in VARIABLES.items():
        text = text.replace(colour, name)
    # Matplotlib uses the same names in every drawing; a page may hold an id only once.
    text = re.sub(r'( id="|url\(#|href="#)', rf"\1{salt}-", text)
    # The page's own font: widths were measured in another one, but text is placed by its anchor.
    text = re.sub(r"font: ([^;\"]*?)px [^;\"]*", r"font: \1px system-ui, sans-serif", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
