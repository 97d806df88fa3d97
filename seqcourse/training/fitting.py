"""Fitting: the loop that trains every model of this course."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import torch
from torch import Tensor, nn

from seqcourse._checks import check_positive
from seqcourse.stepping import evaluating
from seqcourse.training.checkpoints import Run, interrupts_held
from seqcourse.training.clipping import clip_by_norm
from seqcourse.training.cost import Stopwatch
from seqcourse.training.history import History
from seqcourse.training.optimizers import adamw
from seqcourse.training.progress import ProgressLine, count_tokens
from seqcourse.training.schedules import Schedule, constant
from seqcourse.training.seeds import random_states, restore_random_states

__all__ = ["Precision", "fit"]

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
"""What matrices are multiplied in; the parameters themselves keep their type."""

M = TypeVar("M", bound=nn.Module)
B = TypeVar("B")


def fit(
    model: M,
    batch: Callable[[int], B],
    loss: Callable[[M, B], Tensor],
    *,
    steps: int,
    optimizer: torch.optim.Optimizer | None = None,
    learning_rate: float = 1e-3,
    schedule: Schedule | None = None,
    clip: float | None = 1.0,
    precision: Precision = "float32",
    accumulate: int = 1,
    validate: Callable[[M], float] | None = None,
    validate_every: int = 0,
    keep_best: bool = True,
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 0,
    progress: bool = True,
) -> History:
    """Train a model, in place: each step goes down the gradient of one batch's loss.

    If the checkpoint exists, training goes on where that run left off. On a CPU the
    result is then, bit for bit, that of a run that never stopped, if the batch depends
    on its number (and the global random generators) alone, and the loss keeps nothing
    outside the model's buffers. Ctrl-C waits for the step to be complete, and writes
    the checkpoint first.

    Args:
        model: left in the mode it was in, training or evaluating.
        batch: gives the batch of each number 0, 1, …
        loss: gives the number to be made smaller; may update the model's buffers.
        steps: how many steps to take in all, those of earlier runs included.
        optimizer: `adamw(model, learning_rate=learning_rate)` by default.
        learning_rate: for the default optimiser; one of your own brings its own.
        schedule: the factor of the learning rate at each step; 1 by default.
        clip: the greatest length of the gradient (see `clip_by_norm`); None for no
            limit.
        precision: "bfloat16" and "float16" multiply matrices in 16 bits, which modern
            GPUs do several times as fast; "float16" needs a GPU, and skips steps that
            overflow.
        accumulate: how many batches make one step: their mean loss goes down. Step s
            takes the batches accumulate · s and on.
        validate: gives a number that is better when lower. It is called without
            gradients, in evaluation mode, and leaves the global random generators as
            they were.
        validate_every: after how many steps each to validate; at the end in any case.
        keep_best: whether the model ends with the parameters of its best validation,
            rather than with the last.
        checkpoint: the file to resume from and to write; only with the same model,
            optimiser and precision. Delete it to begin anew.
        checkpoint_every: after how many steps each to write it; at the end in any case.
        progress: whether to show a line with the loss, the speed and the time left,
            where there is a terminal or a notebook to show it on.

    Returns:
        What happened at each step.

    Raises:
        ValueError: for options out of range, float16 without a GPU, a loss that is not
            one number, or a checkpoint of something else.
        FloatingPointError: if the loss or the gradient is NaN or infinite; the message
            says at which step, and what to try. The model and the checkpoint are as
            they were before that step.
    """
    check_positive("steps", steps)
    check_positive("accumulate", accumulate)
    run = _begin(model, optimizer, learning_rate, precision)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        run.restore(path)
    step = _Step(run, batch, loss, schedule or constant(), clip, precision, accumulate)
    history, before = run.history, run.history.seconds
    with (
        _training(model),
        ProgressLine(steps, done=history.steps, shown=progress) as line,
        interrupts_held() as interrupted,
        Stopwatch() as watch,
    ):
        while history.steps < steps:
            line.advance(step.take(), history.losses[-1])
            if validate is not None and _due(history.steps, validate_every, steps):
                _validate(run, validate, precision, keep_best)
            history.seconds = before + watch.seconds
            stop = interrupted()
            if path and (stop or _due(history.steps, checkpoint_every, steps)):
                run.save(path)
            if stop:
                raise KeyboardInterrupt(f"stopped after {history.steps} steps")
    if keep_best and run.best is not None:
        model.load_state_dict(run.best)
    return history


@dataclass(frozen=True)
class _Step:
    """How one step is taken."""

    run: Run
    batch: Callable[[int], Any]
    loss: Callable[[Any, Any], Tensor]
    schedule: Schedule
    clip: float | None
    precision: Precision
    accumulate: int

    def take(self) -> int | None:
        """Take the next step and note it; return how many tokens it learned from."""
        history, optimizer = self.run.history, self.run.optimizer
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self.schedule(history.steps)
        optimizer.zero_grad()
        loss, tokens = self._backward(history.steps * self.accumulate)
        if not math.isfinite(loss):
            raise FloatingPointError(self._diverged(f"the loss is {loss}"))
        norm = self._shorten()
        self.run.scaler.step(optimizer)
        self.run.scaler.update()
        history.losses.append(loss)
        history.gradient_norms.append(norm)
        history.learning_rates.append(optimizer.param_groups[0]["lr"])
        return tokens

    def _backward(self, first: int) -> tuple[float, int | None]:
        """Sum up the batches' gradients; return their mean loss and their tokens."""
        total, tokens = torch.zeros(()), 0
        for number in range(first, first + self.accumulate):
            batch = self.batch(number)
            with _autocast(self.run.model, self.precision):
                loss = self.loss(self.run.model, batch)
            if loss.ndim:
                raise ValueError(
                    "loss must return a single number, but returned a tensor of shape "
                    f"{tuple(loss.shape)}; take its mean"
                )
            self.run.scaler.scale(loss / self.accumulate).backward()
            total = total.to(loss.device) + loss.detach() / self.accumulate
            tokens += count_tokens(batch) or 0
        return total.item(), tokens or None

    def _shorten(self) -> float:
        """Clip the gradient; return its length before."""
        optimizer, scaler = self.run.optimizer, self.run.scaler
        scaler.unscale_(optimizer)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        try:
            return clip_by_norm(
                parameters, math.inf if self.clip is None else self.clip
            )
        except FloatingPointError as error:
            if scaler.is_enabled():  # it skips this step, and scales the next by less
                return math.inf
            raise FloatingPointError(self._diverged(str(error))) from None

    def _diverged(self, what: str) -> str:
        step = self.run.history.steps
        cures = ["a lower learning rate", "a schedule with a longer warm-up"]
        if self.clip is None:
            cures.append("clip=1.0")
        if self.precision != "float32":
            cures.append("precision='float32'")
        return (
            f"{what} at step {step} (counted from 0). Try {' or '.join(cures)}; look "
            f"for NaN in batch({step * self.accumulate}). The model is as it was "
            "before this step"
        )


def _begin(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    learning_rate: float,
    precision: Precision,
) -> Run:
    """Return a run of no steps yet."""
    if precision not in get_args(Precision):
        raise ValueError(
            f"precision must be one of {', '.join(get_args(Precision))}, but is "
            f"{precision!r}"
        )
    if optimizer is None:
        optimizer = adamw(model, learning_rate=learning_rate)
    device = next(model.parameters()).device.type
    if precision == "float16" and device != "cuda":
        raise ValueError(
            f"precision 'float16' needs a GPU, but the model is on the {device}; use "
            "'bfloat16', which works everywhere"
        )
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])  # saved with the optimiser's state
    return Run(
        model, optimizer, torch.amp.GradScaler(device, enabled=precision == "float16")
    )


@contextmanager
def _training(model: nn.Module) -> Iterator[None]:
    """Switch a model to training within a block, and back to what it was after it."""
    was_training = model.training
    model.train()
    try:
        yield
    finally:
        model.train(was_training)


def _validate(
    run: Run, validate: Callable[[Any], float], precision: Precision, keep_best: bool
) -> None:
    """Validate, note it, and keep the parameters if they are the best so far."""
    random = random_states()
    with evaluating(run.model), torch.no_grad(), _autocast(run.model, precision):
        value = float(validate(run.model))
    restore_random_states(random)
    run.history.validations[run.history.steps] = value
    if keep_best and run.history.best_step == run.history.steps:
        run.keep_as_best()


def _autocast(model: nn.Module, precision: Precision) -> torch.autocast:
    device = next(model.parameters()).device.type
    return torch.autocast(
        device,
        dtype=torch.float16 if precision == "float16" else torch.bfloat16,
        enabled=precision != "float32",
    )


def _due(taken: int, every: int, steps: int) -> bool:
    return taken == steps or (every > 0 and taken % every == 0)
