"""Files: written whole or not at all, and read without running anything in them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

__all__ = ["read_safetensors", "replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to; move the file to `path` when the block ends well.

    Moving within a folder is one action to the operating system, so nobody ever sees
    half a file: neither another process nor who comes after a crash. If the block
    raises, what it wrote is removed.

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


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a file in the safetensors format, and its other header.

    Raises:
        FileNotFoundError: if there is no such file.
        safetensors.SafetensorError: if it is damaged or of another format.
    """
    with safe_open(path, framework="pt") as file:
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
