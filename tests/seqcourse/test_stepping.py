import numpy as np
import pytest
import torch
from contracts import check_step_model
from torch import nn

from seqcourse.ngram import NGram, WittenBell
from seqcourse.stepping import StepModel, Stepwise, evaluating

V = 7


@pytest.fixture
def counted():
    tokens = np.random.default_rng(0).integers(0, V, 101)
    return NGram(2, V, WittenBell()).fit(tokens)


def test_an_ngram_model_can_be_driven_step_by_step(counted):
    stepwise = Stepwise(counted)
    assert isinstance(stepwise, StepModel)
    check_step_model(stepwise, torch.tensor([[1, 2, 3], [5, 0, 4]]))
    logits, state = stepwise.begin(torch.tensor([[1, 2], [3, 4]]))
    assert torch.equal(logits[1], torch.from_numpy(counted.next_logprobs(np.array([3, 4]))))
    logits, state = stepwise.step(torch.tensor([5, 6]), state)
    assert torch.equal(logits[0], torch.from_numpy(counted.next_logprobs(np.array([1, 2, 5]))))
    assert state.tolist() == [[1, 2, 5], [3, 4, 6]]
    assert stepwise.reorder(state, torch.tensor([1, 1, 0]))[:, -1].tolist() == [6, 6, 5]


def test_it_can_begin_with_nothing(counted):
    logits, _ = Stepwise(counted).begin(torch.empty(2, 0, dtype=torch.int64))
    expected = counted.next_logprobs(np.empty(0, dtype=np.int64))
    np.testing.assert_array_equal(logits, [expected, expected])


def test_evaluating_gives_each_part_its_own_mode_back():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout())).train()
    model[1].eval()
    modes = [part.training for part in model.modules()]

    def fail_inside():
        with evaluating(model):
            assert not any(part.training for part in model.modules())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_inside()
    assert [part.training for part in model.modules()] == modes == [True, True, False, False]


def test_evaluating_leaves_other_things_alone(counted):
    before = vars(counted).copy()
    with evaluating(counted):
        assert vars(counted) == before  # an n-gram model has no mode
