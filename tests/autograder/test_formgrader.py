"""Formgrader in a real JupyterLab: it starts in a class's folder, offline, and grades by hand."""

import os
import re
import socket
import subprocess
import time
from urllib.request import urlopen

import pytest

from autograder.formgrader import command
from autograder.recording import record


@pytest.fixture
def server(course, hand_in, toy_report, tmp_path):
    """Start JupyterLab on a class with one submission; yield a function that fetches a page."""
    hand_in("ann", add="return a - b", essay="$a<b$ <script>alert(1)</script>")
    assert record(course, "toy", [toy_report("ann", adds=False)]) == {}
    (tmp_path / "home").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--IdentityProvider.token=secret"]
    local = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    jupyter = subprocess.Popen(
        command(course, port) + options,
        cwd=course.directory,
        env={**os.environ, **local, "HOME": str(tmp_path / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield lambda path: _fetch(f"http://127.0.0.1:{port}{path}?token=secret")
    finally:
        jupyter.terminate()
        jupyter.wait()
    assert list((tmp_path / "home").iterdir()) == []


def _fetch(url):
    for _ in range(240):
        try:
            with urlopen(url) as page:
                return page.read().decode()
        except OSError as error:
            if getattr(error, "code", 0) >= 400:
                raise
            time.sleep(0.25)
    raise TimeoutError(url)


def test_formgrader_shows_the_submission_and_needs_no_internet(server):
    assert '"name": "toy"' in server("/formgrader/api/assignments")
    (submission,) = re.findall(
        r'"id": "(\w+)"', server("/formgrader/api/submitted_notebooks/toy/toy")
    )
    page = server(f"/formgrader/submissions/{submission}/")
    assert "0 of 5 points by the hidden tests" in page
    assert "<script>alert" not in page
    assert not re.findall(r'(?:src|href)="https?://(?!127)', page)
    assert "/static/mathjax/es5/tex-mml-chtml.js" in page
    assert "MathJax" in server("/static/mathjax/es5/tex-mml-chtml.js")


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_is_let_in_nobody_else_needs_it(course, monkeypatch, user, allowed):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert ("--ServerApp.allow_root=True" in command(course, 8888)) == allowed
