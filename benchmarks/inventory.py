"""What the package consists of: modules, names, documentation, lengths, tests.

    .venv/bin/python benchmarks/inventory.py

Nothing is imported or run: the figures are read off the source. A *public* name does not begin
with an underscore, and neither does anything that it stands in. A function's length is that of
its body, without docstring, comments and blank lines.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "seqcourse"
TESTS = ROOT / "tests" / "seqcourse"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    """What is assigned to, as source."""
    return ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)


@dataclass(frozen=True)
class Definition:
    """A function, method or class, and where it stands."""

    node: Function | ast.ClassDef
    name: str  # dotted, within its module
    public: bool
    nested: bool  # within a function

    @property
    def documented(self) -> bool:
        """Whether it has a docstring."""
        return ast.get_docstring(self.node) is not None

    @property
    def magic(self) -> bool:
        """Whether Python gives the name its meaning: the class's docstring speaks for it."""
        return self.node.name.startswith("__") and self.node.name.endswith("__")


class Module:
    """A module of the package, as its source says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)

    @property
    def name(self) -> str:
        """Dotted, within the package; the package itself is "seqcourse"."""
        parts = self.path.relative_to(PACKAGE.parent).with_suffix("").parts
        return ".".join(part for part in parts if part != "__init__")

    @property
    def public(self) -> bool:
        """Whether others may import it."""
        return not any(part.startswith("_") for part in self.name.split("."))

    @property
    def is_package(self) -> bool:
        """Whether it is the `__init__` of a folder."""
        return self.path.name == "__init__.py"

    @cached_property
    def exported(self) -> list[str] | None:
        """The names in `__all__`; None if there is none."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and _target(node) == "__all__":
                return [ast.literal_eval(name) for name in getattr(node.value, "elts", [])]
        return None

    @cached_property
    def definitions(self) -> list[Definition]:
        """Everything that is defined with `def` or `class`, at any depth."""
        return list(_definitions(self.tree, "", public=True, nested=False))

    @cached_property
    def functions(self) -> list[Definition]:
        """All functions and methods that stand by themselves, not within another."""
        return [d for d in self.definitions if isinstance(d.node, Function) and not d.nested]

    @property
    def api(self) -> list[Definition]:
        """What needs a docstring: all public definitions, but for magic methods."""
        return [d for d in self.definitions if d.public and not d.magic] if self.public else []

    @cached_property
    def documented_values(self) -> set[str]:
        """Constants and aliases at the top of the module that a string below explains."""
        found = set()
        for node, after in zip(self.tree.body, self.tree.body[1:], strict=False):
            if isinstance(node, ast.Assign | ast.AnnAssign) and _is_text(after):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {ast.unparse(target) for target in targets}
        return found

    @cached_property
    def imported(self) -> set[str]:
        """Names from elsewhere in the package: they are explained where they come from."""
        froms = [n for n in ast.walk(self.tree) if isinstance(n, ast.ImportFrom)]
        ours = [n for n in froms if (n.module or "").split(".")[0] == PACKAGE.name]
        return {name.asname or name.name for node in ours for name in node.names}

    @property
    def code_lines(self) -> int:
        """Lines with code: neither blank, nor comment, nor docstring."""
        text = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.stmt) and _is_text(node):
                text |= set(range(node.lineno, (node.end_lineno or 0) + 1))
        return len(_code(self.text, 1, len(self.text.splitlines())) - text)

    def length(self, function: Definition) -> int:
        """Lines of code in a function's body."""
        body = function.node.body
        first = body[1] if _is_text(body[0]) and len(body) > 1 else body[0]
        return len(_code(self.text, first.lineno, function.node.end_lineno or 0))

    @property
    def tests(self) -> tuple[int, int]:
        """How many tests this module's own test file has, and how many lines of code."""
        inside = self.path.relative_to(PACKAGE).with_suffix("")
        path = TESTS / inside.with_name(f"test_{inside.name}.py")
        if self.is_package or not path.exists():
            return 0, 0
        source = Module(path)
        count = sum(d.node.name.startswith("test_") for d in source.definitions)
        return count, source.code_lines


def modules() -> list[Module]:
    """Return all modules of the package, in order of name."""
    return [Module(path) for path in sorted(PACKAGE.rglob("*.py"))]


def _definitions(tree: ast.AST, within: str, *, public: bool, nested: bool) -> Iterator[Definition]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.ClassDef):
            magic = node.name.startswith("__") and node.name.endswith("__")
            shown = public and (magic or not node.name.startswith("_")) and not nested
            yield Definition(node, within + node.name, shown, nested)
            inner = nested or isinstance(node, Function)
            yield from _definitions(node, f"{within}{node.name}.", public=shown, nested=inner)
        elif not isinstance(node, ast.expr):
            yield from _definitions(node, within, public=public, nested=nested)


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a string that stands by itself."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _code(text: str, first: int, last: int) -> set[int]:
    """Return the numbers of the lines with code."""
    lines = enumerate(text.splitlines()[first - 1 : last], first)
    return {number for number, line in lines if line.strip() and not line.strip().startswith("#")}


def main() -> None:
    """Print the table and the totals."""
    from common import table

    package = modules()
    columns = ["module", "code", "public", "docs", "median", "max", "tests", "lines"]
    table(columns, [_row(module) for module in package])
    print("Lines of code; public names, and how many have a docstring; lines of the median and the")
    print("longest function; test functions in the module's own test file, and its lines of code.")
    print()
    api = [d for module in package for d in module.api]
    lengths = [module.length(f) for module in package for f in module.functions]
    print(f"{len(api)} public names, {_share(sum(d.documented for d in api), len(api))} explained")
    print(f"{len(lengths)} functions, median {median(lengths):.0f} lines, longest {max(lengths)}")
    code = sum(module.code_lines for module in package)
    sources = [Module(path) for path in sorted(TESTS.rglob("*.py"))]
    tests = [d for s in sources for d in s.definitions if d.node.name.startswith("test_")]
    ratio = sum(source.code_lines for source in sources) / code
    print(f"{len(package)} modules, {code} lines of code, {ratio:.2f} lines of tests for each")
    print(f"{len(tests)} test functions (one with many parameters counts once)")
    longest = sorted(package, key=lambda module: -module.code_lines)[:5]
    print("longest modules:", ", ".join(f"{m.name} ({m.code_lines})" for m in longest))
    untested = [m.name for m in package if not m.is_package and not m.tests[0]]
    print("without a test file of their own:", ", ".join(untested) or "none")


def _row(module: Module) -> list[str]:
    lengths = [module.length(f) for f in module.functions]
    return [
        module.name.removeprefix(f"{PACKAGE.name}."),
        str(module.code_lines),
        str(len(module.api)),
        _share(sum(d.documented for d in module.api), len(module.api)),
        f"{median(lengths):.0f}" if lengths else "–",
        str(max(lengths)) if lengths else "–",
        *map(str, module.tests),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"


if __name__ == "__main__":
    main()
