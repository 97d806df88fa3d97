"""The package's first page names its modules."""

import re
from pathlib import Path

import autograder

FOLDER = Path(autograder.__file__).parent


def test_the_reading_order_names_every_module_once():
    named = re.findall(r"`(\w+)`", str(autograder.__doc__))
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "__main__"}
    packages = {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    assert sorted(named) == sorted(modules | packages)
