import pytest
import torch

from seqcourse.batching import Padded
from seqcourse.recurrent_models import (
    SequenceClassifier,
    SequenceClassifierConfig,
    SequenceRegressor,
    SequenceRegressorConfig,
    Tagger,
    TaggerConfig,
)
from seqcourse.training import cross_entropy, fit, load_model, save_model

V, C, D, B, T = 7, 3, 5, 4, 11
LENGTHS = torch.tensor([5, 11, 1, 7])
SHAPES = [
    {"cell": cell, "bidirectional": both, "layers": layers}
    for cell in ("rnn", "lstm", "gru")
    for both in (False, True)
    for layers in (1, 2)
]


def tagger(seed: int = 0, **options) -> Tagger:
    torch.manual_seed(seed)
    return Tagger(TaggerConfig(vocab_size=V, classes=C, width=D, **options)).double()


def classifier(seed: int = 0, **options) -> SequenceClassifier:
    torch.manual_seed(seed)
    config = SequenceClassifierConfig(vocab_size=V, classes=C, width=D, **options)
    return SequenceClassifier(config).double()


def regressor(seed: int = 0, **options) -> SequenceRegressor:
    torch.manual_seed(seed)
    return SequenceRegressor(
        SequenceRegressorConfig(inputs=2, outputs=3, width=D, **options)
    ).double()


def ids() -> torch.Tensor:
    return torch.randint(V, (B, T), generator=torch.Generator().manual_seed(1))


def vectors() -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(B, T, 2, generator=rng, dtype=torch.float64)


def garbled(values: torch.Tensor, garbage: float) -> Padded:
    values = values.clone()
    values[~Padded(values, LENGTHS).mask] = garbage
    return Padded(values, LENGTHS)


@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_a_tagged_batch_is_its_rows_tagged_alone(options):
    model = tagger(**options)
    together = model(garbled(ids(), 10**6))  # the padding need not even be an id
    assert together.shape == (B, T, C)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(ids()[row : row + 1, :length])[0]
        torch.testing.assert_close(together[row, :length], alone)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_a_classified_batch_is_its_rows_classified_alone(options, pooling):
    model = classifier(pooling=pooling, **options)
    together = model(garbled(ids(), -1))
    assert together.shape == (B, C)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(ids()[row : row + 1, :length])[0]
        torch.testing.assert_close(together[row], alone)


@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_a_batch_regressed_is_its_rows_regressed_alone(options):
    model = regressor(**options)
    together = model(garbled(vectors(), float("nan")))
    assert together.shape == (B, 3)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(vectors()[row : row + 1, :length])[0]
        torch.testing.assert_close(together[row], alone)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_pooling_by_hand(options, pooling):
    model = classifier(pooling=pooling, **options)
    x = model.reader.first(ids())
    states, _ = model.reader.recurrent(x)
    forwards, backwards = states[:, -1, :D], states[:, 0, D:]  # each at its own end
    expected = {
        "last": torch.cat([forwards, backwards], dim=-1),
        "mean": states.mean(dim=1),
        "max": states.max(dim=1).values,
    }[pooling]
    torch.testing.assert_close(model(ids()), model.head(expected))


@pytest.mark.parametrize("both", [False, True])
def test_only_a_bidirectional_tagger_sees_what_follows(both):
    model = tagger(bidirectional=both)
    changed = ids()
    changed[:, -1] = (changed[:, -1] + 1) % V
    before, after = model(ids())[:, 0], model(changed)[:, 0]
    assert torch.equal(before, after) is not both


@pytest.mark.parametrize("layers", [1, 2])
def test_dropout_is_only_for_training(layers):
    model = tagger(dropout=0.5, layers=layers)
    assert not torch.equal(model(ids()), model(ids()))
    model.eval()
    assert torch.equal(model(ids()), model(ids()))


@pytest.mark.parametrize("build", [tagger, classifier, regressor])
def test_saved_models_come_back(build, tmp_path):
    model = build(cell="gru", layers=2, bidirectional=True)
    save_model(model, tmp_path / "model.safetensors")
    back = load_model(tmp_path / "model.safetensors")
    assert back.config == model.config
    x = vectors() if build is regressor else ids()
    assert torch.equal(back(x), model(x))


@pytest.mark.parametrize(("both", "learns"), [(True, True), (False, False)])
def test_a_tag_that_depends_on_the_next_token_can_only_be_learned_both_ways(both, learns):
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(2, (64, 9), generator=rng)
    tags = torch.cat([x[:, 1:], torch.zeros(64, 1, dtype=torch.int64)], dim=1)
    torch.manual_seed(0)
    config = TaggerConfig(vocab_size=2, classes=2, cell="gru", width=8, bidirectional=both)
    model = Tagger(config)
    fit(
        model,
        lambda step: (x, tags),
        lambda model, batch: cross_entropy(model(batch[0]), batch[1]),
        steps=100,
        learning_rate=0.03,
        progress=False,
    )
    right = (model(x).argmax(-1) == tags).float().mean().item()
    assert (right > 0.98) is learns


# --- bad input ---------------------------------------------------------------------------------


def test_bad_options_say_what_was_expected():
    for make, wrong in (
        (TaggerConfig, "classes"),
        (TaggerConfig, "vocab_size"),
        (SequenceClassifierConfig, "classes"),
        (SequenceRegressorConfig, "inputs"),
        (SequenceRegressorConfig, "outputs"),
    ):
        sizes = {"inputs": 2} if make is SequenceRegressorConfig else {"vocab_size": V}
        sizes |= {} if make is SequenceRegressorConfig else {"classes": C}
        with pytest.raises(ValueError, match=f"{wrong} must be at least 1, but is 0"):
            make(**{**sizes, wrong: 0})


@pytest.mark.usefixtures("unchecked_shapes")
def test_bad_input_says_what_was_expected():
    with pytest.raises(ValueError, match="pooling must be one of .*, but is 'sum'"):
        SequenceClassifierConfig(vocab_size=V, classes=C, pooling="sum")
    with pytest.raises(TypeError, match="ids must be integers, but has dtype torch.float64"):
        tagger()(vectors()[..., 0])
    with pytest.raises(ValueError, match=r"ids must have shape \(B, T\) .* but has \(4, 11, 2\)"):
        classifier()(vectors())
    with pytest.raises(ValueError, match="lengths must be within 1 … 11, but one is 0"):
        tagger()(Padded(ids(), torch.tensor([1, 0, 2, 3])))
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, 2\), but has \(4, 11, 1\)"):
        regressor()(vectors()[..., :1])
    with pytest.raises(TypeError, match=r"dtype torch.float64, but has torch.float32"):
        regressor()(vectors().float())
