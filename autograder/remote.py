"""What a hidden test holds in place of the student's notebook: `student`, and objects in it.

A test reads as if the objects were here. Numbers, texts, lists, arrays and tensors do arrive as
plain values; everything else is a `RemoteObject`, whose attributes, calls, items, length and
iteration are asked of the worker.
"""

import weakref
from collections.abc import Iterator
from typing import Any

from autograder.errors import GraderError, MissingNameError, StudentError
from autograder.session import Session

__all__ = ["RemoteObject", "Student"]

_MOST_ITEMS = 100_000


class Student:
    """The student's notebook, as a module: `student.softmax(x)`, `student.Vocab`, `student.table`.

    A name that the notebook doesn't define raises `MissingNameError`, which is an AttributeError
    too, so `hasattr` works.
    """

    def __init__(self, session: Session) -> None:
        object.__setattr__(self, "_session", session)
        _connect(session)

    def __getattr__(self, name: str) -> Any:
        if _is_special(name):
            raise AttributeError(name)
        return self._session.ask("get", None, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._session.ask("set", None, name, value)

    def __dir__(self) -> list[str]:
        return [name for name in self._session.ask("names") if type(name) is str]


class RemoteObject:
    """An object that stays in the sandbox. `_kind` is its class's name, as the worker says it."""

    def __init__(self, session: Session, known: int, kind: str, is_callable: bool) -> None:
        fields = {"_session": session, "_known": known, "_kind": kind, "_callable": is_callable}
        for name, value in {**fields, "_generation": session.generation}.items():
            object.__setattr__(self, name, value)
        weakref.finalize(self, _let_go, weakref.ref(session), known, session.generation)

    def __getattr__(self, name: str) -> Any:
        if _is_special(name):
            raise AttributeError(name)
        try:
            return self._session.ask("get", self, name)
        except StudentError as error:
            if error.kind == "AttributeError":
                raise MissingNameError(name, f"a {self._kind}") from error
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        self._session.ask("set", self, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it where it is. A Python callable among the arguments is called back here."""
        return self._session.ask("call", self, list(args), kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._session.ask("item", self, key)

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

    def __repr__(self) -> str:
        return f"<the student's {self._kind}>"


def _connect(session: Session) -> None:
    held = weakref.ref(session)

    def revive(known: int, kind: str, is_callable: bool) -> RemoteObject:
        alive = held()
        if alive is None:
            raise GraderError("an object arrived for a session that is over")
        return RemoteObject(alive, known, kind, is_callable)

    session.revive = revive
    session.describe = _describe


def _describe(value: Any) -> int | None:
    return object.__getattribute__(value, "_known") if type(value) is RemoteObject else None


def _let_go(session: "weakref.ref[Session]", known: int, generation: int) -> None:
    alive = session()
    if alive is not None and alive.generation == generation:
        alive.dropped.append(known)


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
