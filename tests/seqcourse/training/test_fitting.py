import math
import random
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from seqcourse.training import constant, cross_entropy, fit, linear, seed_everything
from seqcourse.training.checkpoints import Run
from seqcourse.training.fitting import _Step

B, D, V = 13, 5, 3


def net(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(D, 7), nn.Tanh(), nn.Dropout(dropout), nn.Linear(7, V))


def batch(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(number)
    x = torch.randn(B, D, generator=draw)
    return x, x[:, :V].argmax(dim=1)


def loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return cross_entropy(model(batch[0]), batch[1])


def train(model: nn.Module, **options):
    return fit(model, batch, loss, **{"steps": 7, "progress": False, **options})


def assert_same(ours: nn.Module, theirs: nn.Module) -> None:
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name]), name


# --- steps -------------------------------------------------------------------------------------


def test_it_is_the_loop_that_one_would_write_by_hand():
    ours, theirs = net(), net()
    history = train(ours, learning_rate=0.1, clip=0.3, schedule=linear(7))
    matrices = [p for p in theirs.parameters() if p.ndim == 2]
    vectors = [p for p in theirs.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    )
    for step in range(7):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - step / 7)
        optimizer.zero_grad()
        value = loss(theirs, batch(step))
        value.backward()
        norm = nn.utils.clip_grad_norm_(theirs.parameters(), 0.3)
        optimizer.step()
        assert history.losses[step] == pytest.approx(value.item())
        assert history.gradient_norms[step] == pytest.approx(norm.item(), rel=1e-4)
        assert history.learning_rates[step] == pytest.approx(0.1 * (1 - step / 7))
    assert history.steps == 7
    assert history.seconds > 0
    for mine, yours in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, yours, atol=1e-5, rtol=1e-4)


def test_it_learns():
    history = train(net(), steps=200, learning_rate=0.02)
    assert np.mean(history.losses[-10:]) < 0.5 * history.losses[0]


def test_an_optimiser_of_ones_own_brings_its_own_rates():
    model = nn.Linear(2, 1)
    groups = [{"params": [model.weight], "lr": 0.5}, {"params": [model.bias], "lr": 0.25}]
    before = model.weight.detach().clone(), model.bias.detach().clone()

    def total(model, batch):
        return model.weight.sum() + model.bias.sum()

    history = fit(
        model,
        batch,
        total,
        steps=3,
        optimizer=torch.optim.SGD(groups),
        schedule=lambda step: [1, 0.5, 0][step],
        clip=None,
        progress=False,
    )
    assert history.learning_rates == [0.5, 0.25, 0]
    torch.testing.assert_close(model.weight, before[0] - 0.5 - 0.25)
    torch.testing.assert_close(model.bias, before[1] - 0.25 - 0.125)


def test_a_second_run_with_the_same_optimiser_starts_from_the_same_rate():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(2):
        history = train(model, optimizer=optimizer, schedule=linear(8))
        assert history.learning_rates[0] == 0.5


def test_accumulated_batches_are_one_large_one():
    ours, theirs = net(), net()

    def both(step):
        parts = [batch(2 * step), batch(2 * step + 1)]
        return tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))

    history = train(ours, accumulate=2)
    expected = fit(theirs, both, loss, steps=7, progress=False)
    assert history.losses == pytest.approx(expected.losses)
    assert history.gradient_norms == pytest.approx(expected.gradient_norms, rel=1e-4)
    for mine, yours in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, yours, atol=1e-5, rtol=1e-4)


def test_frozen_parameters_stay_and_stale_gradients_elsewhere_do_not_count():
    model = net()
    model[0].weight.requires_grad_(False)
    model[0].weight.grad = torch.full_like(model[0].weight, 1e9)
    before = model[0].weight.clone()
    history = train(model)
    assert torch.equal(model[0].weight, before)
    assert max(history.gradient_norms) < 100


def test_the_model_is_left_in_the_mode_it_was_in():
    def checked(model, batch):
        assert model.training
        return loss(model, batch)

    for mode in (True, False):
        model = net().train(mode)
        fit(model, batch, checked, steps=2, progress=False)
        assert model.training is mode


def test_bfloat16_multiplies_in_bfloat16_and_keeps_the_parameters():
    seen = []

    def spying(model, batch):
        seen.append(model(batch[0]).dtype)
        return loss(model, batch)

    ours, theirs = net(), net()
    history = fit(
        ours,
        batch,
        spying,
        steps=7,
        precision="bfloat16",
        validate=lambda model: seen.append(model(batch(0)[0]).dtype) or 1.0,
        progress=False,
    )
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in ours.parameters()} == {torch.float32}
    assert history.losses == pytest.approx(train(theirs).losses, rel=0.02)


def test_a_step_that_overflows_in_half_precision_is_skipped():
    model = net()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD([{"params": model.parameters(), "lr": 0.1, "initial_lr": 0.1}])
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=1)
    step = _Step(Run(model, optimizer, scaler), batch, loss, constant(), 1.0, "float32", 2)

    def steep(model, batch):
        return 16 * loss(model, batch)

    replace(step, loss=steep).take()
    assert step.run.history.gradient_norms == [math.inf]
    assert scaler.get_scale() == 2.0**126
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    scaler.update(1.0)
    step.take()
    assert math.isfinite(step.run.history.gradient_norms[1])
    assert not torch.equal(model[0].weight, before["0.weight"])


# --- validation --------------------------------------------------------------------------------


def test_validation_runs_without_dropout_gradients_or_effect_on_the_draws():
    def validate(model):
        assert not model.training
        assert not torch.is_grad_enabled()
        torch.rand(1), np.random.rand(), random.random()
        return 1.0

    seed_everything(2)
    ours, theirs = net(dropout=0.5), net(dropout=0.5)
    history = train(ours, validate=validate, validate_every=3, keep_best=False)
    seed_everything(0)
    net(dropout=0.5)
    train(theirs)
    assert list(history.validations) == [3, 6, 7]
    assert_same(ours, theirs)


@pytest.mark.parametrize("keep_best", [True, False])
def test_the_best_parameters_are_kept(keep_best):
    values = iter([5.0, 2.0, 3.0, math.nan])
    weights = []

    def validate(model):
        weights.append(model[0].weight.detach().clone())
        return next(values)

    model = net()
    history = train(model, validate=validate, validate_every=2, keep_best=keep_best)
    assert history.best_step == 4
    assert torch.equal(model[0].weight, weights[1 if keep_best else 3])


# --- what goes wrong ---------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_before_harm_is_done(tmp_path):
    def cursed(number):
        x, y = batch(number)
        return (x / 0 if number == 5 else x), y

    ours, theirs = net(), net()
    with pytest.raises(FloatingPointError, match=r"the loss is nan at step 5 .* batch\(5\)") as e:
        fit(
            ours,
            cursed,
            loss,
            steps=7,
            clip=None,
            precision="bfloat16",
            checkpoint=tmp_path / "run",
            checkpoint_every=3,
            progress=False,
        )
    assert "a lower learning rate or" in str(e.value)
    assert "or clip=1.0 or precision='float32'" in str(e.value)
    train(theirs, steps=5, clip=None, precision="bfloat16")
    assert_same(ours, theirs)
    saved = torch.load(tmp_path / "run", weights_only=True)
    assert len(saved["history"]["losses"]) == 3


def test_a_gradient_that_is_not_finite_stops_too():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)

    def cliff(model, batch):
        return model.weight.abs().sqrt().sum()  # at 0 its slope is infinite

    with pytest.raises(FloatingPointError, match=r"length of (nan|inf): .* at step 0") as e:
        fit(model, batch, cliff, steps=3, progress=False)
    assert "clip=1.0" not in str(e.value)
    assert model.weight.item() == 0


def test_bad_options_are_explained(unchecked_shapes):
    for name in ("steps", "accumulate"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, but is 0"):
            train(net(), **{name: 0})
    with pytest.raises(ValueError, match="float32, bfloat16, float16, but is 'float64'"):
        train(net(), precision="float64")
    with pytest.raises(ValueError, match="'float16' needs a GPU, but the model is on the cpu"):
        train(net(), precision="float16")
    with pytest.raises(ValueError, match="limit must be above 0, but is 0"):
        train(net(), clip=0.0)
    with pytest.raises(ValueError, match=r"a single number, but returned .* \(13, 3\)"):
        fit(net(), batch, lambda model, batch: model(batch[0]), steps=1, progress=False)
    with pytest.raises(ValueError, match="ReLU has no parameter"):
        train(nn.ReLU())


# --- resuming ----------------------------------------------------------------------------------


def noisy(number):
    """A batch that also depends on the global generators, as augmentation does."""
    x, y = batch(number)
    return x + random.random() + float(np.random.rand()) + torch.randn(1), y


def long_run(model, steps, path=None, **options):
    return fit(
        model,
        noisy,
        loss,
        steps=steps,
        schedule=linear(10, warmup=3),
        learning_rate=0.05,
        validate=lambda model: -float(model[0].weight.sum()),
        validate_every=2,
        checkpoint=path,
        progress=False,
        **options,
    )


@pytest.mark.parametrize("own_optimizer", [False, True])
def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path, own_optimizer):
    def options(model):
        if not own_optimizer:
            return {"accumulate": 2, "precision": "bfloat16"}
        return {"optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)}

    straight = net(dropout=0.5)
    seed_everything(3)
    expected = long_run(straight, 10, **options(straight))

    model = net(dropout=0.5)
    seed_everything(3)
    long_run(model, 6, tmp_path / "run", **options(model))
    seed_everything(17)
    resumed = net(seed=19, dropout=0.5)  # nothing of it may be left
    history = long_run(resumed, 10, tmp_path / "run", **options(resumed))

    assert_same(resumed, straight)
    assert history.losses == expected.losses
    assert history.learning_rates == expected.learning_rates
    assert history.gradient_norms == expected.gradient_norms
    assert history.validations == expected.validations


def test_the_best_parameters_survive_a_pause(tmp_path):
    values = iter([1.0, 5.0, 6.0])
    weights = []

    def validate(model):
        weights.append(model[0].weight.detach().clone())
        return next(values)

    options = {"validate": validate, "validate_every": 3, "checkpoint": tmp_path / "run"}
    train(net(), steps=3, **options)
    model = net(seed=5)
    train(model, steps=9, **options)
    assert torch.equal(model[0].weight, weights[0])


def test_the_best_parameters_are_not_taken_where_they_are_not_wanted(tmp_path):
    values = iter([1.0, 5.0])
    options = {"validate": lambda model: next(values), "checkpoint": tmp_path / "run"}
    train(net(), steps=3, **options)
    model, last = net(seed=5), net(seed=5)
    train(model, steps=4, keep_best=False, **options)
    last.load_state_dict(torch.load(tmp_path / "run", weights_only=True)["model"])
    assert_same(model, last)


def test_unwanted_parameters_take_no_room(tmp_path):
    train(net(), validate=lambda model: 1.0, keep_best=False, checkpoint=tmp_path / "run")
    assert torch.load(tmp_path / "run", weights_only=True)["best"] is None


def test_a_finished_run_is_not_run_again(tmp_path):
    history = train(net(), checkpoint=str(tmp_path / "run"))
    model = net(seed=5)

    def unwanted(number):
        raise AssertionError(f"batch {number} was asked for")

    again = fit(model, unwanted, loss, steps=7, checkpoint=tmp_path / "run", progress=False)
    assert again == history


def test_time_adds_up(tmp_path):
    first = train(net(), steps=3, checkpoint=tmp_path / "run").seconds
    assert train(net(), steps=4, checkpoint=tmp_path / "run").seconds > first


def test_an_interrupt_waits_for_the_step_and_saves_it(tmp_path):
    def interrupting(model, batch):
        if batch == 4:
            signal.raise_signal(signal.SIGINT)
        return loss(model, noisy(batch))

    def run(model, path, loss):
        return fit(model, lambda number: number, loss, steps=7, checkpoint=path, progress=False)

    straight = net(dropout=0.5)
    seed_everything(3)
    expected = run(straight, None, lambda model, batch: loss(model, noisy(batch)))
    model = net(dropout=0.5)
    seed_everything(3)
    with pytest.raises(KeyboardInterrupt, match="stopped after 5 steps"):
        run(model, tmp_path / "run", interrupting)
    history = run(model, tmp_path / "run", interrupting)
    assert history.losses == expected.losses
    assert_same(model, straight)


def test_an_interrupt_without_a_checkpoint_stops_between_two_steps():
    def interrupting(number):
        if number == 2:
            signal.raise_signal(signal.SIGINT)
        return batch(number)

    ours, theirs = net(), net()
    with pytest.raises(KeyboardInterrupt, match="stopped after 3 steps"):
        fit(ours, interrupting, loss, steps=7, progress=False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train(theirs, steps=3)
    assert_same(ours, theirs)
