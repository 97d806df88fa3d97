"""Everything that CI checks, in order, quickest first: what `make test` runs.

Each step is a command that a person could run too. All steps run even if one fails, so that one
run tells everything; the last lines say what failed and what did not run.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = sys.executable

STEPS = {
    "lint": [PYTHON, "-m", "ruff", "check", "."],
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "types": [PYTHON, "-m", "mypy"],
    "labs are what release makes": [PYTHON, "-m", "autograder", "release", "--all", "--check"],
    "hidden suites are valid": [PYTHON, "-m", "autograder", "validate", "lab02"],
    "book": [PYTHON, "book/build.py"],
    # two at a time; a file's tests stay together, since they share what is slow to set up
    "tests": [PYTHON, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"],
}


def main() -> int:
    """Run every step; return 0 if all passed."""
    failed = []
    for name, command in STEPS.items():
        print(f"\n── {name} " + "─" * (70 - len(name)), flush=True)
        began = time.perf_counter()
        status = subprocess.run(command, cwd=ROOT).returncode
        seconds = time.perf_counter() - began
        print(f"── {name}: {'failed' if status else 'passed'} in {seconds:.0f} s")
        if status:
            failed.append(name)
    print()
    if os.environ.get("NO_BROWSER") == "1":
        print("Not run: the browser tests, because NO_BROWSER=1 is set.")
    if not os.environ.get("NLTK_DATA"):
        print("NLTK_DATA is not set: tests that use NLTK's corpora ran on what NLTK itself finds.")
    print(f"FAILED: {', '.join(failed)}" if failed else "All checks passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
