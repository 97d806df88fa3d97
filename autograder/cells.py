"""Inside the sandbox: runs a notebook's cells as Jupyter does.

IPython's own transformer makes Python of what is none: magics, commands, pasted prompts, a cell
that is indented as a whole. As in IPython, statements are compiled and run one by one, so that an
error costs no statement before it; future statements hold for later cells too; and `await` may
stand outside of functions. What is shown and asked for leads nowhere.

Mounted in the sandbox; imports only `magics` and `output` of `autograder`.
"""

import __future__

import ast
import builtins
import contextlib
import functools
import inspect
import io
import linecache
import operator
import sys
import types
from collections.abc import Coroutine
from typing import Any, NoReturn

import IPython
from IPython.core import getipython
from IPython.core.inputtransformer2 import TransformerManager, leading_empty_lines

from autograder.magics import Shell
from autograder.output import Output

__all__ = ["Cells"]

_FEATURES = [getattr(__future__, name) for name in __future__.all_feature_names]
_FUTURE = functools.reduce(operator.or_, (feature.compiler_flag for feature in _FEATURES))


class Cells:
    """A fresh `__main__`, with the few names that a notebook has and a script has not.

    There can be only one in a process: its `main` is what is imported as `__main__`, and all that
    is printed goes to `output`.
    """

    def __init__(self, output: Output) -> None:
        self.main = types.ModuleType("__main__")
        self._names = vars(self.main)
        self._flags = 0
        shell = Shell(self.execute, self._names)
        own = {"display": _nothing, "get_ipython": lambda: shell, "input": _no_input}
        self._names.update(own, __builtins__=builtins)
        for module in (IPython, getipython):
            vars(module)["get_ipython"] = own["get_ipython"]
        sys.modules["__main__"] = self.main
        sys.stdout, sys.stderr, sys.stdin = output.text, output.text, io.StringIO()

    def run(self, source: str, number: int) -> None:
        """Run one cell. Raises what it raises; its frames have `<cell 7>` for a file name."""
        name = f"<cell {number}>"
        lines = f"{source}\n".splitlines(keepends=True)
        linecache.cache[name] = (len(source), None, lines, name)  # for tracebacks and inspect
        self.execute(source, name)

    def execute(
        self, source: str, name: str, line: int = 1, scope: dict[str, Any] | None = None
    ) -> Any:
        """Run lines of a cell, of which the first has the number `line`.

        `scope` are the local names, if they are not the notebook's own. Returns the value of the
        last statement if that is an expression.
        """
        flags = self._flags | ast.PyCF_ONLY_AST
        tree = compile(_python(source, name, line), name, "exec", flags, dont_inherit=True)
        value = None
        for statements in self._steps(tree.body, name):
            value = self._take(self._compiled(statements, name), scope)
        return value

    def _steps(self, statements: list[ast.stmt], name: str) -> list[list[ast.stmt]]:
        """Split statements into what is run at once: all, if any awaits, so that they share a loop.

        So a task that one statement starts can be awaited by the next.
        """
        with contextlib.suppress(SyntaxError):
            if _awaits(self._compiled(statements, name)):
                return [statements]
        return [[each] for each in statements]

    def _compiled(self, statements: list[ast.stmt], name: str) -> types.CodeType:
        tree: ast.Module | ast.Expression = ast.Module(statements, [])
        if len(statements) == 1 and isinstance(statements[0], ast.Expr):
            tree = ast.Expression(statements[0].value)
        mode = "exec" if isinstance(tree, ast.Module) else "eval"
        flags = self._flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return compile(tree, name, mode, flags, dont_inherit=True)

    def _take(self, code: types.CodeType, scope: dict[str, Any] | None) -> Any:
        self._flags |= code.co_flags & _FUTURE
        value = eval(code, self._names, scope)  # noqa: S307  # this is what the sandbox is for
        return _finished(value) if _awaits(code) else value


def _awaits(code: types.CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _finished(waiting: Coroutine[Any, Any, Any]) -> Any:
    """Wait on the one event loop of the notebook, where tasks of earlier cells go on."""
    return _loop().run_until_complete(waiting)


@functools.cache
def _loop() -> Any:
    import asyncio

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def _python(source: str, name: str, line: int) -> str:
    """Make Python of lines of which the first has the number `line`, each still on its line."""
    begun = "".join(leading_empty_lines(source.splitlines(keepends=True)))
    above = line - 1 + source.count("\n", 0, len(source) - len(begun))
    try:
        return "\n" * above + _Transformer().transform_cell(begun)
    except SyntaxError as error:  # the tokeniser's, which does not know what it reads
        error.filename, error.lineno = name, above + (error.lineno or 1)
        raise


class _Transformer(TransformerManager):
    """IPython's, but no line moves up, so that errors are told where they are."""

    def do_token_transforms(self, lines: list[str]) -> list[str]:
        """Look for magics, but not in what is Python already: it has none, and looking is slow."""
        with contextlib.suppress(SyntaxError):
            ast.parse("".join(lines))
            return lines
        return super().do_token_transforms(lines)

    def do_one_token_transform(self, lines: list[str]) -> tuple[bool, list[str]]:
        """Transform the first magic; empty lines follow it where it stood on several."""
        changed, after = super().do_one_token_transform(lines)
        if gap := len(lines) - len(after):
            place = next(i for i, line in enumerate(after) if line != lines[i])
            after[place + 1 : place + 1] = ["\n"] * gap
        return changed, after


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Stand in for what only a notebook server can do."""


def _no_input(prompt: str = "") -> NoReturn:
    raise EOFError("there is nobody to answer input() while a notebook is graded")
