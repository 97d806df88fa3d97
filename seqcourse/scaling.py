"""Scale: parameters, arithmetic, memory of transformers; the laws they follow.

Notation as in Kaplan et al. (2020): N parameters without embeddings, D tokens of
training, C floating-point operations (FLOPs; a multiplication and an addition are two).
Width is `width` here, to keep D free.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from seqcourse.bert import BertConfig
from seqcourse.transformer import TransformerConfig

__all__ = [
    "PowerLaw",
    "compute_optimal",
    "count_parameters",
    "fit_power_law",
    "flops_per_token",
    "kv_cache_bytes",
    "on_paper",
    "training_flops",
    "utilisation",
]


# --- parameters ---

_COMPONENTS = {
    "tokens": "embeddings",
    "positions": "embeddings",
    "segments": "embeddings",
    "attention": "attention",
    "cross_attention": "attention",
    "feed_forward": "feed-forward",
}


def on_paper(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a model whose parameters have shapes but no memory, to be counted.

    >>> from seqcourse.gpt import GPT, GPTConfig
    >>> huge = on_paper(lambda: GPT(GPTConfig.preset("gpt2-xl")))
    >>> count_parameters(huge)["all"]
    1557611200
    """
    with torch.device("meta"):
        return build()


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Return how many parameters each kind of component has, and "all".

    Shared parameters count once.

    >>> from seqcourse.bert import Bert
    >>> counts = count_parameters(on_paper(lambda: Bert(BertConfig.preset("base"))))
    >>> counts["embeddings"], counts["attention"], counts["feed-forward"], counts["all"]
    (23835648, 28348416, 56669184, 109482240)

    Returns:
        Counts by "embeddings" (tokens, positions, segments), "attention",
        "feed-forward", "norms" and "heads" (whatever else there is, such as an output
        layer).
    """
    counts = Counter(
        dict.fromkeys([*dict.fromkeys(_COMPONENTS.values()), "norms", "heads"], 0)
    )
    for name, parameter in model.named_parameters():
        counts[_component(name)] += parameter.numel()
    return {**counts, "all": counts.total()}


def _component(name: str) -> str:
    parts = name.split(".")
    if any(part.endswith("norm") for part in parts):
        return "norms"
    return next((_COMPONENTS[part] for part in parts if part in _COMPONENTS), "heads")


# --- arithmetic ---


def flops_per_token(
    config: TransformerConfig | BertConfig, *, context: int, causal: bool = True
) -> int:
    """Return the FLOPs of the blocks' matrix products for one token, forwards.

    Kaplan et al. (2020), eq. 2.2: 2 N + 2 L T width. Each weight multiplies and adds
    once; and each of T places is looked at twice, for the score and for the mean, by
    half of the others on average. Biases, norms, softmax, embeddings and the output
    layer are left out.

    >>> config = TransformerConfig(vocab_size=7, width=10, heads=2, layers=1)
    >>> flops_per_token(config, context=1000)  # 24 · 10² + 2 · 1000 · 10
    22400

    Args:
        config: the model's options.
        context: T, how many tokens are read together.
        causal: whether each token looks at those before it only, and no work is done
            for the others. BERT's tokens look at all T: twice the work.

    Raises:
        ValueError: if the context is below 1.
    """
    if context < 1:
        raise ValueError(f"context must be at least 1, but is {context}")
    inner = config.inner or 4 * config.width
    maps = 3 if config.activation == "swiglu" else 2
    weights = config.layers * (4 * config.width**2 + maps * config.width * inner)
    looks = config.layers * context * config.width
    return 2 * weights + (2 if causal else 4) * looks


def training_flops(parameters: float, tokens: float) -> float:
    """Return C = 6 N D: 2 for each weight and token forwards, and 4 backwards.

    Backwards there are two products of the same size: one for the gradient of the
    weights, one for that of the inputs (Kaplan et al. 2020, section 2.1).

    >>> f"{training_flops(175e9, 300e9):.2e}"  # GPT-3
    '3.15e+23'
    """
    return 6.0 * parameters * tokens


def compute_optimal(
    flops: float, *, tokens_per_parameter: float = 20.0
) -> tuple[float, float]:
    """Return parameters N and tokens D that spend C FLOPs best, by the rule D = 20 N.

    From 6 N D = C follows N = √(C / 120). The rule of thumb is read off table 3 of
    Hoffmann et al. (2022).

    >>> n, d = compute_optimal(5.88e23)  # Chinchilla: 70 billion, 1.4 trillion
    >>> round(n / 1e9), round(d / 1e12, 1)
    (70, 1.4)

    Raises:
        ValueError: if either is not above 0.
    """
    if not (flops > 0 and tokens_per_parameter > 0):
        raise ValueError(
            f"flops and tokens_per_parameter must be above 0, but are {flops} and "
            f"{tokens_per_parameter}"
        )
    parameters = math.sqrt(flops / (6 * tokens_per_parameter))
    return parameters, tokens_per_parameter * parameters


def utilisation(tokens_per_second: float, flops_per_token: float, peak: float) -> float:
    """Return the share of a machine's peak FLOPs per second that trains the model.

    The arithmetic counted is what the model needs, 6 N and 6 L T width for each token,
    not what the machine happens to do (Chowdhery et al. 2022, appendix B).

    >>> utilisation(tokens_per_second=10_000, flops_per_token=6e9, peak=1e14)
    0.6
    """
    return tokens_per_second * flops_per_token / peak


# --- memory ---


def kv_cache_bytes(
    config: TransformerConfig, *, tokens: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    """Return the memory of keys and values: 2 L B T width numbers.

    >>> from seqcourse.gpt import GPTConfig
    >>> kv_cache_bytes(GPTConfig.preset("gpt2"), tokens=1024) / 2**20  # MiB
    72.0

    Args:
        config: the model's options.
        tokens: T, how many are remembered.
        batch: B, how many sequences.
        bytes_per_number: 4 for float32, 2 for float16 and bfloat16.
    """
    return 2 * config.layers * batch * tokens * config.width * bytes_per_number


# --- power laws ---


@dataclass(frozen=True)
class PowerLaw:
    """y = scale · x^exponent, a straight line where both axes are logarithmic.

    Attributes:
        scale: y at x = 1.
        exponent: the slope of the line; below 0 where y falls.
        exponent_error: its standard error; NaN for two points, which leave nothing to
            judge by.
    """

    scale: float
    exponent: float
    exponent_error: float

    def __call__(self, x: float) -> float:
        """Return y at x."""
        return self.scale * x**self.exponent


def fit_power_law(x: Sequence[float], y: Sequence[float]) -> PowerLaw:
    """Fit a power law by least squares of the logarithms, each point counting alike.

    >>> round(fit_power_law([1, 10, 100], [8, 4, 2]).exponent, 4)  # halves each decade
    -0.301

    Raises:
        ValueError: if there are fewer than two different x, not one y for each x, or a
            number is not above 0.
    """
    if len(x) != len(y):
        raise ValueError(f"need one y for each x, but got {len(x)} x and {len(y)} y")
    if len(set(x)) < 2:
        raise ValueError(
            f"need at least two different x to fit a line, but got {sorted(set(x))}"
        )
    if not min(*x, *y) > 0:
        raise ValueError(
            f"a power law is fitted to numbers above 0, but one is {min(*x, *y)}"
        )
    u, v = np.log(np.asarray(x, float)), np.log(np.asarray(y, float))
    exponent, intercept = np.polyfit(u, v, 1)
    error = _slope_error(u, v - exponent * u - intercept)
    return PowerLaw(float(np.exp(intercept)), float(exponent), error)


def _slope_error(
    u: Float[np.ndarray, " N"], residuals: Float[np.ndarray, " N"]
) -> float:
    if len(u) < 3:
        return math.nan
    variance = (residuals**2).sum() / (len(u) - 2)
    return float(np.sqrt(variance / ((u - u.mean()) ** 2).sum()))
