"""What a hidden test holds in place of the student's notebook: `student`, and objects in it.

A test reads as if the objects were here. Numbers, texts, lists, arrays and tensors do arrive as
plain values; everything else is a `RemoteObject`, whose attributes, calls, items, length and
iteration are asked of the worker.

Values are copies, both ways. What is changed in place on one side stays as it was on the other:
`model.weight` is a copy of the numbers, so fill it with `model.load_state_dict({...})`, and hand
an optimiser `model.parameters()`, not a list of copies. A parameter arrives as a leaf, with the
gradient that it has collected over there. Any other tensor that needs a gradient is joined to the
graph that it has over there, and to the tensors that it was made from if they were arguments of
the same call: `loss.backward()` reaches both. It does not reach through a callback, whose arguments
and result are plain values, nor to gradients of gradients.
"""

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from autograder.errors import GraderError, MissingNameError, StudentError, SuiteError
from autograder.wire import WireError

if TYPE_CHECKING:
    from autograder.session import Session

__all__ = ["RemoteObject", "Student", "cpu_seconds", "library"]

_MOST_ITEMS = 100_000
_LIBRARIES = ("math", "numpy", "torch", "torch.nn", "torch.nn.functional", "torch.optim")


def library(student: "Student", name: str) -> Any:
    """Return a library as the student's process has it, to work on what lives there.

        optimizer = library(student, "torch.optim").SGD(model.parameters(), lr=0.1)

    SuiteError for any other than math, numpy, torch, torch.nn, torch.nn.functional, torch.optim.
    The student's code may have changed it: use it to act over there, never to compare.
    """
    if name not in _LIBRARIES:
        known = ", ".join(_LIBRARIES)
        raise SuiteError(f"no library {name!r} for hidden tests; there are: {known}")
    return object.__getattribute__(student, "_session").ask("library", name)


def cpu_seconds(student: "Student") -> float:
    """Return the processor time that the student's code has used so far, in steps of 0.01 s.

    The clock for tests of cost: unlike the one on the wall it stands still while others compute.

        begin = cpu_seconds(student)
        student.sort(items)
        theirs = cpu_seconds(student) - begin
    """
    return float(object.__getattribute__(student, "_session").cpu_seconds)


class Student:
    """The student's notebook, as a module: `student.softmax(x)`, `student.Vocab`, `student.table`.

    A name that the notebook doesn't define raises `MissingNameError`, which is an AttributeError
    too, so `hasattr` works.
    """

    def __init__(self, session: "Session") -> None:
        object.__setattr__(self, "_session", session)
        _connect(session)

    def __getattr__(self, name: str) -> Any:
        if _is_special(name):
            raise AttributeError(name)
        return self._session.ask("get", None, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._session.ask("set", None, name, value)

    def __repr__(self) -> str:
        return "<the student's notebook>"

    def __dir__(self) -> list[str]:
        return [name for name in self._session.ask("names") if type(name) is str]


class RemoteObject:
    """An object that stays in the sandbox. `_kind` is its class's name, as the worker says it."""

    def __init__(self, session: "Session", known: int, kind: str, is_callable: bool) -> None:
        fields = {"_session": session, "_known": known, "_kind": kind, "_callable": is_callable}
        for name, value in {**fields, "_generation": session.generation}.items():
            object.__setattr__(self, name, value)
        session.drop_with(self, [known])

    def __getattr__(self, name: str) -> Any:
        if _is_special(name):
            raise AttributeError(name)
        try:
            return self._session.ask("get", self, name)
        except StudentError as error:
            if error.kind == "AttributeError":
                raise MissingNameError(name, "an object") from error
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        self._session.ask("set", self, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it where it is. A Python callable among the arguments is called back here."""
        return self._session.ask("call", self, list(args), kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._session.ask("item", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._session.ask("assign", self, key, value)

    def __contains__(self, item: Any) -> bool:
        return self._session.ask("contains", self, item) is True

    def __len__(self) -> int:
        try:
            length = self._session.ask("length", self)
        except StudentError as error:
            if error.kind == "TypeError":  # so that list(...) goes on to iterate
                raise TypeError(error.raised.message) from error
            raise
        return length if type(length) is int and 0 <= length < 2**63 else 0

    def __iter__(self) -> Iterator[Any]:
        """Fetch at most 100 000 items at once: an endless generator ends here."""
        items = self._session.ask("items", self, _MOST_ITEMS)
        return iter(items if type(items) is list else [])

    def __bool__(self) -> bool:
        return True

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        """Refuse: NumPy would fetch it item by item, and items of items, which may never end."""
        raise TypeError("an object that stays in the sandbox is no array")

    def __repr__(self) -> str:
        return f"<the student's {self._kind}>"


def _connect(session: "Session") -> None:
    held = weakref.ref(session)

    def revive(known: int, kind: str, is_callable: bool) -> RemoteObject:
        alive = held()
        if alive is None:
            raise GraderError("an object arrived for a session that is over")
        return RemoteObject(alive, known, kind, is_callable)

    def describe(value: Any) -> int | None:
        return _number_of(value, held()) if type(value) is RemoteObject else None

    session.revive = revive
    session.describe = describe


def _number_of(thing: RemoteObject, session: "Session | None") -> int:
    about = object.__getattribute__(thing, "__dict__")
    if session is not about["_session"] or session.generation != about["_generation"]:
        raise WireError(f"{thing!r} belongs to an earlier run of the notebook")
    return int(about["_known"])


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
