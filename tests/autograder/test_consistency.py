"""What can be wrong with a lab's notebook and suite before any answer is graded."""

import shutil
from pathlib import Path

import pytest

from autograder import notebook
from autograder.consistency import inconsistencies
from autograder.suite import load_suite

TOY = Path(__file__).parent / "fixtures" / "toy"
RIGHT = {"scale-answer": "def scale(x, k):\n    return x * k"}


@pytest.fixture
def found(tmp_path):
    """Say what is wrong with the toy lab: with other cells, or without some files."""
    folder = tmp_path / "toy"
    shutil.copytree(TOY, folder, ignore=shutil.ignore_patterns("__pycache__", "matrix.json"))

    def found(cells=None, **files):
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        nb = notebook.read(folder / "toy.ipynb")
        usual = {"scale": "assert scale(np.ones(2), 2).sum() == 4"}
        changes = usual | (cells or {})
        nb = notebook.with_answers(nb, {k: v for k, v in changes.items() if k != "set-up"})
        nb["cells"][1]["source"] = changes.get("set-up", nb["cells"][1]["source"])
        notebook.write(nb, folder / "toy.ipynb")
        return {name: said for name, said in inconsistencies(load_suite(folder)).items() if said}

    return found


def test_a_lab_that_fits_has_nothing_wrong(found):
    assert found() == {}


@pytest.mark.parametrize(
    ("file", "name", "said"),
    [
        ("mutants", "MUTANTS", "no wrong answer to scale or count or walk: none shows that it is"),
        ("alternatives", "ALTERNATIVES", "no other right answer to scale or count or walk: none"),
    ],
)
def test_a_suite_that_proves_nothing_is_not_valid(found, file, name, said):
    problems = found(**{file: f"{name} = []\n"})
    assert list(problems) == [file]
    assert said in problems[file]


def test_a_task_that_nothing_is_proven_of_is_named(found):
    mutants = (TOY / "mutants.py").read_text()
    problems = found(mutants=f"{mutants}\nMUTANTS = [m for m in MUTANTS if m.task != 'count']\n")
    said = "mutants.py has no wrong answer to count: none shows that it is caught"
    assert problems == {"mutants": said}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            {"scale": "assert scale(np.ones(2), 2).sum() == 5"},
            "the solution fails in scale: Cell 4, line 1 raised AssertionError; "
            "np.multiply fails in scale: Cell 4, line 1 raised AssertionError; "
            "a loop fails in scale: Cell 4, line 1 raised AssertionError; "
            "an attribute of its own fails in scale: Cell 4, line 1 raised AssertionError",
        ),
        (
            {"scale": "scale(x=np.ones(2), factor=2)"},
            "np.multiply fails in scale: Cell 4, line 1 raised TypeError: "
            "scale() got an unexpected keyword argument 'factor'",
        ),
        ({"scale": "assert scale"}, "scale passes where nothing is written"),
        ({"scale": "# The hidden tests look at this.\n"}, ""),
    ],
)
def test_visible_checks_are_fair_and_check_something(found, cells, said):
    assert found(cells).get("visible checks", "") == said


def test_a_lab_s_own_cell_that_raises_is_named(found):
    problems = found({"set-up": "import numpy as np\nimport nosuchthing\nwords = []"})
    said = "the solution fails in cell 2: Cell 2, line 2 raised ModuleNotFoundError: No module"
    assert problems["visible checks"].startswith(said)


def test_a_check_that_ends_the_process_is_named_and_none_after_it_is_blamed(found):
    said = found({"scale": "import os\nos._exit(0)"})["visible checks"]
    assert said.startswith("the solution fails in scale: Cell 4: your code ended its own process")
    assert "count" not in said


def test_a_check_may_compare_with_what_grading_forbids(found):
    assert found({"scale": "import seqcourse.ngram\nassert scale(np.ones(2), 2).sum() == 4"}) == {}


def test_an_answer_cell_of_another_name_is_missed(tmp_path, found):
    path = tmp_path / "toy" / "toy.ipynb"
    path.write_text(path.read_text().replace('"count-answer"', '"counts-answer"'))
    for file in ("mutants.py", "alternatives.py"):
        text = (path.parent / file).read_text()
        (path.parent / file).write_text(text.replace("count-answer", "counts-answer"))
    assert found()["answer cells"] == "the notebook has none called count-answer"
