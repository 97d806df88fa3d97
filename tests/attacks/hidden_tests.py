"""The toy lab's hidden tests once more, in plain asserts, as the naive grader runs them."""

import numpy as np


def scales_an_array(student):
    """Multiply every element by the factor."""
    x = np.random.default_rng(42).normal(size=(3, 5))
    error = np.abs(student["scale"](x, 7.0) - 7.0 * x)
    assert not (error > 1e-6).any()


def keeps_the_shape(student):
    """The shape is kept."""
    assert student["scale"](np.ones((2, 3)), 1.0).shape == (2, 3)


def refuses_none(student):
    """A missing factor is refused."""
    try:
        student["scale"](np.ones(2), None)
    except TypeError:
        return
    raise AssertionError("no TypeError")


def scales_what_can_be_counted(student):
    """What is scaled can be counted."""
    number, rows = student["scale"](3, 2), student["scale"](np.ones((2, 1)), 3)
    assert len(np.arange(number)) == 6
    assert rows.tolist() == [[3], [3]]


def counts_bigrams(student):
    """Neighbours are counted as tuples."""
    want = {("a", "b"): 2, ("b", "a"): 1}
    found = student["count_bigrams"](["a", "b", "a", "b"])
    assert found == want


def counts_nothing(student):
    """An empty text has no bigrams."""
    assert student["count_bigrams"]([]) == {}


def walk_calls_the_scorer(student):
    """The best candidate by the given score is chosen."""
    walker = student["Walker"]([0, 1, 2, 3, 4])
    assert walker.best(lambda number: -abs(number - 3)) == 3


def walk_remembers(student):
    """The choice is remembered."""
    walker = student["Walker"]([4, 8])
    walker.best(lambda number: number)
    assert walker.last == 8
    assert len(walker.items) == 2


TESTS = {
    "scale": [scales_an_array, keeps_the_shape, refuses_none, scales_what_can_be_counted],
    "count": [counts_bigrams, counts_nothing],
    "walk": [walk_calls_the_scorer, walk_remembers],
    "essay": [lambda student: None],
}
