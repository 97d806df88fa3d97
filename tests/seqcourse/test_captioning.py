from dataclasses import replace

import numpy as np
import pytest
import torch

from seqcourse.batching import pad
from seqcourse.beam import beam_search
from seqcourse.captioning import CaptionConfig, Captioner, PictureEncoder
from seqcourse.data import Digits, captioned_digits
from seqcourse.generation import generate
from seqcourse.recurrent_decoder import shift_right
from seqcourse.stepping import StepModel
from seqcourse.teacher_forcing import Lessons, Writer, error_by_position, teaching_loss
from seqcourse.training import fit

V, START, END, B = 11, 0, 1, 3
CONFIG = CaptionConfig(
    V, START, END, height=12, picture_width=8, channels=2, embedding_width=5, width=7
)
BOTH = pytest.mark.parametrize("attention", [False, True])


def build(attention: bool) -> Captioner:
    torch.manual_seed(0)
    return Captioner(replace(CONFIG, attention=attention)).double()


def inputs():
    generator = torch.Generator().manual_seed(1)
    pictures = torch.rand(B, 2, 12, 8, generator=generator, dtype=torch.float64)
    return pictures, torch.randint(V, (B, 5), generator=generator)


def test_the_grid_is_read_row_by_row_and_each_cell_sees_its_own_surroundings():
    torch.manual_seed(0)
    encoder = PictureEncoder(1, 7).double()
    encoder.layers = encoder.layers[:1] + encoder.layers[2:5] + encoder.layers[6:]  # no norms
    blank = torch.zeros(1, 1, 12, 16).double()
    marked = blank.clone()
    marked[0, 0, 5:7, 9:11] = 1.0  # in row 1, column 2 of 3 by 4
    changed = (encoder(marked) - encoder(blank)).abs().sum(dim=-1)[0].view(3, 4)
    assert changed[1, 2] > 0
    assert not changed[:, 0].any()  # too far away: a cell sees 10 by 10 pixels


@BOTH
def test_a_batch_gives_what_its_pictures_give_alone(attention):
    model, (pictures, ids) = build(attention), inputs()
    assert isinstance(model, StepModel)
    assert isinstance(model, Writer)
    together = model(pictures, ids)
    assert together.shape == (B, 5, V)
    for row in range(B):
        alone = model(pictures[row : row + 1], ids[row : row + 1])
        torch.testing.assert_close(alone[0], together[row])


@BOTH
def test_writing_step_by_step_is_reading_all_at_once(attention):
    model, (pictures, ids) = build(attention), inputs()
    expected = model(pictures, shift_right(ids, START))
    logits, state = model.begin(pictures)
    for t in range(5):
        torch.testing.assert_close(logits, expected[:, t])
        logits, state = model.step(ids[:, t], state)
    rows = torch.tensor([2, 0, 0])
    again, _ = model.step(ids[rows, 0], model.reorder(state, rows))
    torch.testing.assert_close(again, model.step(ids[:, 0], state)[0][rows])


@BOTH
def test_beam_of_width_one_is_greedy(attention):
    model, (pictures, _) = build(attention), inputs()
    greedy = generate(model, pictures, 6, temperature=0)
    beams = beam_search(model, pictures, width=1, length=6, stop=None)
    assert [best.tokens for [best, *_] in beams] == [tuple(row) for row in greedy.tolist()]


@BOTH
def test_every_parameter_learns(attention):
    model = build(attention)
    model(*inputs()).logsumexp(dim=-1).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_without_attention_the_picture_is_read_like_a_first_word():
    model, (pictures, ids) = build(False), inputs()
    word = model.summarise(model.encoder(pictures).flatten(1))
    read = torch.cat([word[:, None], model.decoder.embed(ids)], dim=1)
    h, _ = model.decoder.recurrent(read)
    torch.testing.assert_close(model(pictures, ids), model.decoder.output(h[:, 1:]))


def test_attention_looks_at_a_grid_and_starts_from_its_mean():
    model, (pictures, ids) = build(True), inputs()
    weights = model.align(pictures, ids)
    assert weights.shape == (B, 5, 3, 2)
    torch.testing.assert_close(weights.sum(dim=(2, 3)), torch.ones(B, 5).double())
    state = model.look(pictures)
    _, first_weights, _ = model.decoder(torch.full((B, 1), START), state)
    torch.testing.assert_close(weights[:, 0].flatten(1), first_weights[:, 0])
    first = torch.tanh(model.summarise(model.encoder(pictures).mean(dim=1)))
    torch.testing.assert_close(torch.cat([part[0] for part in state.recurrent], dim=1), first)
    assert state.memory.mask.all()


@BOTH
def test_it_learns_to_say_which_digit_stands_where(attention):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    bar, frame = np.zeros((8, 8)), np.ones((8, 8))  # two "digits", easy to tell apart
    bar[:, 2:6], frame[2:6, 2:6] = 1, 0
    made = captioned_digits(
        Digits(np.stack([bar, frame]), np.array([1, 0])), 1_100, rng=np.random.default_rng(0)
    )
    words = ["<s>", "</s>", *sorted({w for c in made.captions for w in c.split()})]
    captions = [[*map(words.index, c.split()), END] for c in made.captions]
    pictures = torch.tensor(made.pictures, dtype=torch.float32)[:, None]
    config = CaptionConfig(len(words), START, END, 20, 20, width=32, attention=attention)
    model, steps = Captioner(config), 200 if attention else 400  # it takes longer without
    lessons = Lessons(pictures[:1_000], captions[:1_000], batch_size=50, seed=0)
    fit(model, lessons, teaching_loss, steps=steps, learning_rate=3e-3, progress=False)
    error = error_by_position(model, pictures[1_000:], pad(captions[1_000:]))
    assert error.mean() < 0.25  # by chance about half is wrong


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_id": V}, "start_id must be within the vocabulary's ids, 0 … 10, but is 11"),
        ({"end_id": 99}, "end_id must be within the vocabulary's ids, 0 … 10, but is 99"),
        ({"height": 10}, "height must be a multiple of 4 pixels, .* but is 10"),
        ({"picture_width": 0}, "picture_width must be a multiple of 4 pixels, .* but is 0"),
        ({"channels": 0}, "channels must be at least 1, but is 0"),
        ({"dropout": 1.1}, "dropout must be within 0 … 1, but is 1.1"),
    ],
)
def test_bad_options_are_explained(options, message, unchecked_shapes):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **options)


def test_bad_input_is_explained(unchecked_shapes):
    model, (pictures, ids) = build(False), inputs()
    with pytest.raises(ValueError, match=r"shape \(2, 12, 8\), but has \(1, 12, 8\)"):
        model.begin(pictures[:, :1])
    with pytest.raises(ValueError, match=r"each of the 3 sources, but has shape \(2, 5\)"):
        model(pictures, ids[:2])
    with pytest.raises(ValueError, match="no alignments, for it has no attention; set"):
        model.align(pictures, ids)
