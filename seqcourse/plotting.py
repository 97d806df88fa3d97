"""Plotting: one look for all figures of the book.

Colours are those of Okabe and Ito (2008), which people with any common form of colour blindness
can tell apart. Figures are drawn on a white card, so that they read the same on a light page and
on a dark one.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Blue, vermilion, green, purple, orange, sky blue, black: lines take them in this order."""

_STYLE: dict[str, Any] = {
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "figure.figsize": (7.0, 3.6),
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": "tight",
    "font.size": 10,
    "legend.frameon": False,
    "svg.hashsalt": "seqcourse",  # the same figure gives the same file
}


def house_style() -> None:
    """Use the book's style for all figures that follow."""
    plt.style.use(_STYLE)


def heatmap(
    values: Float[np.ndarray, "R C"],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    ax: Axes | None = None,
    label: str = "",
    annotate: bool = False,
) -> Axes:
    """Draw a matrix as a picture, with its rows and columns named.

    Args:
        values: shape (R, C).
        rows: R names.
        columns: C names.
        ax: where to draw; a new figure by default.
        label: what the colours stand for, with the unit.
        annotate: also write each value into its cell, with two decimals.

    Returns:
        The axes.

    Raises:
        ValueError: if there are not as many names as rows or columns.
    """
    if np.shape(values) != (len(rows), len(columns)):
        raise ValueError(
            f"values have shape {np.shape(values)}, but there are {len(rows)} row names and "
            f"{len(columns)} column names"
        )
    ax = plt.subplots()[1] if ax is None else ax
    image = ax.imshow(values, cmap="cividis", aspect="auto")
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.grid(visible=False)
    ax.figure.colorbar(image, ax=ax, label=label)
    if annotate:
        dark = float(np.max(values) + np.min(values)) / 2
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                colour = "white" if value < dark else "black"
                ax.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour)
    return ax
