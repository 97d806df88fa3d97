"""Inside the sandbox: serves calls to what a notebook's cells define.

Everything here shares a process with the student's code and must be expected to be changed by it.
So it decides nothing: it sends values, and the words of exceptions. See `session.py` for the
other end of the socket, and `cells.py` for how cells are run. This module is mounted in the sandbox
and imports only what is mounted beside it.

A request is `[number, op, *arguments]`. Answers repeat the number:
`[number, "value", value]`, `[number, "raised", kinds, message, places]`,
`[number, "missing"]`, `[number, "unsendable", why]`, `[number, "too_large"]`, and, before one
of these, any number of `[number, "callback", id, args, kwargs]`, each answered by
`[number, "value", value]` or `[number, "failed", kind]`. While a callback is out, requests are
answered as at any other time. `drop` alone has no answer.

Objects that the other side holds on to are kept under positive numbers, and so are tensors of an
answer that have a graph. Tensors of a request that need a gradient are kept under the negative
numbers that came with them. `backward` is asked with both.
"""

import contextlib
import importlib
import itertools
import linecache
import random
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from autograder.cells import Cells
from autograder.output import Output
from autograder.values import decode, encode
from autograder.wire import Channel, Closed, TooLargeError, WireError

__all__ = ["Worker"]

_CELL = re.compile(r"<cell (\d+)>")
_WORDS = 500
_PLACES = 10  # of a recursion, the innermost are enough


class Worker:
    """The notebook's namespace, and the objects in it that the other side holds on to."""

    def __init__(self, channel: Channel, max_output: int) -> None:
        self._channel = channel
        self._output = Output(max_output)
        self._objects: dict[int, Any] = {}
        self._ids = itertools.count(1)
        self._number = 0
        self._leaves: list[Any] = []
        self._cells = Cells(self._output)

    def serve(self) -> None:
        """Answer requests until the other side hangs up. WireError when it sends anything else."""
        with contextlib.suppress(Closed):
            while True:
                message = self._receive()
                self._output.printed = 0
                self._obey(*message)

    def _receive(self) -> tuple[int, str, list[Any]]:
        self._leaves = []
        message = decode(self._channel.receive(), self._resolve, link=self._link)
        if type(message) is not list or [type(each) for each in message[:2]] != [int, str]:
            raise WireError("a message that is no request")
        return message[0], message[1], message[2:]

    def _obey(self, number: int, op: str, arguments: list[Any]) -> None:
        self._number = number
        answer = self._answer(op, arguments)
        if op != "drop":
            self._reply(answer)

    def _answer(self, op: str, arguments: list[Any]) -> list[Any]:
        try:
            return ["value", getattr(self, f"_op_{op}")(*arguments)]
        except _MissingError:
            return ["missing"]
        except BaseException as error:  # sys.exit, KeyboardInterrupt and worse are answers too
            return ["raised", *_words(error)]

    def _reply(self, answer: list[Any]) -> None:
        keep = self._keep if answer[0] == "value" else None
        try:
            data = encode([self._number, *answer], self._refer, self._channel.max_bytes, keep=keep)
        except TooLargeError:
            data = encode([self._number, "too_large"])
        except WireError as error:
            data = encode([self._number, "unsendable", str(error)[:_WORDS]])
        self._channel.send(data)

    # --- what can be asked ---

    def _op_cell(self, source: str, number: int) -> None:
        self._cells.run(source, number)

    def _op_seed(self, seed: int) -> None:
        random.seed(seed)
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed(seed % 2**32)
        if torch := sys.modules.get("torch"):
            torch.manual_seed(seed)

    def _op_get(self, base: Any, name: str) -> Any:
        if base is not None:
            return getattr(base, name)
        if name not in vars(self._cells.main):
            raise _MissingError
        return vars(self._cells.main)[name]

    def _op_set(self, base: Any, name: str, value: Any) -> None:
        setattr(self._cells.main if base is None else base, name, value)

    def _op_call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return function(*args, **kwargs)

    def _op_item(self, base: Any, key: Any) -> Any:
        return base[key]

    def _op_assign(self, base: Any, key: Any, value: Any) -> None:
        base[key] = value

    def _op_contains(self, base: Any, item: Any) -> bool:
        return item in base

    def _op_length(self, base: Any) -> int:
        return len(base)

    def _op_items(self, base: Any, most: int) -> list[Any]:
        return list(itertools.islice(base, most))

    def _op_names(self) -> list[str]:
        return [name for name in vars(self._cells.main) if not name.startswith("__")]

    def _op_drop(self, numbers: list[int]) -> None:
        for each in numbers:
            self._objects.pop(each, None)

    def _op_library(self, name: str) -> Any:
        return importlib.import_module(name)

    def _op_backward(self, outputs: list[int], grads: list[Any], inputs: list[int]) -> list[Any]:
        """Go backward from tensors kept here. What was sent gets its gradients sent back."""
        backward = sys.modules["torch"].autograd.backward
        ends, leaves = [self._objects[n] for n in outputs], [self._objects[n] for n in inputs]
        before = [leaf.grad for leaf in leaves]
        for leaf in leaves:
            leaf.grad = None
        try:
            there = [grad.to(end.device) for grad, end in zip(grads, ends, strict=True)]
            backward(ends, there, retain_graph=True)
            return [_dense(leaf.grad) for leaf in leaves]
        finally:
            for leaf, grad in zip(leaves, before, strict=True):
                leaf.grad = grad

    # --- objects that stay here ---

    def _keep(self, tensor: Any) -> int | None:
        """Keep a tensor of an answer that has a graph, or that came with the question."""
        if tensor.is_leaf and not any(tensor is leaf for leaf in self._leaves):
            return None
        known = next(self._ids)
        self._objects[known] = tensor
        return known

    def _link(self, tensor: Any, number: int) -> Any:
        """Keep a tensor of a request that needs a gradient; a copy of one that was no leaf there.

        So the student's code may change in place what it could change in place over there.
        """
        is_leaf = tensor.requires_grad
        self._objects[number] = tensor.requires_grad_()
        self._leaves.append(tensor)
        return tensor if is_leaf else tensor.clone()

    def _refer(self, value: Any) -> Iterable[Any]:
        known = next(self._ids)
        self._objects[known] = value
        return known, type(value).__name__[:_WORDS], callable(value)

    def _resolve(self, fields: list[Any]) -> Any:
        kind, known = fields
        return self._objects[known] if kind == "object" else self._callback(known)

    def _callback(self, known: int) -> Callable[..., Any]:
        def callback(*args: Any, **kwargs: Any) -> Any:
            call = [self._number, "callback", known, list(args), kwargs]
            self._channel.send(encode(call, self._refer, self._channel.max_bytes))
            outcome, value = self._returned()
            if outcome == "failed":
                raise TypeError(f"the function that your code was given can't use this: {value}")
            return value

        return callback

    def _returned(self) -> tuple[str, Any]:
        """Wait for a callback's answer; meanwhile answer what that callback asks."""
        number, leaves = self._number, self._leaves
        try:
            while (message := self._receive())[1] not in ("value", "failed"):
                self._obey(*message)
        finally:
            self._number, self._leaves = number, leaves
        return message[1], message[2][0]


def _dense(grad: Any) -> Any:
    return grad.to_dense() if grad is not None and grad.is_sparse else grad


class _MissingError(Exception):
    """The notebook defines no such name."""


# --- exceptions, in words ----------------------------------------------------------------------


def _words(error: BaseException) -> list[Any]:
    """Return class names, message, and the way through the cells. Nothing here may raise."""
    kinds = [kind.__name__ for kind in type(error).__mro__ if kind is not object]
    return [kinds[:20], _message(error), _places(error)]


def _message(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return str(error.msg)[:_WORDS]
    try:
        return str(str(error))[:_WORDS].encode("utf-8", "replace").decode()
    except BaseException:  # the student's __str__ may do anything
        return ""


def _places(error: BaseException) -> list[list[Any]]:
    """Return [cell, line, function, source line] of the student's own frames, innermost last."""
    if isinstance(error, SyntaxError) and _CELL.fullmatch(str(error.filename)):
        return [_place(str(error.filename), error.lineno or 0, "")]
    found: deque[list[Any]] = deque(maxlen=_PLACES)
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if _CELL.fullmatch(code.co_filename):
            found.append(_place(code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return list(found)


def _place(name: str, line: int, function: str) -> list[Any]:
    shown = linecache.getline(name, line).strip()
    return [int(name[len("<cell ") : -1]), line, function[:_WORDS], shown[:_WORDS]]
