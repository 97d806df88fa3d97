"""One worker, told by each test what to run: what comes back, and how it misbehaves."""

import contextlib
import time

import numpy as np
import pytest

from autograder.errors import (
    ExpectationError,
    GraderError,
    MissingNameError,
    NotRunError,
    OverLimitError,
    ProtocolBreach,
    SandboxError,
    StudentError,
    SuiteError,
    UnsendableError,
    WorkerCrashed,
    WorkerOutOfMemory,
    WorkerTimedOut,
)
from autograder.notebook import Cell
from autograder.remote import RemoteObject, Student, cpu_seconds
from autograder.sandbox import Sandbox
from autograder.sandbox.bwrap import View
from autograder.session import Session
from autograder.suite import Limits, expect_close

LIMITS = Limits(
    memory_mb=256,
    call_seconds=1,
    test_seconds=2,
    cells_seconds=2,
    total_seconds=20,
    restarts=2,
    scratch_mb=16,
)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(View(scratch_bytes=2**24), preload=("numpy",)) as started:
        yield started


@pytest.fixture
def notebook(sandbox):
    """Return a function that opens a session on some cells."""
    sessions = []

    def notebook(*cells, limits=LIMITS, seed=11):
        numbered = [Cell(source, number) for number, source in enumerate(cells, start=1)]
        sessions.append(Session(sandbox, numbered, limits, seed))
        return sessions[-1]

    yield notebook
    for session in sessions:
        session.close()


@pytest.fixture
def student(notebook):
    """Return a function that runs cells and gives the student's notebook."""

    def student(*cells, **options):
        session = notebook(*cells, **options)
        session.begin_test(session._limits.test_seconds)
        return Student(session)

    return student


# --- values and objects ---


def test_functions_are_called_with_arrays_and_return_arrays(student):
    double = student("def double(x, by=2):\n    return x * by").double
    np.testing.assert_array_equal(double(np.arange(3)), [0, 2, 4])
    np.testing.assert_array_equal(double(np.arange(3), by=5), [0, 5, 10])


def test_arguments_are_copies(student):
    x = np.zeros(3)
    student("def spoil(x):\n    x += 1").spoil(x)
    assert x.tolist() == [0, 0, 0]


def test_objects_stay_where_they_are(student):
    code = (
        "class Model:\n"
        "    def __init__(self, *sizes): self.sizes = list(sizes); self.child = None\n"
        "    def grow(self, other): self.child = other; return self\n"
        "    def __len__(self): return 3\n"
        "    def __getitem__(self, key): return key * 2\n"
        "    def __iter__(self): return iter([self, 7])\n"
    )
    model = student(code).Model(3, 5)
    assert isinstance(model, RemoteObject)
    assert repr(model) == "<the student's Model>"
    assert model.sizes == [3, 5]
    assert len(model) == 3
    assert model["ab"] == "abab"
    other = student(code).Model()
    assert [type(item) for item in other] == [RemoteObject, int]
    assert bool(model)


def test_numpy_does_not_take_an_object_apart(student):
    code = (
        "class Endless:\n"
        "    asked = 0\n"
        "    def __len__(self): return 2\n"
        "    def __getitem__(self, key): return self\n"
        "    def __iter__(self): Endless.asked += 1; return iter([self, self])\n"
        "endless = Endless()\n"
    )
    book = student(code)
    for value in (book.endless, [book.endless]):
        with pytest.raises(TypeError, match="is no array"):
            np.asarray(value)
        with pytest.raises(ExpectationError, match="the mean"):
            expect_close(value, [1.0], what="the mean")
    assert book.Endless.asked == 0


def test_objects_are_passed_back_and_changed(student):
    book = student("class Box: pass\ndef same(a, b): return a is b\nfirst, second = Box(), Box()")
    first = book.first
    assert book.same(first, book.first) is True
    assert book.same(first, book.second) is False
    first.size = 7
    assert book.first.size == 7
    book.extra = [1, 2]
    assert book.extra == [1, 2]
    assert {"Box", "first", "second", "same", "extra"} <= set(dir(book))


def test_a_function_of_the_suite_is_called_back(student):
    book = student(
        "def best(items, score):\n    return max(items, key=lambda item: score(item, w=2))"
    )
    seen = []

    def score(item, w):
        seen.append(item)
        return -w * abs(item - 3)

    assert book.best([1, 2, 3, 4], score) == 3
    assert seen == [1, 2, 3, 4]


def test_of_an_error_in_a_callback_only_its_kind_crosses(student):
    book = student("def call(f):\n    return f(1)")

    def secret(value):
        raise KeyError("the expected value is 42")

    with pytest.raises(StudentError, match="can't use this: KeyError") as caught:
        book.call(secret)
    assert "42" not in str(caught.value)


def test_objects_that_no_test_holds_are_let_go(student):
    book = student(
        "import gc\nclass Big: pass\ndef make(): return Big()\n"
        "def count(): return sum(type(o) is Big for o in gc.get_objects())"
    )
    for _ in range(5):
        book.make()
    kept = book.make()
    assert book.count() == 1
    del kept


def test_an_endless_generator_gives_its_first_items(student):
    book = student("import itertools\ndef numbers(): return itertools.count()")
    items = list(book.numbers())
    assert (len(items), items[-1]) == (100_000, 99_999)


# --- names and errors ---


def test_a_missing_name_says_so(student):
    book = student("x = 1\nclass Box: pass\nbox = Box()")
    with pytest.raises(MissingNameError, match="^Your notebook defines no `softmax`.$"):
        book.softmax(3)
    with pytest.raises(MissingNameError, match="^An object of your notebook has no `fit`.$"):
        book.box.fit()
    assert not hasattr(book, "softmax")
    assert hasattr(book, "x")


def test_an_exception_tells_kind_message_cell_and_line(student):
    book = student(
        "x = 1", "class OddError(ValueError): pass\n\ndef f(n):\n    raise OddError(f'n={n}')"
    )
    with pytest.raises(StudentError) as caught:
        book.f(-1)
    error = caught.value
    assert str(error) == "OddError: n=-1 (cell 2, line 4)"
    assert error.is_a("ValueError")
    assert not error.is_a("KeyError")
    assert [str(place) for place in error.raised.trail] == [
        "cell 2, line 4, in f: raise OddError(f'n={n}')"
    ]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import sys; sys.exit(0)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('x')", "BaseException"),
        ("input()", "EOFError"),
        ("def f(): f()\nf()", "RecursionError"),
        ("class E(Exception):\n    def __str__(self): 1/0\nraise E", "E"),
        ("x = (", "SyntaxError"),
        ("x = '\\ud800'; raise ValueError(x)", "ValueError"),
    ],
)
def test_a_cell_that_raises_is_noted_and_the_next_one_runs(notebook, code, kind):
    session = notebook(code, "after = 7")
    session.begin_test(2)
    assert Student(session).after == 7
    assert len(session.notes) == 1
    assert str(session.notes[0]).startswith("Cell 1")
    assert f"raised {kind}" in str(session.notes[0])


def test_what_exceptions_say_is_cleaned_and_cut(notebook):
    session = notebook("raise ValueError('\\x1b[31m<script>\\u202e' + 'x' * 10_000)")
    session.begin_test(2)
    assert "\x1b" not in str(session.notes[0])
    assert "\u202e" not in str(session.notes[0])
    assert len(str(session.notes[0])) < 300


def test_magics_and_shell_lines_do_nothing(student):
    book = student(
        "%matplotlib inline\nx = 1\nif x:\n    !rm -rf /\ny = 2\n?x\nx?",
        "%%time\nz = 3",
        "%%bash\nexit 1",
        "x = 7 % 4\nget_ipython().system('ls')\ndisplay(x)",
    )
    assert (book.x, book.y, book.z) == (3, 2, 3)


def test_classes_of_a_notebook_know_their_source_and_module(student):
    code = "import inspect, pickle, dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int = 1\n"
    book = student(
        code + "def f():\n    return inspect.getsource(f), pickle.loads(pickle.dumps(P(2))).x"
    )
    source, x = book.f()
    assert source.startswith("def f():")
    assert x == 2


# --- limits ---


def test_seeds_are_the_same_in_every_test_and_another_for_another_seed(notebook):
    code = "import random, numpy as np\ndef draw(): return random.random(), float(np.random.rand())"
    drawn = []
    for seed in (11, 11, 12):
        session = notebook(code, seed=seed)
        for _ in range(2):
            session.begin_test(2)
            drawn.append(Student(session).draw())
        session.close()
    assert len(set(drawn[:4])) == 1
    assert drawn[4] == drawn[5] != drawn[0]


def test_an_endless_call_costs_its_test_and_the_next_test_runs(notebook):
    session = notebook("def hang():\n    while True: pass\ndef fine(): return 7")
    session.begin_test(2)
    started = time.monotonic()
    with pytest.raises(WorkerTimedOut, match="^your code ran longer than 1 s$"):
        Student(session).hang()
    assert time.monotonic() - started < 20
    with pytest.raises(WorkerTimedOut, match="longer than 1 s"):
        Student(session).fine()
    session.begin_test(2)
    assert Student(session).fine() == 7


def test_many_slow_calls_cost_their_test(notebook):
    session = notebook("import time\ndef nap(): time.sleep(0.5)")
    session.begin_test(1.2)
    book = Student(session)
    with pytest.raises(WorkerTimedOut, match="^this test ran longer than 1.2 s$"):
        [book.nap() for _ in range(10)]


def test_a_cell_that_hangs_costs_all_tests_and_is_not_run_again(notebook):
    session = notebook("x = 1", "while True: pass")
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(
            WorkerTimedOut, match="^Cell 2: the notebook's cells ran longer than 2 s"
        ):
            session.begin_test(2)
    assert time.monotonic() - started < 1
    assert list(map(str, session.notes)) == ["Cell 2: the notebook's cells ran longer than 2 s."]


def test_restarts_are_counted(notebook):
    session = notebook("import os\ndef die(): os._exit(3)")
    for _ in range(3):
        session.begin_test(2)
        with pytest.raises(WorkerCrashed, match="your code ended its own process, as `exit`"):
            Student(session).die()
    with pytest.raises(
        NotRunError, match="not run: earlier tests of this task ended your code 3 times"
    ):
        session.begin_test(2)


def test_each_task_has_restarts_of_its_own(notebook):
    session = notebook("import os\ndef die(): os._exit(3)\ndef f(): return 1")
    for _ in range(3):
        session.begin_test(2, "one")
        with pytest.raises(WorkerCrashed):
            Student(session).die()
    with pytest.raises(NotRunError):
        session.begin_test(2, "one")
    session.begin_test(2, "two")
    assert Student(session).f() == 1


def test_a_cell_that_the_student_added_and_that_never_ends_is_left_out(sandbox):
    cells = [
        Cell("def f(): return 1", 1, "one-answer"),
        Cell("while True: pass", 2, own=True),
        Cell("import os; os._exit(1)", 3, own=True),
        Cell("import os; os._exit(1)", 4, own=True),
        Cell("def g(): return 2", 5, own=True),
    ]
    with contextlib.closing(Session(sandbox, cells, LIMITS, 11)) as session:
        for _ in range(3):
            session.begin_test(2, "one")
            assert (Student(session).f(), Student(session).g()) == (1, 2)
        without = " The others were run without it."
        assert list(map(str, session.notes)) == [
            f"Cell 2: the notebook's cells ran longer than 2 s.{without}",
            *(
                f"Cell {n}: your code ended its own process, as `exit` or `os._exit` do.{without}"
                for n in (3, 4)
            ),
        ]


def test_an_answer_that_never_ends_costs_what_it_defines(sandbox):
    cells = [
        Cell("def f(): return 1\nwhile True: pass", 1, "one-answer", own=True),
        Cell("def g(): return 2", 2, "two-answer", own=True),
    ]
    with contextlib.closing(Session(sandbox, cells, LIMITS, 11)) as session:
        session.begin_test(2, "two")
        assert Student(session).g() == 2
        with pytest.raises(MissingNameError, match="defines no `f`"):
            Student(session).f()


def test_what_cells_say_after_a_restart_is_not_told(sandbox):
    """By then they may know what the tests passed to their functions: files outlive a worker."""
    source = "import os, time\ndef f(): os._exit(1)\nraise ValueError(time.monotonic_ns())"
    with contextlib.closing(Session(sandbox, [Cell(source, 1)], LIMITS, 11)) as session:
        session.begin_test(2)
        told = session.notes[:]
        with pytest.raises(WorkerCrashed):
            Student(session).f()
        session.begin_test(2)
        assert session.generation == 2
        assert len(told) == 1
        assert session.notes == told


def test_what_cells_say_in_a_restart_that_fails_is_not_told(sandbox):
    cells = [Cell("import os\ndef f(): os._exit(1)", 1)]
    with contextlib.closing(Session(sandbox, cells, LIMITS, 11)) as session:
        session.begin_test(2)
        with pytest.raises(WorkerCrashed):
            Student(session).f()
        cells[:] = [Cell("raise ValueError('a secret')", 1), Cell("import os; os._exit(1)", 2)]
        with pytest.raises(WorkerCrashed, match="no test could run"):
            session.begin_test(2)
        assert session.notes == []


def test_only_so_many_cells_are_left_out_and_none_of_the_lab_s(sandbox):
    own = [Cell("import os; os._exit(1)", number, own=True) for number in range(1, 12)]
    lab_s = [Cell("import os; os._exit(1)", 1, "set-up")]
    for cells, number in ((own, 11), (lab_s, 1)):
        session = Session(sandbox, cells, LIMITS, 11)
        with pytest.raises(WorkerCrashed, match=f"^Cell {number}: .*; no test could run"):
            session.begin_test(2)
        session.close()


def test_a_place_that_the_student_does_not_have_is_not_repeated(student):
    """The number of a line is a message otherwise, and every argument can be told by it."""
    book = student(
        "def f(cell, line):\n"
        "    code = compile('\\n' * (line - 1) + '1 / 0', f'<cell {cell}>', 'exec')\n"
        "    exec(code)"
    )
    seen = set()
    for place in [(1, 2), (1, 3), (1, 4), (1, 77), (0, 1), (2, 1), (9, 9)]:
        with pytest.raises(StudentError) as caught:
            book.f(*place)
        seen |= {(at.cell, at.line) for at in caught.value.raised.trail}
    assert seen == {(1, 2), (1, 3)}


def test_the_seed_that_the_student_sees_is_not_that_of_the_tests(notebook):
    cells = (
        "import random\nseen = []\nreal = random.seed\n"
        "def seed(number=None, *more):\n    seen.append(number)\n    real(number, *more)\n"
        "random.seed = seed"
    )
    session = notebook(cells, seed=123456789)
    session.begin_test(2)
    seen = Student(session).seen
    assert seen
    assert not any(type(number) is int and number % 2**32 == 123456789 for number in seen)


def test_the_whole_notebook_has_a_limit_too(notebook):
    session = notebook("import time\ndef nap(): time.sleep(0.9)", limits=Limits(total_seconds=1))
    session.begin_test(20)
    book = Student(session)
    with pytest.raises(WorkerTimedOut, match="the whole notebook used up its 1 s"):
        [book.nap() for _ in range(5)]
    with pytest.raises(NotRunError, match="not run: the whole notebook used up its 1 s"):
        session.begin_test(20)


def test_the_clock_for_tests_of_cost_counts_computing_and_not_waiting(student):
    book = student(
        "import time\n"
        "def wait(): time.sleep(0.4)\n"
        "def compute():\n"
        "    until = time.process_time() + 0.4\n"
        "    while time.process_time() < until: pass\n"
    )
    begin = cpu_seconds(book)
    book.wait()
    waited = cpu_seconds(book)
    book.compute()
    assert waited - begin < 0.1
    assert 0.35 < cpu_seconds(book) - waited < 0.6


def test_a_second_session_may_have_what_the_first_left_of_the_time(notebook, sandbox):
    first = notebook("import time\ndef nap(): time.sleep(0.9)", limits=Limits(total_seconds=1))
    first.begin_test(20)
    Student(first).nap()
    first.close()
    with contextlib.closing(Session(sandbox, [], Limits(), seed=0, total=first.total)) as second:
        second.begin_test(20)
        with pytest.raises(WorkerTimedOut, match="the whole notebook used up its 1 s"):
            second.ask("cell", "import time\ntime.sleep(5)", 1)


@pytest.mark.parametrize(
    "code",
    [
        "blocks = []\ndef eat():\n    while True: blocks.append(bytearray(2**20))",
        "import numpy as np\ndef eat(): return np.ones(2**28).sum()",
    ],
)
def test_memory_has_a_limit(student, code):
    with pytest.raises(StudentError) as caught:
        student(code).eat()
    assert caught.value.is_a("MemoryError")


def test_shared_memory_is_counted_too(student):
    code = (
        "import mmap, time\n"
        "def eat():\n    page = mmap.mmap(-1, 2**29)\n"
        "    for at in range(0, 2**29, 2**20): page[at:at + 2**20] = bytes(2**20)\n"
        "    time.sleep(5)"
    )
    with pytest.raises(WorkerOutOfMemory, match="your code used more than 256 MB of memory"):
        student(code).eat()


def test_how_the_process_ended_is_said(student):
    with pytest.raises(WorkerCrashed, match="ended the process: it was ended by SIGSEGV"):
        student("import ctypes\ndef crash(): ctypes.string_at(0)").crash()


# --- lies on the wire: student code takes the socket ---

WIRE = """
import gc, os, socket, struct, msgpack, threading, time
from autograder.wire import Channel
channel = next(o for o in gc.get_objects() if type(o) is Channel)

def say(*message):
    data = msgpack.packb(list(message))
    os.write(channel.fileno(), struct.pack(">I", len(data)) + data)
"""


@pytest.mark.parametrize(
    "said",
    [
        'say(999, "value", 1)',
        'say(1, "value", 1)',
        'os.write(channel.fileno(), b"\\x00\\x00\\x00\\x01\\xc1")',
        'os.write(channel.fileno(), b"\\xff\\xff\\xff\\xff")',
        'say("passed")',
        'say(True, "value", 1)',
        "say(10**6, 7, 1)",
        '[say(n, "raised", [], "", None) for n in range(50)]',
        '[say(n, "passed", 1.0) for n in range(50)]',
        '[say(n, "callback", 7, [], {}) for n in range(50)]',
        '[say(n, "callback", -1, [], {}) for n in range(50)]',
        '[say(n, "callback", 0, [], {1: 2}) for n in range(50)]',
    ],
)
def test_an_answer_that_is_none_is_a_breach(student, said):
    book = student(WIRE + f"def f(callback):\n    {said}\n    time.sleep(5)")
    with pytest.raises(ProtocolBreach, match="your code broke the connection to the grader"):
        book.f(abs)


def test_a_second_answer_is_a_breach_of_the_next_question(student):
    code = WIRE + (
        "import sys\ndef f():\n"
        "    number = next(v for o in gc.get_objects() if type(o).__name__ == 'Worker'\n"
        "                  for v in [o._number])\n"
        "    say(number, 'value', 'first')\n    return 'second'"
    )
    book = student(code)
    assert book.f() == "first"
    time.sleep(0.2)
    with pytest.raises(ProtocolBreach, match="it spoke without being asked"):
        book.f()


def test_references_of_the_wrong_form_are_a_breach(student):
    code = WIRE + (
        "def f():\n"
        "    number = next(o._number for o in gc.get_objects() if type(o).__name__ == 'Worker')\n"
        "    say(number, 'value', [msgpack.ExtType(10, b''), 'a', 'b', 'c'])\n    time.sleep(5)"
    )
    with pytest.raises(ProtocolBreach, match="a reference of the wrong form"):
        student(code).f()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def f():\n    x = []\n    x.append(x)\n    return x", "can't be checked"),
        ("def f(): return 2**10000", "an int of"),
        ("def f(): return '\\ud800'", "surrogates not allowed"),
        ("import numpy as np\ndef f(): return np.array(['\\ud800'])", "surrogates not allowed"),
        ("def f(): return list(range(3_000_000))", "over 2,000,000 elements"),
    ],
)
def test_a_value_that_is_too_much_is_the_students_error(student, code, message):
    with pytest.raises(UnsendableError, match=message):
        student(code).f()


def test_a_value_of_too_many_bytes_is_over_its_limit(student):
    code = "import numpy as np\ndef f(): return np.broadcast_to(0., (10**10,))"
    with pytest.raises(OverLimitError, match="a value of more than 256 MB"):
        student(code).f()


# --- faults of ours and of the author ---


def test_an_argument_that_cannot_be_sent_is_the_authors_fault(student):
    with pytest.raises(SuiteError, match="an argument of a hidden test can't be sent: a object"):
        student("def f(x): pass").f(object())


def test_asking_before_a_test_began_is_our_fault(notebook):
    with pytest.raises(GraderError, match="asked before begin_test"):
        notebook("x = 1").ask("names")


def test_a_machine_too_busy_is_our_fault(notebook, monkeypatch):
    monkeypatch.setattr("autograder.session._PATIENCE", 0)
    monkeypatch.setattr("autograder.session._CLEANUP_SECONDS", 0.5)
    session = notebook("import time\ndef nap(): time.sleep(5)", limits=Limits())
    session.begin_test(60)
    with pytest.raises(SandboxError, match="the machine was too busy to run the student's code"):
        Student(session).nap()


def test_folders_thousands_deep_are_cleaned_up(notebook, sandbox):
    code = "import os\nfor _ in range(3000):\n    os.mkdir('d'); os.chdir('d')"
    session = notebook(code)
    session.begin_test(2)
    session.close()
    assert sandbox.alive
    later = notebook("import os\nx = os.listdir('.')")
    later.begin_test(2)
    assert Student(later).x == []
