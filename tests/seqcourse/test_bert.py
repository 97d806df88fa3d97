import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqcourse.attention import record_attention
from seqcourse.batching import Padded
from seqcourse.bert import (
    PRESETS,
    Bert,
    BertConfig,
    BertPretraining,
    MaskedLMHead,
    pretraining_loss,
)
from seqcourse.bert_inputs import SpecialIds, next_sentence_pairs
from seqcourse.masking import PretrainingBatch, pretraining_batch
from seqcourse.training import load_model, save_model

V, D, T = 23, 14, 13
CONFIG = BertConfig(vocab_size=V, width=D, heads=2, layers=3, context_length=T, dropout=0.0)
SPECIAL = SpecialIds(pad=0, cls=2, sep=3, mask=4, unk=1)


def shaken(model):
    """Move the parameters far from their start, so that everything matters."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.double().eval()


def bert(config: BertConfig = CONFIG, seed: int = 0) -> Bert:
    torch.manual_seed(seed)
    return shaken(Bert(config))


def ids(rows: int = 5, length: int = T, seed: int = 1) -> torch.Tensor:
    return torch.randint(5, V, (rows, length), generator=torch.Generator().manual_seed(seed))


def padded(lengths: list[int]) -> Padded:
    values = ids(len(lengths), max(lengths))
    return Padded(values, torch.tensor(lengths))


# --- the encoder -------------------------------------------------------------------------------


def test_padding_never_changes_a_result():
    model, batch = bert(), padded([11, 3, 1, 7])
    batch.values[~batch.mask] = 0
    segments = (torch.arange(11) > 2).long().expand(4, 11)
    hidden, pooled = model(batch, segments)
    for row, length in enumerate(batch.lengths):
        alone = model(batch.values[row : row + 1, :length], segments[row : row + 1, :length])
        torch.testing.assert_close(hidden[row, :length], alone.hidden[0])
        torch.testing.assert_close(pooled[row], alone.pooled[0])


def test_what_stands_in_the_padding_does_not_matter():
    model, batch = bert(), padded([11, 3])
    other = Padded(batch.values.where(batch.mask, 9), batch.lengths)
    one, two = model(batch), model(other)
    assert torch.equal(one.hidden[batch.mask], two.hidden[batch.mask])
    assert torch.equal(one.pooled, two.pooled)


def test_no_gradient_comes_from_the_padding():
    model, batch = bert(), padded([11, 3])
    batch.values[~batch.mask] = 0  # the real tokens are from 5 on
    model(batch).hidden[batch.mask].sum().backward()
    assert (model.tokens.weight.grad[0] == 0).all()
    assert (model.positions.table.grad[T - 2 :] == 0).all()


@pytest.mark.parametrize("place", [0, 5, T - 1])
def test_every_place_looks_both_ways(place):
    model, before = bert(), ids()
    after = before.clone()
    after[:, place] = 5 + (after[:, place] - 4) % (V - 5)
    assert (model(before).hidden != model(after).hidden).any(dim=-1).all()


def test_segments_matter_and_are_zero_by_default():
    model, text = bert(), ids()
    plain = model(text)
    assert torch.equal(plain.hidden, model(text, torch.zeros_like(text)).hidden)
    assert not torch.allclose(plain.hidden, model(text, torch.ones_like(text)).hidden)


def test_pooling_reads_the_first_place():
    model = bert()
    hidden, pooled = model(ids())
    expected = torch.tanh(hidden[:, 0] @ model.pooler.weight.T + model.pooler.bias)
    torch.testing.assert_close(pooled, expected)


def test_attention_looks_at_real_places_only():
    model, batch = bert(), padded([11, 3])
    with record_attention(model) as maps:
        model(batch)
    assert len(maps) == 3
    for weights in maps.values():
        assert weights.shape == (2, 2, 11, 11)
        assert (weights[1, :, :, 3:] == 0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 11).double())


def test_weights_start_small():
    torch.manual_seed(0)
    model = Bert(BertConfig.preset("tiny"))
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.1), name
        elif name.endswith("bias"):
            assert (parameter == 0).all()


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh"])
def test_activations_differ(activation):
    config = BertConfig(vocab_size=V, width=D, heads=2, layers=1, activation=activation)
    model = bert(config)
    head = shaken(MaskedLMHead(config))
    function = {
        "relu": F.relu,
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    }[activation]
    x = torch.randn(5, D).double()
    expected = head.norm(function(head.transform(x))) @ model.tokens.weight.T + head.bias
    torch.testing.assert_close(head(x, model.tokens.weight), expected)


def test_dropout_is_on_in_training_only():
    model = bert(BertConfig(vocab_size=V, width=D, heads=2, layers=1, dropout=0.5))
    assert torch.equal(model(ids()).hidden, model(ids()).hidden)
    model.train()
    assert not torch.equal(model(ids()).hidden, model(ids()).hidden)


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name):
    config = BertConfig.preset(name, vocab_size=101, context_length=17)
    assert (config.layers, config.width, config.heads) == PRESETS[name]
    assert (config.vocab_size, config.context_length) == (101, 17)
    assert config.width == 64 * config.heads


def test_it_is_saved_and_loaded(tmp_path):
    model = bert()
    save_model(model, tmp_path / "bert.safetensors")
    again = load_model(tmp_path / "bert.safetensors")
    assert again.config == CONFIG
    assert torch.equal(again(ids()).pooled, model(ids()).pooled)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "layers must be at least 1, but is 0"),
        ({"segments": 0}, "segments must be at least 1, but is 0"),
        ({"dropout": 1.5}, "dropout must be within 0 … 1, but is 1.5"),
        ({"heads": 3}, "heads must divide the width, but 3 does not divide 14"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Bert(BertConfig(**{"vocab_size": V, "width": D, "heads": 2, "layers": 1, **options}))


def test_other_names_are_refused(unchecked_shapes):
    with pytest.raises(ValueError, match="name must be one of .*'base'.*, but is 'huge'"):
        BertConfig.preset("huge")


def test_impossible_inputs_are_refused(unchecked_shapes):
    model, text = bert(), ids()
    with pytest.raises(ValueError, match="reads at most 13 tokens, but 14 came; cut the input"):
        model(ids(length=T + 1))
    with pytest.raises(ValueError, match="ids contain 23, but the vocabulary has ids 0 … 22"):
        model(torch.full((2, 3), V))
    with pytest.raises(ValueError, match="segments must be within 0 … 1, but run to 2"):
        model(text, torch.full_like(text, 2))
    with pytest.raises(ValueError, match="segments must have the shape of the ids, \\(5, 13\\)"):
        model(text, text[:, 1:])


# --- pre-training ------------------------------------------------------------------------------


def pretraining(seed: int = 0) -> BertPretraining:
    torch.manual_seed(seed)
    return shaken(BertPretraining(CONFIG))


def some_batch(rows: int = 7, rate: float = 0.3) -> PretrainingBatch:
    rng = np.random.default_rng(0)
    documents = [[rng.integers(5, V, rng.integers(2, 9)) for _ in range(rows)] for _ in range(2)]
    pairs = next_sentence_pairs(documents, rng=rng)[:rows]
    generator = torch.Generator().manual_seed(3)
    return pretraining_batch(
        pairs, special=SPECIAL, vocab_size=V, length=T, rate=rate, generator=generator
    )


def test_chosen_places_have_the_logits_of_all_places():
    model, batch = pretraining(), some_batch()
    full = model(batch.tokens, batch.segments)
    some = model(batch.tokens, batch.segments, places=batch.chosen)
    assert full.tokens.shape == (7, T, V)
    torch.testing.assert_close(full.tokens[batch.chosen], some.tokens)
    torch.testing.assert_close(full.pairs, some.pairs)


def test_the_loss_is_that_of_both_tasks():
    model, batch = pretraining(), some_batch()
    logits = model(batch.tokens, batch.segments)
    tokens = logits.tokens.log_softmax(-1).gather(-1, batch.targets[..., None])[..., 0]
    pairs = logits.pairs.log_softmax(-1)[torch.arange(7), batch.strangers]
    expected = -tokens[batch.chosen].mean() - pairs.mean()
    assert pretraining_loss(model, batch).item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_batch_without_chosen_places_learns_from_pairs_alone():
    model, batch = pretraining(), some_batch(rate=0.0)
    expected = F.cross_entropy(model(batch.tokens, batch.segments).pairs, batch.strangers)
    torch.testing.assert_close(pretraining_loss(model, batch), expected)


def test_the_head_shares_the_table_of_embeddings():
    model = pretraining()
    assert not any(p.shape == (V, D) for p in model.masked_lm.parameters())
    model.masked_lm(torch.ones(3, D).double(), model.encoder.tokens.weight).sum().backward()
    assert (model.encoder.tokens.weight.grad != 0).all()


def test_it_learns_to_fill_in():
    model, batch = pretraining().float().train(), some_batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    first = pretraining_loss(model, batch).item()
    for _ in range(80):
        optimizer.zero_grad()
        loss = pretraining_loss(model, batch)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05 * first


def test_a_pretraining_model_is_saved_and_loaded(tmp_path):
    model, batch = pretraining(), some_batch()
    save_model(model, tmp_path / "bert.safetensors")
    again = load_model(tmp_path / "bert.safetensors")
    assert torch.equal(pretraining_loss(again, batch), pretraining_loss(model, batch))
