"""Reads `lab.toml`: which keys it may have, of which types, and which modules it may name."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autograder.errors import SuiteError
from autograder.limits import Limits

__all__ = ["LabFile", "missing_modules", "read_lab_file"]

_DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class LabFile:
    """The keys that `lab.toml` may have, and what holds where one is left out."""

    title: str = ""
    notebook: str = ""
    device: str = "cpu"
    forbidden: tuple[str, ...] = ()
    preload: tuple[str, ...] = ("numpy", "torch")
    data: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


_KINDS = {str: "a text", tuple: 'a list of texts, such as ["numpy"]', Limits: "a table: [limits]"}


def read_lab_file(file: Path) -> LabFile:
    """Read `lab.toml`. SuiteError names the file and the key that it can't have, or not so."""
    where = f"{file.parent.name}/{file.name}"
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SuiteError(f"{where} is not TOML: {error}") from error
    _refuse_unknown(said, LabFile, where)
    usual = vars(LabFile())
    lab = LabFile(**{key: _checked(where, key, said[key], usual[key]) for key in said})
    if lab.device not in _DEVICES:
        raise SuiteError(f"{where}: device must be one of {_DEVICES}, not {lab.device!r}")
    return lab


def _checked(where: str, key: str, value: Any, usual: Any) -> Any:
    """Return a value of the type that its default has."""
    if isinstance(usual, str) and isinstance(value, str):
        return value
    if isinstance(usual, tuple) and isinstance(value, list):
        if all(isinstance(each, str) for each in value):
            return tuple(value)
    elif isinstance(usual, Limits) and isinstance(value, dict):
        return _limits(f"{where}, [limits]", value)
    raise SuiteError(f"{where}: {key} must be {_KINDS[type(usual)]}, not {value!r}")


def _limits(where: str, said: Mapping[str, Any]) -> Limits:
    _refuse_unknown(said, Limits, where)
    try:
        return Limits(**said)
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from error


def _refuse_unknown(said: Mapping[str, Any], kind: type, where: str) -> None:
    known = {each.name for each in fields(kind)}
    if odd := sorted(set(said) - known):
        raise SuiteError(f"{where}: unknown {', '.join(odd)}; known are {', '.join(sorted(known))}")


def missing_modules(names: Iterable[str]) -> list[str]:
    """Name those that are not installed. Nothing is imported.

    >>> missing_modules(["json.decoder", "jsom", "json.decoder.JSONDecoder"])
    ['jsom', 'json.decoder.JSONDecoder']
    """
    return [name for name in names if not _is_there(name)]


def _is_there(name: str) -> bool:
    """Look for a module, and for its packages from the top: `find_spec` would import those."""
    top, *inner = name.split(".")
    if not all(part.isidentifier() for part in (top, *inner)):
        return False
    spec = find_spec(top)
    for part in inner:
        places = spec.submodule_search_locations if spec is not None else None
        spec = PathFinder.find_spec(part, places) if places is not None else None
    return spec is not None
