"""The quiz directive: what it accepts, what it refuses, what it renders."""

import io

import pytest
from bs4 import BeautifulSoup
from quiz import Choice, QuizError, parse_question
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

GOOD = ["How many?", "", "More text.", "- [ ] one :: Too few.", "- [x] two :: Right."]


def test_parses_prompt_choices_and_explanations():
    question = parse_question(GOOD)
    assert question.prompt == "How many?\n\nMore text."
    assert question.choices == (Choice(False, "one", "Too few."), Choice(True, "two", "Right."))


def test_a_choice_may_go_on_in_the_next_lines():
    lines = ["?", "- [x] one and", "  a half :: Right,", "  because.", "- [ ] two :: No."]
    assert parse_question(lines).choices[0] == Choice(True, "one and a half", "Right, because.")


def test_colons_without_spaces_are_part_of_the_code():
    choice = parse_question(
        ["?", "- [x] `a[::2]` :: Every second: `a::b`.", "- [ ] b :: No."]
    ).choices[0]
    assert choice == Choice(True, "`a[::2]`", "Every second: `a::b`.")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Only a question?"], "a quiz needs choices"),
        (["- [x] a :: b", "- [ ] c :: d"], "starts with a question"),
        (["?", "- [x] a :: b"], "at least 2 choices, this one has 1"),
        (
            ["?", "- [ ] a :: b", "- [ ] c :: d"],
            r"exactly one .* \[x\], here it is 0",
        ),
        (["?", "- [x] a :: b", "- [x] c :: d"], "here it is 2"),
        (["?", "- [x] a :: b", "- [ ] c"], "the choice 'c' has no explanation"),
        (["?", "- [x] a :: b", "- [ ] c :: "], "has no explanation"),
        (["?", "- [x] a :: b", "- [o] c :: d"], r"not '\[o\]'"),
    ],
)
def test_refuses_what_cannot_be_shown(lines, message):
    with pytest.raises(QuizError, match=message):
        parse_question(lines)


def build(folder, markdown: str) -> tuple[BeautifulSoup, str]:
    """Build one page; returns it, and the warnings."""
    (folder / "index.md").write_text(markdown)
    warnings = io.StringIO()
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            srcdir=folder,
            confdir=None,
            outdir=folder / "out",
            doctreedir=folder / "trees",
            buildername="html",
            confoverrides={
                "extensions": ["myst_parser", "quiz"],
                "myst_enable_extensions": ["dollarmath"],
                "html_theme": "basic",
            },
            status=None,
            warning=warnings,
        )
        app.build()
    page = (folder / "out/index.html").read_text("utf-8")
    return BeautifulSoup(page, "html.parser"), warnings.getvalue()


PAGE = """# Page

```{quiz}
:label: Two-Halves
What is *this*: $x^2$?
- [ ] a `code` :: No, **not** code.
- [x] $y$ :: Right, $y$.
```
"""


@pytest.mark.filterwarnings("ignore")  # Sphinx 7 itself uses names that docutils deprecates
def test_rendered_quiz(tmp_path):
    soup, warnings = build(tmp_path, PAGE)
    assert warnings == ""
    quiz = soup.find(id="two-halves")
    group = quiz.find(role="radiogroup")
    prompt = quiz.find(id=group["aria-labelledby"])
    assert prompt.get_text() == "What is this: \\(x^2\\)?"
    inputs = group.find_all("input", type="radio")
    assert [i["value"] for i in inputs] == ["0", "1"]
    assert {i["name"] for i in inputs} == {"two-halves"}
    assert group.find("code").get_text() == "code"
    items = quiz.find("details").find_all("li")
    assert [i["data-verdict"] for i in items] == ["wrong", "right"]
    assert items[0].find("strong").get_text() == "not"
    assert quiz.find("button").has_attr("hidden")


@pytest.mark.filterwarnings("ignore")
def test_a_bad_quiz_is_an_error_of_the_build(tmp_path):
    _, warnings = build(tmp_path, PAGE.replace("[x]", "[ ]"))
    assert "index.md:3: ERROR: quiz: exactly one choice must be marked [x]" in warnings


@pytest.mark.filterwarnings("ignore")
def test_quizzes_without_label_get_different_ids(tmp_path):
    page = PAGE.replace(":label: Two-Halves\n", "")
    soup, warnings = build(tmp_path, page + page.replace("# Page", ""))
    assert warnings == ""
    assert [q["id"] for q in soup.select(".quiz")] == ["quiz-1", "quiz-2"]
