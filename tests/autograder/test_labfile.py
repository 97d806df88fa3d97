"""`lab.toml`: what may stand in it, and what is said of what may not."""

import sys

import pytest

from autograder.errors import SuiteError
from autograder.labfile import LabFile, missing_modules, read_lab_file
from autograder.limits import Limits


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "lab90" / "lab.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return read_lab_file(file)

    return read


def test_what_is_said_is_kept_and_the_rest_has_a_default(read):
    assert read("") == LabFile()
    assert read('forbidden = ["nltk"]\ndevice = "cuda"\n[limits]\nfiles = 7') == LabFile(
        device="cuda", forbidden=("nltk",), limits=Limits(files=7)
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('forbidden = "nltk"', r"forbidden must be a list of texts, such as .*, not 'nltk'"),
        ("preload = [1]", r"preload must be a list of texts.*, not \[1\]"),
        ("data = {}", "data must be a list of texts"),
        ("title = 7", "title must be a text, not 7"),
        ('notebook = ["a"]', "notebook must be a text"),
        ("limits = 3", r"limits must be a table: \[limits\], not 3"),
        ("[[limits]]\nfiles = 1", r"limits must be a table: \[limits\]"),
        ('device = "gpu"', r"device must be one of \('cpu', 'cuda'\), not 'gpu'"),
        ("titel = 1", "unknown titel; known are data, device, forbidden, limits, notebook"),
        ("title = ", "is not TOML"),
    ],
)
def test_a_wrong_key_is_named_with_its_file(read, line, message):
    with pytest.raises(SuiteError, match=f"^lab90/lab.toml:? {message}"):
        read(line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("memory = 1", "unknown memory; known are call_seconds"),
        ("memory_mb = 0", "the limit memory_mb must be a whole number above 0, not 0"),
        ("call_seconds = nan", "the limit call_seconds must be a number above 0, not nan"),
    ],
)
def test_a_wrong_limit_is_named_with_its_file_and_table(read, line, message):
    with pytest.raises(SuiteError, match=rf"^lab90/lab.toml, \[limits\]: {message}"):
        read(f"[limits]\n{line}")


def test_a_file_of_another_encoding_is_named(tmp_path):
    (tmp_path / "lab.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(SuiteError, match="lab.toml is not TOML"):
        read_lab_file(tmp_path / "lab.toml")


def test_a_module_is_looked_for_without_importing_its_package(tmp_path, monkeypatch):
    package = tmp_path / "explosive" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "deep.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    there = ["explosive", "explosive.inner", "explosive.inner.deep", "numpy.linalg", "sys"]
    gone = ["explosiv", "explosive.outer", "explosive.inner.deep.er", "", ".", "a b", "sys.path"]
    assert missing_modules([*there, *gone]) == gone
    assert "explosive" not in sys.modules
