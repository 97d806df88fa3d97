"""Modules and gradients across the wire, each held against the same computation done here."""

import contextlib
import gc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.errors import (
    ProtocolBreach,
    StudentError,
    SuiteError,
    WorkerCrashed,
    WorkerTimedOut,
)
from autograder.limits import Limits
from autograder.notebook import Cell
from autograder.remote import RemoteObject, Student
from autograder.sandbox import Sandbox
from autograder.sandbox.bwrap import View
from autograder.session import Session
from autograder.suite import library
from autograder.values import encode

LIMITS = Limits(call_seconds=20, test_seconds=60, total_seconds=600, restarts=100)
PRELOAD = ("numpy", "torch", "torch._dynamo", "torch._inductor")  # the last two: for optimisers
DEVICES = ["cpu", *["cuda"] * torch.cuda.is_available()]
MODULES = """
import torch
from torch import nn

class Tagger(nn.Module):
    def __init__(self, vocabulary, size, tags, sparse=False):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, size, sparse=sparse)
        self.lstm = nn.LSTM(size, size, batch_first=True)
        self.out = nn.Linear(size, tags)

    def forward(self, tokens):
        return self.out(self.lstm(self.embed(tokens))[0])

class Cell(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.cell = nn.LSTMCell(size, hidden)

    def forward(self, x, state):
        return self.cell(x, state)
"""
TOOLS = """
import gc, torch

def table():
    return sorted(next(o for o in gc.get_objects() if type(o).__name__ == 'Worker')._objects)
"""
exec(compile(MODULES, "<the modules>", "exec"), HERE := {})


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(View(), preload=PRELOAD) as started:
        yield started


@pytest.fixture(scope="module")
def notebook(sandbox):
    """Return a function that opens a session on some code and gives the student's notebook."""
    sessions = {}

    def notebook(code=MODULES + TOOLS, limits=LIMITS):
        if (code, limits) not in sessions:
            for session in sessions.values():
                session.close()
            sessions.clear()
            sessions[code, limits] = Session(sandbox, [Cell(code, 1)], limits, seed=11)
        sessions[code, limits].begin_test(limits.test_seconds)
        return Student(sessions[code, limits])

    yield notebook
    for session in sessions.values():
        session.close()


@pytest.fixture
def student(notebook):
    return notebook()


def twin(remote, *sizes, **options):
    """Return a module of the same class, here, with the same parameters."""
    module = HERE[remote._kind](*sizes, **options)
    module.load_state_dict(remote.state_dict())
    return module


def grads(module):
    """Return the gradients of a module's parameters, wherever it is."""
    found = {name: parameter.grad for name, parameter in module.named_parameters()}
    return {name: None if grad is None else grad.to_dense() for name, grad in found.items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


# --- modules ---


def test_a_module_is_made_loaded_called_and_read(student):
    model = student.Tagger(11, 5, 3)
    assert isinstance(model, RemoteObject)
    state = {name: torch.randn_like(value) for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    assert_same(dict(model.state_dict()), state)
    tokens = torch.randint(11, (2, 7))
    torch.testing.assert_close(model(tokens), twin(model, 11, 5, 3)(tokens))
    weight = model.out.weight
    assert type(weight) is torch.Tensor
    assert weight.is_leaf
    assert weight.requires_grad
    assert weight.grad is None
    assert [tuple(each.shape) for each in model.out.parameters()] == [(3, 5), (3,)]
    assert dict(model.out.named_parameters()).keys() == {"weight", "bias"}
    assert model.eval().training is False
    assert model.train().training is True


def test_what_is_changed_in_place_here_stays_as_it_was_there(student):
    model = student.Cell(2, 3)
    before = model.cell.weight_ih
    with torch.no_grad():
        model.cell.weight_ih.zero_()
    assert torch.equal(model.cell.weight_ih, before)


# --- gradients ---


@pytest.mark.parametrize("device", DEVICES)
def test_a_loss_computed_here_fills_the_gradients_there(student, device):
    model = student.Tagger(11, 5, 3).to(device)
    mine = twin(model, 11, 5, 3)
    tokens, tags = torch.randint(11, (2, 7)), torch.randint(3, (14,))
    for _ in range(2):  # gradients add up, as they do at home
        scores = model(tokens.to(device)) if device == "cpu" else model(tokens)
        F.cross_entropy(scores.flatten(0, 1), tags).backward()
        F.cross_entropy(mine(tokens).flatten(0, 1), tags).backward()
    assert_same(grads(model), grads(mine))
    model.zero_grad()
    assert set(grads(model).values()) == {None}


def test_gradients_go_back_through_time(student):
    model = student.Cell(2, 3)
    mine = twin(model, 2, 3)
    ends = []
    for cell in (model, mine):
        torch.manual_seed(5)
        inputs = torch.randn(7, 4, 2, requires_grad=True)
        start = torch.randn(4, 3, requires_grad=True)
        h, c = start.tanh(), torch.zeros(4, 3)
        for x in inputs:
            h, c = cell(x, (h, c))
        (h * c).sum().backward()
        ends.append((inputs.grad, start.grad))
    torch.testing.assert_close(ends[0], ends[1])
    assert_same(grads(model), grads(mine))


EXCHANGES = {
    "one of several results": "def f(x, y): return {'a': [x * y, (x ** 2).sum()], 'b': (y.exp(),)}",
    "an argument itself": "def f(x, y): return {'a': [x, y], 'b': (x,)}",
    "a view of an argument": "def f(x, y): return {'a': [x[0], y.T], 'b': (x.view(-1),)}",
    "one tensor twice": "def f(x, y):\n    z = x * y\n    return {'a': [z, z], 'b': (z[0],)}",
    "results that build on one another": (
        "def f(x, y):\n    z = x * y\n    w = z.sum()\n    return {'a': [z, w], 'b': (w * z,)}"
    ),
    "an argument that is not used": "def f(x, y): return {'a': [x.sin(), x], 'b': (x.cos(),)}",
    "an argument changed in place": (
        "def f(x, y):\n    y *= 3\n    return {'a': [x * y, y], 'b': (y,)}"
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("code", EXCHANGES.values(), ids=EXCHANGES)
def test_gradients_of_arguments_are_those_of_the_same_code_here(notebook, code, dtype):
    exec(code, here := {})
    results = []
    for f in (notebook(code).f, here["f"]):
        torch.manual_seed(7)
        x = torch.randn(3, 2, dtype=dtype, requires_grad=True)
        y = torch.randn(3, 2, dtype=dtype, requires_grad=True)
        found = f(x, 2 * y)
        loss = sum((each * k).abs().sum() for k, each in enumerate((*found["a"], *found["b"]), 1))
        loss.backward()
        results.append((found["a"], x.grad, y.grad))
    torch.testing.assert_close(results[0], results[1])


def test_a_leaf_stays_a_leaf_and_keeps_the_gradient_that_it_has(notebook):
    code = (
        "def f(w):\n    before, kept[:] = w.grad.clone(), [w]\n    (w * w).sum().backward()\n"
        "    return w.is_leaf, before, w.grad.clone(), (5 * w).sum()\n"
        "kept = []\ndef grad(): return kept[0].grad\n"
    )
    book = notebook(code)
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    w.grad = torch.tensor([7.0, 7.0])
    is_leaf, before, after, result = book.f(w)
    assert is_leaf is True
    assert before.tolist() == [7, 7]
    assert after.tolist() == [7 + 4, 7 + 6]
    assert w.grad.tolist() == [7, 7]
    result.backward()
    assert w.grad.tolist() == [12, 12]
    assert book.grad().tolist() == [11, 13]  # over there, it is none of their business


def test_sparse_gradients_arrive_dense(student):
    model = student.Tagger(11, 5, 3, sparse=True)
    mine = twin(model, 11, 5, 3, sparse=True)
    tokens = torch.tensor([[1, 2, 1]])
    model(tokens).sum().backward()
    mine(tokens).sum().backward()
    assert_same(grads(model), grads(mine))


def test_without_gradients_nothing_is_joined(student):
    model, x = student.Cell(2, 3), torch.ones(1, 2, requires_grad=True)
    state = torch.zeros(1, 3), torch.zeros(1, 3)
    with torch.no_grad():
        h, _ = model(x, state)
    assert not h.requires_grad
    assert model(x, state)[0].requires_grad
    for parameter in model.parameters():
        assert parameter.requires_grad
    model.requires_grad_(requires_grad=False)
    assert not model(x.detach(), state)[0].requires_grad


# --- training ---


@pytest.mark.parametrize(("name", "options"), [("SGD", {"lr": 0.5, "momentum": 0.9}), ("Adam", {})])
def test_an_optimiser_over_there_trains_like_one_here(student, name, options):
    model = student.Tagger(11, 5, 3)
    mine = twin(model, 11, 5, 3)
    optimisers = [
        getattr(library(student, "torch.optim"), name)(model.parameters(), **options),
        getattr(torch.optim, name)(mine.parameters(), **options),
    ]
    tokens, tags = torch.randint(11, (2, 7)), torch.randint(3, (14,))
    losses = []
    for module, optimiser in zip((model, mine), optimisers, strict=True):
        for _ in range(5):
            optimiser.zero_grad()
            loss = F.cross_entropy(module(tokens).flatten(0, 1), tags)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    assert losses[:5] == pytest.approx(losses[5:], rel=1e-5)
    assert losses[4] < losses[0]
    assert_same(dict(model.state_dict()), dict(mine.state_dict()))


def test_only_a_few_libraries_are_lent(student):
    assert library(student, "math").sqrt(49) == 7
    assert library(student, "torch.nn").Linear(2, 3).weight.shape == (3, 2)
    with pytest.raises(SuiteError, match=r"no library 'os' for hidden tests; there are: math, nu"):
        library(student, "os")


# --- what goes wrong on the way back ---

WRONG = """
import os, torch

class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 1
    @staticmethod
    def backward(ctx, grad): raise ValueError('this is wrong')

def wrong(x):
    return Wrong.apply(x)

def hooked(x, hook):
    y = x * 1
    y.register_hook(hook)
    return y

def die(x): return hooked(x, lambda grad: os._exit(3))

def hang(x):
    def hook(grad):
        while True: pass
    return hooked(x, hook)
"""


def test_errors_on_the_way_back_are_the_students(notebook):
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(StudentError, match=r"^ValueError: this is wrong \(cell 1, line 8\)"):
        notebook(WRONG).wrong(x).sum().backward()


def test_a_worker_that_dies_or_hangs_on_the_way_back_is_lost(notebook):
    x = torch.ones(3, requires_grad=True)
    quick = Limits(call_seconds=1, test_seconds=10)
    with pytest.raises(WorkerTimedOut, match="your code ran longer than 1 s"):
        notebook(WRONG, quick).hang(x).sum().backward()
    y = notebook(WRONG).die(x)
    with pytest.raises(WorkerCrashed):
        y.sum().backward()
    with pytest.raises(WorkerCrashed):
        y.sum().backward()
    notebook(WRONG)  # a new worker, which knows nothing of `y`
    with pytest.raises(SuiteError, match="this graph belongs to an earlier run of the notebook"):
        y.sum().backward()


def test_gradients_of_gradients_are_refused(student):
    y = student.Cell(2, 3)(torch.ones(1, 2), (torch.zeros(1, 3), torch.zeros(1, 3)))[0].sum()
    with pytest.raises(SuiteError, match="no gradients of gradients cross the wire"):
        y.backward(create_graph=True)


LIES = {
    "nothing": "None",
    "no list": "torch.ones(3)",
    "none of them": "[]",
    "too many": "[torch.ones(3), torch.ones(3)]",
    "another shape": "[torch.ones(2)]",
    "another dtype": "[torch.ones(3, dtype=torch.float64)]",
    "whole numbers": "[torch.ones(3, dtype=torch.int64)]",
    "a huge one": "[torch.ones(10_000_000)]",
    "an array": "[numpy.ones(3, dtype=numpy.float32)]",
    "an object": "[object()]",
    "text": "['1, 1, 1']",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_gradients_that_fit_nothing_are_a_breach(notebook, lie):
    code = (
        "import numpy, torch\nfrom autograder.worker import Worker\n"
        f"Worker._op_backward = lambda *arguments: {lie}\n"
        "def f(x): return x * 2\n"
    )
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(ProtocolBreach, match=r"connection to the grader\n  (a )?gradient"):
        notebook(code).f(x).sum().backward()
    assert x.grad is None


def test_a_gradient_with_a_graph_of_its_own_is_taken_for_its_numbers(notebook):
    code = (
        "import torch\nfrom autograder.worker import Worker\n"
        "Worker._op_backward = lambda *arguments: [torch.ones(3, requires_grad=True) * 5]\n"
        "def f(x): return x * 2\n"
    )
    x = torch.ones(3, requires_grad=True)
    notebook(code).f(x).sum().backward()
    assert x.grad.tolist() == [5, 5, 5]
    assert not x.grad.requires_grad


# --- what the worker keeps ---


def test_the_worker_keeps_nothing_that_no_test_holds(student):
    gc.collect()
    model, x = student.Cell(2, 3), torch.ones(1, 2, requires_grad=True)
    state = torch.zeros(1, 3), torch.zeros(1, 3)
    before = student.table()
    for k in range(1000):
        h, _ = model(x * 1, state)
        if k % 10 == 0:
            h.sum().backward()
    assert len(student.table()) == len(before) + 3  # h, c, and the x that they came from
    del h, _
    gc.collect()
    assert len(student.table()) == len(before)


# --- callbacks ---


def test_a_callback_may_ask_in_turn(notebook):
    code = (
        "class Box:\n    def __init__(self, size): self.size = size\n"
        "def largest(score): return max([Box(3), Box(7), Box(5)], key=score).size\n"
        "def nested(f, n): return f(n)\n"
    )
    book = notebook(code)
    assert book.largest(lambda box: box.size) == 7
    assert book.nested(lambda n: book.nested(lambda m: m + n, 5), 3) == 8
    with pytest.raises(StudentError, match="can't use this: MissingNameError"):
        book.largest(lambda box: box.weight)
    assert book.largest(lambda box: -box.size) == 3


def test_a_fault_of_the_author_in_a_callback_is_no_error_of_the_students(notebook):
    book = notebook("def call(f):\n    try: return f(1)\n    except Exception: return 7")
    with pytest.raises(SuiteError, match="an argument of a hidden test can't be sent: a object"):
        book.call(lambda n: book.call(object()))


def test_a_worker_lost_in_a_callback_is_lost_to_the_call_as_well(notebook):
    book = notebook("import os\ndef call(f): return f(1)\ndef die(): os._exit(1)")
    with pytest.raises(WorkerCrashed):
        book.call(lambda n: book.die())

    def careless(n):
        with contextlib.suppress(WorkerCrashed):
            book.die()
        return n

    book = notebook("import os\ndef call(f): return f(1)\ndef die(): os._exit(1)")
    with pytest.raises(WorkerCrashed):
        book.call(careless)


def test_a_callback_gets_and_gives_plain_values(notebook):
    code = "import torch\ndef call(f): return f(2 * torch.ones(3, requires_grad=True))"
    seen = []

    def callback(tensor):
        seen.append(tensor)
        return tensor.sum()

    total = notebook(code).call(callback)
    assert not seen[0].requires_grad
    assert total == 6


# --- values, through a worker and back ---

FLOATS = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, float("nan"), float("inf")]))
PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**80), 2**80), FLOATS, st.text("aé\n𝄞"), st.binary()
)
KEYS = st.one_of(st.integers(), st.text("ab"), st.tuples(st.integers(0, 3), st.text("ab")))
TENSORS = st.builds(
    lambda dtype, shape, seed: (
        torch.from_numpy(np.random.default_rng(seed).normal(size=shape))
        .mul(9)
        .to(dtype)
        .transpose(0, -1)
    ),
    st.sampled_from([torch.float32, torch.bfloat16, torch.bool, torch.complex64, torch.int64]),
    st.lists(st.integers(0, 3), min_size=1, max_size=3),
    st.integers(0, 9),
)
ARRAYS = hnp.arrays(
    st.sampled_from(["float16", "bool", "<U3"]),
    hnp.array_shapes(min_side=0),
    elements={"alphabet": st.characters(exclude_categories=["Cs"])},  # those can't be encoded
)
VALUES = st.recursive(
    st.one_of(PLAIN, TENSORS, ARRAYS),
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(KEYS, inner)
    ),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=4), st.dictionaries(st.sampled_from(["a", "b"]), VALUES))
@settings(max_examples=50, deadline=None)
def test_values_come_back_from_a_worker_as_they_went(notebook, args, kwargs):
    echo = notebook("def echo(*args, **kwargs): return args, kwargs").echo
    assert encode(echo(*args, **kwargs)) == encode((tuple(args), kwargs))


def test_slices_dtypes_and_devices_cross(notebook):
    code = (
        "import torch\ndef f(*args): return args\n"
        "class Box:\n    items = {}\n"
        "    def __getitem__(self, key): return list(range(10))[key]\n"
        "    def __setitem__(self, key, value): self.items[key] = value\n"
        "    def __contains__(self, key): return key in self.items\n"
    )
    book = notebook(code)
    values = (torch.bfloat16, torch.device("cuda:1"), slice(1, None, 2))
    assert book.f(*values) == values
    box = book.Box()
    assert box[2:8:3] == [2, 5]
    box["a"] = 7
    assert "a" in box
    assert "b" not in box
    assert box.items == {"a": 7}


def test_objects_of_an_earlier_worker_are_refused(notebook):
    code = "import os\nclass Box: pass\nbox = Box()\ndef die(): os._exit(1)\ndef f(x): return x"
    old = notebook(code).box
    with pytest.raises(WorkerCrashed):
        notebook(code).die()
    with pytest.raises(SuiteError, match="Box> belongs to an earlier run of the notebook"):
        notebook(code).f(old)
