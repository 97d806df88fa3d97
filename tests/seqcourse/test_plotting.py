import matplotlib.pyplot as plt
import numpy as np
import pytest

from seqcourse.plotting import COLOURS, heatmap, house_style


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
    plt.close("all")


def test_a_heatmap_with_missing_names_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\), but there are 2 row names and 1 column"):
        heatmap(np.zeros((2, 3)), "ab", "x")
