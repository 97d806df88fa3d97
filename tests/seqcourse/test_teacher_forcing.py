import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from seqcourse.batching import Padded, pad
from seqcourse.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from seqcourse.generation import generate
from seqcourse.seq2seq import Seq2Seq, Seq2SeqConfig
from seqcourse.teacher_forcing import (
    Lesson,
    Lessons,
    MixedTraining,
    ScheduledSampling,
    TeacherForcing,
    Writer,
    competence,
    error_by_position,
    exponential_decay,
    inverse_sigmoid_decay,
    linear_decay,
    teaching_loss,
)
from seqcourse.training import fit

V, START = 7, 0
SOURCES = [[3, 4, 5, 6, 2], [6], [2, 2, 5]]
TARGETS = [[5, 4, 1], [6, 2, 3, 4, 1], [1]]


def model() -> Seq2Seq:
    torch.manual_seed(0)
    return Seq2Seq(Seq2SeqConfig(V, V, START, 1, embedding_width=5, width=11)).double()


def lesson(forced) -> Lesson:
    target = pad(TARGETS, value=-100)  # padding may hold anything
    mask = torch.full(target.values.shape, forced) if isinstance(forced, bool) else forced
    return Lesson(pad(SOURCES), target, mask)


class Parrot(nn.Module):
    """Says that the next token is the last one plus one, whatever the source; remembers reads."""

    vocab_size, start_id = V, START

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(V))
        self.read: list[list[int]] = []

    def forward(self, source, ids):
        return 9.0 * one_hot((ids + 1) % V, V) + self.bias

    def begin(self, inputs):
        self.read = []
        return self.step(torch.full((len(inputs.values),), START), None)

    def step(self, ids, state):
        self.read.append(ids.tolist())
        return self(None, ids), None

    def reorder(self, state, rows):
        return None


# --- decays and policies ---


def test_decays_are_those_of_the_paper():
    k = 50.0
    for step in (0, 3, 100, 500):
        assert inverse_sigmoid_decay(k)(step) == pytest.approx(k / (k + math.exp(step / k)))
        assert exponential_decay(0.99)(step) == pytest.approx(0.99**step)
        assert linear_decay(200, floor=0.1)(step) == pytest.approx(max(0.1, 1 - step / 200))
    assert inverse_sigmoid_decay(k)(10**9) == 0  # the formula itself would overflow


@pytest.mark.parametrize(
    "decay", [linear_decay(10), exponential_decay(0.9), inverse_sigmoid_decay(5)]
)
def test_decays_fall_from_near_one_and_stay_probabilities(decay):
    values = [decay(step) for step in range(100)]
    assert values[0] > 0.8
    assert all(0 <= b <= a <= 1 for a, b in pairwise(values))


def test_policies_force_as_often_as_they_say():
    rng = np.random.default_rng(0)
    assert TeacherForcing()(0, 3, 5, rng).all()
    sampled = ScheduledSampling(lambda step: 0.3)(0, 100, 100, rng)
    assert sampled.mean() == pytest.approx(0.3, abs=0.02)
    assert sampled.any(axis=1).all()  # token by token, so that each row is mixed
    assert not sampled.all(axis=1).any()
    mixed = MixedTraining(0.25)(0, 8, 5, rng)
    assert mixed.all(axis=1).sum() == 6
    assert mixed.any(axis=1).sum() == 6  # row by row
    free = [8 - MixedTraining(0.3)(0, 8, 1, rng).sum() for _ in range(2_000)]
    assert set(free) == {2, 3}
    assert np.mean(free) == pytest.approx(2.4, abs=0.05)
    assert not MixedTraining(1.0)(0, 8, 5, rng).any()


# --- lessons ---


def test_lessons_depend_on_the_seed_and_the_step_alone():
    options = {"batch_size": 2, "policy": ScheduledSampling(exponential_decay(0.5))}
    one, again = (Lessons(SOURCES, TARGETS, seed=3, **options) for _ in range(2))
    other = Lessons(SOURCES, TARGETS, seed=4, **options)
    again(7)  # asking for other steps before changes nothing
    different = False
    for step in range(20):
        a, b, c = one(step), again(step), other(step)
        assert torch.equal(a.target.values, b.target.values)
        assert torch.equal(a.source.values, b.source.values)
        assert torch.equal(a.forced, b.forced)
        different |= not torch.equal(a.target.lengths, c.target.lengths)
    assert different
    alone = Lessons(SOURCES, TARGETS, seed=0, batch_size=1)
    assert {int(alone(step).target.lengths) for step in range(20)} == {1, 3, 5}


def test_lessons_keep_sources_and_targets_together_and_draw_nothing_twice():
    lessons = Lessons(SOURCES, TARGETS, batch_size=5, seed=0)  # more than there are
    for step in range(5):
        source, target, forced = lessons(step)
        rows = [row[:n].tolist() for row, n in zip(source.values, source.lengths, strict=True)]
        written = [row[:n].tolist() for row, n in zip(target.values, target.lengths, strict=True)]
        assert sorted(zip(rows, written, strict=True)) == sorted(zip(SOURCES, TARGETS, strict=True))
        assert forced.shape == target.values.shape


def test_sources_that_are_a_tensor_are_taken_by_rows():
    pictures = torch.arange(3.0)[:, None, None].expand(3, 2, 2)
    source, target, _ = Lessons(pictures, TARGETS, batch_size=3, seed=0)(0)
    assert [len(TARGETS[int(picture[0, 0])]) for picture in source] == target.lengths.tolist()


def test_a_curriculum_begins_with_the_shortest_and_ends_with_all():
    targets = [[1] * n for n in range(1, 21)]
    lessons = Lessons(targets, targets, batch_size=20, seed=0, curriculum=competence(100))
    longest = [int(lessons(step).target.lengths.max()) for step in (0, 25, 50, 100, 1000)]
    assert longest[0] == 2  # a tenth of twenty
    assert longest == sorted(longest)
    assert longest[-2:] == [20, 20]
    assert len(Lessons(targets, targets, batch_size=20, seed=0, curriculum=lambda s: 0.0)(0)[1][0])
    assert [competence(4, start=0.6)(step) for step in (0, 4)] == [0.6, 1.0]
    assert competence(2, start=0.6)(1) == pytest.approx(math.sqrt((0.36 + 1) / 2))


# --- the loss ---


def test_a_forced_lesson_is_the_masked_cross_entropy_of_the_shifted_target():
    net = model()
    expected, tokens = 0.0, 0
    for source, target in zip(SOURCES, TARGETS, strict=True):
        logits = net(pad([source]), torch.tensor([[START, *target[:-1]]]))
        expected += cross_entropy(logits[0], torch.tensor(target), reduction="sum")
        tokens += len(target)
    torch.testing.assert_close(teaching_loss(net, lesson(True)), expected / tokens)


def test_running_free_is_reading_the_truth_if_the_truth_is_what_it_would_write():
    net, source = model(), pad(SOURCES)
    own = generate(net, source, 5, temperature=0)
    target = Padded(own, torch.full((3,), 5))
    free, forced = (
        teaching_loss(net, Lesson(source, target, torch.full((3, 5), truth)))
        for truth in (False, True)
    )
    torch.testing.assert_close(free, forced)
    assert not torch.isclose(teaching_loss(net, lesson(False)), teaching_loss(net, lesson(True)))


def test_what_is_read_is_the_truth_where_forced_and_the_own_token_elsewhere():
    parrot = Parrot()
    assert isinstance(parrot, Writer)
    assert isinstance(model(), Writer)
    forced = torch.tensor([[0, 1, 0, 0, 1], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0]]).bool()
    teaching_loss(parrot, lesson(forced))
    read = torch.tensor(parrot.read).T.tolist()
    # truth:  0 5 4 1 -   0 6 2 3 4   0 1 - - -; its own is always one more than it read last
    assert read == [[0, 5, 6, 0, 0], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]


def test_the_loss_of_a_free_run_learns_too_and_tokens_can_be_drawn():
    net = model()
    teaching_loss(net, lesson(False)).backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())
    torch.manual_seed(0)
    drawn = {round(teaching_loss(net, lesson(False), temperature=1.0).item(), 9) for _ in range(20)}
    greedy = {round(teaching_loss(net, lesson(False)).item(), 9) for _ in range(2)}
    assert len(drawn) > 1
    assert len(greedy) == 1


def test_a_transformer_is_taught_in_the_same_ways():
    torch.manual_seed(0)
    config = EncoderDecoderConfig(V, V, START, 1, width=8, heads=2, dropout=0.0)
    net = EncoderDecoder(config).double()
    free = teaching_loss(net, lesson(False))
    assert not torch.isclose(free, teaching_loss(net, lesson(True)))
    free.backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


def test_padding_never_changes_the_loss():
    net, longer = model(), pad([*TARGETS, [2] * 9], value=3)
    forced = torch.zeros(3, 9, dtype=torch.bool)
    padded = Lesson(pad(SOURCES), Padded(longer.values[:3], longer.lengths[:3]), forced)
    torch.testing.assert_close(teaching_loss(net, padded), teaching_loss(net, lesson(False)))


# --- errors by position ---


def test_error_by_position_by_hand():
    source = pad([[2], [2], [2]])
    target = pad([[1, 2, 3, 4], [1, 3, 4], [2]])
    parrot = Parrot()
    free = error_by_position(parrot, source, target)  # writes 1 2 3 4
    assert free.tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 2, 0])
    forced = error_by_position(parrot, source, target, forced=True)  # row 1: 1 2 4
    assert forced.tolist() == pytest.approx([1 / 3, 1 / 2, 0, 0])
    beyond = Padded(torch.zeros(1, 3, dtype=torch.long), torch.tensor([2]))
    assert error_by_position(parrot, pad([[2]]), beyond)[2].isnan()
    assert parrot.training
    assert parrot.bias.grad is None


@pytest.mark.parametrize(
    ("policy", "curriculum"),
    [
        (ScheduledSampling(linear_decay(100)), None),
        (MixedTraining(0.5), competence(60)),
    ],
)
def test_every_way_of_teaching_teaches(policy, curriculum):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    words = [rng.integers(2, 7, rng.integers(1, 5)) for _ in range(400)]
    copies = [np.append(word, 1) for word in words]
    net = Seq2Seq(Seq2SeqConfig(V, V, START, 1, width=32, attention="dot"))
    lessons = Lessons(words, copies, batch_size=32, seed=0, policy=policy, curriculum=curriculum)
    fit(net, lessons, teaching_loss, steps=100, learning_rate=1e-2, progress=False)
    assert error_by_position(net, pad(words), pad(copies)).mean() < 0.35  # by chance about 0.8


# --- bad input ---


def test_bad_input_is_explained(unchecked_shapes):
    with pytest.raises(ValueError, match="steps must be at least 1, but is 0"):
        linear_decay(0)
    with pytest.raises(ValueError, match="floor must be within 0 … 1, but is -0.1"):
        linear_decay(5, floor=-0.1)
    with pytest.raises(ValueError, match="k must be within 0 … 1, but is 1.1"):
        exponential_decay(1.1)
    with pytest.raises(ValueError, match="k must be at least 1, but is 0.5"):
        inverse_sigmoid_decay(0.5)
    with pytest.raises(ValueError, match="free must be within 0 … 1, but is 2"):
        MixedTraining(2)
    with pytest.raises(ValueError, match="decay must be within 0 … 1, but is 1.5"):
        ScheduledSampling(lambda step: 1.5)(0, 2, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="start must be within 0 … 1, but is 3"):
        competence(10, start=3)
    with pytest.raises(ValueError, match="steps must be at least 1, but is -1"):
        competence(-1)
    with pytest.raises(ValueError, match="got 3 sources and 2 targets"):
        Lessons(SOURCES, TARGETS[:2], batch_size=1, seed=0)
    with pytest.raises(ValueError, match="at least one, but got 0 sources and 0 targets"):
        Lessons([], [], batch_size=1, seed=0)
    with pytest.raises(ValueError, match="target 1 is empty: give it an end token"):
        Lessons(SOURCES, [[1], [], [1]], batch_size=1, seed=0)
    with pytest.raises(ValueError, match="batch_size must be at least 1, but is 0"):
        Lessons(SOURCES, TARGETS, batch_size=0, seed=0)
    with pytest.raises(ValueError, match="curriculum must be within 0 … 1, but is 2"):
        Lessons(SOURCES, TARGETS, batch_size=1, seed=0, curriculum=lambda step: 2)(0)
    wrong = lesson(torch.ones(3, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"shape \(3, 5\), but has \(3, 4\)"):
        teaching_loss(model(), wrong)
