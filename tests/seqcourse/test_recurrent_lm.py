import math

import pytest
import torch
from contracts import check_language_model

from seqcourse.batching import ContiguousBatches
from seqcourse.recurrent_lm import (
    CarriedState,
    RecurrentLM,
    RecurrentLMConfig,
    hidden_states,
)
from seqcourse.training import fit, load_model, save_model

V, D = 7, 5
CELLS = ["rnn", "lstm", "gru"]


def model(cell: str = "lstm", seed: int = 0, **options) -> RecurrentLM:
    torch.manual_seed(seed)
    return RecurrentLM(RecurrentLMConfig(vocab_size=V, cell=cell, width=D, **options))


def tokens(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(V, shape, generator=torch.Generator().manual_seed(seed))


def parts(state):
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "options", [{}, {"layers": 2, "dropout": 0.5, "start_id": 3}, {"tied": True}], ids=str
)
def test_it_keeps_the_contract_of_language_models(cell, options):
    check_language_model(model(cell, **options))


@pytest.mark.parametrize("cell", CELLS)
def test_the_logits_are_those_of_torchs_layers(cell):
    own = model(cell, layers=2)
    peer = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](
        D, D, 2, batch_first=True
    )
    peer.load_state_dict(own.recurrent.state_dict())
    ids = tokens(3, 11)
    expected = own.head(peer(own.embedding(ids))[0])
    torch.testing.assert_close(own(ids), expected)


@pytest.mark.parametrize("cell", CELLS)
def test_no_logit_depends_on_what_comes_later(cell):
    own = model(cell, layers=2)
    ids = tokens(1, 11)
    embedded = own.embedding(ids).detach().requires_grad_()
    hidden, _ = own.recurrent(embedded)
    for t in (0, 4, 10):
        (gradient,) = torch.autograd.grad(own.head(hidden)[0, t].sum(), embedded, retain_graph=True)
        reach = gradient[0].abs().sum(dim=-1)
        assert (reach[: t + 1] > 0).all()
        assert (reach[t + 1 :] == 0).all()


def test_tied_models_have_one_matrix():
    own = model(tied=True)
    assert own.embedding.weight is own.head.weight
    assert sum(p.numel() for p in model().parameters()) == V * D + sum(
        p.numel() for p in own.parameters()
    )


def test_options_reach_the_layers():
    own = model(init="orthogonal", forget_bias=2.0)
    assert own.recurrent.init == "orthogonal"
    assert own.recurrent.forget_bias == 2.0
    assert model("gru", init="orthogonal").recurrent.init == "orthogonal"


@pytest.mark.parametrize("cell", CELLS)
def test_a_saved_model_comes_back(cell, tmp_path):
    own = model(cell, layers=2, dropout=0.25, tied=True, start_id=2)
    save_model(own, tmp_path / "model.safetensors")
    back = load_model(tmp_path / "model.safetensors")
    assert back.config == own.config
    ids = tokens(2, 5)
    assert torch.equal(back(ids), own.eval()(ids))


def test_it_learns_a_text_that_a_single_token_of_context_does_not_tell():
    torch.manual_seed(0)
    text = torch.tensor([0, 1, 2, 1] * 50)  # after 1 comes 2 or 0, depending on what was before
    own = RecurrentLM(RecurrentLMConfig(vocab_size=3, cell="gru", width=16))
    batches = ContiguousBatches(text, length=10, batch_size=2)
    training = CarriedState(own, 2, restart_every=batches.steps_per_epoch)
    history = fit(
        training,
        batches,
        lambda module, batch: module(*batch),
        steps=120,
        learning_rate=0.03,
        progress=False,
    )
    assert history.losses[0] > 1
    assert -own.logprobs(text.numpy()).mean() < 0.1


# --- truncated backpropagation -----------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_is_carried_but_no_gradient(cell):
    own = model(cell, layers=2)
    training = CarriedState(own, 3, restart_every=4)
    ids, targets = tokens(3, 8), tokens(3, 8, seed=2)
    first = training(ids[:, :4], targets[:, :4])
    second = training(ids[:, 4:], targets[:, 4:])
    at_once = torch.nn.functional.cross_entropy(own(ids).flatten(0, 1), targets.flatten())
    torch.testing.assert_close((first + second) / 2, at_once)
    # by hand: the second half alone, from a state that counts as given
    _, state = own.advance(ids[:, :4])
    state = tuple(part.detach() for part in parts(state))
    logits, _ = own.advance(ids[:, 4:], state if len(state) > 1 else state[0])
    alone = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets[:, 4:].flatten())
    ours = torch.autograd.grad(second, list(own.parameters()))
    for a, b in zip(ours, torch.autograd.grad(alone, list(own.parameters())), strict=True):
        torch.testing.assert_close(a, b)


def test_where_the_rows_begin_anew_so_does_the_memory():
    training = CarriedState(model(), 2, restart_every=2)
    ids, targets = tokens(2, 5), tokens(2, 5, seed=2)
    losses = [training(ids, targets).item() for _ in range(4)]
    assert losses[0] == losses[2] != losses[1]
    assert losses[1] == losses[3]


def test_evaluating_leaves_the_carried_state_alone():
    training = CarriedState(model(), 2, restart_every=5)
    ids, targets = tokens(2, 5), tokens(2, 5, seed=2)
    training(ids, targets)
    before = {name: value.clone() for name, value in training.state_dict().items()}
    training.eval()
    assert training(ids, targets).item() == training(ids, targets).item()
    assert all(torch.equal(value, before[name]) for name, value in training.state_dict().items())


def test_a_training_that_is_resumed_is_the_training_that_never_stopped(tmp_path):
    batches = ContiguousBatches(tokens(100), length=4, batch_size=3)

    def train(steps: int, path):
        training = CarriedState(model(), 3, restart_every=batches.steps_per_epoch)
        torch.manual_seed(1)
        return fit(
            training,
            batches,
            lambda module, batch: module(*batch),
            steps=steps,
            checkpoint=path,
            progress=False,
        ).losses

    train(5, tmp_path / "stopped")
    assert train(13, tmp_path / "stopped") == train(13, tmp_path / "whole")


# --- a look inside -----------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
def test_hidden_states_are_those_that_the_logits_come_from(cell):
    own = model(cell, layers=2, dropout=0.5)
    ids = tokens(11)
    states = hidden_states(own, ids)
    assert own.training
    own.eval()
    assert states.hidden.shape == (11, 2, D)
    torch.testing.assert_close(own.head(states.hidden[:, -1]), own(ids[None])[0])
    _, end = own.advance(ids[None])
    torch.testing.assert_close(states.hidden[-1], parts(end)[0][:, 0])
    if cell == "lstm":
        torch.testing.assert_close(states.cell[-1], end[1][:, 0])
    else:
        assert states.cell is None


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1, but is 0"),
        ({"start_id": 7}, "start_id must be .* 0 … 6, but is 7"),
        ({"bidirectional": True}, "cannot be bidirectional: reading backwards, it would"),
        ({"width": 0}, "width must be at least 1, but is 0"),
        ({"layers": 0}, "layers must be at least 1, but is 0"),
        ({"dropout": -0.5}, r"dropout must be within 0 … 1, but is -0\.5"),
        ({"cell": "gru", "forget_bias": 1.0}, "needs cell 'lstm', but the cell is 'gru'"),
    ],
)
def test_bad_options_say_what_was_expected(options, message):
    with pytest.raises(ValueError, match=message):
        RecurrentLMConfig(**{"vocab_size": V, **options})


@pytest.mark.usefixtures("unchecked_shapes")
def test_bad_input_says_what_was_expected():
    with pytest.raises(ValueError, match="cell must be one of .*, but is 'elman'"):
        RecurrentLMConfig(vocab_size=V, cell="elman")
    with pytest.raises(ValueError, match="init must be one of .*, but is 'zero'"):
        RecurrentLMConfig(vocab_size=V, init="zero")
    own = model()
    with pytest.raises(ValueError, match=r"\(B, T\) with B, T ≥ 1, but has \(3,\)"):
        own(tokens(3))
    for empty in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match=r"\(B, T\) with B, T ≥ 1, but has"):
            own(tokens(*empty))
    with pytest.raises(TypeError, match=r"ids must be integers, but has dtype torch.float32"):
        own(torch.zeros(2, 3))
    with pytest.raises(IndexError):
        own(tokens(2, 3) + V)
    state = torch.zeros(1, 3, D)
    with pytest.raises(ValueError, match=r"\(1, 2, 5\), but has \(1, 3, 5\)"):
        own.advance(tokens(2, 3), (state, state))
    with pytest.raises(ValueError, match="ids is empty: there are no states to look at"):
        hidden_states(own, tokens(0))
    with pytest.raises(ValueError, match="batch_size must be at least 1, but is 0"):
        CarriedState(own, 0, restart_every=3)
    with pytest.raises(ValueError, match="restart_every must be at least 1, but is 0"):
        CarriedState(own, 3, restart_every=0)


def test_a_fresh_model_is_about_as_surprised_as_chance():
    assert model(seed=4)(tokens(5, 11)).log_softmax(-1).mean().item() == pytest.approx(
        -math.log(V), abs=0.3
    )
