import numpy as np
import pytest
import torch

from seqcourse import data
from seqcourse.batching import ShuffledBatches, pad
from seqcourse.convolution import ConvNetConfig
from seqcourse.forecasting import (
    ClassifierConfig,
    ConvForecaster,
    ConvForecasterConfig,
    MLPForecaster,
    MLPForecasterConfig,
    SequenceClassifier,
    forecast_recursively,
)
from seqcourse.windows import sliding_windows

NET = ConvNetConfig(width=5, kernel=2, dilations=(1, 2))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def mlp(**options) -> MLPForecaster:
    return MLPForecaster(MLPForecasterConfig(**{"lags": 7, **options}))


def conv(**options) -> ConvForecaster:
    return ConvForecaster(ConvForecasterConfig(**{"net": NET, **options}))


# --- shapes ---


@pytest.mark.parametrize("make", [mlp, conv])
def test_windows_in_forecasts_out(make):
    model = make(horizon=3, inputs=5, targets=2)
    assert model(torch.randn(11, 7, 5)).shape == (11, 3, 2)


@pytest.mark.parametrize("make", [mlp, conv])
def test_windows_of_another_shape_are_explained(make, unchecked_shapes):
    lags = "7" if make is mlp else "L"
    with pytest.raises(ValueError, match=rf"windows \(B, {lags}, 5\), but got shape \(3, 7, 4\)"):
        make(inputs=5)(torch.randn(3, 7, 4))
    with pytest.raises(ValueError, match=rf"windows \(B, {lags}, 5\), but got shape \(7, 5\)"):
        make(inputs=5)(torch.randn(7, 5))


def test_only_the_perceptron_is_bound_to_its_lags():
    assert conv()(torch.randn(3, 31, 1)).shape == (3, 1, 1)
    with pytest.raises(ValueError, match=r"windows \(B, 7, 1\), but got shape \(3, 31, 1\)"):
        mlp()(torch.randn(3, 31, 1))


def test_a_forecaster_of_convolutions_sees_its_receptive_field():
    model, window = conv(), torch.randn(1, 11, 1)
    longer = torch.cat([torch.randn(1, 5, 1), window], dim=1)
    torch.testing.assert_close(model(longer), model(window))


# --- against least squares ---


def autoregression(length: int = 400) -> np.ndarray:
    rng, series = np.random.default_rng(0), [0.0, 0.0]
    for _ in range(length - 2):
        series.append(1.2 * series[-1] - 0.7 * series[-2] + rng.normal())
    return np.array(series)


def train(model, inputs, targets, *, steps, learning_rate, loss=torch.nn.functional.mse_loss):
    batches = ShuffledBatches(len(targets), batch_size=64, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    for step in range(steps):
        rows = batches(step)
        value = loss(model(inputs(rows)), targets[rows])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()


def test_without_hidden_layers_it_is_least_squares():
    windows = sliding_windows(autoregression(), lags=2, horizon=3)
    x, y = (torch.as_tensor(part, dtype=torch.float32) for part in windows.table())
    exact = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], dim=1), y).solution
    model = mlp(lags=2, horizon=3, hidden=())
    inputs = torch.as_tensor(windows.inputs, dtype=torch.float32)
    train(model, lambda rows: inputs[rows], y[..., None], steps=800, learning_rate=0.02)
    (linear,) = model.layers
    torch.testing.assert_close(linear.weight.T, exact[:-1], atol=0.06, rtol=0)


# --- direct and recursive ---


def law(weight: torch.Tensor) -> MLPForecaster:
    """A forecaster that is exactly y_t = w · (y_(t-2), y_(t-1))."""
    model = mlp(lags=2, hidden=())
    (linear,) = model.layers
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.zero_()
    return model


def test_a_recursive_forecast_follows_the_law_by_hand():
    model = law(torch.tensor([[1.0, 1.0]]))  # Fibonacci
    forecast = forecast_recursively(model, torch.tensor([[[1.0], [1.0]], [[2.0], [1.0]]]), 6)
    assert forecast[..., 0].tolist() == [[2, 3, 5, 8, 13, 21], [3, 4, 7, 11, 18, 29]]
    assert not forecast.requires_grad


@pytest.mark.parametrize("make", [mlp, conv])
@pytest.mark.parametrize("horizon", [1, 3, 7, 8])
def test_models_of_several_steps_and_variables_go_on_in_blocks(make, horizon):
    model, window = make(horizon=3, inputs=2, targets=2), torch.randn(5, 7, 2)
    forecast = forecast_recursively(model, window, horizon)
    assert forecast.shape == (5, horizon, 2)
    first = model(window)
    second = model(torch.cat([window, first], dim=1)[:, -7:])
    third = model(torch.cat([window, first, second], dim=1)[:, -7:])
    expected = torch.cat([first, second, third], dim=1)[:, :horizon]
    torch.testing.assert_close(forecast, expected.detach())


def test_a_model_that_does_not_forecast_what_it_reads_cannot_read_its_forecasts():
    with pytest.raises(ValueError, match="reads 3 variables but forecasts 1: it cannot read"):
        forecast_recursively(mlp(inputs=3), torch.randn(2, 7, 3), 2)
    with pytest.raises(ValueError, match="horizon must be at least 1, but is 0"):
        forecast_recursively(mlp(), torch.randn(2, 7, 1), 0)


# --- classification ---


@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
def test_padding_changes_no_logit_and_no_gradient(pooling):
    model = SequenceClassifier(ClassifierConfig(3, 5, net=NET, pooling=pooling)).double()
    sequences = [torch.randn(length, 3, dtype=torch.float64) for length in (7, 2, 11)]
    logits = model(pad(sequences, value=1e3))
    assert logits.shape == (3, 5)
    alone = torch.cat([model(pad([sequence])) for sequence in sequences])
    torch.testing.assert_close(logits, alone)
    for a, b in zip(
        torch.autograd.grad(logits.square().sum(), list(model.parameters()), allow_unused=True),
        torch.autograd.grad(alone.square().sum(), list(model.parameters()), allow_unused=True),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_it_tells_movements_apart():
    split = data.load("basic-motions")
    classes = sorted(set(split.train.labels))
    model = SequenceClassifier(
        ClassifierConfig(6, 4, net=ConvNetConfig(width=16, kernel=3, dilations=(1, 2, 4)))
    )
    padded = pad([torch.as_tensor(s, dtype=torch.float32) for s in split.train.series])
    targets = torch.tensor([classes.index(label) for label in split.train.labels])
    train(
        model,
        lambda rows: type(padded)(padded.values[rows], padded.lengths[rows]),
        targets,
        steps=40,
        learning_rate=0.01,
        loss=torch.nn.functional.cross_entropy,
    )
    test = pad([torch.as_tensor(s, dtype=torch.float32) for s in split.test.series])
    guessed = [classes[i] for i in model(test).argmax(dim=1)]
    accuracy = np.mean([g == label for g, label in zip(guessed, split.test.labels, strict=True)])
    assert accuracy >= 0.8  # chance: 0.25


# --- options ---


@pytest.mark.parametrize("name", ["lags", "horizon", "inputs", "targets"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, but is 0"):
        mlp(**{name: 0})
    if name != "lags":
        with pytest.raises(ValueError, match=f"{name} must be at least 1, but is 0"):
            conv(**{name: 0})


def test_a_classifier_of_nothing_is_refused(unchecked_shapes):
    with pytest.raises(ValueError, match="classes must be at least 1, but is 0"):
        SequenceClassifier(ClassifierConfig(3, 0))
    with pytest.raises(ValueError, match="pooling must be one of .*, but is 'sum'"):
        SequenceClassifier(ClassifierConfig(3, 2, pooling="sum"))
    with pytest.raises(ValueError, match=r"windows \(B, L, 3\), but got shape \(1, 7, 2\)"):
        SequenceClassifier(ClassifierConfig(3, 2, net=NET))(pad([torch.randn(7, 2)]))
