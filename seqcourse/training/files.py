"""Files that are whole or not there, whatever happens while they are written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to; move the file to `path` when the block ends well.

    Moving within a folder is one action to the operating system, so nobody ever sees
    half a
    file: neither another process nor who comes after a crash. If the block raises, what
    it wrote is removed.

    Args:
        path: the file that shall be made or replaced; missing folders are created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
