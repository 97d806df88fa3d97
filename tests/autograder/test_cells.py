"""Cells run in the sandbox as in Jupyter: a real IPython shell says what they define."""

import ast
import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from autograder.cells import _python
from autograder.errors import OverLimitError, StudentError
from autograder.notebook import Cell
from autograder.remote import Student
from autograder.report import Verdict
from autograder.sandbox import Fallback, Sandbox
from autograder.sandbox.bwrap import View
from autograder.session import Session
from autograder.suite import Limits

LIMITS = Limits(memory_mb=256, call_seconds=2, cells_seconds=20, output_mb=1, scratch_mb=16)

# What students write, by what is odd about it: the cells of a notebook each.
NOTEBOOKS = {
    "a comment that asks": [
        "%time a = 1",
        "mean = 3\n%time b = 2\nmean = -mean  # the sign: right?",
    ],
    "a text that asks": ["%time a = 1\nx = 'why'  # really?\ny = '''is it\nso?'''"],
    "help": [
        "import math\nmath.sqrt?\nx = 1",
        "?math",
        "math??\ny = 2",
        "??math.sqrt\n%time?\nz = 3",
    ],
    "% begins a line in brackets": [
        "%timeit -n1 -r1 1 + 1\nx = (\n    '%d of %d'\n    % (3, 7)\n)\ny = '%s' \\\n  % 5"
    ],
    "! and ? in brackets": ["!true\nx = [\n    3 !=\n    4,\n    '?',\n    '!ls'\n]"],
    "an indented cell": ["    def f(x):\n        return x * 2\n\n    y = f(3)"],
    "an indented cell with a magic": ["  %time x = 1\n  y = 2\n  if x:\n      !true\n      z = 3"],
    "prompts of Python": [">>> def f(x):\n...     return x + 1\n...\n>>> y = f(3)"],
    "prompts of IPython": [
        "In [3]: x = 5",
        "In [4]: def f():\n   ...:     return 7\n   ...: y = f()",
    ],
    "prompts in a docstring": [
        'def f(x):\n    """\n    >>> f(3)\n    6\n    """\n    return 2 * x'
    ],
    "a future statement": [
        "from __future__ import annotations",
        "def f(x: NotThere) -> There:\n    return x\nkind = type(f.__annotations__['x']).__name__",
    ],
    "a future statement, late": [
        "import math\nfrom __future__ import annotations\ndef f(x: NotThere): ...",
        "%%time\ndef g(x: NotThere): ...",
    ],
    "await": [
        "import asyncio\nawait asyncio.sleep(0)\nx = 1",
        "async def f(): return 7\ny = await f()",
    ],
    "await at the end": ["import asyncio\nx = 3\nawait asyncio.sleep(0.01, 5)"],
    "await in a comprehension": [
        "async def f(i): return i * 2",
        "x = [await f(i) for i in range(5)]",
    ],
    "async with and async for": [
        "import asyncio\nlock = asyncio.Lock()\nx = []\nasync def count():\n  yield 3",
        "async with lock:\n    x.append(2)\nasync for each in count():\n    x.append(each)",
    ],
    "a task that is awaited": [
        "import asyncio\nasync def f(): return 7\ntask = asyncio.create_task(f())\nx = await task"
    ],
    "gather": [
        "import asyncio\nasync def f(i):\n    await asyncio.sleep(0.001)\n    return i",
        "x = await asyncio.gather(*(f(i) for i in range(7)))",
    ],
    "what a command prints": ["files = !true\nx = len(files)", "y = 1\nfiles = !true\nz = files.n"],
    "commands": ["!true", "x = 1\n!true \\\n  and more\ny = 2", "!!true\nz = 3"],
    "%timeit": [
        "def f(): return 1\n%timeit -n1 -r1 f()\nt = %timeit -q -o -n 1 -r 1 q = f()\nx = t.loops"
    ],
    "%timeit keeps its figures": ["%timeit -q -n1 -r1 -v kept 1 + 1\nx = kept.repeat"],
    "%%timeit defines nothing": ["%%timeit -n1 -r1 s = 3\nq = s\nr = 2", "x = 1"],
    "%time": [
        "%time x = 6 * 7\n%time y = [\n%time z = 1",
        "v = %time sum([2, 3])",
        "%time q = 1; w = 2",
    ],
    "%time in a block": [
        "for i in range(3):\n    %time x = i\nif x:\n    %time y = x\nelse:\n    z = 1"
    ],
    "%time in a function": ["def f(n):\n    %time m = n * 2\n    return locals()['m']\nx = f(5)"],
    "%%time": ["%%time\nimport math\n\ndef f(x):\n    return x + 1\ny = f(3)\ny"],
    "%%time below empty lines": ["\n\n%%time\nx = 1", "  \n%%time\n%time y = 2"],
    "%%time over %%capture": ["%%time\n%%capture out\nx = 1\nprint(x)"],
    "%%capture": ["%%capture out\nprint('hello')\nx = 3", "text = str(out)\nout()"],
    "%%capture with options": ["%%capture --no-stderr out\nx = 3", "%%capture\ny = 1"],
    "%%prun and %prun": ["%%prun -q\ndef f(): return 1\nx = f()", "%prun -q -l 3 y = f()"],
    "cells in other languages": ["%%html\n<b>x = 1</b>", "%%latex\n$x = 1$", "%%markdown\n# x = 1"],
    "settings": ["%config InlineBackend.figure_format = 'retina'\nx = 1", "%precision 3\ny = 2"],
    "autoreload": ["%load_ext autoreload\n%autoreload 2\nx = 1"],
    "calls of the shell": [
        "get_ipython().run_line_magic('precision', '3')\nx = 1",
        "get_ipython().run_line_magic('time', 'y = 2')",
        "get_ipython().run_cell_magic('time', '', 'z = 3')",
    ],
    "the shell from IPython": [
        "from IPython import get_ipython\nshell = get_ipython()",
        "shell.run_line_magic('time', 'x=1')",
        "def hook(): ...\nshell.events.register('post_execute', hook)\ny = shell.user_ns['x']",
    ],
    "shown": ["from IPython.display import display, Markdown\ndisplay(Markdown('x'))\nx = 1\nx"],
    "standard output": [
        "import sys\nx = sys.stdout.encoding.lower()\nprint('hello', file=sys.stderr)",
        "sys.stdout.flush()\ny = sys.stdout.isatty()",
    ],
    "an error in the middle": [
        "x = 1\n1 / 0\ny = 2",
        "%time z = 1 / 0",
        "%%time\nv = 1\nw = 1 / 0\nu = 1",
    ],
    "an error of form": [
        "x = 1\ny = (",
        "def f():\n        x = 1\n    y = 2",
        "%time x = ",
        "z = 3",
    ],
    "return outside of functions": ["x = 1\nreturn x\ny = 2", "z = 3"],
    "autocall": ["def f(*a): ...\nx = 1\n/f 1 2\n,f a b\n;f a b\ny = 2"],
    "source of a function": [
        "%time a = 1\ndef f():\n    return 3\nimport inspect\nx = inspect.getsource(f)"
    ],
    "nothing": ["", "\n \n", "# only a comment?", "%%time\n"],
    "other ends of lines": ["%time x = 1\r\ny = 2\r\nif y:\r\n    z = 3\r\n"],
}


@pytest.fixture(scope="module", params=[Sandbox, Fallback])
def sandbox(request):
    with request.param(View(scratch_bytes=2**24)) as started:
        yield started


@pytest.fixture
def student(sandbox):
    """Return a function that runs cells and gives the student's notebook."""
    sessions = []

    def student(*cells):
        numbered = [Cell(source, number) for number, source in enumerate(cells, start=1)]
        sessions.append(Session(sandbox, numbered, LIMITS, 11))
        sessions[-1].begin_test(20)
        return Student(sessions[-1])

    student.notes = lambda: list(map(str, sessions[-1].notes))
    yield student
    for session in sessions:
        session.close()


@pytest.fixture
def jupyter(tmp_path, monkeypatch, capsys):
    """Return a function that runs cells as a kernel does, and gives what they define."""
    config = Config()
    config.HistoryManager.enabled = False
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: shell)
    shell = InteractiveShell(config=config, ipython_dir=str(tmp_path))
    before = set(shell.user_ns)

    async def run(cells):
        for source in cells:
            try:
                code, odd = shell.transform_cell(source), None
            except SyntaxError:
                code, odd = source, sys.exc_info()
            await shell.run_cell_async(source, transformed_cell=code, preprocessing_exc_tuple=odd)

    def jupyter(*cells):
        with ThreadPoolExecutor(1) as thread:  # other tests' browser has a loop in this one
            thread.submit(asyncio.run, run(cells)).result()
        return {name: each for name, each in shell.user_ns.items() if name not in before}

    return jupyter


def public(names):
    return {name for name in names if name[0] != "_"}


@pytest.mark.parametrize("cells", NOTEBOOKS.values(), ids=list(NOTEBOOKS))
def test_a_notebook_defines_what_it_defines_in_jupyter(student, jupyter, cells):
    expected, always = jupyter(*cells), public(dir(student()))
    book = student(*cells)
    assert public(dir(book)) - always == public(expected) - always
    for name in public(expected):
        if type(expected[name]) in (bool, int, str, list):
            assert getattr(book, name) == expected[name]


# --- where errors are ---

LINES = {
    "empty lines first": "\n\n  \nx = 1\n1 / 0",
    "below magics": "%time x = 1\n!ls\nx?\n%matplotlib inline\n1 / 0",
    "below a magic on three lines": "!pip install \\\n  numpy \\\n  torch\nx = 1\n1 / 0",
    "below an assigned command on two lines": "files = !ls \\\n  /\n1 / 0",
    "below help on two lines": "x = (\n3)\nx?\n%time y = (1)\n1 / 0",
    "in an indented cell": "\n    x = 1\n    %time x\n    1 / 0",
    "in a pasted cell": ">>> x = 1\n>>> def f():\n...     1 / 0\n...\n>>> f()",
    "on a magic's own line": "x = 0\n\n%time 1 / 0\ny = 1",
    "assigned from a magic": "x = 0\n\ny = %time 1 / 0",
    "in a cell magic": "\n%%time\nx = 1\n1 / 0",
    "in two cell magics": "%%time\n\n%%capture out\nx = 1\n\n1 / 0",
    "below a magic of a cell magic": "%%capture out\n!ls \\\n  /\nx = 1\n1 / 0",
    "in a profile": "%%prun -q x = 1\ny = 1\n1 / 0",
    "in a block": "x = 1\nif x:\n    !ls\n    %time y = 1\n    1 / 0",
    "where something is awaited": "\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0",
    "in what is awaited": "async def f():\n    1 / 0\n\nawait f()",
    "what can't be parsed": "%time x = 1\n!ls \\\n  /\ny = 1 / 0 0\n",
    "what can't be parsed in a cell magic": "%%time\nx = 1\ny = 1 / 0 0\n",
    "indented wrongly": "%time x = 1\ndef f():\n        x = 1\n    y = 1 / 0\n",
}


@pytest.mark.parametrize("source", LINES.values(), ids=list(LINES))
def test_an_error_is_told_at_the_students_own_line(student, source):
    lines = source.split("\n")
    number = next(n for n, line in enumerate(lines, start=1) if "1 / 0" in line)
    student("early = 1", source)
    note, *others = student.notes()
    assert others == []
    assert note.startswith(f"Cell 2, line {number} raised ")


def test_a_trail_goes_through_a_cell_magic_and_shows_the_students_lines(student):
    source = "%%time\ndef f(x):\n    return 1 / x\n\n%time f(0)"
    book = student(source, "def g(x):\n    return f(x)")
    with pytest.raises(StudentError) as caught:
        book.g(0)
    assert [str(place) for place in caught.value.raised.trail] == [
        "cell 2, line 2, in g: return f(x)",
        "cell 1, line 3, in f: return 1 / x",
    ]
    assert student.notes() == ["Cell 1, line 3 raised ZeroDivisionError: division by zero"]


def test_what_a_cell_magic_defines_knows_its_source(student):
    define = "\n%%time\n!ls\ndef f():\n    return 3"
    book = student(define, "import inspect\nx = inspect.getsource(f)")
    assert book.x == "def f():\n    return 3\n"


# --- the way to Python ---

MAGICS = [
    "%time x",
    "a = %time 1",
    "!ls",
    "b = !ls",
    "x?",
    "?x",
    "!!ls",
    "!ls \\\n  -l",
    "c = !ls \\\n -a",
]
OTHERS = [
    "",
    "  ",
    "# what?",
    "'is it?'",
    "(\n  7\n  % 3\n)",
    "if x:\n    !ls\n    y = 1",
    '"""\n?"""',
]
PASTED = [">>> p = 1", "... q", "In [1]: r = 1", "   ...: s", "  t", "%%time", "(", '"""', "1 0"]


def filled(text):
    return [line.rstrip() for line in text.split("\n") if line.strip()]


@given(st.lists(st.sampled_from([*MAGICS, *OTHERS, *PASTED]), max_size=8))
def test_cells_become_the_python_that_ipython_makes_of_them(pieces):
    source = "\n".join(pieces)
    try:
        expected = TransformerManager().transform_cell(source)
    except SyntaxError as error:
        with pytest.raises(type(error)):
            _python(source, "<cell 1>", 1)
    else:
        assert filled(_python(source, "<cell 1>", 1)) == filled(expected)


@given(st.lists(st.sampled_from([*MAGICS, *OTHERS]), max_size=8), st.integers(1, 5))
def test_no_line_moves(pieces, first):
    marked = [part for i, piece in enumerate(pieces) for part in (piece, f"line_{i} = {i}")]
    source = "\n".join(marked)
    told = ("\n" * (first - 1) + source).split("\n")
    got = _python(source, "<cell 1>", first).split("\n")
    for number, line in enumerate(told):
        if line.startswith("line_"):
            assert got[number] == line
    ast.parse("\n".join(got))


# --- what is printed ---

FLOODS = {
    "printed": "for i in range(10**6): print('x' * 100)",
    "written as bytes": "import sys\nfor i in range(10**6): sys.stdout.buffer.write(b'x' * 100)",
    "printed as an error": "import sys\nfor i in range(10**6): print('x' * 100, file=sys.stderr)",
    "timed": "%time [print('x' * 100) for i in range(10**6)]",
    "kept, then shown": "%%capture out\nfor i in range(20_000): print('x' * 100)",
    "after closing": "import sys\nsys.stdout.close()\nfor i in range(10**6): print('x' * 99)",
}


@pytest.mark.parametrize("source", FLOODS.values(), ids=list(FLOODS))
def test_printed_text_has_a_limit_however_it_is_printed(student, source):
    student(source, "out()" if "capture" in source else "")
    (note,) = student.notes()
    assert " raised OutputLimitError: " in note


def test_a_call_that_prints_too_much_is_over_its_limit(student):
    flood = "get_ipython().run_line_magic('time', \"print('x' * 2**21)\")"
    book = student(f"def f():\n    {flood}")
    with pytest.raises(OverLimitError) as caught:
        book.f()
    assert caught.value.verdict == Verdict.too_much_output


def test_standard_output_is_a_stream_of_text_over_one_of_bytes(student):
    student(
        "import sys, faulthandler\n"
        "print('\\ud800', '🙂')\n"
        "assert sys.stdout.encoding == 'utf-8'\n"
        "assert sys.stdout.buffer.write(b'abc') == 3\n"
        "sys.stdout.reconfigure(line_buffering=True)\n"
        "faulthandler.enable()"
    )
    assert student.notes() == []


# --- what the shell does not do ---

NOTHING = ["!touch one", "%%bash\ntouch two", "%%writefile three\nx", "%run four.py", "%cd /"]
NOTHING += ["%%python\nopen('five', 'w')", "get_ipython().system('touch six')", "%pip install six"]
NOTHING += ["%no_such_magic at all", "%%no_such_magic\ntouch seven", "get_ipython().magic('ls')"]


def test_no_command_and_no_program_of_a_cell_is_run(student):
    book = student(*NOTHING, "import os\nx = os.listdir()")
    assert book.x == []
    assert student.notes() == []


def test_a_timed_statement_is_not_run_and_its_figures_can_be_used(student):
    book = student(
        "ran = []\n%timeit ran.append(1)\nt = %timeit -qo -n3 ran.append(2)\n"
        "x = f'{t.average / t.best:.1f}'\n%timeit -1 + 2"
    )
    assert (book.ran, book.x) == ([], "1.0")
