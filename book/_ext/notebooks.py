"""Turn a page into a notebook that JupyterLab shows well, without any extension.

Code cells stay as they are. JupyterLab knows no MyST, so directives become plain Markdown:
admonitions turn into quotations, solutions and the answers of quizzes into ``<details>``.
"""

from __future__ import annotations

import re
import textwrap

import jupytext
import nbformat
from quiz import parse_question

FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:+-]+)\}[ ]*(?P<argument>.*)$")
OPTION = re.compile(r"^:(?P<key>[\w-]+):[ ]*(?P<value>.*)$")
ROLE = re.compile(r"\{(?P<name>[\w:]+)\}`(?P<text>[^`]*)`")
TARGETED = re.compile(r"^(?P<shown>.*?)\s*<[^<>]*>$", re.DOTALL)
LABEL_LINE = re.compile(r"^\([\w:-]+\)=$")
EQUATION_LABEL = re.compile(r"(\$\$)[ ]*\([\w:-]+\)$", re.MULTILINE)
SPACES = re.compile(r"[-_]")


def to_notebook(page: str) -> str:
    """Notebook (JSON text) of a page in MyST Markdown."""
    notebook = jupytext.reads(page, fmt="md:myst")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # random otherwise: the same page, the same file
        cell.metadata = {k: v for k, v in cell.metadata.items() if k == "tags"}
        if cell.cell_type == "markdown":
            cell.source = plain_markdown(cell.source)
    notebook.cells = [c for c in notebook.cells if c.source.strip()]
    notebook.metadata.setdefault("kernelspec", _KERNEL)
    notebook.metadata.pop("jupytext", None)
    return nbformat.writes(notebook)


_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def plain_markdown(text: str) -> str:
    r"""Rewrite MyST's directives and roles in plain Markdown.

    >>> print(plain_markdown("```{note}\nSee {doc}`smoothing`.\n```"))
    > **Note**
    >
    > See *smoothing*.
    """
    lines, out = text.splitlines(), []
    while lines:
        line = lines.pop(0)
        fence = FENCE.match(line)
        if fence:
            out.append(_directive(fence, _take_body(lines, fence["fence"])))
        elif line.startswith("```"):
            out += [line, *_take_body(lines, "```"), "```"]
        elif not LABEL_LINE.match(line):
            out.append(ROLE.sub(_role, line))
    return EQUATION_LABEL.sub(r"\1", "\n".join(out))


def _take_body(lines: list[str], fence: str) -> list[str]:
    """Remove the lines up to the closing fence from ``lines`` and return them."""
    body = []
    while lines:
        line = lines.pop(0)
        if line.rstrip() and set(line.rstrip()) == {fence[0]} and len(line.rstrip()) >= len(fence):
            break
        body.append(line)
    return body


def _directive(fence: re.Match[str], body: list[str]) -> str:
    name, argument = fence["name"], fence["argument"].strip()
    body = _without_options(body)
    if name == "quiz":
        return _quiz(body)
    if name in {"exercise", "exercise-start"}:
        return _titled(f"Exercise: {argument}" if argument else "Exercise", body)
    if name == "solution":
        return _details("Solution", plain_markdown("\n".join(body)))
    if name == "solution-start":
        return "**Solution**"
    if name == "math":
        return "\n".join(["$$", *body, "$$"])
    if name in {"code-block", "code"}:
        return "\n".join([f"```{argument}", *body, "```"])
    if name in _ONLY_ON_THE_PAGE:
        return _ONLY_ON_THE_PAGE[name].format(argument=argument)
    if name == "admonition":
        return _quotation(argument, body)
    return _quotation(argument or SPACES.sub(" ", name).capitalize(), body)


_ONLY_ON_THE_PAGE = {
    "raw": "*(Here the book has a picture or a live figure.)*",
    "literalinclude": "*(Here the book shows a part of `{argument}`.)*",
    "bibliography": "*(The list of works stands in the book.)*",
    "solution-end": "",
    "exercise-end": "",
    "tableofcontents": "",
}


def _without_options(body: list[str]) -> list[str]:
    body = list(body)
    if body and body[0].strip() == "---":
        return body[body.index("---", 1) + 1 :]
    while body and OPTION.match(body[0]):
        body.pop(0)
    return body


def _titled(title: str, body: list[str]) -> str:
    return f"**{title}**\n\n{plain_markdown(chr(10).join(body)).strip()}"


def _quotation(title: str, body: list[str]) -> str:
    text = _titled(title, body)
    return textwrap.indent(text, "> ", lambda line: True).replace("> \n", ">\n")


def _details(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{text.strip()}\n\n</details>"


def _quiz(body: list[str]) -> str:
    question = parse_question(body)
    choices = [f"{i}. {choice.text}" for i, choice in enumerate(question.choices, 1)]
    answers = [
        f"{i}. {'✓' if choice.correct else '✗'} {choice.explanation}"
        for i, choice in enumerate(question.choices, 1)
    ]
    text = [
        f"**Quiz.** {question.prompt}",
        "",
        *choices,
        "",
        _details("Answer", "\n".join(answers)),
    ]
    return ROLE.sub(_role, "\n".join(text))


def _role(role: re.Match[str]) -> str:
    name, text = role["name"], role["text"]
    targeted = TARGETED.match(text)
    shown = targeted["shown"] if targeted else text
    if name in {"math", "code"}:
        return f"${text}$" if name == "math" else f"`{text}`"
    if name.startswith("cite"):
        return f"[{text}]"
    if name.startswith("glue"):
        return f"`{text.split(':')[0]}`"
    if name in {"doc", "ref", "numref", "eq"}:
        return f"*{shown}*"
    return shown
