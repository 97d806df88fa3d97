"""Task `moving-average`: the mean of every window."""

from typing import Any

import numpy as np

from autograder.suite import expect_close, expect_raises, expect_shape, task


@task(
    "moving-average",
    points=1,
    hint="Windows overlap: T values have T - width + 1 of them.",
)
def test_moving_average_shape(student: Any, rng: np.random.Generator) -> None:
    """One number comes back for each window."""
    for length, width in ((7, 3), (5, 5), (5, 1)):
        got = student.moving_average(rng.normal(size=length), width)
        expect_shape(got, (length - width + 1,), what="the result")


@task(
    "moving-average",
    points=2,
    after=test_moving_average_shape,
    hint="Add up each window and divide by its width.",
)
def test_moving_average_values(student: Any, rng: np.random.Generator) -> None:
    """Each number is the mean of its own window."""
    x, width = rng.normal(size=23), int(rng.integers(2, 8))
    wanted = [sum(x[i : i + width]) / width for i in range(23 - width + 1)]
    expect_close(student.moving_average(x, width), np.array(wanted), what="the means")


@task(
    "moving-average",
    points=1,
    hint="Look at width first, and raise a ValueError.",
)
def test_moving_average_refuses(student: Any, rng: np.random.Generator) -> None:
    """A width below 1 or above T is refused with a ValueError."""
    for width in (0, -2, 6):
        expect_raises("ValueError", student.moving_average, rng.normal(size=5), width)
