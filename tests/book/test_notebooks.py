"""A page as a notebook: code untouched, directives in plain Markdown."""

import nbformat
import pytest
from notebooks import plain_markdown, to_notebook

PAGE = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Title

```{code-cell} ipython3
---
tags: [hide-input]
mystnb:
  image:
    alt: a picture
---
print("{doc}`x`")
```

Text.
"""


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("See {doc}`smoothing`.", "See *smoothing*."),
        ("{term}`types <type>`, {term}`token`", "types, token"),
        ("{cite:t}`chen1999` and {cite}`a,b`", "[chen1999] and [a,b]"),
        ("{glue:text}`best:.3f`", "`best`"),
        ("(label)=\n## Title", "## Title"),
        ("$$\nx\n$$ (eq-a)", "$$\nx\n$$"),
        ("$$ x $$ (eq-a)", "$$ x $$"),
        ("```python\n{doc}`x`\n```", "```python\n{doc}`x`\n```"),
        (":::{admonition} Goal\n:class: objectives\n\n- one\n:::", "> **Goal**\n>\n> - one"),
        ("```{note}\nText.\n```", "> **Note**\n>\n> Text."),
        ("```{exercise} Sum\n:label: ex\nAdd.\n```", "**Exercise: Sum**\n\nAdd."),
        ("```{code-block} python\nx = 1\n```", "```python\nx = 1\n```"),
        ("```{solution-start} ex\n:class: dropdown\n```\n\nText", "**Solution**\n\nText"),
        ("```{raw} html\n<svg/>\n```", "*(Here the book has a picture or a live figure.)*"),
    ],
)
def test_plain_markdown(myst, plain):
    assert plain_markdown(myst) == plain


def test_solution_is_folded_with_what_is_nested_in_it():
    text = plain_markdown("````{solution} ex\n:class: dropdown\nA\n\n```{note}\nB\n```\n````")
    assert text == ("<details><summary>Solution</summary>\n\nA\n\n> **Note**\n>\n> B\n\n</details>")


def test_quiz_keeps_question_choices_and_explanations():
    text = plain_markdown("```{quiz}\n:label: q\nTwo?\n- [ ] a :: No.\n- [x] {doc}`b` :: Yes.\n```")
    assert text.startswith("**Quiz.** Two?\n\n1. a\n2. *b*\n\n<details>")
    assert "1. ✗ No.\n2. ✓ Yes." in text


def test_notebook_is_valid_and_runs_the_same_code():
    notebook = nbformat.reads(to_notebook(PAGE), as_version=4)
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "markdown"]
    assert notebook.cells[1].source == 'print("{doc}`x`")'
    assert notebook.cells[1].metadata == {"tags": ["hide-input"]}
    assert notebook.metadata.kernelspec.name == "python3"


def test_same_page_same_notebook():
    assert to_notebook(PAGE) == to_notebook(PAGE)


def test_a_page_without_code_becomes_a_notebook_too():
    notebook = nbformat.reads(to_notebook("# Only text\n"), as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
