"""HTML pages made of strangers' text: every value is cleaned, bounded and escaped.

Pages hold their own style, no script, and a policy that forbids the browser to load anything.
"""

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

from autograder.course import TEMPLATES
from autograder.inert import inert, inert_line
from autograder.report import Verdict

__all__ = ["VERDICTS", "code", "number", "render"]

# What each verdict means to the student: a sign, and words that stand without the colour.
VERDICTS = {
    Verdict.passed: ("✓", "passed"),
    Verdict.failed: ("✗", "not passed"),
    Verdict.no_answer: ("–", "no answer"),
    Verdict.timed_out: ("✗", "took too long"),
    Verdict.out_of_memory: ("✗", "used too much memory"),
    Verdict.out_of_disk: ("✗", "wrote too much to disk"),
    Verdict.too_many_files: ("✗", "opened too many files"),
    Verdict.too_many_threads: ("✗", "started too many threads"),
    Verdict.too_much_output: ("✗", "printed too much"),
    Verdict.too_large: ("✗", "returned too much"),
    Verdict.crashed: ("✗", "ended the program"),
    Verdict.not_run: ("–", "not run"),
    Verdict.grader_error: ("!", "our test is at fault"),
}
MAX_CODE = 20_000


def render(template: str, **values: Any) -> str:
    """Fill in a template of `autograder/templates/`. A name it doesn't know is an error."""
    return _environment().get_template(template).render(**values)


def number(value: float) -> str:
    """Write points without needless decimals.

    >>> number(7.0), number(2.5), number(1 / 3)
    ('7', '2.5', '0.33')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def code(source: str) -> Markup:
    r"""Colour a student's code and number its lines as errors do. Pygments escapes it.

    >>> "<script>" in code("x = '<script>'")
    False
    >>> print(code("\n..."))
    <span class="line" data-line="1"></span>
    <span class="line" data-line="2"><span class="o">...</span></span>
    """
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    coloured = highlight(inert(source, MAX_CODE), lexer, HtmlFormatter(nowrap=True))
    lines = coloured.removesuffix("\n").split("\n")
    return Markup("\n").join(
        Markup('<span class="line" data-line="{}">{}</span>').format(number, Markup(line))  # noqa: S704
        for number, line in enumerate(lines, start=1)
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "text": inert, "line": inert_line, "code": code}
    environment.globals |= {"VERDICTS": VERDICTS}
    return environment
