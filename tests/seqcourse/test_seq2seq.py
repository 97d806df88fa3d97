import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqcourse.batching import Padded, pad
from seqcourse.beam import beam_search
from seqcourse.generation import generate
from seqcourse.recurrent_decoder import shift_right
from seqcourse.seq2seq import Encoder, Seq2Seq, Seq2SeqConfig, reverse
from seqcourse.stepping import StepModel
from seqcourse.teacher_forcing import Lessons, error_by_position, teaching_loss
from seqcourse.training import fit

VS, VT, START, END = 13, 11, 0, 1
SOURCES = [[5, 6, 7, 8, 9, 10, 11], [12], [3, 4, 4], [2, 9]]
VARIANTS = [
    {},
    {"cell": "rnn", "repeat_context": True, "reverse_source": True},
    {"cell": "lstm", "layers": 2, "bidirectional": True},
    {"attention": "additive", "bidirectional": True, "input_feeding": True},
    {"attention": "dot", "cell": "lstm", "reverse_source": True},
    {"attention": "scaled_dot", "cell": "rnn", "layers": 2},
    {"attention": "bilinear", "layers": 2, "bidirectional": True, "dropout": 0.5},
]
LOOKING = [options for options in VARIANTS if "attention" in options]


def config(**options) -> Seq2SeqConfig:
    return Seq2SeqConfig(VS, VT, START, END, **{"embedding_width": 5, "width": 6} | options)


def model(**options) -> Seq2Seq:
    torch.manual_seed(0)
    return Seq2Seq(config(**options)).double().eval()


def targets(length=4):
    return torch.randint(VT, (len(SOURCES), length), generator=torch.Generator().manual_seed(1))


# --- the encoder ---


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_encoder_equals_torch_s_layers_on_packed_sequences(cell, bidirectional):
    torch.manual_seed(0)
    ways = 2 if bidirectional else 1
    ours = Encoder(VS, 5, 6, layers=2, cell=cell, bidirectional=bidirectional).double()
    theirs = getattr(nn, cell.upper())(
        5, 6 // ways, 2, batch_first=True, bidirectional=bidirectional
    ).double()
    theirs.load_state_dict(ours.recurrent.state_dict())
    source = pad(SOURCES)
    packed = pack_padded_sequence(
        ours.embed(source.values), source.lengths, batch_first=True, enforce_sorted=False
    )
    h, state = theirs(packed)
    annotations, summary = ours(source)
    torch.testing.assert_close(annotations.values, pad_packed_sequence(h, batch_first=True)[0])
    for part, expected in zip(summary, state if cell == "lstm" else (state,), strict=True):
        assert part.shape == (2, len(SOURCES), 6)
        for layer in range(2):
            both = torch.cat([expected[layer * ways + way] for way in range(ways)], dim=-1)
            torch.testing.assert_close(part[layer], both)


def test_reversing_keeps_the_padding_at_the_end_and_undoes_itself():
    source = pad(SOURCES, value=-1)
    back = reverse(source)
    for row, tokens in enumerate(SOURCES):
        assert back.values[row, : len(tokens)].tolist() == tokens[::-1]
    assert (back.values[~source.mask] == -1).all()
    assert torch.equal(reverse(back).values, source.values)


# --- the whole ---


@pytest.mark.parametrize("options", VARIANTS)
def test_a_batch_gives_what_its_rows_give_alone_whatever_the_padding_holds(options):
    net, ids = model(**options), targets()
    assert isinstance(net, StepModel)
    together = net(pad(SOURCES, value=-100), ids)
    assert together.shape == (len(SOURCES), 4, VT)
    for row, tokens in enumerate(SOURCES):
        torch.testing.assert_close(net(pad([tokens]), ids[row : row + 1])[0], together[row])


@pytest.mark.parametrize("options", VARIANTS)
def test_writing_step_by_step_is_reading_all_at_once(options):
    net, source, ids = model(**options), pad(SOURCES), targets()
    expected = net(source, shift_right(ids, START))
    logits, state = net.begin(source)
    for t in range(ids.shape[1]):
        torch.testing.assert_close(logits, expected[:, t])
        logits, state = net.step(ids[:, t], state)


@pytest.mark.parametrize("options", VARIANTS)
def test_decoding_a_batch_is_decoding_its_rows(options):
    net, source = model(**options), pad(SOURCES)
    greedy = generate(net, source, 9, temperature=0, stop=END)
    beams = beam_search(net, source, width=3, length=9, stop=END)
    narrow = beam_search(net, source, width=1, length=9, stop=END)
    for row, tokens in enumerate(SOURCES):
        alone = pad([tokens])
        assert torch.equal(generate(net, alone, 9, temperature=0, stop=END)[0], greedy[row])
        [best] = beam_search(net, alone, width=3, length=9, stop=END)
        assert [h.tokens for h in best] == [h.tokens for h in beams[row]]
        written = narrow[row][0].tokens
        assert written == tuple(greedy[row, : len(written)].tolist())


@pytest.mark.parametrize("options", LOOKING)
def test_a_row_of_the_alignment_is_where_the_model_looks_while_it_writes_that_token(options):
    net, source, written = model(**options), pad(SOURCES), targets()
    state, read = net.encode(source), torch.full((len(SOURCES), 1), START)
    for t in range(written.shape[1]):
        _, weights, state = net.decode(read, state)
        torch.testing.assert_close(net.align(source, written)[:, t], weights[:, 0])
        read = written[:, t : t + 1]


@pytest.mark.parametrize("options", LOOKING)
def test_attention_weights_sum_to_one_and_are_exactly_zero_over_padding(options):
    net, source = model(**options), pad(SOURCES)
    weights = net.align(source, targets())
    assert weights.shape == (len(SOURCES), 4, 7)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(len(SOURCES), 4).double())
    assert (weights[~source.mask[:, None].expand_as(weights)] == 0).all()
    assert (weights[source.mask[:, None].expand_as(weights)] > 0).all()
    assert (weights[1, :, 0] == 1).all()  # the source of one token leaves no choice


def test_alignments_are_in_the_order_of_the_source_though_it_was_read_from_its_end():
    forwards, backwards = (model(attention="dot", reverse_source=way) for way in (False, True))
    source, ids = pad(SOURCES), targets()
    upright = forwards.align(reverse(source), ids)  # reads the same tokens in the same order
    turned = backwards.align(source, ids)
    for row, tokens in enumerate(SOURCES):
        n = len(tokens)
        torch.testing.assert_close(turned[row, :, :n], upright[row, :, :n].flip(-1))
    torch.testing.assert_close(backwards(source, ids), forwards(reverse(source), ids))


def test_the_repeated_context_is_read_at_every_step():
    net, source = model(repeat_context=True), pad(SOURCES)
    state = net.encode(source)
    assert torch.equal(state.context, state.recurrent[0][-1])
    assert torch.equal(net.step(targets()[:, 0], state)[1].context, state.context)


@pytest.mark.parametrize("options", VARIANTS)
def test_every_parameter_learns(options):
    net = model(**options).train()
    net(pad(SOURCES), targets()).logsumexp(dim=-1).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_dropout_is_off_when_the_model_evaluates():
    net, source = model(dropout=0.5, layers=2), pad(SOURCES)
    torch.testing.assert_close(net(source, targets()), net(source, targets()))
    net.train()
    assert not torch.allclose(net(source, targets()), net(source, targets()))


@pytest.mark.parametrize(
    "options", [{}, {"attention": "dot"}, {"attention": "additive", "cell": "lstm"}]
)
def test_it_learns_to_reverse(options):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    words = torch.randint(2, 8, (600, 5))
    examples = (
        [row.tolist() for row in words[:500]],
        [[*row.tolist()[::-1], END] for row in words[:500]],
    )
    net = Seq2Seq(Seq2SeqConfig(8, 8, START, END, width=48, **options))
    lessons = Lessons(*examples, batch_size=64, seed=0)
    fit(net, lessons, teaching_loss, steps=150, learning_rate=1e-2, progress=False)
    target = pad([[*row.tolist()[::-1], END] for row in words[500:]])
    error = error_by_position(net, Padded(words[500:], torch.full((100,), 5)), target)
    assert error.mean() < 0.3  # by chance 5/6 of the first five are wrong


# --- bad input ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_id": VT}, "start_id must be within the vocabulary's ids, 0 … 10, but is 11"),
        ({"end_id": -1}, "end_id must be within the vocabulary's ids, 0 … 10, but is -1"),
        ({"source_vocab_size": 0}, "source_vocab_size must be at least 1, but is 0"),
        ({"width": 0}, "width must be at least 1, but is 0"),
        ({"layers": 0}, "layers must be at least 1, but is 0"),
        ({"cell": "qrnn"}, r"cell must be one of \['rnn', 'lstm', 'gru'\], but is 'qrnn'"),
        ({"attention": "cosine"}, "attention must be one of .*'bilinear'.*, but is 'cosine'"),
        ({"dropout": 1.5}, "dropout must be within 0 … 1, but is 1.5"),
        ({"bidirectional": True, "width": 7}, "half of the width, which must be even, but is 7"),
        ({"input_feeding": True}, "what attention found, but attention is None"),
        ({"repeat_context": True, "attention": "dot"}, "repeat_context and attention contradict"),
        (
            {"reverse_source": True, "bidirectional": True},
            "reverse_source and bidirectional contra",
        ),
    ],
)
def test_bad_options_are_explained(options, message, unchecked_shapes):
    sizes = {"source_vocab_size": VS, "target_vocab_size": VT, "start_id": START, "end_id": END}
    with pytest.raises(ValueError, match=message):
        Seq2SeqConfig(**sizes | options)


def test_bad_batches_are_explained(unchecked_shapes):
    net = model()
    empty = Padded(torch.zeros(2, 3, dtype=torch.long), torch.tensor([3, 0]))
    with pytest.raises(ValueError, match="row 1 of source is empty, and cannot be read; leave it"):
        net.begin(empty)
    with pytest.raises(ValueError, match=r"each of the 4 sources, but has shape \(3, 4\)"):
        net(pad(SOURCES), targets()[:3])
    with pytest.raises(ValueError, match="ids contain 13, but the vocabulary has ids 0 … 12"):
        net.encode(pad([[4, VS]]))
    with pytest.raises(ValueError, match="ids contain -1, but the vocabulary has ids 0 … 10"):
        net(pad(SOURCES), targets() * 0 - 1)
    with pytest.raises(ValueError, match="no alignments, for it has no attention; set"):
        net.align(pad(SOURCES), targets())
