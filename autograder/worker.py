"""Inside the sandbox: runs a notebook's cells and serves calls to what they define.

Everything here shares a process with the student's code and must be expected to be changed by it.
So it decides nothing: it sends values, and the words of exceptions. See `session.py` for the
other end of the socket. This module is mounted in the sandbox and imports only `wire` of
`autograder`.

A request is `[number, op, *arguments]`. Answers repeat the number:
`[number, "value", value]`, `[number, "raised", kinds, message, cell, line, source]`,
`[number, "missing", name]`, `[number, "unsendable", why]`, and, before one of these, any number of
`[number, "callback", id, args, kwargs]`, each answered by `[number, "value", value]` or
`[number, "failed", kind]`.
"""

import ast
import builtins
import io
import itertools
import linecache
import random
import re
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from autograder.wire import Channel, Closed, WireError, decode, encode

__all__ = ["Worker"]

_MAGIC = re.compile(r"^(\s*)([%!?]|.*\?\s*$)")
_CELL = re.compile(r"<cell (\d+)>")
_WORDS = 500


class Worker:
    """The notebook's namespace, and the objects in it that the other side holds on to."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._objects: dict[int, Any] = {}
        self._ids = itertools.count(1)
        self._number = 0
        self._module = _fresh_main()

    def serve(self) -> None:
        """Answer requests until the other side hangs up."""
        while True:
            try:
                request = decode(self._channel.receive(), self._resolve)
            except Closed:
                return
            self._number, op, *arguments = request
            self._reply(self._answer(op, arguments))

    def _answer(self, op: str, arguments: list[Any]) -> list[Any]:
        try:
            return ["value", getattr(self, f"_op_{op}")(*arguments)]
        except _MissingError as error:
            return ["missing", str(error)]
        except BaseException as error:  # sys.exit, KeyboardInterrupt and worse are answers too
            return ["raised", *_words(error)]

    def _reply(self, answer: list[Any]) -> None:
        try:
            data = encode([self._number, *answer], self._refer, self._channel.max_bytes)
        except WireError as error:
            data = encode([self._number, "unsendable", str(error)[:_WORDS]])
        self._channel.send(data)

    # --- what can be asked ---

    def _op_cell(self, source: str, number: int) -> None:
        code = _compiled(source, f"<cell {number}>")
        exec(code, vars(self._module))  # noqa: S102  # this is what the sandbox is for

    def _op_seed(self, seed: int) -> None:
        random.seed(seed)
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed(seed % 2**32)
        if torch := sys.modules.get("torch"):
            torch.manual_seed(seed)

    def _op_get(self, base: Any, name: str) -> Any:
        if base is not None:
            return getattr(base, name)
        if name not in vars(self._module):
            raise _MissingError(name)
        return vars(self._module)[name]

    def _op_set(self, base: Any, name: str, value: Any) -> None:
        setattr(self._module if base is None else base, name, value)

    def _op_call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return function(*args, **kwargs)

    def _op_item(self, base: Any, key: Any) -> Any:
        return base[key]

    def _op_length(self, base: Any) -> int:
        return len(base)

    def _op_items(self, base: Any, most: int) -> list[Any]:
        return list(itertools.islice(base, most))

    def _op_names(self) -> list[str]:
        return [name for name in vars(self._module) if not name.startswith("__")]

    def _op_drop(self, ids: list[int]) -> None:
        for each in ids:
            self._objects.pop(each, None)

    # --- objects that stay here ---

    def _refer(self, value: Any) -> Iterable[Any]:
        known = next(self._ids)
        self._objects[known] = value
        return known, type(value).__name__[:_WORDS], callable(value)

    def _resolve(self, fields: list[Any]) -> Any:
        kind, known = fields
        return self._objects[known] if kind == "object" else self._callback(known)

    def _callback(self, known: int) -> Callable[..., Any]:
        def callback(*args: Any, **kwargs: Any) -> Any:
            self._reply(["callback", known, list(args), kwargs])
            _, outcome, value = decode(self._channel.receive(), self._resolve)
            if outcome == "failed":
                raise TypeError(f"the function that your code was given can't use this: {value}")
            return value

        return callback


class _MissingError(Exception):
    """The notebook defines no such name."""


# --- cells ---------------------------------------------------------------------------------------


def _fresh_main() -> types.ModuleType:
    """Return a new `__main__` with the few names that a notebook has and a script has not."""
    module = types.ModuleType("__main__")
    vars(module).update(
        __builtins__=builtins, display=_nothing, get_ipython=_nothing, input=_no_input
    )
    sys.modules["__main__"] = module
    sys.stdout, sys.stderr, sys.stdin = _Discard(), _Discard(), io.StringIO()
    return module


class _Discard(io.TextIOBase):
    """Printed text goes nowhere: a flood of it costs only the student's own time."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Stand in for what only a notebook server can do."""


def _no_input(prompt: str = "") -> NoReturn:
    raise EOFError("there is nobody to answer input() while a notebook is graded")


def _compiled(source: str, name: str) -> types.CodeType:
    """Compile a cell; lines that only IPython understands count as empty ones."""
    try:
        tree = ast.parse(source, name)
    except SyntaxError:
        source = _without_magics(source)
        tree = ast.parse(source, name)
    lines = source.splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)  # for tracebacks and inspect
    return compile(tree, name, "exec", dont_inherit=True)


def _without_magics(source: str) -> str:
    """Blank out `%magic`, `!command` and `help?`. Of a cell magic only %%time and the like run."""
    first = source.lstrip().split("\n", 1)[0]
    if first.startswith("%%") and first.split()[0] not in {"%%time", "%%timeit", "%%capture"}:
        return ""
    return "\n".join(
        f"{found[1]}pass" if (found := _MAGIC.match(line)) else line for line in source.split("\n")
    )


# --- exceptions, in words ----------------------------------------------------------------------


def _words(error: BaseException) -> list[Any]:
    """Return class names, message, cell, line and source line. Nothing here may raise."""
    kinds = [kind.__name__ for kind in type(error).__mro__ if kind is not object]
    cell, line = _place(error)
    shown = linecache.getline(f"<cell {cell}>", line or 0).strip()
    return [kinds[:20], _message(error), cell, line, shown[:_WORDS]]


def _message(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return str(error.msg)[:_WORDS]
    try:
        return str(str(error))[:_WORDS].encode("utf-8", "replace").decode()
    except BaseException:  # the student's __str__ may do anything
        return ""


def _place(error: BaseException) -> tuple[int | None, int | None]:
    """Find the innermost line of the student's own cells."""
    found: tuple[int | None, int | None] = (None, None)
    if isinstance(error, SyntaxError) and (match := _CELL.fullmatch(str(error.filename))):
        return int(match[1]), error.lineno
    trace = error.__traceback__
    while trace is not None:
        if match := _CELL.fullmatch(trace.tb_frame.f_code.co_filename):
            found = int(match[1]), trace.tb_lineno
        trace = trace.tb_next
    return found
