"""Inside the sandbox: refuses to import what the lab asks students to write, and says so.

The files of these modules are gone as well; this is for the message. Mounted in the sandbox.
"""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

__all__ = ["forbid"]

_REFUSAL = "{} is what this lab asks you to write, so it can't be imported while the lab is graded"


class _Forbidden(MetaPathFinder):
    """Refuses to find some modules."""

    def __init__(self, names: list[str]) -> None:
        self._names = tuple(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        for forbidden in self._names:
            if name == forbidden or name.startswith(f"{forbidden}."):
                if _imports_itself(name):
                    return ModuleSpec(name, _Hollow(forbidden), is_package=True)
                raise ImportError(_REFUSAL.format(forbidden))
        return None


class _Hollow(Loader):
    """Stands in for a forbidden module that its own package imports: refuses only to be used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def exec_module(self, module: ModuleType) -> None:
        def get(attribute: str) -> "_Refused":
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            return _Refused(_REFUSAL.format(self._name))

        vars(module)["__getattr__"] = get


class _Refused:
    """Stands in for a class or function of a forbidden module."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ImportError(self._why)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ImportError(self._why)


def _imports_itself(name: str) -> bool:
    """Whether a package that the module is in is being imported just now."""
    while name := name.rpartition(".")[0]:
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if getattr(spec, "_initializing", False):
            return True
    return False


def forbid(names: list[str]) -> None:
    """Refuse to import these modules and whatever is in them."""
    sys.meta_path.insert(0, _Forbidden(names))
