"""How we grade a class: from nothing with the command, or with engines that run already.

Run as a program it is the warm one:

    python grading_ours.py REPOSITORY CLASS LAB JOBS

grades and records one submission, grades a wrong one, says `ready`, waits for a line, grades and
records all others, says `done`, waits for a line, and ends.
"""

import subprocess
import sys
from functools import partial
from pathlib import Path

from grading_class import Lab
from grading_peers import Scores, quietly, recorded

from autograder.course import Course, use_own_environment
from autograder.engine import Engine, Engines
from autograder.recording import record
from autograder.report import Report
from autograder.store import Store, content_key

_FIRST = "a warm-up"  # stands before every student in the order of names
_COMMAND = """
import sys
from pathlib import Path
from autograder import cli, console
console.ROOT = Path(sys.argv.pop(1))
cli.main()
"""


class Cold:
    """`autograder grade LAB`, started for this class: Python, sandbox, imports and all."""

    def __init__(self, lab: Lab, course: Course, names: list[str], jobs: int) -> None:
        self._lab, self._course, self._jobs = lab, course, jobs
        lab.hand_in(course, names)

    def grade(self) -> None:
        """Grade and record everybody."""
        words = ["grade", self._lab.name, "--submissions", self._course.submitted]
        command = [sys.executable, "-c", _COMMAND, self._lab.root, *words, "--jobs", self._jobs]
        quietly(command, self._course.directory)

    def scores(self) -> Scores:
        """Read the gradebook."""
        return recorded(self._course, self._lab.name)


class Warm:
    """Engines that have graded before: what one more submission costs, its record included."""

    def __init__(self, lab: Lab, course: Course, names: list[str], jobs: int) -> None:
        self._lab, self._course = lab, course
        lab.hand_in(course, [_FIRST, *names])
        words = [lab.root, course.directory, lab.name, jobs]
        self._program = subprocess.Popen(
            [sys.executable, __file__, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect("ready")

    def grade(self) -> None:
        """Grade and record everybody."""
        self._tell()
        self._expect("done")

    def scores(self) -> Scores:
        """End the engines and read the gradebook."""
        self._tell()
        self._program.communicate()
        known = recorded(self._course, self._lab.name)
        return {name: score for name, score in known.items() if name != _FIRST}

    def _tell(self) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write("\n")
        self._program.stdin.flush()

    def _expect(self, word: str) -> None:
        assert self._program.stdout is not None
        said = self._program.stdout.readline().strip()
        assert said == word, f"the program ended, or said {said!r} instead of {word!r}"


def main() -> None:
    """Be the program that `Warm` talks to."""
    root, directory, lab, jobs = sys.argv[1:]
    use_own_environment()
    course = Course(Path(directory), Path(root))
    course.prepare()
    first, *others = course.students(lab)
    assert first == _FIRST
    with Engines(course.suite(lab), int(jobs)) as engines:
        engines.start()
        _grade_and_record(course, lab, [first] * int(jobs), engines)  # each takes one
        wrong = course.submission(others[-1], lab)  # of it the solution is asked too
        asked = [
            engines.submit(lambda engine: engine.grade(wrong, student=_FIRST))
            for _ in range(int(jobs))
        ]
        for each in asked:
            each.result()
        print("ready", flush=True)
        sys.stdin.readline()
        _grade_and_record(course, lab, others, engines)
        print("done", flush=True)
        sys.stdin.readline()


def _grade_and_record(course: Course, lab: str, names: list[str], engines: Engines) -> None:
    """Do what `autograder grade` does, with engines that are there already."""
    suite, store = course.suite(lab), Store(course.reports)

    def grade(name: str, engine: Engine) -> Report:
        report = engine.grade(path := course.submission(name, lab), student=name)
        store.put(content_key(path, suite, student=name), report)
        return report

    work = [engines.submit(partial(grade, name)) for name in names]
    problems = record(course, lab, [each.result() for each in work])
    assert not problems, problems


if __name__ == "__main__":
    main()
