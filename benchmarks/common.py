"""What all benchmarks share: a table on the screen, and figures that say where they were taken."""

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One comparison: a piece of work that we and a peer both do.

    Attributes:
        work: what is done, with its sizes, as the table shall say it.
        peer: who else does it.
        goal: the most that our time may be of the peer's.
        setup: prepares both sides, asserts that they do the same work, and returns the two
            callables to be timed: ours, theirs.
        pairs: how often to measure both sides at most, for work that takes long.
        warm: whether to run both sides once before they are timed.
        note: what a reader should know beside the figures; asked for after the measurement if
            it is a function.
    """

    work: str
    peer: str
    goal: float
    setup: Callable[[], tuple[Callable[[], Any], Callable[[], Any]]]
    pairs: int = 5
    warm: bool = True
    note: str | Callable[[], str] = ""


def machine(*packages: str) -> dict[str, Any]:
    """Return the hardware, the versions that matter, and today's date."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        model = names[0].partition(": ")[2] if names else model
    return {
        "hardware": f"{os.cpu_count()} cores of {model}",
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
        "date": date.today().isoformat(),
    }


def save(path: Path, figures: dict[str, Any]) -> None:
    """Write the figures as JSON, numbers to four digits."""
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(figures, indent=1, default=float)
    rounded = json.loads(text, parse_float=lambda x: float(f"{float(x):.4g}"))
    path.write_text(json.dumps(rounded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"figures: {path.relative_to(path.parent.parent.parent)}")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, numbers to the right."""
    shown = Table(*columns)
    for column in shown.columns[1:]:
        column.justify = "right"
    for row in rows:
        shown.add_row(*row)
    Console().print(shown)
