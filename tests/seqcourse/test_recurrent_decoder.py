import pytest
import torch
from torch import nn

from seqcourse.batching import Padded
from seqcourse.recurrent import CELLS
from seqcourse.recurrent_decoder import (
    Attention,
    RecurrentDecoder,
    select_rows,
    shift_right,
)
from seqcourse.scores import AdditiveScore, BilinearScore, DotScore

B, T, S, V, E, D, L, C = 3, 5, 7, 11, 2, 13, 2, 17


def decoder(**options) -> RecurrentDecoder:
    torch.manual_seed(0)
    return RecurrentDecoder(V, E, D, layers=L, **options).double()


def start(model: RecurrentDecoder, context=False):
    torch.manual_seed(1)
    parts = 2 if model.recurrent.__class__.__name__ == "LSTM" else 1
    recurrent = tuple(torch.randn(L, B, D).double() for _ in range(parts))
    source = Padded(torch.randn(B, S, D).double(), torch.tensor([7, 1, 4]))
    extra = torch.randn(B, C).double() if context else None
    return model.start(recurrent, context=extra, source=source)


def ids():
    return torch.randint(V, (B, T), generator=torch.Generator().manual_seed(2))


VARIANTS = [
    {},
    {"cell": "rnn", "context_width": C},
    {"cell": "lstm", "score": DotScore(), "memory_width": D},
    {"score": BilinearScore(D, D), "memory_width": D, "input_feeding": True},
    {"cell": "lstm", "context_width": C, "score": AdditiveScore(D, D, 3), "memory_width": D},
]


def close(a, b):
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("options", VARIANTS)
def test_reading_step_by_step_is_reading_all_at_once(options):
    model = decoder(**options)
    state = begun = start(model, context="context_width" in options)
    whole = model(ids(), begun)
    assert whole.logits.shape == (B, T, V)
    for t in range(T):
        part = model(ids()[:, t : t + 1], state)
        close(part.logits[:, 0], whole.logits[:, t])
        if whole.alignments is not None:
            close(part.alignments[:, 0], whole.alignments[:, t])
        state = part.state
    close(state, whole.state)
    assert ("score" in options) == (whole.alignments is not None)


@pytest.mark.parametrize("options", VARIANTS)
def test_rows_can_be_picked_and_repeated(options):
    model = decoder(**options)
    state = model(ids(), start(model, context="context_width" in options)).state
    rows = torch.tensor([2, 0, 0, 1, 2])
    fresh = torch.arange(B)[:, None]
    expected = model(fresh, state)
    found = model(fresh[rows], select_rows(state, rows))
    close(found.logits, expected.logits[rows])
    close(found.state, select_rows(expected.state, rows))


@pytest.mark.parametrize("cell", CELLS)
def test_without_attention_it_is_torch_s_layers_one_after_another(cell):
    model = decoder(cell=cell, context_width=C)
    state = start(model, context=True)
    layers = getattr(nn, cell.upper())(E + C, D, L, batch_first=True).double()
    layers.load_state_dict(model.recurrent.state_dict())
    read = torch.cat([model.embed(ids()), state.context[:, None].expand(B, T, C)], dim=-1)
    h, _ = layers(read, state.recurrent if cell == "lstm" else state.recurrent[0])
    close(model(ids(), state).logits, model.output(h))


def test_attention_is_a_weighted_mean_then_a_layer_by_hand():
    attention = Attention(DotScore(), 2, 2)
    with torch.no_grad():
        attention.combine.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1]]))
    values = torch.tensor([[[2.0, 0.0], [1.0, 2.0], [5.0, 5.0]]])
    memory = attention.remember(Padded(values, torch.tensor([2])))
    h = torch.tensor([[[1.0, 1.0]]])
    concluded, weights = attention(h, memory)  # scores 2 and 3, and one that does not count
    e = torch.e
    close(weights, torch.tensor([[[1 / (1 + e), e / (1 + e), 0.0]]]))
    found = (2 * 1 + 1 * e) / (1 + e)
    close(concluded, torch.tanh(torch.tensor([[[found, 1.0]]])))


def test_input_feeding_reads_what_attention_concluded():
    model = decoder(score=DotScore(), memory_width=D, input_feeding=True)
    assert model.recurrent.input_size == E + D
    state = start(model)
    assert not state.fed.any()
    one = model(ids()[:, :1], state)
    top = one.state.recurrent[0][-1][:, None]
    concluded, _ = model.attention(top, state.memory)
    close(one.state.fed, concluded[:, 0])
    unfed = one.state._replace(fed=torch.zeros(B, D).double())
    assert not torch.allclose(model(ids(), one.state).logits, model(ids(), unfed).logits)


def test_dropout_acts_in_training_only_and_not_in_time():
    model = RecurrentDecoder(V, E, D, dropout=0.5)
    state = model.start((torch.zeros(1, B, D),))
    assert not torch.equal(model(ids(), state).logits, model(ids(), state).logits)
    model.eval()
    close(model(ids(), state).logits, model(ids(), state).logits)


def test_shift_right_begins_with_the_start_token():
    assert shift_right(torch.tensor([[4, 5], [6, 7]]), 9).tolist() == [[9, 4], [9, 6]]


def test_bad_input_is_explained(unchecked_shapes):
    model = decoder()
    for wrong in (ids()[:2], ids()[:, :0]):
        with pytest.raises(
            ValueError, match="at least one token for each of the 3 sources, but has"
        ):
            model(wrong, start(model))
