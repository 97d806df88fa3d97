"""Tokenisers as files: what one has learned, in JSON, with the name of its format."""

import json
from pathlib import Path
from typing import Any

from seqcourse.training.files import replacing

__all__ = ["read_options", "write_options"]


def write_options(path: Path | str, kind: str, options: dict[str, Any]) -> None:
    """Write the options that a tokeniser is made of, replacing an older file."""
    about = json.dumps({"format": kind, **options}, ensure_ascii=False)
    with replacing(Path(path)) as draft:
        draft.write_text(about, encoding="utf-8")


def read_options(path: Path | str, kind: str) -> dict[str, Any]:
    """Return the options in a file that `write_options` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or not of this kind.
    """
    try:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged, or is no tokeniser: {error}") from error
    found = about.pop("format", None) if isinstance(about, dict) else None
    if found != kind:
        raise ValueError(f"{path} is not in the format {kind!r}, but in {found!r}")
    return about
