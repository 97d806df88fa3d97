"""What the tests of training share."""

import signal

import pytest


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts():
    """Let Ctrl-C interrupt, also where a shell runs the tests in the background and ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
