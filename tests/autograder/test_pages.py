import re

import pytest
from jinja2 import UndefinedError

from autograder.pages import VERDICTS, code, number, render
from autograder.report import Verdict


def test_every_verdict_has_a_sign_and_words():
    assert set(VERDICTS) == set(Verdict)
    assert len({words for _, words in VERDICTS.values()}) == len(Verdict)


@pytest.mark.parametrize(
    ("value", "written"), [(0, "0"), (10, "10"), (2.50, "2.5"), (1 / 3, "0.33"), (100.0, "100")]
)
def test_numbers_have_no_needless_decimals(value, written):
    assert number(value) == written


def test_code_is_escaped_cleaned_and_bounded():
    shown = code("x = '<script>'\x1b[31m # \u202e")
    assert "<script>" not in shown
    assert not {"\x1b", "\u202e"} & set(shown)
    assert len(code("y" * 10**6)) < 30_000


def test_lines_of_code_are_numbered_as_python_counts_them():
    shown = code("\n\nx = '''\n<b>\n'''\nraise ValueError\n")
    numbers = re.findall(r'<span class="line" data-line="(\d+)">', shown)
    assert numbers == ["1", "2", "3", "4", "5", "6"]
    assert "ValueError" in shown.splitlines()[5]
    assert all(line.count("<span") == line.count("</span>") for line in shown.splitlines())


def test_a_template_with_a_missing_value_is_an_error_not_a_gap():
    with pytest.raises(UndefinedError, match="is undefined"):
        render("feedback.html.j2", title="x")
