"""Checks that read as sentences. Each compares in the trusted process and fails with both sides.

A check that fails raises `ExpectationError`: `str(error)` names what came and what was expected,
for the instructor's terminal; `error.public` names no value, and is what the student may read.
Nothing is believed of an object that stays in the sandbox: what it says of its shape, its dtype or
its numbers may be another thing each time.
Shapes are compared first, then dtypes, then values; NaN is never close to anything.
"""

import math
import numbers
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from autograder.errors import ExpectationError, StudentError
from autograder.inert import inert_line
from autograder.remote import RemoteObject

__all__ = [
    "expect_close",
    "expect_dtype",
    "expect_equal",
    "expect_raises",
    "expect_shape",
    "expect_true",
]

_RTOL = {"float16": 1e-3, "bfloat16": 1.6e-2, "float32": 1.3e-6, "complex64": 1.3e-6}
_ATOL = {"float16": 1e-5, "bfloat16": 1e-5, "float32": 1e-5, "complex64": 1e-5}
_MOST_SAID = 1000
_CODE = re.compile(r"\w*[\[(._=]\S")  # a sentence that begins with it keeps its small letter
_EXACT = 1e-7  # float64 and Python floats: torch.testing's default, relative and absolute


def expect_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    what: str = "the result",
) -> None:
    """Numbers, arrays or nested lists, tuples and dicts of them are close: shape first, no NaN.

    Tolerances default to torch.testing's for the less precise of the two dtypes; but whoever
    answers in less than single precision where more is expected gains nothing by it.
    An integer is accepted where a float is expected; a bool is not.

    >>> expect_close([1.0, 2.0], [1.0, 2.5], what="the mean")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autograder.errors.ExpectationError: the mean: 1 of 2 values differ, first at (1,): got 2.0, ...
    """
    if isinstance(expected, dict):
        _same_keys(actual, expected, what)
        for key in expected:
            expect_close(actual[key], expected[key], rtol=rtol, atol=atol, what=what)
    elif _is_ragged(expected):
        _same_length(actual, expected, what)
        for mine, theirs in zip(expected, actual, strict=True):
            expect_close(theirs, mine, rtol=rtol, atol=atol, what=what)
    else:
        _close(actual, expected, rtol, atol, what)


def expect_equal(actual: Any, expected: Any, *, what: str = "the result") -> None:
    """Plain values are the same: same type of container, same length, same items, in order.

    Arrays are compared by shape, then by value; True is not 1, and 1 is 1.0.
    """
    if isinstance(expected, dict):
        _same_keys(actual, expected, what)
        pairs = [(actual[key], expected[key]) for key in expected]
    elif isinstance(expected, list | tuple):
        _same_length(actual, expected, what)
        pairs = list(zip(actual, expected, strict=True))
    else:
        return _same(actual, expected, what)
    for theirs, mine in pairs:
        expect_equal(theirs, mine, what=what)
    return None


def expect_shape(
    actual: Any, shape: tuple[int, ...], *, what: str = "the result", lists: bool = False
) -> None:
    """An array or tensor has this shape; with `lists`, so may lists in lists of this shape.

    >>> expect_shape([[1, 2, 3], [4, 5, 6]], (2, 3), lists=True)
    """
    found = _nested_shape(actual) if lists and isinstance(actual, list | tuple) else _shape(actual)
    if found is None:
        _fail(
            f"{what} is {_kind(actual)}, expected an array of shape {shape}",
            _not_array(what, actual),
        )
    if found != tuple(shape):
        _fail(f"{what} has shape {found}, expected {tuple(shape)}", _bad_shape(what, found, shape))


def expect_dtype(actual: Any, dtype: Any, *, what: str = "the result") -> None:
    """An array or tensor has this dtype. A kind ("int", "float", "bool") takes every width."""
    found = _dtype(actual)
    if found is None:
        _fail(f"{what} is {_kind(actual)}, expected an array of {dtype}", _not_array(what, actual))
    wanted = _dtype_name(dtype)
    if found != wanted and found.rstrip("0123456789") != wanted:
        _fail(
            f"{what} has dtype {found}, expected {wanted}",
            f"{what} has dtype {found}, not {wanted}.",
        )


def expect_true(condition: Any, message: str) -> None:
    """A condition holds. The message is shown to the student as it stands."""
    if isinstance(condition, np.bool_):
        condition = bool(condition)
    if type(condition) is not bool:
        _fail(f"{message} (the condition is {_kind(condition)}, not a bool)", message)
    if not condition:
        _fail(message, message)


def expect_raises(
    kind: str | type[BaseException] | Iterable[str],
    call: Callable[..., Any],
    *args: Any,
    match: str = "",
    **kwargs: Any,
) -> None:
    """The student's code raises this kind of exception (by name), its message holding `match`.

    The name of a base class will do. Give several names where any will do. A NotImplementedError
    goes on its way: it is no wrong answer, but one that isn't written yet.
    """
    kinds = _kind_names(kind)
    wanted = " or ".join(kinds)
    try:
        call(*args, **kwargs)
    except StudentError as error:
        said = error.known_kind
        if not any(error.is_a(name) for name in kinds):
            if error.is_a("NotImplementedError"):
                raise
            _fail(f"raised {error}, expected {wanted}", f"It raises {said}, not {wanted}.")
        if match not in error.raised.message:
            _fail(
                f"{error} does not say {match!r}",
                f"The message of its {said} should say more.",
            )
        return
    _fail(f"nothing was raised, expected {wanted}", f"It should raise {wanted}.")


# --- parts -----------------------------------------------------------------------------------


def _fail(detail: str, public: str) -> NoReturn:
    said = inert_line(public, _MOST_SAID)
    if not _CODE.match(said):
        said = said[:1].upper() + said[1:]
    raise ExpectationError(inert_line(detail, _MOST_SAID), said)


def _wrong_kind(what: str, actual: Any, expected: Any) -> NoReturn:
    came, wanted = _kind(actual), _kind(expected)
    _fail(f"{what} is {came}, expected {wanted}", f"{what} should be {wanted}, is {came}.")


def _kind_names(kind: str | type[BaseException] | Iterable[str]) -> list[str]:
    if isinstance(kind, str):
        return [kind]
    return [kind.__name__] if isinstance(kind, type) else list(kind)


def _kind(value: Any) -> str:
    name = "object" if isinstance(value, RemoteObject) else type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(int(size) for size in value.shape) if _is_array(value) else None


def _is_array(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return isinstance(value, np.ndarray | np.generic) or (
        torch is not None and isinstance(value, torch.Tensor)
    )


def _is_plain(value: Any) -> bool:
    """Whether all that lists and tuples hold is here, and no text: one long one makes all long."""
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    is_text = isinstance(value, np.ndarray) and value.dtype.kind == "U"
    return not is_text and not isinstance(value, RemoteObject | str | bytes)


def _nested_shape(value: list[Any] | tuple[Any, ...]) -> tuple[int, ...] | None:
    """Return the shape that lists in lists would have as an array; None when they are ragged."""
    try:
        return np.shape(value) if _is_plain(value) else None
    except (ValueError, TypeError):
        return None


def _dtype(value: Any) -> str | None:
    return _dtype_name(value.dtype) if _is_array(value) else None


def _dtype_name(dtype: Any) -> str:
    if isinstance(dtype, type):
        return np.dtype(dtype).name if issubclass(dtype, np.generic) else dtype.__name__
    return str(dtype).removeprefix("torch.")


def _not_array(what: str, value: Any) -> str:
    return f"{what} should be an array, is {_kind(value)}."


def _bad_shape(what: str, found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if len(found) != len(expected):
        return f"{what} has {_axes(len(found))}, not {_axes(len(expected))}."
    return f"{what} has an axis of the wrong length."


def _axes(number: int) -> str:
    return "1 axis" if number == 1 else f"{number} axes"


def _is_ragged(value: Any) -> bool:
    """Whether a list or tuple is no rectangle of numbers."""
    if not isinstance(value, list | tuple):
        return False
    return not all(
        isinstance(item, numbers.Number) and not isinstance(item, bool) for item in value
    )


def _numbers(value: Any, what: str) -> np.ndarray:
    """Return a number, a list of numbers, an array or a tensor as an array of numbers."""
    if _is_array(value):
        value = _plain_array(value)
    elif not isinstance(value, numbers.Number | list | tuple):
        _fail(
            f"{what} is {_kind(value)}, expected numbers",
            f"{what} should hold numbers, is {_kind(value)}.",
        )
    return _numeric(value, what)


def _numeric(value: Any, what: str) -> np.ndarray:
    try:
        array = np.asarray(value if _is_plain(value) else None)
    except (ValueError, OverflowError, TypeError):
        array = np.asarray(None)
    if array.dtype.kind not in "iufc" and array.size:
        _fail(
            f"{what} holds {array.dtype}, expected numbers", f"{what} does not hold numbers only."
        )
    return array


def _close(actual: Any, expected: Any, rtol: float | None, atol: float | None, what: str) -> None:
    kinds = (_dtype(actual), _dtype(expected))  # of bfloat16 nothing is left in the arrays
    actual, expected = _numbers(actual, what), _numbers(expected, "the expected value")
    expect_shape(actual, expected.shape, what=what)
    if actual.dtype.kind == "c" != expected.dtype.kind:
        _fail(f"{what} is complex, expected real numbers", f"{what} should not be complex.")
    names = (kinds[0] or actual.dtype.name, kinds[1] or expected.dtype.name)
    rtol = _tolerance(_RTOL, *names) if rtol is None else rtol
    atol = _tolerance(_ATOL, *names) if atol is None else atol
    if np.isnan(actual).any():
        _fail(f"{what} contains NaN", f"{what} contains NaN.")
    wrong = np.argwhere(~np.isclose(actual, expected, rtol=rtol, atol=atol))
    if len(wrong):
        _fail(f"{what}: {_difference(actual, expected, wrong)}", f"{what} is wrong.")


def _tolerance(known: dict[str, float], actual: str, expected: str) -> float:
    theirs = min(known.get(actual, _EXACT), known["float32"])
    return max(known.get(expected, _EXACT), theirs)


def _difference(actual: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> str:
    first = tuple(int(index) for index in wrong[0])
    sides = f"got {actual[first]!s}, expected {expected[first]!s}"
    if not first:
        return sides
    return f"{len(wrong)} of {actual.size} values differ, first at {first}: {sides}"


def _same_keys(actual: Any, expected: dict[Any, Any], what: str) -> None:
    if not isinstance(actual, dict):
        _wrong_kind(what, actual, expected)
    lacking = [key for key in expected if key not in actual]
    extra = [key for key in actual if key not in expected]
    if lacking or extra:
        detail = f"{what} lacks keys {lacking[:5]!r}, has too many {extra[:5]!r}"
        _fail(detail, f"{what} does not have the right keys.")


def _same_length(actual: Any, expected: Any, what: str) -> None:
    if type(actual) is not type(expected):
        _wrong_kind(what, actual, expected)
    if len(actual) != len(expected):
        detail = f"{what} has length {len(actual)}, expected {len(expected)}"
        _fail(detail, f"{what} has the wrong length.")


def _same(actual: Any, expected: Any, what: str) -> None:
    if _shape(expected) is not None:
        return _same_array(actual, expected, what)
    if not _alike(actual, expected):
        _wrong_kind(what, actual, expected)
    if actual != expected or _is_nan(actual):
        _fail(f"{what}: got {actual!r}, expected {expected!r}", f"{what} is wrong.")
    return None


def _same_array(actual: Any, expected: Any, what: str) -> None:
    expect_shape(actual, _shape(expected) or (), what=what)
    mine, theirs = _plain_array(expected), _plain_array(actual)  # of the same shape
    if mine.dtype.kind != theirs.dtype.kind:
        expect_dtype(actual, _dtype_name(expected.dtype), what=what)
    wrong = np.argwhere(~np.atleast_1d(mine == theirs))
    if len(wrong):
        _fail(f"{what}: {_difference(theirs, mine, wrong[:, : mine.ndim])}", f"{what} is wrong.")


def _plain_array(value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    plain = value.detach().cpu()
    return np.asarray(plain.float() if _dtype(plain) == "bfloat16" else plain)  # NumPy has none


def _alike(actual: Any, expected: Any) -> bool:
    """Whether two scalars may be compared: the same type, or two numbers that are no bools."""
    if type(actual) is type(expected):
        return True
    both = (actual, expected)
    if any(isinstance(value, bool | np.bool_) for value in both):
        return all(isinstance(value, bool | np.bool_) for value in both)
    return all(isinstance(value, numbers.Number) for value in both)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
