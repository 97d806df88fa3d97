"""A grader as people commonly write it: the victim that every attack is shown to work on.

It reads each notebook, runs its cells, and then the hidden tests, all in this one process; the
tests and everybody's work lie beside it, points are what the notebook's metadata says, and what
students say goes to staff as it is. It is complete and honest code, and grades honest work rightly.

    python naive.py ann bob     # writes results.json, feedback/ and grades.csv, prints the results
"""

import json
import sys
from pathlib import Path

import hidden_tests


def grade(path):
    """Return the score of each task and what the student is told."""
    notebook = json.loads(path.read_text())
    student, said = {"__name__": "__main__"}, []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            source = "\n".join(line for line in lines if not line.startswith("%"))
            try:
                exec(source, student)
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}")
    score = {}
    for cell in notebook["cells"]:
        about = cell["metadata"].get("nbgrader", {})
        if about.get("grade"):
            assert about["schema_version"] <= 3, "made by a newer nbgrader"
            score.setdefault(about["grade_id"], 0)
            score[about["grade_id"]] += about["points"] * passed(about["grade_id"], student, said)
    return {"score": score, "said": said}


def passed(task, student, said):
    """Return the share of a task's hidden tests that pass: all, if there is none to fail."""
    tests = hidden_tests.TESTS.get(task, [])
    right = 0
    for test in tests:
        try:
            test(student)
            right += 1
        except Exception as error:
            said.append(f"{test.__name__}: {type(error).__name__}: {error}")
    return right / len(tests) if tests else 1


def write(results):
    """Write all that people read, after each student: part of it is better than nothing."""
    Path("results.json").write_text(json.dumps(results))
    Path("feedback").mkdir(exist_ok=True)
    rows = ["student,score,remarks"]
    for student, result in results.items():
        items = "".join(f"<li>{line}</li>" for line in result["said"])
        page = f"<h1>{student}</h1><p>{result['score']}</p><ul>{items}</ul>"
        Path("feedback", f"{student}.html").write_text(page)
        remark = result["said"][0].replace(",", ";") if result["said"] else ""
        rows.append(f"{student},{sum(result['score'].values())},{remark.partition(': ')[2]}")
    Path("grades.csv").write_text("\n".join(rows))


def main():
    """Grade the students named."""
    results = {}
    for student in sys.argv[1:]:
        print(f"grading {student}", file=sys.stderr)
        results[student] = grade(Path("submitted", student, "toy.ipynb"))
        for line in results[student]["said"]:
            print(line, file=sys.stderr, flush=True)
        write(results)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
