import json

import numpy as np
import pytest
from matplotlib.bezier import BezierSegment
from safetensors import safe_open
from sklearn.datasets import load_digits

from seqcourse import data
from seqcourse.data import strokes
from seqcourse.data.pictures import NUMBERS

# --- pen strokes ---


def test_characters_have_their_strokes():
    book = data.load("kanji-strokes")
    assert len(book) == 6697
    assert "漢" in book
    assert "." in book
    for character, count in (("一", 1), ("二", 2), ("日", 4), ("あ", 3), ("永", 5), ("書", 10)):
        assert len(book[character]) == count
    assert next(iter(book)) in book


@pytest.mark.parametrize("first", range(0, 6697, 1100))
def test_points_are_even_and_within_the_frame(first):
    book = data.load("kanji-strokes")
    for character in list(book)[first : first + 5]:
        for stroke in book[character]:
            assert stroke.min() > -3
            assert stroke.max() < 112
            steps = np.hypot(*np.diff(stroke, axis=0).T)
            assert (steps < 1.5 * strokes.SPACING).all()
            if len(stroke) > 2:
                assert np.median(steps) > 0.5 * strokes.SPACING


def test_two_is_two_lines_from_left_to_right():
    upper, lower = data.load("kanji-strokes")["二"]
    np.testing.assert_allclose(upper[0], [25.25, 32.4])  # as the file's path begins
    np.testing.assert_allclose(lower[0], [12, 80.75])
    for stroke in (upper, lower):
        assert (np.diff(stroke[:, 0]) > 0).all()
    assert upper[:, 1].max() < lower[:, 1].min()


def test_curves_are_bezier_curves():
    controls = np.random.default_rng(0).normal(size=(4, 2))
    ours = strokes._bezier(tuple(controls))
    expected = [BezierSegment(controls)(t) for t in np.linspace(0, 1, 9)[1:]]
    np.testing.assert_allclose(ours, expected)


def test_paths_may_be_absolute_relative_or_smooth():
    absolute = strokes._flatten("M10,20C11,21,12,22,13,20S15,18,16,20")
    relative = strokes._flatten("M10,20c1,1,2,2,3,0s2-2,3,0")
    mirrored = strokes._flatten("M10,20 C11,21 12,22 13,20 C14,18 15,18 16,20")
    np.testing.assert_allclose(relative, absolute)
    np.testing.assert_allclose(mirrored, absolute)
    assert absolute.shape == (17, 2)
    chained = strokes._flatten("m10,20c1,1,2,2,3,0,1-2,2-2,3,0")  # one c, two curves
    np.testing.assert_allclose(chained, absolute)
    straight = strokes._flatten("M0,0S1,1,1,1")  # after M the mirrored handle is the point
    np.testing.assert_allclose(straight[:, 0], straight[:, 1])


def test_a_dot_keeps_its_two_ends():
    points = strokes._evenly(np.array([[0.0, 0.0], [0.3, 0.4]]), 5.0)
    np.testing.assert_allclose(points, [[0, 0], [0.3, 0.4]])


def test_pen_movements_and_back():
    drawing = data.load("kanji-strokes")["永"]
    offsets = data.to_offsets(drawing)
    assert offsets.shape == (sum(map(len, drawing)), 3)
    assert offsets[:, 2].sum() == len(drawing)
    assert offsets[-1, 2] == 1
    again = data.from_offsets(offsets)
    assert len(again) == len(drawing)
    for ours, stroke in zip(again, drawing, strict=True):
        np.testing.assert_allclose(ours, stroke)
    with pytest.raises(ValueError, match="drawing has no stroke"):
        data.to_offsets([])


# --- digits ---


def test_digits_are_those_of_sklearn():
    digits, expected = data.load("digits"), load_digits()
    np.testing.assert_array_equal(digits.pictures * 16, expected.images)
    np.testing.assert_array_equal(digits.labels, expected.target)


def test_captions_say_what_is_drawn_where():
    digits = data.load("digits")
    pictures, captions = data.captioned_digits(digits, 200, rng=np.random.default_rng(0))
    assert pictures.shape == (200, 20, 20)
    by_label = {
        f"a {word}": digits.pictures[digits.labels == number] for number, word in enumerate(NUMBERS)
    }
    kinds = set()
    for picture, caption in zip(pictures, captions, strict=True):
        kind = next((k for k in (" left of ", " above ") if k in caption), None)
        kinds.add(kind)
        names = caption.split(kind) if kind else [caption]
        places = [find(picture, by_label[name]) for name in names]
        assert all(places), caption
        if kind:
            axis = int(kind == " left of ")
            assert min(p[axis] for p in places[0]) + 8 <= max(p[axis] for p in places[1])
    assert kinds == {None, " left of ", " above "}


def find(picture, candidates):
    """Return the places, (row, column), where one of the candidates stands in the picture."""
    views = np.lib.stride_tricks.sliding_window_view(picture, (8, 8)).reshape(-1, 64)
    distances = ((views**2).sum(1)[:, None] + (candidates.reshape(-1, 64) ** 2).sum(1)) - (
        2 * views @ candidates.reshape(-1, 64).T
    )
    return [divmod(int(place), 13) for place in np.flatnonzero(distances.min(axis=1) < 1e-9)]


def test_captions_depend_on_the_source_of_randomness_alone():
    digits = data.load("digits")
    one, two, three = (
        data.captioned_digits(digits, 5, rng=np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert one.captions == two.captions != three.captions
    np.testing.assert_array_equal(one.pictures, two.pictures)


def test_nothing_to_compose_is_explained():
    digits = data.load("digits")
    with pytest.raises(ValueError, match="got a count of 0 and 1797 digits"):
        data.captioned_digits(digits, 0, rng=np.random.default_rng(0))
    none = data.Digits(digits.pictures[:0], digits.labels[:0])
    with pytest.raises(ValueError, match="got a count of 3 and 0 digits"):
        data.captioned_digits(none, 3, rng=np.random.default_rng(0))


# --- what others trained ---


def test_the_sentence_encoder_is_a_folder_of_weights_and_words():
    folder = data.load("all-minilm-l6-v2")
    config = json.loads((folder / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (6, 384)
    assert len((folder / "vocab.txt").read_text().splitlines()) == config["vocab_size"]
    with safe_open(folder / "model.safetensors", framework="numpy") as weights:
        shape = weights.get_slice("embeddings.word_embeddings.weight").get_shape()
    assert shape == [30_522, 384]


def test_gpt2s_table_has_an_id_for_each_merge():
    table = data.load("gpt2-bpe")
    assert (len(table.ids), len(table.merges)) == (50_257, 50_000)
    assert table.merges[:2] == [("Ġ", "t"), ("Ġ", "a")]
    assert sorted(table.ids.values()) == list(range(50_257))
    assert [table.ids[a + b] for a, b in table.merges] == list(range(256, 50_256))
    assert table.ids["<|endoftext|>"] == 50_256
