"""Plotting: one look for all figures of the book.

Colours are those of Okabe and Ito (2008), which people with any common form of colour
blindness can tell apart. Figures are drawn on a white card, so that they read the same
on a light page and on a dark one.

Every function draws into the axes it is given, or into a new figure, and returns the
axes: what else a figure needs (a title, another line) is matplotlib's to add.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from seqcourse.training.history import History
from seqcourse.training.schedules import Schedule

__all__ = [
    "COLOURS",
    "attention_map",
    "heatmap",
    "house_style",
    "learning_curves",
    "schedule_curves",
    "stroke_drawing",
    "word_map",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Blue, vermilion, green, purple, orange, sky blue, black: the order of lines."""

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
            f"values have shape {np.shape(values)}, but there are {len(rows)} row "
            f"names and {len(columns)} column names"
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


def attention_map(
    weights: ArrayLike,
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    ax: Axes | None = None,
    label: str = "attention weight",
) -> Axes:
    """Draw who looks where: each row is a query, each column a key that it may look at.

    Colours run from 0 to 1 whatever the weights are, so that two maps can be compared.
    Keys stand above the map, as the sentence that is read.

    Args:
        weights: shape (Tq, Tk), an array or a tensor; each row sums to 1.
        queries: Tq tokens.
        keys: Tk tokens.
        ax: where to draw; a new figure by default.
        label: what the colours stand for.

    Raises:
        ValueError: if there are not as many tokens as rows or columns.
    """
    ax = heatmap(np.asarray(weights, dtype=float), queries, keys, ax=ax, label=label)
    ax.images[0].set_clim(0, 1)
    ax.set_aspect("equal")
    ax.xaxis.tick_top()
    ax.tick_params(axis="x", labelrotation=90)
    return ax


def learning_curves(
    histories: History | Mapping[str, History],
    *,
    ax: Axes | None = None,
    smoothing: int = 1,
    label: str = "loss in nats per token",
) -> Axes:
    """Draw the training loss of each step as a line, and each validation as a dot.

    Args:
        histories: of one run; or of several, by name.
        ax: where to draw; a new figure by default.
        smoothing: how many steps, up to each, the training loss is averaged over.
        label: what is drawn, with the unit.

    Raises:
        ValueError: if the smoothing is below 1.
    """
    if smoothing < 1:
        raise ValueError(f"smoothing must be at least 1 step, but is {smoothing}")
    ax = plt.subplots()[1] if ax is None else ax
    single = isinstance(histories, History)
    runs = {"": histories} if isinstance(histories, History) else histories
    for (name, history), colour in zip(runs.items(), cycle(COLOURS), strict=False):
        prefix = f"{name}: " if name else ""
        steps, losses = (
            range(1, history.steps + 1),
            _averaged(history.losses, smoothing),
        )
        ax.plot(steps, losses, color=colour, lw=1, label=f"{prefix}training")
        if history.validations:
            places, values = zip(*history.validations.items(), strict=True)
            own = "black" if single else colour
            ax.plot(places, values, "o--", ms=4, color=own, label=f"{prefix}validation")
    ax.set_xlabel("steps")
    ax.set_ylabel(label)
    ax.legend()
    return ax


def _averaged(values: Sequence[float], window: int) -> Float[np.ndarray, " T"]:
    """Return the mean of each value and the window - 1 before it, if there are any."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def schedule_curves(
    schedules: Mapping[str, Schedule], steps: int, *, ax: Axes | None = None
) -> Axes:
    """Draw the factor of the learning rate at each of so many steps, a line a schedule.

    Args:
        schedules: by name; see `seqcourse.training`.
        steps: how many steps to show.
        ax: where to draw; a new figure by default.
    """
    ax = plt.subplots()[1] if ax is None else ax
    for name, schedule in schedules.items():
        ax.plot(range(steps), [schedule(step) for step in range(steps)], label=name)
    ax.set_xlabel("step")
    ax.set_ylabel("factor of the learning rate")
    ax.set_ylim(bottom=0)
    ax.legend()
    return ax


def word_map(
    vectors: ArrayLike, words: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Draw words as points of the plane, each with its name beside it.

    Bring vectors of more numbers down to two first, by principal components, say.

    Args:
        vectors: shape (N, 2), an array or a tensor.
        words: N names.
        ax: where to draw; a new figure by default.

    Raises:
        ValueError: if the vectors do not have two numbers each, or the names are not N.
    """
    places = np.asarray(vectors, dtype=float)
    if places.shape != (len(words), 2):
        raise ValueError(
            f"vectors must have shape ({len(words)}, 2), two numbers for each word, "
            f"but have {places.shape}"
        )
    ax = plt.subplots()[1] if ax is None else ax
    ax.scatter(places[:, 0], places[:, 1], s=12, color=COLOURS[0])
    for place, word in zip(places.tolist(), words, strict=True):
        ax.annotate(word, place, xytext=(4, 2), textcoords="offset points")
    ax.set_xlabel("first direction")
    ax.set_ylabel("second direction")
    return ax


def stroke_drawing(
    strokes: Sequence[ArrayLike], *, ax: Axes | None = None, down: bool = True
) -> Axes:
    """Draw the strokes of a pen, each a line through its points.

    Args:
        strokes: each of shape (N, 2), arrays or tensors: the points' x and y.
        ax: where to draw; a new figure by default.
        down: whether y grows downwards, as on a screen.
    """
    ax = plt.subplots()[1] if ax is None else ax
    for stroke in strokes:
        x, y = np.asarray(stroke, dtype=float).T
        ax.plot(x, y, color="black", lw=1.5)
    ax.set_aspect("equal")
    if down and not ax.yaxis_inverted():
        ax.invert_yaxis()
    ax.set_axis_off()
    return ax
