import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from seqcourse.plotting import (
    COLOURS,
    attention_map,
    heatmap,
    house_style,
    learning_curves,
    schedule_curves,
    stroke_drawing,
    word_map,
)
from seqcourse.training import History, constant, linear


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_style_is_ours():
    with plt.rc_context():
        house_style()
        assert plt.rcParams["figure.facecolor"] == "white"
        assert [c["color"] for c in plt.rcParams["axes.prop_cycle"]] == list(COLOURS)


def test_a_heatmap_names_rows_and_columns_and_writes_its_values():
    ax = heatmap(np.array([[0.0, 0.25], [0.5, 1.0], [0.1, 0.2]]), "abc", "xy", annotate=True)
    assert [t.get_text() for t in ax.get_yticklabels()] == list("abc")
    assert [t.get_text() for t in ax.get_xticklabels()] == list("xy")
    assert [t.get_text() for t in ax.texts] == ["0.00", "0.25", "0.50", "1.00", "0.10", "0.20"]


def test_a_heatmap_with_missing_names_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\), but there are 2 row names and 1 column"):
        heatmap(np.zeros((2, 3)), "ab", "x")


def test_everything_can_be_drawn_into_axes_that_are_there():
    _, axes = plt.subplots(1, 6)
    assert heatmap(np.eye(2), "ab", "xy", ax=axes[0]) is axes[0]
    assert attention_map(np.eye(2), "ab", "xy", ax=axes[1]) is axes[1]
    assert learning_curves(History([1.0]), ax=axes[2]) is axes[2]
    assert schedule_curves({"flat": constant()}, 3, ax=axes[3]) is axes[3]
    assert word_map(np.eye(2), "ab", ax=axes[4]) is axes[4]
    assert stroke_drawing([np.eye(2)], ax=axes[5]) is axes[5]
    assert len(plt.get_fignums()) == 1


def test_an_attention_map_has_the_keys_on_top_and_the_same_colours_always():
    ax = attention_map(torch.tensor([[0.25, 0.5, 0.25]]), ["Katze"], ["the", "cat", "sat"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["Katze"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["the", "cat", "sat"]
    assert ax.xaxis.get_ticks_position() == "top"
    assert ax.images[0].get_clim() == (0, 1)
    assert ax.images[0].get_array().tolist() == [[0.25, 0.5, 0.25]]
    with pytest.raises(ValueError, match=r"shape \(1, 3\), but there are 1 row names and 2 column"):
        attention_map(np.ones((1, 3)), ["a"], ["b", "c"])


def lines(ax) -> dict[str, tuple[list, list]]:
    return {x.get_label(): (list(x.get_xdata()), list(x.get_ydata())) for x in ax.get_lines()}


def test_learning_curves_show_training_and_validation():
    ax = learning_curves(History([4.0, 2.0, 3.0], validations={1: 5.0, 3: 2.5}))
    drawn = lines(ax)
    assert drawn["training"] == ([1, 2, 3], [4, 2, 3])
    assert drawn["validation"] == ([1, 3], [5, 2.5])
    assert ax.get_xlabel() == "steps"
    assert ax.get_ylabel() == "loss in nats per token"


def test_learning_curves_of_several_runs_share_a_colour_each():
    runs = {"RNN": History([4.0], validations={1: 5.0}), "LSTM": History([3.0])}
    ax = learning_curves(runs, label="bits")
    assert set(lines(ax)) == {"RNN: training", "RNN: validation", "LSTM: training"}
    assert [line.get_color() for line in ax.get_lines()] == [COLOURS[0], COLOURS[0], COLOURS[1]]
    assert ax.get_ylabel() == "bits"


def test_learning_curves_can_be_smoothed():
    ax = learning_curves(History([4.0, 2.0, 3.0, 7.0]), smoothing=3)
    assert lines(ax)["training"][1] == pytest.approx([4, 3, 3, 4])
    with pytest.raises(ValueError, match="smoothing must be at least 1 step, but is 0"):
        learning_curves(History(), smoothing=0)


def test_a_run_that_has_not_begun_is_an_empty_line():
    assert lines(learning_curves(History()))["training"] == ([], [])


def test_schedules_are_drawn_step_by_step():
    ax = schedule_curves({"flat": constant(), "falling": linear(2)}, 3)
    assert lines(ax) == {"flat": ([0, 1, 2], [1, 1, 1]), "falling": ([0, 1, 2], [1, 0.5, 0])}
    assert ax.get_ylim()[0] == 0


def test_words_are_named_where_they_are():
    ax = word_map(torch.tensor([[1.0, 2.0], [3.0, 5.0]]), ["king", "queen"])
    assert {t.get_text(): tuple(t.xy) for t in ax.texts} == {"king": (1, 2), "queen": (3, 5)}
    assert ax.collections[0].get_offsets().tolist() == [[1, 2], [3, 5]]


def test_words_need_two_numbers_each():
    for shape in ((2, 3), (3, 2)):
        with pytest.raises(ValueError, match=rf"shape \(2, 2\), two .* but have \({shape[0]}, "):
            word_map(np.zeros(shape), ["a", "b"])


@pytest.mark.parametrize("down", [True, False])
def test_strokes_are_lines_without_axes(down):
    strokes = [np.array([[0, 0], [1, 2], [3, 5]]), torch.tensor([[7.0, 7.0], [11.0, 13.0]])]
    ax = stroke_drawing(strokes, down=down)
    assert [line.get_xydata().tolist() for line in ax.get_lines()] == [s.tolist() for s in strokes]
    assert ax.yaxis_inverted() == down
    assert not ax.axison
    stroke_drawing(strokes, ax=ax, down=down)  # a second time, and it stays as it is
    assert ax.yaxis_inverted() == down
