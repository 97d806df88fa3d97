"""The package's source keeps the rules that make it pleasant to read.

Each test names all offenders. Not held to a rule: modules whose name begins with an underscore
(they are not public, so rules about public names pass them by; the length of functions does not);
magic methods, for which the class's docstring speaks; and names that a module imports from another
of the package and lists again, for they are documented where they come from.
"""

import ast
import importlib

import pytest
from inventory import Function, Module, modules

LONGEST = 40
PACKAGE = modules()
PUBLIC = [module for module in PACKAGE if module.public]


def report(offenders: list[str], rule: str) -> None:
    assert not offenders, f"{rule}:\n  " + "\n  ".join(offenders)


def test_every_module_says_what_it_is_about():
    offenders = [module.name for module in PACKAGE if not ast.get_docstring(module.tree)]
    report(offenders, "modules without a docstring")


def test_every_public_module_lists_its_names():
    modules = [module for module in PUBLIC if module.name != "seqcourse"]  # holds a version only
    offenders = [module.name for module in modules if module.exported is None]
    report(offenders, "modules without __all__")


def test_every_listed_name_is_there():
    offenders = []
    for module in PUBLIC:
        for name in module.exported or []:
            if not hasattr(importlib.import_module(module.name), name):
                offenders.append(f"{module.name}.{name}")
    report(offenders, "names in __all__ that do not exist")


def test_every_public_name_is_listed():
    offenders = []
    for module in PUBLIC:
        top = [d.name for d in module.api if "." not in d.name and d.name != "__getattr__"]
        listed = module.exported or top  # without __all__ another test fails already
        offenders += [f"{module.name}.{name}" for name in top if name not in listed]
    report(offenders, "public functions and classes that __all__ leaves out")


def test_every_public_function_and_class_has_a_docstring():
    offenders = [f"{m.name}.{d.name}" for m in PUBLIC for d in m.api if not d.documented]
    report(offenders, "public names without a docstring")


def test_every_listed_value_is_explained_below_it():
    offenders = []
    for module in PUBLIC:
        explained = {d.name for d in module.definitions} | module.documented_values
        unexplained = [n for n in module.exported or [] if n not in explained | module.imported]
        offenders += [f"{module.name}.{name}" for name in unexplained]
    report(offenders, "constants and aliases without a string that explains them")


def unannotated(function: Function) -> list[str]:
    """The parameters of a function without a type, and "return"."""
    a = function.args
    every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, [a.vararg, a.kwarg])]
    static = any(ast.unparse(d) == "staticmethod" for d in function.decorator_list)
    names = [x.arg for x in every if x.annotation is None]
    if names and names[0] in ("self", "cls") and not static:
        names = names[1:]
    return names + ([] if function.returns is not None else ["return"])


def test_every_public_function_says_what_it_takes_and_gives():
    offenders = []
    for module in PUBLIC:
        for d in module.functions:
            if d.public and (missing := unannotated(d.node)):
                offenders.append(f"{module.name}.{d.name}: {', '.join(missing)}")
    report(offenders, "public functions with parts that are not annotated")


def test_no_function_is_too_long_to_see_at_once():
    offenders = [
        f"{module.name}.{f.name}: {length} lines"
        for module in PACKAGE
        for f in module.functions
        if (length := module.length(f)) > LONGEST
    ]
    report(offenders, f"functions of more than {LONGEST} lines of code")


# --- the rules themselves ----------------------------------------------------------------------

SAMPLE = '''"""A module."""

from os import path
from seqcourse.lm import Ids as Tokens

__all__ = ["LIMIT", "Thing", "f", "gone"]

LIMIT = 3
"""Explained."""
OTHER = 4


def f(a: int, *args, b, **options: int):
    """Documented."""
    # a comment

    if a:
        return 1

    def inner(x):
        return x

    return 2


def g(a: int) -> int: return a


class Thing:
    def __init__(self, a) -> None:
        self.a = a

    def method(self) -> None:
        """Documented."""

    def _hidden(self):
        pass

    @staticmethod
    def lone(self) -> None:
        pass


class _Private:
    def shown(self):
        pass


if LIMIT:
    def conditional() -> None:
        pass
'''


@pytest.fixture
def sample(tmp_path, monkeypatch):
    monkeypatch.setattr("inventory.PACKAGE", tmp_path / "seqcourse")
    path = tmp_path / "seqcourse" / "sample.py"
    path.parent.mkdir()
    path.write_text(SAMPLE)
    return Module(path)


def test_the_reader_knows_what_is_public(sample):
    assert sample.name == "seqcourse.sample"
    assert sample.exported == ["LIMIT", "Thing", "f", "gone"]
    names = ["f", "g", "Thing", "Thing.method", "Thing.lone", "conditional"]
    assert [d.name for d in sample.api] == names
    assert [d.name for d in sample.api if d.documented] == ["f", "Thing.method"]
    assert sample.documented_values == {"LIMIT"}
    assert sample.imported == {"Tokens"}


def test_the_reader_measures_code_alone(sample):
    lengths = {f.name: sample.length(f) for f in sample.functions}
    assert lengths["f"] == 5
    assert lengths["g"] == 1
    assert lengths["Thing.__init__"] == 1
    assert lengths["Thing.method"] == 1  # its docstring is all there is
    assert "f.inner" not in lengths
    assert sample.code_lines == 27


def test_the_reader_sees_what_is_not_annotated(sample):
    missing = {f.name: unannotated(f.node) for f in sample.functions}
    assert missing["f"] == ["b", "args", "return"]
    assert missing["g"] == missing["Thing.method"] == []
    assert missing["Thing.__init__"] == ["a"]
    assert missing["Thing._hidden"] == ["return"]
    assert missing["Thing.lone"] == ["self"]


def test_a_failure_names_all_offenders():
    with pytest.raises(AssertionError, match=r"too long:\s+a\s+b"):
        report(["a", "b"], "too long")
