"""Say which page is being run and how long it took: a cold build takes minutes."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, field

from rich.console import Console
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


@dataclass
class Progress:
    """Counts pages as Sphinx reads (and so runs) them, one line a page."""

    console: Console = field(default_factory=Console)
    total: int = 0
    done: int = 0
    started: float = 0.0

    def plan(
        self,
        app: Sphinx,
        env: BuildEnvironment,
        added: set[str],
        changed: set[str],
        removed: set[str],
    ) -> list[str]:
        """Event ``env-get-outdated``: how many pages there are to read."""
        self.total = len(added | changed)
        return []

    def begin(self, app: Sphinx, docname: str, source: list[str]) -> None:
        """Event ``source-read``: a page begins."""
        self.done += 1
        self.started = time.perf_counter()
        self.console.print(f"[{self.done}/{self.total}] {docname}", end=" ", highlight=False)

    def end(self, app: Sphinx, doctree: object) -> None:
        """Event ``doctree-read``: its cells have run."""
        self.console.print(f"{time.perf_counter() - self.started:.1f} s", highlight=False)


def setup(app: Sphinx) -> dict[str, object]:
    """Listen to Sphinx; not with ``--verbose``, where Sphinx itself says these things."""
    if isinstance(app._status, io.StringIO):  # Sphinx's stand-in for "quiet"
        progress = Progress()
        app.connect("env-get-outdated", progress.plan)
        app.connect("source-read", progress.begin)
        app.connect("doctree-read", progress.end)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
