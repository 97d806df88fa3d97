"""Settings for the tests of the package: helpers beside the tests can be imported by name."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent.parent / "benchmarks")]
pytest.register_assert_rewrite("contracts")
