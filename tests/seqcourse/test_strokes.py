import pytest
import torch

from seqcourse.batching import Padded
from seqcourse.strokes import StrokeConfig, StrokeModel
from seqcourse.training import fit, load_model, save_model

B, T, K, D = 3, 7, 2, 5


def model(seed: int = 0, **options) -> StrokeModel:
    torch.manual_seed(seed)
    return StrokeModel(StrokeConfig(width=D, components=K, **options)).double()


def pen(seed: int = 1) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    drawing = torch.randn(B, T, 3, generator=rng, dtype=torch.float64)
    drawing[..., 2] = (drawing[..., 2] > 0).double()
    return drawing


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_each_movement_is_predicted_from_those_before_it_alone(cell):
    own = model(cell=cell, layers=2)
    drawing = pen().requires_grad_()
    mixture = own(drawing)
    for t in range(T):
        total = sum(part[0, t].sum() for part in mixture)
        (gradient,) = torch.autograd.grad(total, drawing, retain_graph=True)
        reach = gradient[0].abs().sum(-1)
        assert (reach[:t] > 0).all()
        assert (reach[t:] == 0).all()


def test_the_loss_is_the_mean_surprise():
    own = model()
    expected = -own(pen()).log_prob(pen()).mean()
    torch.testing.assert_close(own.loss(pen()), expected)


def test_padding_counts_for_nothing():
    own, lengths = model(), torch.tensor([7, 2, 5])
    drawing = pen()
    drawing[~Padded(drawing, lengths).mask] = float("nan")
    together = own.loss(Padded(drawing, lengths))
    alone = [
        own(pen()[i : i + 1, :n]).log_prob(pen()[i : i + 1, :n]) for i, n in enumerate([7, 2, 5])
    ]
    torch.testing.assert_close(together, -torch.cat(alone, dim=1).mean())
    gradients = torch.autograd.grad(together, list(own.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_sampling_draws_from_what_the_model_predicts():
    own = model(dropout=0.5, layers=2)
    own.train()
    drawn = own.sample(B, T, temperature=0.0)
    assert own.training
    own.eval()
    mixture = own(drawn)
    best = mixture.sample(temperature=0.0)  # the argmax, given the argmaxes before
    torch.testing.assert_close(drawn, best)


def test_the_same_generator_writes_the_same():
    drawings = [
        model().sample(B, T, bias=0.5, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(drawings[0], drawings[1])
    assert not torch.equal(drawings[0], drawings[2])
    assert drawings[0].shape == (B, T, 3)


def test_it_learns_to_draw_squares_one_way_round_or_the_other():
    # the second movement turns left or right, which no single Gaussian can say
    left = torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 1]])
    right = left * torch.tensor([1.0, -1, 1])
    squares = torch.stack([left, right]).repeat(8, 1, 1)
    squares[..., :2] += 0.05 * torch.randn(16, 4, 2, generator=torch.Generator().manual_seed(0))
    losses = {}
    for components in (1, 4):
        torch.manual_seed(0)
        own = StrokeModel(StrokeConfig(width=16, components=components))
        history = fit(
            own,
            lambda step: squares,
            lambda own, batch: own.loss(batch),
            steps=120,
            learning_rate=0.02,
            progress=False,
        )
        losses[components] = history.losses[-1]
    assert losses[4] < losses[1] - 0.2
    drawn = own.sample(100, 4, bias=1.0, generator=torch.Generator().manual_seed(0))
    turns = drawn[:, 1, 1]
    assert 20 < (turns > 0.5).sum() < 80
    assert 20 < (turns < -0.5).sum() < 80


def test_a_saved_model_comes_back(tmp_path):
    own = model(cell="gru", layers=2)
    save_model(own, tmp_path / "pen.safetensors")
    back = load_model(tmp_path / "pen.safetensors")
    assert back.config == own.config
    torch.testing.assert_close(back.loss(pen()), own.loss(pen()))


# --- bad input ---------------------------------------------------------------------------------


def test_bad_options_say_what_was_expected():
    with pytest.raises(ValueError, match="components must be at least 1, but is 0"):
        StrokeConfig(components=0)
    with pytest.raises(ValueError, match="cannot be bidirectional"):
        StrokeConfig(bidirectional=True)
    with pytest.raises(ValueError, match="count must be at least 1, but is 0"):
        model().sample(0, 3)
    with pytest.raises(ValueError, match="length must be at least 1, but is 0"):
        model().sample(3, 0)
    with pytest.raises(ValueError, match=r"bias must be at least 0, but is -1\.0"):
        model().sample(3, 3, bias=-1.0)


@pytest.mark.usefixtures("unchecked_shapes")
def test_bad_input_says_what_was_expected():
    own = model()
    for wrong in ((T, 3), (B, T, 2), (0, T, 3), (B, 0, 3)):
        with pytest.raises(ValueError, match=r"pen must have shape \(B, T, 3\) with B, T ≥ 1"):
            own(torch.zeros(wrong, dtype=torch.float64))
    with pytest.raises(ValueError, match="no real movement: all lengths are 0"):
        own.loss(Padded(pen(), torch.zeros(B, dtype=torch.int64)))
    with pytest.raises(TypeError, match="parameters' dtype torch.float64"):
        own(pen().float())
