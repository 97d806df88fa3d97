"""The reference shows the whole package, each part of it once."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "book" / "reference").glob("*.md"))
PACKAGE = ROOT / "seqcourse"


def modules() -> list[str]:
    """Every public module or package, by the name it is imported by."""
    found = [p.stem for p in PACKAGE.glob("*.py")] + [p.parent.name for p in PACKAGE.glob("*/*.py")]
    return sorted({name for name in found if not name.startswith("_") and name != "seqcourse"})


def public_names(module: str) -> list[str]:
    """What a module offers, as its ``__all__`` says."""
    file = PACKAGE / module / "__init__.py"
    source = (file if file.exists() else PACKAGE / f"{module}.py").read_text("utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return []


def test_every_module_is_on_one_page():
    shown = Counter(
        name
        for page in PAGES
        for name in re.findall(r"automodule:: seqcourse\.(\w+)", page.read_text("utf-8"))
    )
    assert sorted(shown) == modules()
    assert max(shown.values()) == 1


@pytest.mark.book
@pytest.mark.parametrize("module", modules())
def test_every_public_name_has_an_entry(html, module):
    entries = set()
    for page in PAGES:
        built = html / "book" / "reference" / f"{page.stem}.html"
        entries |= set(re.findall(r'<dt class="sig[^>]*id="([\w.]+)"', built.read_text("utf-8")))
    names = {entry.rpartition(".")[2] for entry in entries}
    assert set(public_names(module)) <= names
