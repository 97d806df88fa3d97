import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seqcourse.attention import record_attention
from seqcourse.batching import Padded
from seqcourse.blocks import copy_from_torch
from seqcourse.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from seqcourse.positions import sinusoidal
from seqcourse.stepping import StepModel

B, S, T, H, D = 3, 7, 5, 3, 6
SOURCE, TARGET, START, END = 13, 17, 1, 2
POSITIONS = ["sinusoidal", "learned", "rotary", "none"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def config(**options) -> EncoderDecoderConfig:
    sizes = {
        "source_vocab_size": SOURCE,
        "target_vocab_size": TARGET,
        "start_id": START,
        "end_id": END,
        "width": D,
        "heads": H,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "inner": 11,
        "context_length": 19,
        "dropout": 0.0,
    }
    return EncoderDecoderConfig(**(sizes | options))


def model(**options) -> EncoderDecoder:
    translator = EncoderDecoder(config(**options))
    for parameter in translator.parameters():
        nn.init.normal_(parameter, std=0.5)
    return translator.eval()


def sources() -> Padded:
    lengths = torch.tensor([S, 3, 5])
    values = torch.randint(0, SOURCE, (B, S))
    return Padded(values.where(torch.arange(S) < lengths[:, None], 0), lengths)


def targets(length: int = T) -> torch.Tensor:
    ids = torch.randint(0, TARGET, (B, length))
    ids[:, 0] = START
    return ids


VARIANTS = [
    *({"positions": p} for p in POSITIONS),
    {"norm": "post", "tied": "none"},
    {"tied": "all", "source_vocab_size": TARGET, "activation": "gelu"},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("grad", [True, False])
def test_writing_step_by_step_is_reading_the_target_at_once(options, grad):
    translator, source, ids = model(**options), sources(), targets()
    with torch.set_grad_enabled(grad):
        whole = translator(source, ids)
        logits, state = translator.begin(source)
        torch.testing.assert_close(logits, whole[:, 0])
        for t in range(1, T):
            logits, state = translator.step(ids[:, t], state)
            torch.testing.assert_close(logits, whole[:, t])
    assert state.written.length == T
    assert state.source.length == S


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_padding_never_changes_a_result(options):
    translator, source, ids = model(**options), sources(), targets()
    batched = translator(source, ids)
    begun, _ = translator.begin(source)
    for row, length in enumerate(source.lengths.tolist()):
        alone = Padded(source.values[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(batched[row], translator(alone, ids[row : row + 1])[0])
        torch.testing.assert_close(begun[row], translator.begin(alone)[0][0])
    rubbish = source.values.where(source.mask, -1)  # not even an id
    assert torch.equal(translator(Padded(rubbish, source.lengths), ids), batched)


def test_padding_gets_no_gradient():
    translator, source, ids = model(), sources(), targets()
    filled = source.values.where(source.mask, 12)
    source = Padded(filled.where(source.mask | (filled != 12), 12), source.lengths)
    source.values[source.mask & (source.values == 12)] = 11
    translator(source, ids).square().sum().backward()
    gradient = translator.source_tokens.weight.grad
    assert (gradient[12] == 0).all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_the_decoder_never_sees_the_future_but_all_of_the_source(options):
    translator, source, ids = model(**options), sources(), targets()
    before = translator(source, ids)
    for t in range(T):
        changed = ids.clone()
        changed[:, t] = (ids[:, t] + 1) % TARGET
        after = translator(source, changed)
        assert torch.equal(after[:, :t], before[:, :t])
        assert not torch.allclose(after[:, t], before[:, t], atol=1e-5)
    for s in range(S):
        changed = source.values.clone()
        changed[0, s] = (changed[0, s] + 1) % SOURCE
        after = translator(Padded(changed, source.lengths), ids)
        assert (after[0] != before[0]).any(dim=-1).all()
        assert torch.equal(after[1:], before[1:])


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_model_is_torchs_transformer_between_its_embeddings(norm):
    theirs = nn.Transformer(
        D,
        2,
        2,
        3,
        11,
        dropout=0.0,
        norm_first=norm == "pre",
        batch_first=True,
    )
    if norm == "post":  # torch adds a norm that the paper does not have
        theirs.encoder.norm = theirs.decoder.norm = None
    translator = model(norm=norm, heads=2)
    copy_from_torch(translator.encoder, theirs.encoder)
    copy_from_torch(translator.decoder, theirs.decoder)
    source, ids = sources(), targets()

    def embedded(values: torch.Tensor, tokens: nn.Embedding) -> torch.Tensor:
        return tokens(values) * math.sqrt(D) + sinusoidal(values.shape[1], D)

    hidden = theirs(
        embedded(source.values, translator.source_tokens),
        embedded(ids, translator.target_tokens),
        tgt_mask=~torch.ones(T, T, dtype=torch.bool).tril(),
        src_key_padding_mask=~source.mask,
        memory_key_padding_mask=~source.mask,
    )
    expected = hidden @ translator.target_tokens.weight.T
    torch.testing.assert_close(translator(source, ids), expected)


@torch.no_grad()
def test_reordered_rows_go_on_as_if_they_had_been_read():
    translator, source = model(), sources()
    rows, first = torch.tensor([2, 0, 0, 1]), torch.tensor([4, 5, 6])
    _, state = translator.begin(source)
    _, state = translator.step(first, state)
    picked = translator.reorder(state, rows)
    nxt = torch.tensor([7, 8, 9, 10])
    logits, _ = translator.step(nxt, picked)
    again = Padded(source.values[rows], source.lengths[rows])
    ids = torch.stack((torch.full((4,), START), first[rows], nxt), dim=1)
    torch.testing.assert_close(logits, translator(again, ids)[:, -1])


@torch.no_grad()
def test_one_may_go_on_from_a_state_in_two_ways():
    translator, source = model(), sources()
    _, state = translator.begin(source)
    one, other = torch.tensor([4, 5, 6]), torch.tensor([7, 8, 9])
    start = torch.full((B,), START)
    first, _ = translator.step(one, state)
    second, _ = translator.step(other, state)
    for logits, ids in ((first, one), (second, other)):
        whole = translator(source, torch.stack((start, ids), dim=1))
        torch.testing.assert_close(logits, whole[:, -1])


def test_an_empty_source_says_nothing_whatever_surrounds_it():
    translator, ids = model(), targets()
    lengths = torch.tensor([0, 3, 5])
    values = torch.randint(0, SOURCE, (B, S))
    mixed = translator(Padded(values, lengths), ids)
    assert mixed.isfinite().all()
    nothing = Padded(torch.zeros(1, 0, dtype=torch.int64), torch.tensor([0]))
    torch.testing.assert_close(translator(nothing, ids[:1])[0], mixed[0])
    torch.testing.assert_close(translator.begin(nothing)[0][0], mixed[0, 0])
    mixed.sum().backward()
    assert all(p.grad.isfinite().all() for p in translator.parameters())


def test_a_target_of_one_token_and_a_batch_of_none():
    translator, source = model(), sources()
    assert translator(source, targets(1)).shape == (B, 1, TARGET)
    none = Padded(source.values[:0], source.lengths[:0])
    assert translator(none, targets()[:0]).shape == (0, T, TARGET)


def test_it_is_a_step_model():
    assert isinstance(model(), StepModel)
    assert model().vocab_size == TARGET
    assert model().end_id == END


@pytest.mark.parametrize(("tied", "tables"), [("none", 3), ("output", 2), ("all", 1)])
def test_tied_matrices_are_one(tied, tables):
    translator = model(tied=tied, source_vocab_size=TARGET)
    sized = [p for p in translator.parameters() if p.shape == (TARGET, D)]
    assert len(sized) == tables
    translator(sources(), targets()).sum().backward()
    assert all(p.grad is not None for p in sized)


def test_matrices_start_as_glorot_and_bengios_and_embeddings_of_length_one():
    translator = EncoderDecoder(EncoderDecoderConfig(499, 499, START, END, width=96, tied="none"))
    for linear in (m for m in translator.modules() if isinstance(m, nn.Linear)):
        bound = math.sqrt(6 / (linear.in_features + linear.out_features))
        assert linear.weight.abs().max() <= bound
        assert linear.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        if linear.bias is not None:
            assert (linear.bias == 0).all()
    for table in (translator.source_tokens, translator.target_tokens):
        assert table.weight.norm(dim=1).mean().item() == pytest.approx(1, rel=0.05)


def test_the_papers_base_model_has_its_number_of_parameters():
    base = EncoderDecoderConfig(
        37000,
        37000,
        START,
        END,
        width=512,
        heads=8,
        encoder_layers=6,
        decoder_layers=6,
        norm="post",
        tied="all",
    )
    with torch.device("meta"):
        translator = EncoderDecoder(base)
    n = sum(p.numel() for p in translator.parameters())
    assert n == pytest.approx(65e6, rel=0.05)  # Vaswani et al. (2017), table 3: 65 million


def test_cross_attention_maps_leave_out_padding():
    translator, source = model(), sources()
    with record_attention(translator) as maps:
        translator(source, targets())
    weights = maps["decoder.blocks.2.cross_attention"]
    assert weights.shape == (B, H, T, S)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))
    assert (weights[1, :, :, 3:] == 0).all()
    assert len(maps) == 2 + 3 * 2


def test_it_learns_to_write_backwards():
    translator = EncoderDecoder(config(width=24, encoder_layers=1, decoder_layers=1))
    optimizer = torch.optim.AdamW(translator.parameters(), lr=5e-3)
    for _ in range(200):
        ids = torch.randint(3, 13, (32, 5))
        source = Padded(ids, torch.full((32,), 5))
        written = ids.flip(1)
        read = torch.cat((torch.full((32, 1), START), written[:, :-1]), dim=1)
        loss = F.cross_entropy(translator(source, read).flatten(0, 1), written.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3  # ln 10 = 2.3 for one that knows nothing


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_vocab_size": 0}, "target_vocab_size must be at least 1, but is 0"),
        ({"decoder_layers": 0}, "decoder_layers must be at least 1, but is 0"),
        ({"heads": 4}, "4 does not divide 6"),
        ({"start_id": 17}, "start_id must be within .* 0 … 16, but is 17"),
        ({"end_id": START}, "start_id and end_id must differ, but both are 1"),
        ({"dropout": -0.1}, "dropout must be within 0 … 1, but is -0.1"),
        ({"inner": 0}, "inner must be at least 1, but is 0"),
        ({"tied": "all"}, "the source has 13 ids and the target 17"),
    ],
)
def test_bad_options_are_explained(options, message):
    with pytest.raises(ValueError, match=message):
        config(**options)


def test_bad_input_is_explained(unchecked_shapes):
    for name in ("tied", "positions"):
        with pytest.raises(ValueError, match=f"{name} must be one of .* is 'maybe'"):
            config(**{name: "maybe"})
    with pytest.raises(ValueError, match="need a context_length"):
        EncoderDecoder(config(positions="learned", context_length=None))
    translator, source = model(positions="learned", context_length=T), sources()
    with pytest.raises(ValueError, match="learned for 5 places, but 7 came"):
        translator(source, targets())
    short = Padded(source.values[:, :T], source.lengths.clamp(max=T))
    with pytest.raises(ValueError, match="learned for 5 places, but 6 came"):
        translator(short, targets(T + 1))
    translator = model()
    with pytest.raises(ValueError, match="a row for each of 3 sources, but have 2"):
        translator(source, targets()[:2])
    with pytest.raises(ValueError, match="ids contain 17, .* 0 … 16"):
        translator(source, targets().fill_(17))
    with pytest.raises(ValueError, match="ids contain 13, .* 0 … 12"):
        translator(Padded(source.values.fill_(13), source.lengths), targets())
