"""History: what a training run remembers of itself."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["History"]


@dataclass
class History:
    """What happened in each step of training, and in each validation.

    Attributes:
        losses: the training loss before each step.
        learning_rates: the learning rate of each step (of the first parameter group).
        gradient_norms: the length of the gradient in each step, before it was clipped;
            not finite where half precision overflowed and the step was skipped.
        validations: what `validate` returned, by the number of steps taken before.
        seconds: the wall-clock time of all steps and validations, resumed runs
            included.

    >>> history = History([4.0, 2.5], [0.1, 0.1], [1.0, 0.5], {2: 2.75}, 1.5)
    >>> history
    History(2 steps in 1.5 s, loss 4.000 → 2.500, best validation 2.750 after step 2)
    """

    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    validations: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return len(self.losses)

    @property
    def best_step(self) -> int | None:
        """After how many steps the validation was lowest (first), if there was one."""
        numbers = {step: v for step, v in self.validations.items() if not math.isnan(v)}
        return min(numbers, key=numbers.__getitem__, default=None)

    def __repr__(self) -> str:
        parts = [f"{self.steps} steps in {self.seconds:.1f} s"]
        if self.losses:
            parts.append(f"loss {self.losses[0]:.3f} → {self.losses[-1]:.3f}")
        if self.best_step is not None:
            best = self.validations[self.best_step]
            parts.append(f"best validation {best:.3f} after step {self.best_step}")
        return f"History({', '.join(parts)})"

    def state(self) -> dict[str, Any]:
        """Return the values as a plain dictionary; `History(**state)` undoes it."""
        return asdict(self)
