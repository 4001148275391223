"""Plotly figures as plain dictionaries, and what all of them share.

Colours are CSS variables (`var(--train)`); the page's script puts in what they stand
for, so that charts follow the light and the dark scheme.
"""

import html
from collections.abc import Sequence
from typing import Any

Figure = dict[str, Any]

LABEL_LENGTH = 16
"""Characters of a value shown on an axis; the hover text shows more."""
HOVER_LENGTH = 120

_AXIS = {
    "gridcolor": "var(--line)",
    "linecolor": "var(--line)",
    "zerolinecolor": "var(--line)",
    "tickcolor": "var(--line)",
    "fixedrange": True,
    "automargin": True,
    "title": {"standoff": 8, "font": {"size": 12}},
}
TEMPLATE: Figure = {
    "layout": {
        "font": {"family": "var(--font)", "size": 12, "color": "var(--ink)"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 12, "t": 34, "b": 8},
        "height": 280,
        "dragmode": False,
        "bargap": 0.3,
        "hoverlabel": {
            "bgcolor": "var(--card)",
            "bordercolor": "var(--line)",
            "font": {"color": "var(--ink)", "family": "var(--font)", "size": 12},
            "namelength": -1,
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.0,
            "yanchor": "bottom",
            "bgcolor": "rgba(0,0,0,0)",
        },
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
}
"""What all figures share."""


def plain(text: str, length: int = HOVER_LENGTH) -> str:
    """Text as Plotly shows it: cut to `length`, and never read as markup."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return html.escape(cut, quote=False) or "(empty)"


def name_ticks(names: Sequence[str]) -> Figure:
    """An axis of names at 0, 1, 2, ...: two long names may be cut to the same text."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [plain(n, LABEL_LENGTH) for n in names],
    }


def dotted_line(
    xref: str, x0: float, x1: float, yref: str, y0: float, y1: float, stroke: str
) -> Figure:
    """A line that marks a value."""
    return {
        "type": "line",
        "xref": xref,
        "x0": x0,
        "x1": x1,
        "yref": yref,
        "y0": y0,
        "y1": y1,
        "line": {"color": stroke, "dash": "dot", "width": 1.5},
        "layer": "below",
    }


def panel_heading(text: str, top: float) -> Figure:
    """The name of a panel, where the figure has several.

    Args:
        text: the name.
        top: the upper end of the panel, from 0 to 1.
    """
    return {
        "text": f"<b>{text}</b>",
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": top,
        "yref": "paper",
        "yanchor": "top",
        "showarrow": False,
        "font": {"size": 12},
    }
