"""Networks that forecast a series, or classify one, from a window of its past.

`MLPForecaster` looks at all lags at once; `ConvForecaster` slides causal convolutions
along them. Both take the inputs of `seqcourse.windows.Windows`, (B, L, I), and give its
targets, (B, H, O): with H > 1 they forecast *directly*, each step by its own output. A
forecaster of one step can also be applied to its own forecasts: `forecast_recursively`.
`SequenceClassifier` reads sequences of any length.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqcourse._checks import check_choice, check_positive
from seqcourse.batching import Padded, last_unit, max_pool, mean_pool
from seqcourse.convolution import ConvNetConfig, TemporalConvNet

__all__ = [
    "ClassifierConfig",
    "ConvForecaster",
    "ConvForecasterConfig",
    "MLPForecaster",
    "MLPForecasterConfig",
    "SequenceClassifier",
    "forecast_recursively",
]


@dataclass(frozen=True)
class MLPForecasterConfig:
    """Shape of an `MLPForecaster`.

    Attributes:
        lags: L steps that it sees.
        horizon: H steps that it forecasts.
        inputs: I variables that it sees at each lag.
        targets: O variables that it forecasts.
        hidden: units of each hidden layer; none makes it linear autoregression.
    """

    lags: int
    horizon: int = 1
    inputs: int = 1
    targets: int = 1
    hidden: tuple[int, ...] = (64,)


class MLPForecaster(nn.Module):
    """A multilayer perceptron on the flattened window: it must be given exactly L lags.

    Args:
        config: its shape.

    Raises:
        ValueError: if a number is below 1.
    """

    def __init__(self, config: MLPForecasterConfig) -> None:
        super().__init__()
        for name in ("lags", "horizon", "inputs", "targets"):
            check_positive(name, getattr(config, name))
        self.config = config
        sizes = (config.lags * config.inputs, *config.hidden)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(
            *layers, nn.Linear(sizes[-1], config.horizon * config.targets)
        )

    def forward(self, inputs: Float[Tensor, "B L I"]) -> Float[Tensor, "B H O"]:
        """Return the forecasts that follow each window.

        Raises:
            ValueError: if the windows have not the lags and variables of the config.
        """
        _check_window(inputs, self.config.inputs, self.config.lags)
        outputs = self.layers(inputs.flatten(1))  # (B, H O)
        return outputs.view(len(inputs), self.config.horizon, self.config.targets)


@dataclass(frozen=True)
class ConvForecasterConfig:
    """Shape of a `ConvForecaster`.

    Attributes:
        horizon: H steps that it forecasts.
        inputs: I variables that it sees at each lag.
        targets: O variables that it forecasts.
        net: the convolutions; make the window as long as their receptive field.
    """

    horizon: int = 1
    inputs: int = 1
    targets: int = 1
    net: ConvNetConfig = field(default_factory=lambda: ConvNetConfig(width=32))


class ConvForecaster(nn.Module):
    """Causal convolutions along the window; the last step's units give the forecasts.

    It takes windows of any length, and shares its weights among all lags.

    Args:
        config: its shape.

    Raises:
        ValueError: if a number is below 1.
    """

    def __init__(self, config: ConvForecasterConfig) -> None:
        super().__init__()
        for name in ("horizon", "inputs", "targets"):
            check_positive(name, getattr(config, name))
        self.config = config
        self.embedding = nn.Linear(config.inputs, config.net.width)
        self.net = TemporalConvNet(config.net)
        self.head = nn.Linear(config.net.width, config.horizon * config.targets)

    def forward(self, inputs: Float[Tensor, "B L I"]) -> Float[Tensor, "B H O"]:
        """Return the forecasts that follow each window.

        Raises:
            ValueError: if the windows have not the variables of the config.
        """
        _check_window(inputs, self.config.inputs)
        units = self.net(self.embedding(inputs))[:, -1]  # (B, D)
        return self.head(units).view(
            len(inputs), self.config.horizon, self.config.targets
        )


Forecasting: TypeAlias = MLPForecaster | ConvForecaster


@torch.no_grad()
def forecast_recursively(
    model: Forecasting, inputs: Float[Tensor, "B L D"], horizon: int
) -> Float[Tensor, "B H D"]:
    """Forecast further than a model was trained to, by reading its own forecasts.

    Its errors feed on themselves, step after step; a direct forecaster's do not, but
    each of its steps learns on its own.

    Args:
        model: its targets must be all of its inputs, in the same order.
        inputs: B windows of as many lags as the model reads; the window moves along.
        horizon: H, steps to forecast.

    Raises:
        ValueError: if the model does not forecast all that it reads, or H is below 1.
    """
    check_positive("horizon", horizon)
    if model.config.inputs != model.config.targets:
        raise ValueError(
            f"the model reads {model.config.inputs} variables but forecasts "
            f"{model.config.targets}: it cannot read its own forecasts"
        )
    lags, window, steps = inputs.shape[1], inputs, 0
    forecasts = []
    while steps < horizon:
        forecasts.append(model(window))  # (B, model's horizon, D)
        window = torch.cat([window, forecasts[-1]], dim=1)[:, -lags:]
        steps += model.config.horizon
    return torch.cat(forecasts, dim=1)[:, :horizon]


@dataclass(frozen=True)
class ClassifierConfig:
    """Shape of a `SequenceClassifier`.

    Attributes:
        inputs: I variables at each step.
        classes: C.
        net: the convolutions.
        pooling: how the units of all steps become those of the sequence.
    """

    inputs: int
    classes: int
    net: ConvNetConfig = field(default_factory=lambda: ConvNetConfig(width=32))
    pooling: Literal["mean", "max", "last"] = "mean"


_POOLING = {"mean": mean_pool, "max": max_pool, "last": last_unit}


class SequenceClassifier(nn.Module):
    """Causal convolutions, pooled over the real steps: one label a sequence.

    As nothing depends on what stands behind a sequence, padding changes no logit.

    Args:
        config: its shape.

    Raises:
        ValueError: if a number is below 1, or the pooling is unknown.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        for name in ("inputs", "classes"):
            check_positive(name, getattr(config, name))
        check_choice("pooling", config.pooling, _POOLING)
        self.config = config
        self.embedding = nn.Linear(config.inputs, config.net.width)
        self.net = TemporalConvNet(config.net)
        self.head = nn.Linear(config.net.width, config.classes)

    def forward(self, sequences: Padded) -> Float[Tensor, "B C"]:
        """Return the logits of each sequence's classes, given values (B, T, I).

        Raises:
            ValueError: if the sequences have not the variables of the config.
        """
        _check_window(sequences.values, self.config.inputs)
        units = self.net(self.embedding(sequences.values))  # (B, T, D)
        return self.head(_POOLING[self.config.pooling](units, sequences.mask))


def _check_window(window: Tensor, inputs: int, lags: int | None = None) -> None:
    """Check for (B, lags, inputs); lags None takes any number."""
    if (
        window.ndim != 3
        or window.shape[2] != inputs
        or lags not in (None, window.shape[1])
    ):
        expected = f"(B, {'L' if lags is None else lags}, {inputs})"
        raise ValueError(
            f"the model reads windows {expected}, but got shape {tuple(window.shape)}"
        )
