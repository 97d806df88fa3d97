"""Seeds: the same random numbers in every run, and where they left off."""

import os
import random
from typing import Any

import numpy as np

__all__ = ["random_states", "restore_random_states", "seed_everything"]


def seed_everything(seed: int, *, deterministic: bool = False) -> np.random.Generator:
    """Seed Python, NumPy and PyTorch; return a NumPy generator of your own.

    Prefer the returned generator: passing it on shows where the randomness goes.

    Args:
        seed: the same seed gives the same numbers, on the same kind of device.
        deterministic: also let PyTorch use only operations that give the same result
            every time, and raise an error where it knows none. On a CPU that changes
            nothing the course uses; on a GPU sums are otherwise added up in whatever
            order they are ready. It costs speed, and it holds until
            `torch.use_deterministic_algorithms(False)`.

    Raises:
        ValueError: if the seed is outside 0 … 2**32 - 1.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be within 0 … 2**32 - 1, but is {seed}")
    import torch  # here, because it takes seconds to import and the rest does without

    random.seed(seed)
    np.random.seed(seed)  # third-party code may use the global generator
    torch.manual_seed(seed)
    if deterministic:
        # cuBLAS reads this when it starts: too late if the GPU has been used already
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True)
    return np.random.default_rng(seed)


def random_states() -> dict[str, Any]:
    """Return where the global generators stand, as plain values and tensors."""
    import torch

    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, np.asarray(keys).tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Set the global generators to where they stood when `random_states` was called.

    The states of GPUs are restored if there are as many of them as there were.
    """
    import torch

    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
