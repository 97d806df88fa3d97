"""Progress: what is shown while training goes on."""

import os
import time
from typing import Any

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor

__all__ = ["ProgressLine", "count_tokens"]


class ProgressLine:
    """One line with the step, the loss, the tokens a second and the time left.

    It shows on a terminal and in a notebook, and says nothing where it would only fill
    a log file. `TTY_INTERACTIVE=0` in the environment silences it in a notebook, too.

    Args:
        steps: how many steps training shall take in all.
        done: how many of them an earlier run has taken.
        shown: False to say nothing anywhere.
    """

    def __init__(self, steps: int, *, done: int = 0, shown: bool = True) -> None:
        console = Console()
        self._progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[loss]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
            disable=not (shown and _somebody_looks(console)),
        )
        self._task = self._progress.add_task(
            "", total=steps, completed=done, loss="", speed=""
        )
        self._start, self._tokens = time.perf_counter(), 0

    def __enter__(self) -> "ProgressLine":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, tokens: int | None, loss: float) -> None:
        """Show that one more step was taken, and on how many tokens (if known)."""
        self._tokens += tokens or 0
        rate = self._tokens / (time.perf_counter() - self._start)
        speed = f"{rate:,.0f} tokens/s" if self._tokens else ""
        self._progress.update(
            self._task, advance=1, loss=f"loss {loss:.3f}", speed=speed
        )


def _somebody_looks(console: Console) -> bool:
    if console.is_jupyter:
        return os.environ.get("TTY_INTERACTIVE") != "0"
    return console.is_interactive


def count_tokens(batch: Any) -> int | None:
    """Return how many tokens a batch trains on, if that can be told; None otherwise.

    It can if the batch, or the last member of the tuple that it is, is a tensor of ids
    of shape (B, T): the targets.
    """
    last = batch[-1] if isinstance(batch, tuple) and batch else batch
    ids = isinstance(last, Tensor) and last.dtype == torch.int64 and last.ndim == 2
    return last.numel() if ids else None
