import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from contracts import check_language_model

from seqcourse.attention import record_attention
from seqcourse.generation import generate
from seqcourse.gpt import GPT, PRESETS, GPTConfig
from seqcourse.training import load_model, next_token_loss, save_model

V, D, T = 13, 22, 11


def gpt(seed: int = 0, *, dropout: float = 0.0, layers: int = 3) -> GPT:
    torch.manual_seed(seed)
    config = GPTConfig(
        vocab_size=V, width=D, heads=2, layers=layers, context_length=T, dropout=dropout, start_id=7
    )
    model = GPT(config).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():  # far from the start, so that everything matters
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def ids(rows: int = 5, length: int = T, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, V, (rows, length), generator=torch.Generator().manual_seed(seed))


def test_it_fulfils_the_contract_of_language_models():
    check_language_model(gpt(), atol=1e-8)


@pytest.mark.parametrize("place", range(T))
def test_a_changed_token_changes_nothing_before_it_and_everything_after(place):
    model, before = gpt(), ids()
    after = before.clone()
    after[:, place] = (after[:, place] + 1) % V
    was, now = model(before), model(after)
    assert torch.equal(was[:, :place], now[:, :place])
    assert (was[:, place:] != now[:, place:]).any(dim=-1).all()


def test_no_gradient_flows_back_from_the_past():
    model, place = gpt(), 6
    embedded = model.tokens(ids()).detach().requires_grad_()
    model.stack(model.positions(embedded))[:, place].sum().backward()
    assert (embedded.grad[:, place + 1 :] == 0).all()
    assert (embedded.grad[:, : place + 1] != 0).all()


@pytest.mark.parametrize("pieces", [[1] * T, [4, 7], [1, 3, 7]])
def test_reading_with_a_cache_equals_reading_at_once(pieces):
    model, state, logits = gpt(), None, []
    for piece in ids().split(pieces, dim=1):
        now, state = model.advance(piece, state)
        logits.append(now)
    torch.testing.assert_close(torch.cat(logits, dim=1), model(ids()), rtol=1e-12, atol=1e-12)


def test_greedy_writing_with_a_cache_equals_writing_without():
    model = gpt()
    text = torch.full((3, 1), model.start_id)
    for _ in range(T - 1):
        text = torch.cat([text, model(text)[:, -1:].argmax(dim=-1)], dim=1)
    prompt = torch.empty(3, 0, dtype=torch.int64)
    assert torch.equal(generate(model, prompt, T - 1, temperature=0), text[:, 1:])


def test_the_loss_is_the_surprise_at_the_shifted_text():
    model, text = gpt(), ids()
    loss = next_token_loss(model, (text[:, :-1], text[:, 1:]))
    by_hand = [
        -model(row[None, :-1])[0].log_softmax(-1)[t, row[t + 1]]
        for row in text
        for t in range(T - 1)
    ]
    assert loss.item() == pytest.approx(torch.stack(by_hand).mean().item(), rel=1e-12)


def test_an_untrained_model_is_as_surprised_as_a_uniform_one():
    torch.manual_seed(0)
    model = GPT(GPTConfig.preset("nano", vocab_size=101, context_length=T))
    text = ids(rows=17)
    assert next_token_loss(model, (text[:, :-1], text[:, 1:])).item() == pytest.approx(
        math.log(101), abs=0.1
    )


def test_it_learns_a_text_by_heart():
    model = gpt(layers=1).float().train()
    text = ids(rows=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = next_token_loss(model, (text[:, :-1], text[:, 1:]))
        loss.backward()
        optimizer.step()
    # the first token does not say which of the two texts follows
    assert loss.item() < 0.1 + math.log(2) / (T - 1)


def test_the_output_is_the_table_of_embeddings():
    model = gpt()
    assert model.output is None
    x = model.stack(model.positions(model.tokens(ids())))
    torch.testing.assert_close(model(ids()), x @ model.tokens.weight.T)
    model(ids()).sum().backward()
    assert (model.tokens.weight.grad != 0).all()  # also of tokens that did not occur


def test_attention_maps_are_causal_distributions():
    model = gpt()
    with record_attention(model) as maps:
        model(ids())
    assert len(maps) == 3
    for weights in maps.values():
        assert weights.shape == (5, 2, T, T)
        torch.testing.assert_close(weights.sum(-1), torch.ones(5, 2, T).double())
        assert (weights.triu(1) == 0).all()


def test_a_text_longer_than_the_context_is_refused_but_scored():
    model = gpt()
    with pytest.raises(ValueError, match="reads at most 11 tokens, but 12 came"):
        model(ids(length=T + 1))
    _, state = model.advance(ids(length=T - 1))
    with pytest.raises(ValueError, match="but 2 came after 10 that"):
        model.advance(ids(length=2), state)
    assert model.logprobs(np.arange(2 * T) % V).shape == (2 * T,)


def test_dropout_is_on_in_training_only():
    model = gpt(dropout=0.5)
    assert torch.equal(model(ids()), model(ids()))
    model.train()
    assert not torch.equal(model(ids()), model(ids()))


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name):
    config = GPTConfig.preset(name, vocab_size=101, context_length=17, dropout=0.2)
    assert (config.layers, config.width, config.heads) == PRESETS[name]
    assert config.width % config.heads == 0
    assert (config.vocab_size, config.context_length, config.dropout) == (101, 17, 0.2)
    assert (config.start_id, config.tied, config.activation) == (100, True, "gelu_tanh")


def test_another_preset_is_refused():
    with pytest.raises(ValueError, match="name must be one of .*'gpt2', .*, but is 'gpt5'"):
        GPTConfig.preset("gpt5")


def test_it_is_saved_and_loaded(tmp_path):
    model = gpt()
    save_model(model, tmp_path / "gpt.safetensors")
    again = load_model(tmp_path / "gpt.safetensors")
    assert isinstance(again, GPT)
    assert again.config == model.config
    assert torch.equal(again(ids()), model(ids()))


def test_gradients_are_right_by_finite_differences():
    model = gpt(layers=1)
    text = ids(rows=2, length=5)

    def loss(scale: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        parameters = dict(model.named_parameters())
        block = "stack.blocks.0."
        parameters[block + "attention_norm.weight"] = scale
        parameters[block + "attention.query_key_value.bias"] = bias
        logits = torch.func.functional_call(model, parameters, (text[:, :-1],))
        return F.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())

    block = model.stack.blocks[0]
    inputs = (block.attention_norm.weight, block.attention.query_key_value.bias)
    assert torch.autograd.gradcheck(loss, tuple(x.detach().requires_grad_() for x in inputs))
