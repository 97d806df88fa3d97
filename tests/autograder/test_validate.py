import re
import shutil
from pathlib import Path
from zlib import crc32

import pytest

from autograder import notebook
from autograder.diagnosis import read_matrix
from autograder.errors import SuiteError
from autograder.judge import seed_of
from autograder.suite import load_suite
from autograder.validate import STUDENT, gradings, validate

TOY = Path(__file__).parent / "fixtures" / "toy"


@pytest.fixture
def folder(tmp_path):
    target = tmp_path / "toy"
    shutil.copytree(TOY, target, ignore=shutil.ignore_patterns("__pycache__", "matrix.json"))
    change(target, "toy.ipynb", 'raise RuntimeError(\\"visible checks are not run\\")', "pass")
    return target


def rows(result):
    return {row.name: row for row in result.rows}


def test_a_good_suite_is_proven_good_and_its_matrix_kept(folder):
    seen = []
    result = validate(folder, on_graded=lambda: seen.append(1))
    assert result.ok
    assert len(seen) == gradings(load_suite(folder)) == 2 * 8
    assert [(row.kind, row.score) for row in result.rows] == [
        ("suite", 10.0),
        *[("suite", 0.0)] * 4,
        ("solution", 10.0),
        *[("alternative", 10.0)] * 3,
        ("untouched", 0.0),
        ("mutant", 8.0),
        ("mutant", 7.0),
        ("mutant", 9.0),
    ]
    assert list(rows(result)["unigrams"].failing) == ["test_counts_bigrams", "test_counts_nothing"]
    signs = result.matrix["adds"].signs
    assert signs["test_keeps_the_shape"] == "passed"
    assert signs["test_scales_an_array"].startswith("failed at 19: scale(x, 7): 15 of 15 values")
    assert read_matrix(load_suite(folder)) == result.matrix


def change(folder, file, old, new):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def test_what_passes_by_luck_is_found(folder):
    change(folder, "test_toy.py", "7.0 * x, what", "(7.0 + (seed % 16)) * x, what")
    change(folder, "test_toy.py", "(student, rng)", "(student, rng, seed)")
    change(folder, "test_toy.py", "student.scale(x, 7.0)", "student.scale(x, 7.0 + seed % 16)")
    assert validate(folder).ok
    change(folder, "test_toy.py", "student.scale(x, 7.0 + seed % 16)", "student.scale(x, 7.0)")
    result = validate(folder)
    assert not result.ok
    assert "test_scales_an_array" in rows(result)["solution"].failing


def test_a_test_that_is_unfair_to_few_is_found_by_more_draws(folder):
    change(folder, "test_toy.py", "student.scale(x, 7.0)", "student.scale(x, 7.0 + unlucky)")
    change(folder, "test_toy.py", "(student, rng)", "(student, rng, unlucky)")
    number = folder.parent / "the unlucky seed"
    (folder / "conftest.py").write_text(
        "import pathlib, pytest\n\n\n@pytest.fixture\ndef unlucky(seed):\n"
        f"    return float(str(seed) == pathlib.Path({str(number)!r}).read_text())\n"
    )
    suite = load_suite(folder)
    drawn = seed_of(suite, STUDENT, 7, notebook.rebuild(suite.source, suite.source))
    number.write_text(str(drawn ^ crc32(b"test_scales_an_array")))
    assert validate(folder, draws=7).ok
    result = validate(folder, draws=8)
    assert [row.name for row in result.rows if not row.ok] == ["solution"]
    said = rows(result)["solution"].problem
    assert re.search(r"the solution fails with .*: test_scales_an_array .*, 1 of 9 times$", said)


def test_every_way_of_being_wrong_is_found(folder):
    change(folder, "mutants.py", '("*", "+")', '("factor):", "factor, *more):")')
    change(folder, "alternatives.py", "np.multiply(x, k)", "np.add(x, k)")
    change(folder, "toy.ipynb", '"points": 4', '"points": 5')
    result = validate(folder)
    assert not result.ok
    problems = {row.name: row.problem for row in result.rows if not row.ok}
    assert problems == {
        "points": "scale: 5.0 in the notebook, 4.0 in the tests",
        "visible checks": "np.multiply fails in scale: Cell 4, line 1 raised AssertionError",
        "np.multiply": "should get full marks, loses some in scale",
        "adds": "is not caught: loses nothing in scale",
    }
    assert not (folder / "matrix.json").exists()


def test_a_mutant_that_breaks_more_than_its_task_is_found(folder):
    change(
        folder,
        "mutants.py",
        '{"scale-answer": ("*", "+")}',
        '{"scale-answer": ("*", "+"), "count-answer": "1/0"}',
    )
    result = validate(folder)
    assert rows(result)["adds"].problem == "loses points in count too"


def test_an_untouched_notebook_that_gets_marks_is_found(folder):
    answer = (
        "def scale(x, factor):\n    return x * factor\n    ### BEGIN SOLUTION\n    ### END SOLUTION"
    )
    path = folder / "toy.ipynb"
    nb = notebook.with_answers(notebook.read(path), {"scale-answer": answer})
    notebook.write(nb, path)
    assert rows(validate(folder))["untouched"].problem == "should get no marks, gets some in scale"


def test_an_edit_that_does_not_fit_names_its_mutant(folder):
    change(folder, "mutants.py", '("*", "+")', '("no such text", "+")')
    with pytest.raises(SuiteError, match="toy: mutant 'adds': the edit of scale-answer must match"):
        validate(folder)


def test_the_test_that_a_right_answer_fails_is_named_with_the_values(folder):
    change(folder, "alternatives.py", "np.multiply(x, k)", "np.add(x, k)")
    change(folder, "alternatives.py", "range(len(tokens) - 1)", "range(len(tokens) // 0)")
    found = rows(validate(folder))
    values = found["np.multiply"].failing["test_scales_an_array"]
    assert values.startswith("failed at 19: scale(x, 7): 15 of 15 values differ")
    assert found["a loop"].failing == {
        "test_counts_bigrams": "raised at 37: ZeroDivisionError. "
        "Your code raised ZeroDivisionError (cell 5, line 3).",
        "test_counts_nothing": "not_run",
    }


def test_a_mistake_in_a_test_is_not_taken_for_a_wrong_solution(folder):
    change(folder, "test_toy.py", "np.ones((2, 3))", "np.zero((2, 3))")
    solution = rows(validate(folder))["solution"]
    assert solution.problem.startswith("grader error: the solution fails with the inputs")
    assert solution.failing == {"test_keeps_the_shape": "failed at 25: AttributeError"}


def test_a_cell_that_raises_while_graded_is_no_right_answer(folder):
    """Students may import what grading forbids: visible checks pass, and grading says it."""
    change(folder, "toy.ipynb", "import numpy as np", "import numpy as np, seqcourse.ngram")
    found = rows(validate(folder))
    assert found["visible checks"].problem == ""
    assert found["solution"].problem.startswith("a cell raises: Cell 2, line 1 raised ImportError")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("preload = []", 'preload = ["numpi"]', "toy/lab.toml names what is no module here: numpi"),
        ('"nltk.lm"', '"nltk.ml"', "toy/lab.toml names what is no module here: nltk.ml"),
    ],
)
def test_a_module_that_is_not_there_is_named_before_anything_is_graded(folder, old, new, message):
    change(folder, "lab.toml", old, new)
    seen = []
    with pytest.raises(SuiteError, match=message):
        validate(folder, on_graded=lambda: seen.append(1))
    assert seen == []
