import nbformat
import pytest
from nbconvert import HTMLExporter

from autograder import notebook
from autograder.display import display_copy


@pytest.fixture
def shown(course, hand_in):
    def shown(change=lambda nb: None, **answers):
        submitted = notebook.read(hand_in("ann", **answers))
        change(submitted)
        return display_copy(notebook.read(course.source("toy")), submitted)

    return shown


def _names(nb):
    return [notebook.grade_id(cell) or cell["id"] for cell in nb["cells"]]


def _source(nb, name):
    (cell,) = [cell for cell in nb["cells"] if (notebook.grade_id(cell) or cell["id"]) == name]
    return cell["source"]


RELEASED = ["title", "set-up", "add-answer", "add", "mul-answer", "mul", "essay"]


def test_answers_stand_in_the_released_notebook(shown):
    nb = shown(add="return a + b", essay="Because of symmetry.")
    assert _names(nb) == RELEASED
    assert _source(nb, "add-answer") == "def add(a, b):\n    return a + b\n"
    assert _source(nb, "essay") == "Because of symmetry."
    assert "raise NotImplementedError" in _source(nb, "mul-answer")


def test_an_answer_says_which_cell_of_the_submission_it_is(shown):
    def number(nb, name):
        (cell,) = [cell for cell in nb["cells"] if notebook.grade_id(cell) == name]
        return cell["metadata"].get("autograder", {}).get("number")

    def add_one_above(nb):
        nb["cells"].insert(0, {"cell_type": "markdown", "source": "My name", "metadata": {}})

    def forge(nb):
        nb["cells"][2]["metadata"]["autograder"] = {"number": 99, "report": "MARK"}

    def delete(nb):
        del nb["cells"][2]

    assert number(shown(add="return 1"), "add-answer") == 3
    assert number(shown(add_one_above, add="return 1"), "add-answer") == 4
    assert number(shown(forge, add="return 1"), "add-answer") == 3
    assert number(shown(delete), "add-answer") is None
    assert number(shown(delete), "mul-answer") == 4


def test_an_untouched_answer_stays_byte_for_byte(course, shown):
    released = notebook.released(notebook.read(course.source("toy")))
    assert [c["source"] for c in shown()["cells"]] == [c["source"] for c in released["cells"]]


def test_deleted_duplicated_and_reordered_cells_come_back_in_order(shown):
    def tamper(nb):
        nb["cells"] = [*reversed(nb["cells"][1:4]), nb["cells"][2]]

    names = _names(shown(tamper, add="return 1"))
    assert [name for name in names if name in RELEASED] == RELEASED
    assert len(names) == len(RELEASED) + 1  # of two answers the later counts; both are shown


def test_of_two_answers_the_later_is_shown_last_as_it_was_run(shown):
    def again(nb):
        earlier = {**nb["cells"][2], "source": "def add(a, b): return 'first'"}
        nb["cells"].insert(2, earlier)

    sources = [cell["source"] for cell in shown(again, add="return 'last'")["cells"]]
    first, last = (
        next(n for n, source in enumerate(sources) if word in source) for word in ("first", "last")
    )
    assert first < last


def test_points_locks_and_types_are_the_instructors(shown):
    def tamper(nb):
        for cell in nb["cells"]:
            cell["metadata"] = {"nbgrader": {"grade_id": notebook.grade_id(cell), "points": 10**9}}
            cell["metadata"]["nbgrader"]["schema_version"] = "x" * 99
            cell["cell_type"] = "raw"

    nb = shown(tamper)
    (check,) = [cell for cell in nb["cells"] if notebook.grade_id(cell) == "add"]
    assert check["metadata"]["nbgrader"]["points"] == 5
    assert check["metadata"]["nbgrader"]["schema_version"] == 3
    assert check["cell_type"] == "code"


def test_no_metadata_output_or_attachment_of_the_student_survives(shown):
    def tamper(nb):
        nb["metadata"] = {"language_info": {"name": "MARK"}, "widgets": "MARK"}
        for cell in nb["cells"]:
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "MARK"}]
            cell["attachments"] = {"MARK": {}}
            cell["metadata"]["MARK"] = 1

    nb = shown(tamper, add="return a + b")
    assert "MARK" not in str(nb)
    nbformat.validate(nbformat.from_dict(nb))


def test_own_cells_follow_the_cell_that_they_followed(shown):
    def add(nb):
        own = {"cell_type": "code", "source": "helper = 1", "metadata": {}}
        note = {"cell_type": "markdown", "source": "See my note.", "metadata": {}}
        nb["cells"][2:2] = [own]
        nb["cells"].append(note)

    nb = shown(add)
    assert [cell["source"] for cell in nb["cells"]][2] == "helper = 1"
    assert [cell["source"] for cell in nb["cells"]][-1] == "See my note."
    ids = [cell["id"] for cell in nb["cells"]]
    assert len(ids) == len(set(ids))


def test_explorations_that_are_not_run_stand_where_they_stood(course, hand_in):
    source = notebook.read(course.source("toy"))
    explore = {"cell_type": "code", "id": "look", "source": "add(1, 2)"}
    source["cells"][4:4] = [{**explore, "metadata": {"tags": ["explore"]}}]
    submitted = notebook.read(hand_in("ann", mul="return a * b"))
    submitted["cells"][4:4] = [{**explore, "metadata": {}}]
    assert _names(display_copy(source, submitted)) == [*RELEASED[:4], "look", *RELEASED[4:]]
    submitted["cells"][4] = {**explore, "source": "add(3, 4)", "metadata": {}}
    sources = [cell["source"] for cell in display_copy(source, submitted)["cells"]]
    assert sources[4:6] == ["add(1, 2)", "add(3, 4)"]
    assert sources[6] == "def mul(a, b):\n    return a * b\n"


HOSTILE = """<script>alert(1)</script> <img src=x onerror=alert(2)>
[link](javascript:alert(3)) ![picture](https://tracker.example/x.png) <https://evil.example>
[ref]: javascript:alert(4)
[also][ref] \u202egnirts \x1b[31mred"""


def test_markdown_renders_to_nothing_that_acts(shown):
    nb = nbformat.from_dict(shown(essay=HOSTILE))
    html, _ = HTMLExporter(template_name="basic").from_notebook_node(nb)
    for dangerous in ("<script>alert", "<img", 'href="javascript', "\u202e", "\x1b"):
        assert dangerous not in html
    assert "gnirts" in html


def test_formulas_and_comparisons_can_still_be_read(shown):
    assert _source(shown(essay="a < b, $x<y$, `n <= 3`"), "essay") == "a < b, $x< y$, `n <= 3`"


def test_what_is_shown_is_bounded(shown):
    assert len(_source(shown(essay="x " * 10**6), "essay")) < 21_000
    lines = _source(shown(add="." * 10**5 + "\n" * 500 + "x = 1\n" * 10**4), "add-answer").split(
        "\n"
    )
    assert max(map(len, lines)) < 420
    assert len(lines) < 2010
    assert not any(not "".join(lines[at : at + 4]).strip() for at in range(len(lines) - 4))


def test_a_long_paragraph_is_shown_whole(course, hand_in):
    essay = "An order of 0 estimates less. " * 200
    submitted = notebook.read(hand_in("ann", essay=essay))
    nb = display_copy(notebook.read(course.source("toy")), submitted)
    assert essay.strip() in [cell["source"].strip() for cell in nb["cells"]]


def test_own_cells_are_bounded_together_and_it_is_said(shown):
    own = {"cell_type": "code", "source": "y = 12345\n" * 1500, "metadata": {}}
    nb = shown(lambda nb: nb["cells"].extend([own] * 99))
    added = [cell for cell in nb["cells"] if cell["id"].startswith("added-")]
    assert len(added) == 14
    assert "there is more in it than can be shown" in added[-1]["source"]
