import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seqcourse.attention import record_attention
from seqcourse.kv_cache import KVCache
from seqcourse.lm import LanguageModel
from seqcourse.stepping import StepModel
from seqcourse.transformer import TransformerConfig, TransformerLM, copy_from_torch

B, T, H, L, V, D, START = 2, 13, 3, 2, 17, 6, 5
POSITIONS = ["sinusoidal", "learned", "rotary", "none"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def config(**options) -> TransformerConfig:
    sizes = {
        "vocab_size": V,
        "width": D,
        "heads": H,
        "layers": L,
        "inner": 11,
        "context_length": 19,
        "start_id": START,
    }
    return TransformerConfig(**(sizes | options))


def model(**options) -> TransformerLM:
    """A model whose parameters are large and random: at the start all logits are nearly 0."""
    lm = TransformerLM(config(**options))
    for parameter in lm.parameters():
        nn.init.normal_(parameter, std=0.5)
    return lm.eval()


def tokens(length: int = T) -> torch.Tensor:
    return torch.randint(0, V, (B, length))


VARIANTS = [
    *({"positions": p} for p in POSITIONS),
    {"norm": "post", "activation": "swiglu"},
    {"tied": False, "bias": False, "positions": "learned", "activation": "gelu_tanh"},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_no_token_sees_the_future(options):
    lm, ids = model(**options), tokens()
    before = lm(ids)
    for t in range(T):
        changed = ids.clone()
        changed[:, t] = (ids[:, t] + 1) % V
        after = lm(changed)
        assert torch.equal(after[:, :t], before[:, :t])
        assert not torch.allclose(after[:, t], before[:, t], atol=1e-3)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("grad", [True, False])
def test_reading_in_pieces_is_reading_at_once(options, grad):
    lm, ids = model(**options), tokens()
    with torch.set_grad_enabled(grad):
        whole = lm(ids)
        state, parts = None, []
        for part in ids.split((4, 1, 1, 5, 2), dim=1):
            logits, state = lm.advance(part, state)
            parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    assert state.length == T


@pytest.mark.parametrize("positions", POSITIONS)
def test_gradients_through_the_cache_are_those_of_reading_at_once(positions):
    lm, ids = model(positions=positions), tokens(5)
    state, parts = None, []
    for t in range(5):
        logits, state = lm.advance(ids[:, t : t + 1], state)
        parts.append(logits)
    stepwise = torch.autograd.grad(torch.cat(parts, 1).square().sum(), lm.parameters())
    at_once = torch.autograd.grad(lm(ids).square().sum(), lm.parameters())
    for a, b in zip(stepwise, at_once, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_one_may_read_on_from_a_state_in_two_ways():
    lm, ids = model(), tokens(4)
    _, state = lm.begin(ids)
    one, other = torch.tensor([1, 2]), torch.tensor([3, 4])
    first, further = lm.step(one, state)
    second, _ = lm.step(other, state)
    third, _ = lm.step(other, further)
    begun = torch.cat((torch.full((B, 1), START), ids), dim=1)
    for logits, more in ((first, [one]), (second, [other]), (third, [one, other])):
        whole = lm(torch.cat((begun, *(m[:, None] for m in more)), dim=1))
        torch.testing.assert_close(logits, whole[:, -1])


@torch.no_grad()
def test_reordered_rows_go_on_as_if_they_had_been_read():
    lm, ids = model(), tokens(4)
    rows = torch.tensor([1, 1, 0])
    _, state = lm.begin(ids)
    nxt = torch.tensor([7, 8, 9])
    logits, _ = lm.step(nxt, lm.reorder(state, rows))
    _, expected = lm.begin(ids[rows])
    torch.testing.assert_close(logits, lm.step(nxt, expected)[0])


def test_it_is_a_step_model_and_a_language_model():
    lm = model()
    assert isinstance(lm, StepModel)
    assert isinstance(lm, LanguageModel)
    ids = tokens(5)[0].numpy()
    logprobs = lm.logprobs(ids)
    steps = [lm.next_logprobs(ids[:t])[ids[t]] for t in range(5)]
    assert logprobs == pytest.approx(steps, abs=1e-5)
    assert math.exp(lm.next_logprobs(ids[:0])[0]) < 1


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_model_is_torchs_encoder_under_a_causal_mask(norm):
    theirs = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(
            D,
            2,
            11,
            dropout=0.0,
            activation="gelu",
            norm_first=norm == "pre",
            batch_first=True,
        ),
        L,
        nn.LayerNorm(D) if norm == "pre" else None,
        enable_nested_tensor=False,
    )
    lm = TransformerLM(config(heads=2, norm=norm, positions="learned"))
    copy_from_torch(lm.stack, theirs)
    ids = tokens()
    hidden = theirs(
        lm.tokens(ids) + lm.positions.table[:T],
        mask=~torch.ones(T, T, dtype=torch.bool).tril(),
    )
    torch.testing.assert_close(lm(ids), hidden @ lm.tokens.weight.T)


@pytest.mark.parametrize(
    ("positions", "sees_order"),
    [("sinusoidal", True), ("learned", True), ("rotary", True), ("none", False)],
)
def test_one_layer_knows_the_order_of_the_past_only_by_positions(positions, sees_order):
    lm, ids = model(positions=positions, layers=1), tokens()
    swapped = ids.clone()
    swapped[:, [2, 7]] = ids[:, [7, 2]]
    same = torch.allclose(lm(ids)[:, -1], lm(swapped)[:, -1], atol=1e-4)
    assert same is not sees_order


def test_two_layers_know_it_from_the_mask_alone():
    lm, ids = model(positions="none"), tokens()
    swapped = ids.clone()
    swapped[:, [2, 7]] = ids[:, [7, 2]]
    assert not torch.allclose(lm(ids)[:, -1], lm(swapped)[:, -1], atol=1e-4)


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "none"])
def test_without_a_limit_any_length_can_be_read(positions):
    lm = model(positions=positions, context_length=None)
    ids = tokens(200)
    with torch.no_grad():
        whole = lm(ids)
        _, state = lm.advance(ids[:, :150])
        torch.testing.assert_close(
            lm.advance(ids[:, 150:], state)[0], whole[:, 150:], atol=1e-4, rtol=1e-4
        )


def test_weights_start_as_gpt_2s_do():
    lm = TransformerLM(TransformerConfig(vocab_size=499, width=96, positions="learned", layers=8))
    block = lm.stack.blocks[3]
    for weight, expected in (
        (lm.tokens.weight, 0.02),
        (lm.positions.table, 0.02),
        (block.attention.query_key_value.weight, 0.02),
        (block.feed_forward.expand.weight, 0.02),
        (block.attention.output.weight, 0.02 / 4),  # √(2 · 8) = 4
        (block.feed_forward.contract.weight, 0.02 / 4),
    ):
        assert weight.std().item() == pytest.approx(expected, rel=0.05)
        assert weight.mean().item() == pytest.approx(0, abs=expected / 20)
    for name, parameter in lm.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 0).all()
        elif name.endswith("norm.weight"):
            assert (parameter == 1).all()
    loss = F.cross_entropy(
        lm(torch.randint(0, 499, (5, 64))).flatten(0, 1), torch.randint(0, 499, (320,))
    )
    assert loss.item() == pytest.approx(math.log(499), rel=0.02)


def test_the_number_of_parameters():
    def count(**options) -> int:
        lm = TransformerLM(config(**options))
        return sum(p.numel() for p in lm.parameters())

    block = 4 * D * D + 4 * D + 2 * D * 11 + 11 + D + 4 * D
    rest = V * D + 2 * D
    assert count() == rest + L * block
    assert count(positions="learned") == count() + 19 * D
    assert count(tied=False) == count() + V * D
    assert count(norm="post") == count() - 2 * D


def test_attention_maps_are_causal_and_sum_to_one():
    lm, ids = model(), tokens()
    expected = lm(ids)
    with record_attention(lm) as maps:
        torch.testing.assert_close(lm(ids), expected)
    assert list(maps) == [f"stack.blocks.{i}.attention" for i in range(L)]
    for weights in maps.values():
        assert weights.shape == (B, H, T, T)
        assert (weights.triu(1) == 0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_it_learns_to_look_three_places_back(positions):
    lm = TransformerLM(config(width=24, heads=2, layers=1, positions=positions))
    optimizer = torch.optim.AdamW(lm.parameters(), lr=1e-2)
    for _ in range(120):
        ids = torch.randint(0, 7, (32, 12))
        loss = F.cross_entropy(lm(ids)[:, 3:].flatten(0, 1), ids[:, :-3].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1  # ln 7 = 1.9 for one that cannot


@pytest.mark.parametrize("positions", POSITIONS)
def test_empty_and_single_token_inputs(positions):
    lm = model(positions=positions)
    assert lm(tokens(0)).shape == (B, 0, V)
    assert lm(tokens(1)).shape == (B, 1, V)
    assert lm(tokens(0)[:0]).shape == (0, 0, V)
    logits, state = lm.advance(tokens(0))
    assert (logits.shape, state.length) == ((B, 0, V), 0)
    assert lm.logprobs(tokens(0)[0].numpy()).shape == (0,)


def test_a_weight_of_nan_shows():
    lm = model()
    lm.tokens.weight.data[3] = float("nan")
    ids = tokens()
    ids[ids == 3] = 4
    ids[0, 5] = 3
    logits = lm(ids)
    assert logits[0, 5:].isnan().all()
    assert logits[1, :, 4].isfinite().all()


def test_texts_that_are_too_long_are_an_error_that_names_both_lengths():
    lm = model(context_length=7)
    with pytest.raises(ValueError, match="at most 7 tokens, but 8 came; begin again"):
        lm(tokens(8))
    _, state = lm.advance(tokens(7))
    with pytest.raises(ValueError, match="at most 7 .* 1 came after 7 that it has read"):
        lm.advance(tokens(1), state)
    assert state.length == 7


@pytest.mark.parametrize("wrong", [-1, V])
def test_an_unknown_id_is_named(wrong):
    ids = tokens()
    ids[1, 2] = wrong
    with pytest.raises(ValueError, match=f"ids contain {wrong}, .* ids 0 … 16"):
        model()(ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1, but is 0"),
        ({"layers": 0}, "layers must be at least 1, but is 0"),
        ({"inner": 0}, "inner must be at least 1, but is 0"),
        ({"context_length": 0}, "context_length must be at least 1, but is 0"),
        ({"dropout": 1.5}, "dropout must be within 0 … 1, but is 1.5"),
        ({"start_id": V}, "start_id must be within .* 0 … 16, but is 17"),
        (
            {"positions": "learned", "context_length": None},
            "learned positions need a context_length",
        ),
    ],
)
def test_bad_options_are_explained(options, message):
    with pytest.raises(ValueError, match=message):
        config(**options)


def test_options_that_do_not_fit_together_are_explained(unchecked_shapes):
    with pytest.raises(ValueError, match="positions must be one of .* is 'absolute'"):
        config(positions="absolute")
    with pytest.raises(ValueError, match="5 does not divide 6"):
        config(heads=5)
    with pytest.raises(ValueError, match="must be even, .* but is 3"):
        TransformerLM(config(heads=2, positions="rotary"))
    with pytest.raises(ValueError, match="must be even, .* but is 9"):
        TransformerLM(config(width=9, positions="sinusoidal"))


def test_a_cache_may_be_given_before_anything_is_read():
    lm, ids = model(), tokens()
    logits, _ = lm.advance(ids, KVCache(L, capacity=T))
    torch.testing.assert_close(logits, lm(ids))
