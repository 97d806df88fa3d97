import json
import os
from pathlib import Path

import pytest

from autograder import notebook
from autograder.errors import NotebookError, SuiteError

TOY = Path(__file__).parent / "fixtures" / "toy" / "toy.ipynb"


@pytest.fixture
def source():
    return notebook.read(TOY)


def sources(cells):
    return [cell.source for cell in cells]


def cell_of(nb, name):
    return next(cell for cell in nb["cells"] if notebook.grade_id(cell) == name)


def code(source, **metadata):
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": []}


# --- reading ---


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        ("[]", "its top level is no object"),
        ("{}", "no list of cells"),
        ('{"cells": {"a": 1}}', "no list of cells"),
        ('{"cells": [3]}', "cell 1 of the notebook is no object"),
        ('{"cells": [{"source": {"a": 1}}]}', "cell 1 of the notebook has no text"),
        ('{"cells": [{"source": ["a", 1]}]}', "cell 1 of the notebook has no text"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"cells": [], "x": ' + "9" * 5000 + "}", "it is not JSON"),
        (json.dumps({"cells": [{}] * 2001}), "has 2001 cells; at most 2000"),
    ],
)
def test_what_is_no_notebook_is_named(tmp_path, content, message):
    with pytest.raises(NotebookError, match=message):
        notebook.read(write(tmp_path / "lab.ipynb", content))


def test_only_regular_files_are_opened(tmp_path):
    link, pipe = tmp_path / "link.ipynb", tmp_path / "pipe.ipynb"
    link.symlink_to(TOY)
    os.mkfifo(pipe)
    with pytest.raises(NotebookError, match="link.ipynb can't be read: it is a symbolic link"):
        notebook.read(link)
    with pytest.raises(NotebookError, match="pipe.ipynb can't be read: it is not a regular file"):
        notebook.read(pipe)
    with pytest.raises(NotebookError, match="not a regular file"):
        notebook.read(tmp_path)
    with pytest.raises(NotebookError, match="gone.ipynb can't be read: No such file"):
        notebook.read(tmp_path / "gone.ipynb")


def test_what_breaks_while_it_is_read_is_named():
    with pytest.raises(NotebookError, match="mem can't be read: Input/output error"):
        notebook.read(Path("/proc/self/mem"))  # opens as a regular file


def test_a_huge_file_is_refused(tmp_path):
    with pytest.raises(NotebookError, match="larger than 1 MB"):
        notebook.read(write(tmp_path / "a.ipynb", " " * 1_000_001), max_bytes=1_000_000)


def test_odd_metadata_lone_surrogates_and_lists_of_lines_are_mended(tmp_path):
    content = '{"metadata": 3, "cells": [{"metadata": [], "source": ["a\\n", "b\\ud800"]}]}'
    nb = notebook.read(write(tmp_path / "a.ipynb", content))
    assert nb == {"metadata": {}, "cells": [{"metadata": {}, "source": "a\nb?"}]}


def test_a_notebook_is_written_as_it_was_read(tmp_path, source):
    notebook.write(source, tmp_path / "new folder" / "copy.ipynb")
    assert notebook.read(tmp_path / "new folder" / "copy.ipynb") == source


# --- releasing and changing ---


def test_release_agrees_with_nbgrader(source):
    import nbformat
    from nbgrader.preprocessors import ClearSolutions

    nb = nbformat.from_dict(source)
    theirs, _ = ClearSolutions().preprocess(nb, {})
    assert [cell["source"] for cell in notebook.released(source)["cells"]] == [
        cell.source for cell in theirs.cells
    ]


def test_release_leaves_the_source_alone_and_drops_outputs(source):
    source["cells"][1]["outputs"] = [{"output_type": "stream"}]
    released = notebook.released(source)
    assert "BEGIN SOLUTION" in cell_of(source, "scale-answer")["source"]
    assert released["cells"][1]["outputs"] == []


def test_hidden_test_regions_are_cut_out():
    region = "a = 1\n    ### BEGIN HIDDEN TESTS\n    secret\n    ### END HIDDEN TESTS\nb = 2"
    nb = {"cells": [code(region)]}
    assert notebook.released(nb)["cells"][0]["source"] == "a = 1\nb = 2"


@pytest.mark.parametrize("what", ["SOLUTION", "HIDDEN TESTS"])
@pytest.mark.parametrize("marks", ["BEGIN", "END", "END BEGIN", "BEGIN BEGIN END", "BEGIN END END"])
def test_a_region_without_an_end_or_a_beginning_is_refused(source, what, marks):
    name = {"SOLUTION": "scale-answer", "HIDDEN TESTS": "scale"}[what]
    lines = "\n".join(f"### {mark} {what}\nx = 7" for mark in marks.split())
    nb = notebook.with_answers(source, {name: lines})
    message = f"^the source notebook, {name}: each ### BEGIN {what} needs one ### END {what}"
    with pytest.raises(SuiteError, match=message):
        notebook.released(nb)


def test_answers_are_replaced_or_edited(source):
    nb = notebook.with_answers(
        source, {"scale-answer": "new", "count-answer": [("Counter(", "dict("), ("1:", "2:")]}
    )
    assert cell_of(nb, "scale-answer")["source"] == "new"
    assert "dict(zip(tokens, tokens[2:]" in cell_of(nb, "count-answer")["source"]
    assert "new" not in cell_of(source, "scale-answer")["source"]


def test_an_edit_must_match_exactly_once(source):
    with pytest.raises(ValueError, match="scale-answer must match once, matches 2 times: 'x'"):
        notebook.with_answers(source, {"scale-answer": ("x", "y")})
    with pytest.raises(KeyError, match="no cell 'nope' in the notebook; it has: count"):
        notebook.with_answers(source, {"nope": "x"})


# --- what is run ---


def test_the_untouched_notebook_runs_its_code_but_not_its_checks(source):
    released = notebook.released(source)
    run = sources(notebook.rebuild(source, released))
    assert len(run) == 4
    assert not any("visible checks" in each or "count_bigrams(words)" in each for each in run)
    assert run == sources(notebook.rebuild(source, {"cells": []}))


def test_answers_come_from_the_student_and_everything_else_from_the_source(source):
    nb = notebook.with_answers(source, {"scale-answer": "mine", "scale": "forged check"})
    run = notebook.rebuild(source, nb)
    assert [cell.source for cell in run][1] == "mine"
    assert run[1].number == 3
    assert "forged check" not in sources(run)


def test_order_locks_types_and_points_are_not_the_students_to_change(source):
    nb = notebook.with_answers(source, {"scale-answer": "mine"})
    for cell in nb["cells"]:
        cell["cell_type"] = "markdown"
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"].update(points=1e9, locked=False, solution=False)
    nb["cells"].reverse()
    assert sources(notebook.rebuild(source, nb)) == sources(
        notebook.rebuild(source, notebook.with_answers(source, {"scale-answer": "mine"}))
    )


def test_added_cells_follow_the_released_cell_that_they_followed(source):
    nb = notebook.released(source)
    nb["cells"].insert(3, code("after scale"))
    nb["cells"].insert(0, code("on top"))
    nb["cells"].append(code("at the end"))
    nb["cells"].append({"cell_type": "markdown", "metadata": {}, "source": "not code"})
    run = sources(notebook.rebuild(source, nb))
    assert run[0] == "on top"
    assert run[3] == "after scale"
    assert run[-1] == "at the end"
    assert len(run) == 7


def test_of_two_cells_with_the_same_id_the_last_is_the_answer_and_the_other_an_added_cell(source):
    nb = notebook.released(source)
    copy = {**cell_of(nb, "scale-answer"), "source": "the copy", "id": "other"}
    cell_of(nb, "scale-answer")["source"] = "the first"
    nb["cells"].insert(3, copy)
    run = sources(notebook.rebuild(source, nb))
    assert run[1] == "the first"  # runs before, as it stood
    assert run[2] == "the copy"


def test_an_answer_that_lost_its_metadata_is_known_by_its_cell_id(source):
    nb = notebook.with_answers(source, {"scale-answer": "mine"})
    cell_of(nb, "scale-answer")["metadata"] = {}
    assert sources(notebook.rebuild(source, nb))[1] == "mine"


def test_answers_by_which_nothing_is_left_to_know_them_run_after_the_stubs(source):
    nb = notebook.with_answers(source, {"scale-answer": "mine", "walk-answer": "mine too"})
    nb["cells"] = [{key: cell[key] for key in ("cell_type", "source")} for cell in nb["cells"]]
    run = sources(notebook.rebuild(source, nb))
    stubs = [n for n, each in enumerate(run) if "NotImplementedError" in each]
    assert [run[stubs[0] + 1], run[stubs[-1] + 1]] == ["mine", "mine too"]


def test_a_changed_open_cell_runs_after_the_released_one(source):
    nb = notebook.released(source)
    nb["cells"][1]["source"] = "import math"
    run = sources(notebook.rebuild(source, nb))
    assert run[0].startswith("import numpy")
    assert run[1] == "import math"


def test_cells_tagged_explore_never_run_whatever_the_student_made_of_them(source):
    source["cells"].insert(2, {**code("slow plot", tags=["explore"]), "id": "plot"})
    nb = notebook.released(source)
    assert "slow plot" not in sources(notebook.rebuild(source, nb))
    nb["cells"][2]["source"] = "quick plot"
    assert "quick plot" not in sources(notebook.rebuild(source, nb))


@pytest.mark.parametrize("about", [None, 3, [], {"grade_id": 7}, {"grade_id": ["x"]}, {"x": 1}])
def test_odd_nbgrader_metadata_is_no_grade_id(source, about):
    nb = {"cells": [{"cell_type": "code", "metadata": {"nbgrader": about}, "source": "odd"}]}
    assert notebook.answers(nb) == {}
    assert sources(notebook.rebuild(source, nb))[-1] == "odd"


@pytest.mark.parametrize(
    ("index", "added", "numbers"),
    [
        (3, "\nimport math", [4]),  # a check, which is locked
        (3, "\n\n", []),  # a space more or less
        (2, "\nimport math", []),  # an answer
        (1, "\nimport math", []),  # a cell that is open, and is run as the student left it
    ],
)
def test_cells_of_the_lab_that_were_changed_in_vain_are_known(source, index, added, numbers):
    nb = notebook.released(source)
    assert notebook.restored(source, nb) == []
    nb["cells"][index]["source"] += added
    assert notebook.restored(source, nb) == numbers


def test_an_exploration_may_be_changed(source):
    explore = code("plot()", tags=["explore"], nbgrader={"grade_id": "try", "locked": True})
    source["cells"].append({**explore, "id": "try"})
    nb = notebook.released(source)
    nb["cells"][-1]["source"] = "plot(3)"
    assert notebook.restored(source, nb) == []
