"""The package's first page names its modules."""

import re
from pathlib import Path

import seqcourse

FOLDER = Path(seqcourse.__file__).parent


def test_the_reading_order_names_modules_that_exist():
    named = re.findall(r"`(\w+)`", seqcourse.__doc__)
    assert len(named) == len(set(named)) > 60
    for name in named:
        assert (FOLDER / f"{name}.py").exists() or (FOLDER / name / "__init__.py").exists(), name
