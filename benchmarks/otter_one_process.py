"""Grades notebooks with Otter's own Python interface. Runs in Otter's environment, not in ours.

python otter_one_process.py AUTOGRADER.zip NOTEBOOK RESULTS.json [NOTEBOOK RESULTS.json …]
"""

import json
import sys
from pathlib import Path

from otter.api import grade_submission

tests, *files = sys.argv[1:]
for submission, results in zip(files[::2], files[1::2], strict=True):
    graded = grade_submission(submission, tests, quiet=True)
    Path(results).parent.mkdir(parents=True)
    scores = [{"score": result.score} for result in graded.results.values()]
    Path(results).write_text(json.dumps({"tests": scores}))
