"""What can lie where a notebook should, and what its owner's folder may be called."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

__all__ = ["FILES", "NAMES", "SAME_FILE"]


def _beside(path: Path, data: bytes) -> Path:
    """Write the notebook under another name in the same folder."""
    other = path.with_name("other.ipynb")
    other.write_bytes(data)
    return other


def _socket(path: Path, data: bytes) -> None:
    """Bind a socket there; by a short name, since its address may have 107 bytes."""
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def _sparse(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    os.truncate(path, 40_000_000_000)


def _closed(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0)


def _linked_folder(path: Path, data: bytes) -> None:
    elsewhere = path.parent.with_name("elsewhere")
    path.parent.rename(elsewhere)
    (elsewhere / path.name).write_bytes(data)
    path.parent.symlink_to(elsewhere)


FILES: dict[str, Callable[[Path, bytes], object]] = {
    "link": lambda path, data: path.symlink_to(_beside(path, data)),
    "link-to-itself": lambda path, data: path.symlink_to(path),
    "link-to-nothing": lambda path, data: path.symlink_to("nowhere"),
    "link-to-endless-zeros": lambda path, data: path.symlink_to("/dev/zero"),
    "link-to-own-memory": lambda path, data: path.symlink_to("/proc/self/mem"),
    "hard-link": lambda path, data: path.hardlink_to(_beside(path, data)),
    "linked-folder": _linked_folder,
    "file-for-a-folder": lambda path, data: (path.parent.rmdir(), path.parent.write_bytes(data)),
    "pipe": lambda path, data: os.mkfifo(path),
    "socket": _socket,
    "folder": lambda path, data: path.mkdir(),
    "full-folder": lambda path, data: (path.mkdir(), (path / path.name).write_bytes(data)),
    "empty-file": lambda path, data: path.touch(),
    "nothing": lambda path, data: None,
    "another-name": _beside,
    "forty-gigabytes": _sparse,
    "closed-to-all": _closed,
}
SAME_FILE = {"hard-link", "closed-to-all"}  # the latter where it can be opened at all

NAMES = ["..x", "a..b", "two\nlines", "🙂 emoji", "-rf", " spaces ", "\x1b[31mred", "a" * 255]
NAMES += ["*", "[a-z]", "?", "~", "%s", "{student_id}", "$(id)", "a'b\"c", "<b>x", "=1+1"]
NAMES += [
    "\u202egnp",
    "back\\slash",
    "é",
    "e\u0301",
    "(?P<x>",
    "a+b",
    os.fsdecode(b"not-\xff-utf8"),
]
