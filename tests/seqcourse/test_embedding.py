"""The table of vectors: looked up, and what is said about ids that it does not have."""

import pytest
import torch
from torch import nn

from seqcourse.embedding import check_ids, embed


def test_it_is_one_hot_vectors_times_the_table():
    table, ids = nn.Embedding(7, 3), torch.tensor([[6, 0, 2], [2, 5, 1]])
    one_hot = (ids[..., None] == torch.arange(7)).float()
    torch.testing.assert_close(embed(ids, table), one_hot @ table.weight)


@pytest.mark.parametrize("wrong", [-1, 7, 99])
def test_a_wrong_id_is_named(wrong):
    ids = torch.tensor([[1, 2], [wrong, 0]])
    with pytest.raises(ValueError, match=f"ids contain {wrong}, but the .* ids 0 … 6"):
        embed(ids, nn.Embedding(7, 3))


@pytest.mark.parametrize("shape", [(3,), (2, 0), (0, 2), (2, 3, 5)])
def test_ids_are_a_batch_of_sequences(shape):
    message = r"shape \(B, T\) with B, T ≥ 1, but has \(" + ", ".join(map(str, shape))
    with pytest.raises(ValueError, match=message):
        check_ids(torch.zeros(shape, dtype=torch.long))


def test_ids_are_whole_numbers():
    check_ids(torch.zeros(2, 3, dtype=torch.int32))
    with pytest.raises(TypeError, match=r"integers, but has dtype torch.float32"):
        check_ids(torch.zeros(2, 3))
