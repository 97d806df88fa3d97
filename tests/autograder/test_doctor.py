import inspect

import pytest

from autograder import doctor
from autograder.errors import SandboxError
from autograder.sandbox import Open, attempts
from autograder.sandbox.bwrap import View


def test_every_wall_holds_on_this_machine():
    checks = {check.name: check for check in doctor.examine()}
    assert {name: check.detail for name, check in checks.items() if not check.ok} == {}
    assert len(checks) == 3 + len(attempts.ATTEMPTS)
    assert checks["no network"].detail == "Open a socket, or find a network interface: it could not"


# The others would do harm out here, or not end.
HARMLESS = ["no_repository", "no_home", "no_network", "no_hidden_memory", "no_peeking"]


@pytest.mark.parametrize("name", HARMLESS)
def test_an_attempt_gets_through_where_there_is_no_wall(name):
    tried = getattr(attempts, name)
    if name == "no_repository":  # a walk over this whole machine takes too long

        def tried():
            """Find the repository."""
            import os

            return os.path.exists("/")  # noqa: PTH110

    with Open(View()) as sandbox:
        check = doctor.attempt(sandbox, tried)
    assert not check.ok
    assert check.detail.endswith(": it could")


def test_an_attempt_that_fails_by_itself_proves_nothing():
    def broken():
        """Try."""
        return 1 / 0

    source = inspect.cleandoc(inspect.getsource(broken))
    assert "1 / 0" in source
    with Open(View()) as sandbox:
        check = doctor.attempt(sandbox, broken)
    assert (check.ok, check.detail[:31]) == (False, "Try: the attempt itself failed:")


def test_without_a_sandbox_the_doctor_says_why(monkeypatch):
    def none():
        raise SandboxError("no bubblewrap: install it")

    monkeypatch.setattr(doctor, "find_bwrap", none)
    last = list(doctor.examine())[-1]
    assert (last.ok, last.detail) == (False, "no bubblewrap: install it")
