import os

import pytest

from autograder.course import Course, WrongUseError, use_own_environment


def test_submissions_folder_gives_the_class(course, tmp_path):
    (tmp_path / "class" / "submitted").mkdir(parents=True)
    found = Course.of_submissions(tmp_path / "class" / "submitted", course.root)
    assert found == Course(tmp_path / "class", course.root)


def test_a_submissions_folder_that_is_missing_or_has_another_name(tmp_path):
    with pytest.raises(WrongUseError, match=r"No directory .*nowhere\. Give nbgrader's"):
        Course.of_submissions(tmp_path / "nowhere")
    with pytest.raises(WrongUseError, match=r"is not called 'submitted'.*rename it, or .*--course"):
        Course.of_submissions(tmp_path)


def test_a_lab_is_a_folder_with_a_notebook_of_the_same_name(course):
    (course.root / "solutions" / "notes").mkdir()
    (course.root / "solutions" / "notes" / "other.ipynb").write_text("{}")
    assert course.labs() == ["toy"]


def test_students_are_those_who_handed_in_a_folder_for_the_lab(course, hand_in):
    hand_in("bob")
    hand_in("ann")
    (course.submitted / "cyd" / "another-lab").mkdir(parents=True)
    (course.submitted / "a file").write_text("")
    assert course.students("toy") == ["ann", "bob"]


def test_an_unknown_student_names_the_nearest(course, hand_in):
    hand_in("marianne")
    with pytest.raises(
        WrongUseError, match=r"by 'mariane' in .*submitted\. Did you mean marianne\?"
    ):
        course.require_students("toy", "mariane")


def test_no_submissions_say_where_they_belong(course):
    with pytest.raises(WrongUseError, match=r"No directory .*submitted\. Put submissions there as"):
        course.require_students("toy")
    course.submitted.mkdir()
    with pytest.raises(WrongUseError, match=r"No submissions of toy in .*STUDENT/toy/toy\.ipynb"):
        course.require_students("toy")


def test_a_class_elsewhere_loads_the_courses_configuration(course):
    own = Course(course.root / "_build" / "class", course.root)
    own.prepare()
    own.prepare()
    config = own.config()
    assert config.CourseDirectory.root == str(own.directory)
    assert config.CourseDirectory.source_directory == str(course.root / "solutions")
    text = (own.directory / "nbgrader_config.py").read_text()
    assert str(course.root) not in text  # the folder can be moved along with the repository


def test_a_class_has_the_last_word_on_its_configuration(course):
    own = Course(course.root / "_build" / "class", course.root)
    own.prepare()
    path = own.directory / "nbgrader_config.py"
    path.write_text(path.read_text() + "c.PerDayPenalty.percent_per_day = 7\n")
    assert own.config().PerDayPenalty.percent_per_day == 7
    assert course.config().PerDayPenalty.percent_per_day == 0


def test_a_configuration_that_python_can_t_run_is_named(course):
    own = Course(course.root / "_build" / "class", course.root)
    own.prepare()
    (own.directory / "nbgrader_config.py").write_text("c = get_config(\n")
    with pytest.raises(WrongUseError, match=r"class/nbgrader_config\.py can't be used\. SyntaxErr"):
        own.config()


def test_a_configuration_that_is_there_is_left_alone(course):
    before = (course.root / "nbgrader_config.py").read_text()
    course.prepare()
    assert (course.root / "nbgrader_config.py").read_text() == before


def test_nothing_points_to_the_users_home(tmp_path, monkeypatch):
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "set back after the test")
        monkeypatch.delenv(name)
    use_own_environment(tmp_path)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        assert os.environ[name].startswith(str(tmp_path / "_build"))
