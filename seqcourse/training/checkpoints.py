"""Checkpoints: training that stops, and goes on as if it had not."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from seqcourse.training.files import replacing
from seqcourse.training.history import History
from seqcourse.training.seeds import random_states, restore_random_states

__all__ = ["Run", "interrupts_held"]


@dataclass
class Run:
    """All that training must remember in order to go on.

    Attributes:
        model: its parameters and buffers are saved.
        optimizer: its running means are saved, and each group's settings.
        scaler: what float16 gradients are multiplied by; does nothing in other
            precisions.
        history: so far.
        best: the parameters and buffers at the best validation so far, if there was
            one.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    history: History = field(default_factory=History)
    best: dict[str, Tensor] | None = None

    def keep_as_best(self) -> None:
        """Copy the model's parameters and buffers."""
        self.best = {
            name: t.detach().clone() for name, t in self.model.state_dict().items()
        }

    def save(self, path: Path) -> None:
        """Write everything, and where the random generators stand, to one file.

        The file holds tensors and plain values only, so that reading it runs no code.
        """
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": self.history.state(),
            "best": self.best,
            "random": random_states(),
        }
        with replacing(path) as draft:
            torch.save(state, draft)

    def restore(self, path: Path) -> None:
        """Set everything to what `save` has written.

        Raises:
            ValueError: if the file is damaged or not a checkpoint, or if the model or
                the optimiser are not those that were saved.
        """
        saved = _read(path)
        try:
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.scaler.load_state_dict(saved["scaler"])
        except (RuntimeError, ValueError) as error:
            why = " ".join(str(error).split())
            raise ValueError(
                f"{path} is the checkpoint of another model, optimiser or precision "
                f"({why}); {_ADVICE}"
            ) from error
        self.history, self.best = History(**saved["history"]), saved["best"]
        restore_random_states(saved["random"])


_ADVICE = "delete the file to begin anew, or name another"
_PARTS = {"model", "optimizer", "scaler", "history", "best", "random"}


def _read(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds.

    A file of torch is a pickle, which can run code; with `weights_only` torch builds
    tensors and plain values from it, and refuses all else.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, LookupError, RuntimeError, UnpicklingError) as error:
        raise ValueError(f"{path} cannot be read as a checkpoint; {_ADVICE}") from error
    if not isinstance(saved, dict) or saved.keys() != _PARTS:
        raise ValueError(f"{path} is not a checkpoint of fit; {_ADVICE}")
    return saved


@contextmanager
def interrupts_held() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back within a block; give a function that tells if it was pressed.

    In the middle of a step some parameters are new and some old. Asked between the
    steps, the function tells when it is time to stop, and all are of one age. Pressed a
    second time, Ctrl-C interrupts at once. Where something else than Python's own
    handler deals with Ctrl-C, or in a thread other than the main one, nothing is held
    back.
    """
    pressed = False

    def hold(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not ours or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    signal.signal(signal.SIGINT, hold)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
