"""The ``quiz`` directive: one question, several choices, an explanation for every choice.

    ```{quiz}
    :label: laplace-denominator
    What does Laplace's estimate add to the denominator?
    - [ ] the number of distinct n-grams :: No: the sum runs over *words*.
    - [x] the size of the vocabulary :: Right: one for each word that could come next.
    ```

The page works without JavaScript: the choices are radio buttons, and all explanations
stand in a ``<details>`` element below them. ``quiz.js`` adds the Check button.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

CHOICE = re.compile(r"^[-*] \[(?P<mark>.?)\] ?(?P<text>.*)$")
SEPARATOR = re.compile(r"\s+::\s+")


class QuizError(ValueError):
    """A quiz that cannot be shown; the message says what to change."""


@dataclass(frozen=True)
class Choice:
    """One answer: is it right, what does it say, and why is it right or wrong."""

    correct: bool
    text: str
    explanation: str


@dataclass(frozen=True)
class Question:
    """A question as written, still in Markdown."""

    prompt: str
    choices: tuple[Choice, ...]


def parse_question(lines: list[str]) -> Question:
    r"""Split the body of a directive into the prompt and its choices.

    >>> parse_question(["Two?", "- [x] yes :: Right.", "- [ ] no :: Count again."]).choices[1]
    Choice(correct=False, text='no', explanation='Count again.')
    """
    starts = [i for i, line in enumerate(lines) if CHOICE.match(line)]
    if not starts:
        raise QuizError("a quiz needs choices, each on a line '- [ ] text :: explanation'")
    prompt = "\n".join(lines[: starts[0]]).strip()
    ends = [*starts[1:], len(lines)]
    choices = tuple(_parse_choice(lines[a:b]) for a, b in zip(starts, ends, strict=True))
    _check(prompt, choices)
    return Question(prompt, choices)


def _parse_choice(lines: list[str]) -> Choice:
    first = CHOICE.match(lines[0])
    assert first, "a choice starts at a line that matched"
    mark = first["mark"]
    if mark not in {" ", "x", "X"}:
        raise QuizError(f"a choice starts with '[ ]' or '[x]', not '[{mark}]': {lines[0]!r}")
    text = " ".join([first["text"], *(line.strip() for line in lines[1:])]).strip()
    parts = SEPARATOR.split(text, maxsplit=1)
    if len(parts) != 2 or not all(parts):
        raise QuizError(f"the choice {text!r} has no explanation: write 'text :: explanation'")
    return Choice(mark != " ", *parts)


def _check(prompt: str, choices: tuple[Choice, ...]) -> None:
    if not prompt:
        raise QuizError("a quiz starts with a question, before the first choice")
    if len(choices) < 2:
        raise QuizError(f"a quiz needs at least 2 choices, this one has {len(choices)}")
    right = sum(choice.correct for choice in choices)
    if right != 1:
        raise QuizError(f"exactly one choice must be marked [x], here it is {right}")


class quiz_node(nodes.General, nodes.Element):  # noqa: N801  (docutils' naming)
    """The whole quiz; children: one ``quiz_prompt``, then choices, then explanations."""


class quiz_prompt(nodes.General, nodes.Element):  # noqa: N801
    """The question."""


class quiz_choice(nodes.General, nodes.Element):  # noqa: N801
    """One radio button and its label."""


class quiz_explanations(nodes.General, nodes.Element):  # noqa: N801
    """All explanations, in a ``<details>`` that works without JavaScript."""


class quiz_explanation(nodes.General, nodes.Element):  # noqa: N801
    """Why one choice is right or wrong."""


class Quiz(SphinxDirective):
    """One multiple-choice question; ``:label:`` is its anchor on the page."""

    has_content = True
    option_spec = {"label": directives.unchanged_required}  # noqa: RUF012  (docutils' protocol)

    def run(self) -> list[nodes.Node]:
        """Parse the body; a mistake in it is an error of the build."""
        try:
            question = parse_question(list(self.content))
        except QuizError as error:
            raise self.error(f"quiz: {error}") from error
        number = self.env.new_serialno("quiz")
        label = nodes.make_id(self.options.get("label", "")) or f"quiz-{number + 1}"
        quiz = quiz_node("", ids=[label], names=[label], label=label)
        self.state.document.note_explicit_target(quiz)
        quiz += self._parsed(quiz_prompt("", label=label), question.prompt)
        quiz += [self._choice(label, i, choice) for i, choice in enumerate(question.choices)]
        quiz += self._explanations(question)
        return [quiz]

    def _parsed(self, node: nodes.Element, markdown: str) -> nodes.Element:
        """Fill ``node`` with parsed Markdown; a lone paragraph is unwrapped."""
        holder = nodes.Element()
        lines = StringList(markdown.splitlines(), self.env.docname)
        self.state.nested_parse(lines, self.content_offset, holder)
        alone = len(holder.children) == 1 and isinstance(holder[0], nodes.paragraph)
        node += holder[0].children if alone else holder.children
        return node

    def _choice(self, label: str, index: int, choice: Choice) -> nodes.Element:
        node = quiz_choice("", label=label, index=index, correct=choice.correct)
        return self._parsed(node, choice.text)

    def _explanations(self, question: Question) -> nodes.Element:
        all_of_them = quiz_explanations()
        for index, choice in enumerate(question.choices):
            node = quiz_explanation("", index=index, correct=choice.correct)
            all_of_them += self._parsed(node, choice.explanation)
        return all_of_them


def _visit_quiz(writer: HTML5Translator, node: nodes.Element) -> None:
    writer.body.append(f'<div class="quiz" id="{node["label"]}" data-quiz>\n')


def _depart_quiz(writer: HTML5Translator, node: nodes.Element) -> None:
    writer.body.append("</div>\n")


def _visit_prompt(writer: HTML5Translator, node: nodes.Element) -> None:
    label = node["label"]
    writer.body.append(
        f'<p class="quiz-title">Quiz</p>\n<div class="quiz-prompt" id="{label}-prompt">',
    )


def _depart_prompt(writer: HTML5Translator, node: nodes.Element) -> None:
    label = node["label"]
    writer.body.append(
        f'</div>\n<div class="quiz-choices" role="radiogroup" aria-labelledby="{label}-prompt">\n'
    )


def _visit_choice(writer: HTML5Translator, node: nodes.Element) -> None:
    name, index = node["label"], node["index"]
    writer.body.append(
        f'<label class="quiz-choice"><input type="radio" name="{name}" value="{index}">'
        '<span class="quiz-text">'
    )


def _depart_choice(writer: HTML5Translator, node: nodes.Element) -> None:
    writer.body.append("</span></label>\n")


def _visit_explanations(writer: HTML5Translator, node: nodes.Element) -> None:
    writer.body.append(
        "</div>\n"
        '<button type="button" class="quiz-check" hidden>Check</button>\n'
        '<div class="quiz-feedback" aria-live="polite"></div>\n'
        '<details class="quiz-details"><summary>Answer and explanations</summary><ol>\n'
    )


def _depart_explanations(writer: HTML5Translator, node: nodes.Element) -> None:
    writer.body.append("</ol></details>\n")


def _visit_explanation(writer: HTML5Translator, node: nodes.Element) -> None:
    verdict = "right" if node["correct"] else "wrong"
    writer.body.append(f'<li data-verdict="{verdict}" value="{node["index"] + 1}">')


def _depart_explanation(writer: HTML5Translator, node: nodes.Element) -> None:
    writer.body.append("</li>\n")


def _ignore(writer: nodes.NodeVisitor, node: nodes.Element) -> None:
    """Other builders (LaTeX, text) print the children one after the other."""


def setup(app: Sphinx) -> dict[str, object]:
    """Register the directive and its nodes with Sphinx."""
    for node, visit, depart in [
        (quiz_node, _visit_quiz, _depart_quiz),
        (quiz_prompt, _visit_prompt, _depart_prompt),
        (quiz_choice, _visit_choice, _depart_choice),
        (quiz_explanations, _visit_explanations, _depart_explanations),
        (quiz_explanation, _visit_explanation, _depart_explanation),
    ]:
        other = (_ignore, _ignore)
        app.add_node(node, html=(visit, depart), latex=other, text=other)
    app.add_directive("quiz", Quiz)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
