"""Settings for all tests: shapes in signatures are enforced, and figures need no screen."""

import sys
import types

import jaxtyping
import matplotlib
import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

matplotlib.use("Agg")
# Must come before anything imports seqcourse: every annotated shape is then checked on every call.
# The hook takes the checker by name; ours accepts an int for a float, as type checkers do.
checker = types.ModuleType("course_checker")
checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))
sys.modules[checker.__name__] = checker
install_import_hook("seqcourse", "course_checker.check")


@pytest.fixture
def unchecked_shapes():
    """Switch the enforcement off: what a user sees, who has no such checks, is under test."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
