"""The pinned packages: they install wherever the README says that the course runs."""

import re
from importlib.metadata import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
OLDEST = "3.11.0"  # README, Makefile and pyproject.toml promise 3.11 or later
PINNED = sorted(
    name
    for file in ("requirements.txt", "requirements-files.txt")
    for name in re.findall(r"^([\w.-]+)==", (ROOT / file).read_text("utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize("name", PINNED)
def test_a_pinned_package_takes_the_oldest_python_that_we_promise(name):
    assert OLDEST in SpecifierSet(metadata(name)["Requires-Python"] or "")
