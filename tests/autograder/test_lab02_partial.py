"""Lab 2's hidden tests, without the engine, on answers that are right but for one thing.

Such an answer should lose what that thing costs and no more, and read of it once.
"""

import ast
import importlib
import re
from types import FunctionType, SimpleNamespace

import numpy as np
import pytest

from autograder.errors import ExpectationError, Raised, StudentError
from autograder.notebook import answers
from autograder.suite import load_suite, spec_of

SUITE = load_suite("lab02")
WRITTEN = ("setup", *(f"{task}-answer" for task in SUITE.tasks))


def hidden_tests(task):
    """Return the functions of a task's hidden tests, in order."""
    stems = [path.stem for path in sorted(SUITE.path.glob("test_*.py"))]
    modules = [importlib.import_module(f"autograder.hidden.lab02.{stem}") for stem in stems]
    found = [(spec_of(thing), thing) for module in modules for thing in vars(module).values()]
    return [test for spec, test in found if spec is not None and spec.task == task]


def outcomes(task, **changed):
    """Run a task's hidden tests on the solution, some functions changed: {test: how it ended}."""
    student = SimpleNamespace(_session=SimpleNamespace(cpu_seconds=0.0))
    for name, value in {**SOLUTION, **changed}.items():
        setattr(student, name, value)
    ended = {}
    for test in hidden_tests(task):
        if ended.get(spec_of(test).after, "passed") != "passed":
            ended[test.__name__] = "not run"
            continue
        try:
            test(student, np.random.default_rng(8))
            ended[test.__name__] = "passed"
        except (ExpectationError, StudentError, TypeError, AttributeError) as error:
            ended[test.__name__] = str(error)
    return ended


def lost(task, **changed):
    return {name for name, how in outcomes(task, **changed).items() if how != "passed"}


def raising_as_students_do(function):
    def call(*args):
        try:
            return function(*args)
        except ValueError as error:
            raise StudentError(Raised(("ValueError", "Exception"), str(error))) from error

    return call


def solution():
    """Return what the solution's cells define."""
    cells, names = answers(SUITE.source), {"__name__": "__main__"}
    for name in WRITTEN:
        exec(compile(cells[name], name, "exec"), names)
    return {
        name: raising_as_students_do(thing) if isinstance(thing, FunctionType) else thing
        for name, thing in names.items()
        if not name.startswith("__")
    }


SOLUTION = solution()


def as_lists(value):
    if isinstance(value, tuple):
        return tuple(map(as_lists, value))
    return value.tolist() if isinstance(value, np.ndarray) else value


def with_lists(name):
    function = SOLUTION[name]
    return {name: lambda *args: as_lists(function(*args))}


@pytest.mark.parametrize(
    ("task", "functions", "costs"),
    [
        ("ngram-counts", ["ngram_counts"], {"test_ngram_arrays", "test_ngram_short_texts"}),
        ("sequence-logprob", ["sequence_logprobs"], {"test_batch_array"}),
        ("add-k", ["add_k"], {"test_add_k_array"}),
        ("interpolation", ["interpolate", "tune_weights"], {"test_mixture_arrays"}),
        ("kneser-ney", ["kneser_ney"], {"test_kneser_ney_array"}),
        ("sampler", ["generate"], {"test_sampler_seeds"}),
        ("viterbi", ["viterbi"], {"test_viterbi_array"}),
    ],
)
def test_lists_in_place_of_arrays_cost_what_they_must_and_no_more(task, functions, costs):
    assert lost(task) == set()
    changed = {name: call for each in functions for name, call in with_lists(each).items()}
    assert lost(task, **changed) == costs


def test_a_classifier_that_returns_lists_loses_half_a_point():
    class Listing(SOLUTION["MarkovClassifier"]):
        def log_posterior(self, sequences):
            return super().log_posterior(sequences).tolist()

        def predict(self, sequences):
            return np.argmax(super().log_posterior(sequences), axis=1).tolist()

    assert lost("spam-classifier", MarkovClassifier=Listing) == {"test_spam_array"}


def moved(by):
    """Return answers whose states and classes are floats, and so much too large."""

    class Moved(SOLUTION["MarkovClassifier"]):
        def predict(self, sequences):
            return super().predict(sequences) + by

    def viterbi(*args):
        path, logprob = SOLUTION["viterbi"](*args)
        return path + by, logprob

    def generate(*args):
        return SOLUTION["generate"](*args) + by

    return {"viterbi": viterbi, "generate": generate, "MarkovClassifier": Moved}


@pytest.mark.parametrize(
    ("task", "costs"),
    [
        ("viterbi", {"test_viterbi_array"}),
        ("sampler", {"test_sampler_seeds"}),
        ("spam-classifier", set()),
    ],
)
def test_floats_in_place_of_whole_numbers_cost_what_they_must_and_no_more(task, costs):
    assert lost(task, **moved(0.0)) == costs


def test_states_and_classes_are_not_rounded():
    assert outcomes("viterbi", **moved(0.9))["test_viterbi_path"] == "not run"
    assert lost("viterbi", **moved(0.9)) >= {"test_viterbi_shape", "test_viterbi_short"}
    steps = {"test_sampler_transitions", "test_sampler_cold_sequence", "test_sampler_start"}
    assert lost("sampler", **moved(0.9)) == {"test_sampler_seeds", *steps}
    assert lost("spam-classifier", **moved(0.9)) == {"test_spam_predict"}


@pytest.mark.parametrize(
    ("task", "function"),
    [("sequence-logprob", "sequence_logprobs"), ("add-k", "add_k"), ("kneser-ney", "kneser_ney")],
)
def test_a_wrong_shape_is_told_once(task, function):
    right = SOLUTION[function]
    ended = outcomes(task, **{function: lambda *args: right(*args)[..., None]})
    told = [how for how in ended.values() if how not in ("passed", "not run")]
    assert len(told) == 1
    assert "has shape" in told[0]


def test_who_leaves_out_the_last_window_reads_of_no_packing():
    right = SOLUTION["ngram_counts"]
    ended = outcomes("ngram-counts", ngram_counts=lambda ids, n: right(ids[:-1], n))
    assert "the set of n-grams" in ended["test_ngram_counts"]
    assert ended["test_ngram_large_ids"] == "not run"
    assert ended["test_ngram_order"] == "passed"


def test_a_half_of_a_task_earns_its_own_points():
    def unwritten(*args):
        raise StudentError(Raised(("NotImplementedError", "RuntimeError", "Exception"), ""))

    without_weights = outcomes("interpolation", tune_weights=unwritten)
    assert without_weights["test_mixture_mixture"] == "passed"
    without_mixture = lost("interpolation", interpolate=unwritten)
    assert without_mixture == {"test_mixture_arrays", "test_mixture_mixture"}


def whats():
    """Every `what=` of the hidden tests, as far as it is written out."""
    for path in SUITE.path.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "what":
                if isinstance(node.value, ast.JoinedStr):
                    node = ast.keyword("what", node.value.values[0])
                yield ast.literal_eval(node.value)


def test_what_is_wrong_is_named_in_the_singular():
    """Each name is followed by "is" or "has": "the n-grams has 1 axis" is no sentence."""
    heads = {
        re.split(r" (?:of|for|with|without|over|at|from|per)\b|,", said)[0] for said in whats()
    }
    assert len(heads) > 20
    assert [head for head in heads if head.endswith("s") or not head.startswith("the ")] == []
