import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autograder.errors import ExpectationError, Place, Raised, StudentError
from autograder.expect import (
    expect_close,
    expect_dtype,
    expect_equal,
    expect_raises,
    expect_shape,
    expect_true,
)
from autograder.remote import RemoteObject


def failing(check, *args, **kwargs):
    with pytest.raises(ExpectationError) as caught:
        check(*args, **kwargs)
    return str(caught.value), caught.value.public


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (3, 3.0),
        (0.1 + 0.2, 0.3),
        (np.float32(1 / 3), 1 / 3),
        ([1, 2], np.array([1.0, 2.0])),
        (torch.tensor([1.0, 2.0]), np.array([1.0, 2.0])),
        (torch.tensor([1.5], dtype=torch.bfloat16), torch.tensor([1.5])),
        (torch.ones(2, requires_grad=True), [1.0, 1.0]),
        ({"a": 1.0, "b": [2.0]}, {"b": [2.0], "a": 1.0}),
        ([np.ones((2, 3)), 4.0], [np.ones((2, 3)), 4.0]),
        (float("inf"), float("inf")),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (1j, 1j),
    ],
)
def test_close_accepts_the_same_numbers_in_other_clothes(actual, expected):
    expect_close(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected", "detail", "public"),
    [
        (np.ones(3), np.ones((3, 1)), "has shape (3,), expected (3, 1)", "has 1 axis, not 2 axes"),
        (
            np.ones((2, 3)),
            np.ones((3, 2)),
            "has shape (2, 3), expected",
            "axis of the wrong length",
        ),
        (1.0, 1.1, "got 1.0, expected 1.1", "The mean is wrong."),
        (np.ones(2) + 0j, [1.0, 1.0], "is complex, expected real", "should not be complex"),
        (np.array([1.0, 2, 4]), [1, 2, 3], "1 of 3 values differ, first at (2,)", "is wrong"),
        (float("nan"), 1.0, "contains NaN", "contains NaN"),
        (float("nan"), float("nan"), "contains NaN", "contains NaN"),
        (None, 1.0, "is None, expected numbers", "should hold numbers, is None"),
        ("1.0", 1.0, "is a str, expected numbers", "should hold numbers, is a str"),
        (True, 1.0, "holds bool, expected numbers", "does not hold numbers only"),
        ([1.0, None], [1.0, 2.0], "holds object, expected numbers", "does not hold numbers only"),
        ([[1.0], 2.0], [1.0, 2.0], "holds object, expected numbers", "does not hold numbers only"),
        ({"a": 1.0}, {"b": 1.0}, "lacks keys ['b'], has too many ['a']", "the right keys"),
        ([1.0], {"b": 1.0}, "is a list, expected a dict", "should be a dict, is a list"),
        ((1.0, [2.0]), [1.0, [2.0]], "is a tuple, expected a list", "should be a list, is a tuple"),
        ([np.ones(2)], [np.ones(2)] * 2, "has length 1, expected 2", "has the wrong length"),
    ],
)
def test_close_says_what_is_wrong_and_tells_the_student_no_value(actual, expected, detail, public):
    said, shown = failing(expect_close, actual, expected, what="the mean")
    assert detail in said
    assert public in shown
    assert shown[0] == "T"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("the mean", "The mean is wrong."),
        ("log-probabilities", "Log-probabilities is wrong."),
        ("scale(x, 7)", "scale(x, 7) is wrong."),
        ("log_probs", "log_probs is wrong."),
        ("model.weights", "model.weights is wrong."),
    ],
)
def test_a_sentence_begins_with_a_capital_unless_it_begins_with_code(what, said):
    with pytest.raises(ExpectationError) as raised:
        expect_close(1.0, 2.0, what=what)
    assert raised.value.public == said


def test_the_less_precise_dtype_sets_the_tolerance():
    expect_close(np.float32(1.000001), 1.0)
    failing(expect_close, 1.000001, 1.0)
    expect_close(1.2, 1.0, atol=0.3)
    failing(expect_close, 1.2, 1.0, rtol=0.1)


def test_who_answers_in_less_precision_gains_no_more_than_single_precision():
    failing(expect_close, np.float16(1.0006), 1.0)
    failing(expect_close, torch.tensor(1.01, dtype=torch.bfloat16), torch.tensor(1.0))
    expect_close(np.float16(1.0006), np.float16(1.0))
    expect_close(torch.tensor(1.01, dtype=torch.bfloat16), torch.tensor(1.0).bfloat16())


class Session:
    """Answers what a lying object would."""

    generation = 0

    def drop_with(self, owner, numbers):
        pass

    def ask(self, op, thing, *what):
        asked.append(op)
        answers = {"shape": (2, 3), "dtype": "\x1b[2Jfloat64", "ndim": 2}
        return np.zeros((0, 1, 1)) if op == "call" else answers.get(what[0] if what else op, 2)


asked = []


@pytest.mark.parametrize("nest", [lambda lie: lie, lambda lie: [lie, lie], lambda lie: ([lie],)])
@pytest.mark.parametrize(
    ("check", "wanted"),
    [
        (expect_close, np.zeros((2, 3))),
        (expect_equal, np.zeros((2, 3))),
        (expect_shape, (2, 3)),
        (expect_dtype, "float64"),
        (lambda value, shape: expect_shape(value, shape, lists=True), (2, 3)),
    ],
)
def test_nothing_is_asked_of_an_object_that_stays_in_the_sandbox(check, wanted, nest):
    asked.clear()
    said, shown = failing(check, nest(RemoteObject(Session(), 1, "Kind", True)), wanted)
    assert not asked
    assert "Kind" not in said + shown


class Liar:
    """Claims to be equal to everything, to be a number, an array, an int."""

    __class__ = int  # type: ignore[assignment]
    shape = (2,)
    dtype = "float64"

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def __float__(self):
        return 1.0


@given(st.one_of(st.none(), st.text(), st.booleans(), st.lists(st.none(), min_size=1)))
def test_no_other_kind_of_value_is_close_to_a_number(value):
    failing(expect_close, value, 1.0)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (3, 3.0),
        (np.int64(3), 3),
        ("a", "a"),
        (None, None),
        ({("a", "b"): 2}, {("a", "b"): 2}),
        ([1, (2, "x")], [1, (2, "x")]),
        ({1, 2}, {2, 1}),
        (np.array([1, 2]), np.array([1, 2])),
        (np.array(["a", "b"]), np.array(["a", "b"])),
        (np.bool_(True), True),
        (b"x", b"x"),
        (torch.tensor([1, 2]), torch.tensor([1, 2])),
    ],
)
def test_equal_accepts(actual, expected):
    expect_equal(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected", "detail"),
    [
        (True, 1, "is a bool, expected an int"),
        (1, True, "is an int, expected a bool"),
        ("1", 1, "is a str, expected an int"),
        ([1, 2], (1, 2), "is a list, expected a tuple"),
        ([1, 2], [2, 1], "got 1, expected 2"),
        ({"a": 1}, {"a": 1, "b": 2}, "lacks keys ['b']"),
        (float("nan"), float("nan"), "got nan"),
        (np.array([1, 2]), np.array([1, 3]), "first at (1,): got 2, expected 3"),
        (np.array([1.0, 2.0]), np.array([1, 2]), "has dtype float64, expected int64"),
        ([1, 2], np.array([1, 2]), "is a list, expected an array of shape (2,)"),
        (np.array(3), np.array(4), "got 3, expected 4"),
        (3, None, "is an int, expected None"),
    ],
)
def test_equal_refuses(actual, expected, detail):
    said, shown = failing(expect_equal, actual, expected)
    assert detail in said
    assert shown.startswith("The result ")


def test_shape_and_dtype():
    expect_shape(np.ones((2, 3)), (2, 3))
    expect_dtype(np.ones(2), "float")
    expect_dtype(np.ones(2), np.float64)
    expect_dtype(torch.ones(2), torch.float32)
    assert "is a list, expected an array of shape (2,)" in failing(expect_shape, [1, 2], (2,))[0]
    assert "dtype float64, expected int" in failing(expect_dtype, np.ones(2), "int")[0]
    assert "is a list, expected an array of" in failing(expect_dtype, [1, 2], "int")[0]
    said = "The path should be an array, is a list."
    assert failing(expect_shape, [1, 2], (2,), what="the path")[1] == said
    assert failing(expect_dtype, [1, 2], "int", what="the path")[1] == said


@pytest.mark.parametrize("value", [[[1, 2, 3]] * 2, ((1, 2, 3), (4, 5, 6)), np.ones((2, 3))])
def test_lists_pass_for_an_array_of_their_shape_where_the_author_says_so(value):
    expect_shape(value, (2, 3), lists=True)
    assert "has 2 axes, not 1 axis" in failing(expect_shape, value, (6,), lists=True)[1]


@pytest.mark.parametrize("value", [[[1, 2], [3]], None, "ab", {}])
def test_what_has_no_shape_should_have_been_an_array(value):
    assert "should be an array, is" in failing(expect_shape, value, (2,), lists=True)[1]


def test_true_takes_booleans_only():
    expect_true(True, "yes")
    expect_true(np.bool_(True), "yes")
    assert failing(expect_true, False, "must be sorted") == ("must be sorted", "Must be sorted")
    assert "the condition is an int, not a bool" in failing(expect_true, 1, "must be sorted")[0]
    assert "not a bool" in failing(expect_true, Liar(), "must be sorted")[0]


def raising(kinds, message=""):
    def call(*args, **kwargs):
        raise StudentError(Raised(kinds, message, (Place(3, 4),)))

    return call


def test_raises_knows_bases_and_messages():
    expect_raises("ValueError", raising(("MyError", "ValueError", "Exception")), 1, key=2)
    expect_raises(ValueError, raising(("ValueError",), "order is -1"), match="-1")
    expect_raises(["IndexError", "KeyError"], raising(("KeyError",)))


def test_raises_lets_through_that_nothing_is_written_yet():
    unwritten = raising(("NotImplementedError", "RuntimeError", "Exception"))
    with pytest.raises(StudentError, match="NotImplementedError"):
        expect_raises("ValueError", unwritten)
    expect_raises("NotImplementedError", unwritten)


def test_raises_says_what_came_instead():
    said, shown = failing(expect_raises, "ValueError", lambda: None)
    assert said == "nothing was raised, expected ValueError"
    assert shown == "It should raise ValueError."
    said, shown = failing(expect_raises, "ValueError", raising(("KeyError",), "'secret'"))
    assert said == "raised KeyError: 'secret' (cell 3, line 4), expected ValueError"
    assert shown == "It raises KeyError, not ValueError."
    said, shown = failing(expect_raises, "ValueError", raising(("Secret42", "KeyError"), "x"))
    assert shown == "It raises KeyError, not ValueError."
    said, shown = failing(expect_raises, "E", raising(("E",), "no"), match="why")
    assert "does not say 'why'" in said
