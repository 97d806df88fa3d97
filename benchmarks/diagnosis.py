"""How often the diagnosis names the right misconception, and how often a wrong one.

    python benchmarks/diagnosis.py [--lab lab02] [--combined 100] [--edits 120]

A mutant is a known wrong answer with a misconception; the matrix holds how the hidden tests end for
it, values and all, with inputs that are the same for everybody. Everything here is really graded
with these inputs and compared:

* known: each mutant, handed in. Its own misconception should be named and no other: whether the
  tests tell the mutants apart.
* held out: each mutant, with its own row taken out of the matrix. Whatever is named is wrong.
* combined: two mutants of different tasks, or of one task where their edits fit together.
  Both misconceptions should be named.
* right: the solution and the alternatives. Nothing should be named.
* edits: the solution with one small edit made by a program (`wrong_answers.py`), which nobody
  wrote a misconception for. Whatever is named counts as wrong, though some of it may be right:
  an edit can make the very mistake that a mutant makes.

precision = right names / all names; recall = right names / names that should have been given.
Where two mutants can't be told apart, the diagnosis says "one of two", which counts as two names.
"""

import argparse
import ast
import random
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path

from common import machine, save, table
from rich.progress import track
from wrong_answers import edits

from autograder.diagnosis import SAME_INPUTS, Entry, Signs, diagnose, read_matrix
from autograder.engine import Engine, Engines
from autograder.notebook import Notebook, answers, with_answers, write
from autograder.suite import Mutant, Suite, load_suite

RESULTS = Path(__file__).parent.parent / "book" / "diagnosis.json"
SEED = 20  # of the draw of combinations and edits
MANY, ALL = "several", "all"


@dataclass(frozen=True)
class Case:
    """A submission, the task that it is wrong in, and the mutants that should be named."""

    kind: str
    task: str
    notebook: Notebook
    truth: tuple[str, ...] = ()


@dataclass
class Score:
    """Counts over some submissions; those that lost no test say nothing and are left out."""

    submissions: int = 0
    silent: int = 0
    named: int = 0
    wanted: int = 0
    right: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, case: Case, names: set[str]) -> None:
        """Count one submission."""
        self.submissions += 1
        self.silent += not names
        self.named += len(names)
        self.wanted += len(case.truth)
        self.right += len(names & set(case.truth))
        if extra := sorted(names - set(case.truth)):
            self.wrong.append(f"{' + '.join(case.truth) or case.task}: {', '.join(extra)}")

    @property
    def row(self) -> list[str]:
        """The figures, as a table shows them."""
        counts = [self.submissions, self.silent, len(self.wrong)]
        return [*map(str, counts), ratio(self.right, self.named), ratio(self.right, self.wanted)]

    @property
    def figures(self) -> dict[str, object]:
        """The figures, as a file keeps them."""
        return {
            "submissions": self.submissions,
            "nothing named": self.silent,
            "something wrong named": len(self.wrong),
            "names given": self.named,
            "names wanted": self.wanted,
            "names right": self.right,
            "precision": self.right / self.named if self.named else None,
            "recall": self.right / self.wanted if self.wanted else None,
        }


Scores = dict[str, dict[str, Score]]  # {kind of submission: {task: score}}


def main() -> None:
    """Measure, print the tables, and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--lab", default="lab02")
    parser.add_argument("--combined", type=int, default=100, help="combinations to draw")
    parser.add_argument("--edits", type=int, default=120, help="edits to draw")
    parser.add_argument("--jobs", type=int, default=2, help="submissions at a time")
    options = parser.parse_args()
    suite = load_suite(options.lab)
    matrix = read_matrix(suite)
    assert matrix, f"no matrix of this suite: run `autograder validate {options.lab}` first"
    cases = list(all_cases(suite, options.combined, options.edits))
    graded = list(
        zip(cases, examine(suite, [case.notebook for case in cases], options.jobs), strict=True)
    )
    scores = judge(matrix, graded)
    show(scores)
    save(
        RESULTS, machine("numpy") | {"lab": options.lab, "seed": SEED, "scores": as_figures(scores)}
    )


# --- what is handed in ---------------------------------------------------------------------------


def all_cases(suite: Suite, n_combined: int, n_edits: int) -> Iterable[Case]:
    """Yield every submission of the benchmark, always the same ones."""
    yield from (known(suite, mutant) for mutant in suite.mutants)
    yield Case("right", MANY, suite.source)
    for other in suite.alternatives:
        yield Case("right", MANY, with_answers(suite.source, other.answers))
    pairs = list(combined(suite))
    within = drawn([case for case in pairs if case.task != MANY], n_combined // 2)
    yield from within
    yield from drawn([case for case in pairs if case.task == MANY], n_combined - len(within))
    yield from drawn(list(edited(suite)), n_edits)


def drawn(cases: list[Case], most: int) -> list[Case]:
    """Draw some of them, with a fixed seed."""
    return random.Random(SEED).sample(cases, min(most, len(cases)))


def known(suite: Suite, mutant: Mutant) -> Case:
    """Hand in one mutant."""
    return Case("known", mutant.task, with_answers(suite.source, mutant.edit), (mutant.name,))


def combined(suite: Suite) -> Iterable[Case]:
    """Yield all pairs of mutants whose edits can be made together."""
    for one, other in combinations(suite.mutants, 2):
        try:
            nb = with_answers(with_answers(suite.source, one.edit), other.edit)
        except ValueError:  # they edit the same line
            continue
        same = one.task == other.task
        kind = "combined in a task" if same else "combined across tasks"
        yield Case(kind, one.task if same else MANY, nb, (one.name, other.name))


def edited(suite: Suite) -> Iterable[Case]:
    """Yield the solution with one edit made by a program, unless it is one of the mutants."""
    source = answers(suite.source)
    mutants = {
        answers(with_answers(suite.source, m.edit))[f"{m.task}-answer"] for m in suite.mutants
    }
    same = {normal(text) for text in mutants}
    for task in suite.tasks:
        for text in edits(source[f"{task}-answer"]):
            if normal(text) not in same:
                yield Case("edits", task, with_answers(suite.source, {f"{task}-answer": text}))


def normal(source: str) -> str:
    """Return the code without comments and layout."""
    return ast.unparse(ast.parse(source))


# --- what is said --------------------------------------------------------------------------------


def examine(suite: Suite, notebooks: list[Notebook], jobs: int) -> list[Signs]:
    """Grade all notebooks and return how the tests of each ended."""

    def one(path: Path, engine: Engine) -> Signs:
        report, signs = engine.examine(path, student="benchmark", seed=SAME_INPUTS)
        assert report.status == "graded", report.reason
        return signs

    with tempfile.TemporaryDirectory() as folder, Engines(suite, jobs) as engines:
        work = []
        for number, nb in enumerate(notebooks):
            write(nb, path := Path(folder) / f"{number}.ipynb")
            work.append(engines.submit(partial(one, path)))
        return [each.result() for each in track(work, "grading", transient=True)]


def judge(matrix: Mapping[str, Entry], graded: list[tuple[Case, Signs]]) -> Scores:
    """Compare what the diagnosis names with what should be named, by kind and task."""
    scores: Scores = {}
    for case, signs in graded:
        if case.kind == "edits" and set(signs.values()) == {"passed"}:
            continue  # the edit changes nothing that a test can see
        note(scores, case, diagnose(matrix, signs))
        if case.kind == "known":
            rest = {name: entry for name, entry in matrix.items() if name not in case.truth}
            note(scores, replace(case, kind="held out", truth=()), diagnose(rest, signs))
    return scores


def note(scores: Scores, case: Case, groups: list[tuple[str, ...]]) -> None:
    """Add one diagnosis to the scores of its kind, altogether and by task."""
    names = {name for group in groups for name in group}
    for task in {ALL, case.task}:
        scores.setdefault(case.kind, {}).setdefault(task, Score()).add(case, names)


# --- what is shown -------------------------------------------------------------------------------

COLUMNS = ("submissions", "nothing said", "something wrong said", "precision", "recall")


def show(scores: Scores) -> None:
    """Print the figures of each kind, those of each task, and every wrong word."""
    table(["", *COLUMNS], [[kind, *tasks[ALL].row] for kind, tasks in scores.items()])
    names = [task for task in scores["known"] if task != ALL]
    table(
        ["task", "known: precision", "recall", "held out: wrong", "edits: wrong"],
        [[name, *task_row(scores, name)] for name in names],
    )
    for kind, tasks in scores.items():
        for line in tasks[ALL].wrong:
            print(f"{kind}: {line}")


def task_row(scores: Scores, task: str) -> list[str]:
    """Return one task's figures."""
    blank = Score()
    known, held, made = (scores[kind].get(task, blank) for kind in ("known", "held out", "edits"))
    wrong = [f"{len(score.wrong)} of {score.submissions}" for score in (held, made)]
    return [*known.row[-2:], *wrong]


def ratio(part: int, whole: int) -> str:
    """Return a ratio in two digits; a dash where there is none."""
    return f"{part / whole:.2f}" if whole else "–"


def as_figures(scores: Scores) -> dict[str, dict[str, object]]:
    """Return all scores as plain values."""
    return {
        kind: {task: score.figures for task, score in sorted(tasks.items())}
        for kind, tasks in scores.items()
    }


if __name__ == "__main__":
    main()
