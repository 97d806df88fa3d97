from pathlib import Path

import pytest

from autograder.errors import SuiteError
from autograder.suite import Limits, labs, load_suite, spec_of, task

TOY = Path(__file__).parent / "fixtures" / "toy"


@pytest.fixture
def folder(tmp_path):
    """A suite in a folder with a space in its name."""
    path = tmp_path / "hidden suites" / "lab07"
    path.mkdir(parents=True)
    (path / "lab.toml").write_text('title = "Seven"\nnotebook = "lab07.ipynb"\n')
    (path / "lab07.ipynb").write_text('{"cells": []}')
    return path


def test_a_suite_knows_its_tests_in_order_and_its_points():
    suite = load_suite(TOY)
    assert suite.title == "A lab for testing the grader"
    assert suite.tasks == {"scale": 4.0, "count": 3.0, "walk": 3.0}
    assert suite.tests[3].title == "Neighbours are counted as tuples."
    assert suite.tests[4].after == "test_counts_bigrams"
    assert suite.limits.memory_mb == 512
    assert [mutant.name for mutant in suite.mutants] == ["adds", "unigrams", "forgets"]
    assert len(suite.alternatives) == 3


def test_what_is_not_said_has_a_default(folder):
    suite = load_suite(folder)
    assert suite.limits == Limits()
    assert (suite.tests, suite.mutants, suite.alternatives) == ((), (), ())


def test_the_digest_changes_with_tests_limits_and_source(folder):
    digests = {load_suite(folder).digest}
    (folder / "test_a.py").write_text("x = 1")
    digests.add(load_suite(folder).digest)
    (folder / "lab07.ipynb").write_text('{"cells": [ ]}')
    digests.add(load_suite(folder).digest)
    with (folder / "lab.toml").open("a") as file:
        file.write("[limits]\nmemory_mb = 100\n")
    digests.add(load_suite(folder).digest)
    (folder / "matrix.json").write_text("{}")
    digests.add(load_suite(folder).digest)
    assert len(digests) == 4


def test_a_missing_suite_names_those_that_exist():
    with pytest.raises(SuiteError, match=r"no hidden suite for 'lab99'; there are: .*lab02"):
        load_suite("lab99")
    assert "lab02" in labs()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("titel = 1", "lab07/lab.toml: unknown titel"),
        ('notebook = "gone.ipynb"', "lab07: its source notebook gone.ipynb is missing"),
    ],
)
def test_a_wrong_lab_file_is_named(folder, line, message):
    (folder / "lab.toml").write_text(line + "\n")
    with pytest.raises(SuiteError, match=message):
        load_suite(folder)


def test_a_test_needs_a_docstring_because_students_read_it():
    message = r"^autograder/test_suite.py: test_nameless has no docstring: students see it"
    with pytest.raises(SuiteError, match=message):

        @task("a", points=1)
        def test_nameless(student):
            pass


def test_only_marked_functions_have_a_spec():
    assert spec_of(len) is None
    assert spec_of(None) is None


ONE_TEST = """
from autograder.suite import task

@task("a", points=1)
def test_one(student):
    "One."
"""


def test_two_tests_of_one_name_are_refused_with_both_files(folder):
    (folder / "test_a.py").write_text(ONE_TEST)
    assert len(load_suite(folder).tests) == 1
    (folder / "test_b.py").write_text(ONE_TEST)
    with pytest.raises(SuiteError, match=r"^lab07: test_a.py and test_b.py both have test_one"):
        _ = load_suite(folder).tests


@pytest.mark.parametrize("text", ["MUTANT = []", "MUTANTS = 3", "MUTANTS = ['adds']"])
def test_mutants_under_another_name_or_of_another_kind_are_refused(folder, text):
    (folder / "mutants.py").write_text(text)
    with pytest.raises(SuiteError, match=r"^lab07/mutants.py: MUTANTS must be a list of Mutant"):
        _ = load_suite(folder).mutants


def test_modules_are_looked_for_only_when_it_matters(folder):
    with (folder / "lab.toml").open("a") as file:
        file.write('forbidden = ["nltkk", "nltk"]\npreload = ["numpi", "numpy"]\n')
    suite = load_suite(folder)
    with pytest.raises(SuiteError, match=r"^lab07/lab.toml names .*: nltkk, numpi\. Correct"):
        suite.require_modules()
