"""A submission damaged in a thousand ways, the same thousand each time.

Three families: bytes of the file, the notebook's JSON, the file itself and its owner's name.
A mutation whose name stands in `KEEPS` changes no word of any answer and takes from no answer
all that it can be known by: what can still be read after it must keep its points.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutations_of_bytes import BYTES
from mutations_of_cells import KEEPS, MIXABLE, TREES, dumped
from mutations_of_files import FILES, NAMES, SAME_FILE

__all__ = ["Mutant", "mutants"]

Rng = random.Random


@dataclass(frozen=True)
class Mutant:
    """A damaged submission: who hands it in, what was done to it, and how to write it."""

    student: str
    what: str
    write: Callable[[Path], object]
    keeps: bool


def mutants(original: bytes, count: int, seed: int = 0) -> Iterator[Mutant]:
    """Yield `count` mutants: each strange file and name once, the rest bytes and cells by turns."""
    rng = random.Random(seed)
    yield from _files(original)
    yield from _names(original)
    for number in range(count - len(FILES) - len(NAMES)):
        make = (_bytes_mutant, _tree_mutant, _tree_mutant, _mixed_mutant)[number % 4]
        what, data, keeps = make(rng, original)
        yield Mutant(f"m{number:04}-{what}", what, _writer(data), keeps)


def _writer(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _bytes_mutant(rng: Rng, original: bytes) -> tuple[str, bytes, bool]:
    damage = rng.choice(BYTES)
    data = damage(rng, original)
    return _name(damage), data, _same_cells(data, original)


def _tree_mutant(rng: Rng, original: bytes) -> tuple[str, bytes, bool]:
    damage = rng.choice(TREES)
    tree = damage(rng, json.loads(original))
    return _name(damage), dumped(tree), damage in KEEPS


def _mixed_mutant(rng: Rng, original: bytes) -> tuple[str, bytes, bool]:
    """Do several things, one after the other; nothing is promised about the sum."""
    tree = json.loads(original)
    for damage in rng.sample(MIXABLE, rng.randint(2, 4)):
        tree = damage(rng, tree)
    return "mixed", dumped(tree), False


def _name(damage: Callable[..., Any]) -> str:
    return damage.__name__.strip("_").replace("_", "-")


def _same_cells(data: bytes, original: bytes) -> bool:
    """Whether damaged bytes still hold the very same cells."""
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return bool(isinstance(found, dict) and found.get("cells") == json.loads(original)["cells"])


def _files(original: bytes) -> Iterator[Mutant]:
    for what, damage in FILES.items():

        def write(path: Path, damage: Callable[[Path, bytes], object] = damage) -> None:
            damage(path, original)

        yield Mutant(f"file-{what}", what, write, what in SAME_FILE)


def _names(original: bytes) -> Iterator[Mutant]:
    for name in NAMES:
        yield Mutant(name, "name", _writer(original), True)
