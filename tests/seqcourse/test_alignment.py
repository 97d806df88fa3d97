import pytest
import torch

from seqcourse.alignment import alignment_error_rate, strongest_links


def test_each_target_token_links_to_its_strongest_source_token():
    weights = torch.tensor([[0.2, 0.7, 0.1], [0.2, 0.3, 0.5], [0.9, 0.1, 0.0], [0.1, 0.8, 0.1]])
    assert strongest_links(weights) == {(0, 1), (1, 2), (2, 0), (3, 1)}


def test_error_rate_by_hand():
    found = [{(0, 0), (1, 1), (2, 2)}, {(0, 1)}]
    sure = [{(0, 0), (1, 2)}, {(0, 1), (1, 0)}]
    possible = [{(1, 1), (2, 0)}, set()]
    # A ∩ S: 1 + 1, A ∩ P (sure ones are possible, too): 2 + 1, A: 4, S: 4
    assert alignment_error_rate(found, sure, possible) == pytest.approx(1 - 5 / 8)
    assert alignment_error_rate(found, sure) == pytest.approx(1 - 4 / 8)


def test_without_doubts_it_is_one_minus_the_f_score():
    found, sure = [{(0, 0), (1, 1), (2, 2)}], [{(0, 0), (1, 1), (2, 1), (3, 3), (4, 4)}]
    precision, recall = 2 / 3, 2 / 5
    f = 2 * precision * recall / (precision + recall)
    assert alignment_error_rate(found, sure) == pytest.approx(1 - f)


def test_perfect_worst_and_harmless_links():
    truth = [{(0, 0), (1, 1)}]
    assert alignment_error_rate(truth, truth) == 0
    assert alignment_error_rate([{(0, 1)}], truth) == 1
    assert alignment_error_rate([set()], truth) == 1
    assert alignment_error_rate([{(0, 0), (1, 1), (2, 2)}], truth, [{(2, 2)}]) == 0


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="one set of links for each pair, but have 2, 1 and 1"):
        alignment_error_rate([set(), set()], [{(0, 0)}])
    with pytest.raises(ValueError, match="but have 1, 1 and 0"):
        alignment_error_rate([set()], [{(0, 0)}], [])
    with pytest.raises(ValueError, match="no links, neither found nor sure"):
        alignment_error_rate([set()], [set()])
