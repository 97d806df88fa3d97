"""Training: one loop for every model, and what it is made of.

The parts, in the order in which to read them:

- `losses`: what a model is told to make small;
- `optimizers`: how a gradient becomes a step; `schedules`: how long the step is;
- `clipping`: what is done about a gradient that is far too long;
- `fitting`: the loop, `fit`; `history`: what it remembers; `checkpoints`: how it is
  resumed;
- `saving`: a trained model as a file;
- `seeds` and `cost`: the same numbers again, and what they took.

All names can be imported from here. Those that need PyTorch load it when they are
first asked for: it takes seconds, and a page that wants no more than a stopwatch shall
not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seqcourse.training.cost import Stopwatch, page_cost, peak_gpu_memory, peak_memory
from seqcourse.training.history import History
from seqcourse.training.schedules import (
    Schedule,
    constant,
    inverse_sqrt,
    linear,
    noam,
    warmup_cosine,
)
from seqcourse.training.seeds import seed_everything

if TYPE_CHECKING:
    from seqcourse.training.clipping import clip_by_norm, clip_by_value, gradient_norm
    from seqcourse.training.fitting import fit
    from seqcourse.training.losses import cross_entropy, next_token_loss
    from seqcourse.training.optimizers import adamw
    from seqcourse.training.saving import load_model, save_model

__all__ = [
    "History",
    "Schedule",
    "Stopwatch",
    "adamw",
    "clip_by_norm",
    "clip_by_value",
    "constant",
    "cross_entropy",
    "fit",
    "gradient_norm",
    "inverse_sqrt",
    "linear",
    "load_model",
    "next_token_loss",
    "noam",
    "page_cost",
    "peak_gpu_memory",
    "peak_memory",
    "save_model",
    "seed_everything",
    "warmup_cosine",
]

_NEEDS_TORCH = {
    "adamw": "optimizers",
    "clip_by_norm": "clipping",
    "clip_by_value": "clipping",
    "cross_entropy": "losses",
    "fit": "fitting",
    "gradient_norm": "clipping",
    "load_model": "saving",
    "next_token_loss": "losses",
    "save_model": "saving",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NEEDS_TORCH[name]}"), name)
