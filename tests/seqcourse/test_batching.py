from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.utils import rnn

from seqcourse.batching import (
    BucketBatches,
    ContiguousBatches,
    Padded,
    ShuffledBatches,
    WindowBatches,
    bucket_batches,
    last_unit,
    max_pool,
    mean_pool,
    one_hot,
    pack,
    pad,
    padding_waste,
    unpack,
)

LENGTHS = [5, 2, 7, 1, 3]


def ragged(*trailing: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(length, *trailing, generator=generator) for length in LENGTHS]


# --- one-hot ---


def test_a_one_hot_matrix_picks_rows_of_a_table():
    table = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[1, 6, 0], [3, 3, 2]])
    vectors = one_hot(ids, 7)
    assert vectors.shape == (2, 3, 7)
    torch.testing.assert_close(vectors @ table, table[ids])


@pytest.mark.parametrize("wrong", [7, -1])
def test_ids_outside_the_vector_are_refused(wrong):
    with pytest.raises(ValueError, match=f"ids contains {wrong}, but size 7 has the places 0 … 6"):
        one_hot(torch.tensor([0, wrong]), 7)


def test_no_ids_give_no_vectors():
    assert one_hot(torch.empty(0, dtype=torch.int64), 7).shape == (0, 7)


# --- padding ---


@pytest.mark.parametrize("trailing", [(), (3,), (3, 2)])
def test_padding_equals_torch_and_can_be_undone(trailing):
    sequences = ragged(*trailing)
    padded = pad(sequences, value=-9)
    expected = rnn.pad_sequence(sequences, batch_first=True, padding_value=-9)
    torch.testing.assert_close(padded.values, expected)
    assert padded.lengths.tolist() == LENGTHS
    for row, mask, sequence in zip(padded.values, padded.mask, sequences, strict=True):
        torch.testing.assert_close(row[mask], sequence)
        assert (row[~mask] == -9).all()


def test_lists_arrays_and_tensors_are_padded_alike_and_keep_their_kind():
    expected = [[5, 6, 7], [8, 0, 0]]
    for kind in (list, np.array, torch.tensor):
        padded = pad([kind([5, 6, 7]), kind([8])])
        assert padded.values.tolist() == expected
        assert padded.values.dtype == torch.int64


def test_an_empty_sequence_is_all_padding():
    padded = pad([[], [4, 5], []], value=3)
    assert padded.values.tolist() == [[3, 3], [4, 5], [3, 3]]
    assert padded.values.dtype == torch.int64
    assert padded.mask.tolist() == [[False, False], [True, True], [False, False]]
    assert pad([[], []]).values.shape == (2, 0)


def test_what_cannot_be_padded_is_explained():
    with pytest.raises(ValueError, match="sequences is empty: pad needs at least one"):
        pad([])
    with pytest.raises(
        ValueError, match=r"agree in all axes but the first, but have \[\(2,\), \(3,\)"
    ):
        pad([torch.ones(5, 2), torch.ones(1, 3)])


def test_packing_round_trip():
    padded = pad(ragged(3))
    packed = pack(padded)
    expected = rnn.pack_sequence(ragged(3), enforce_sorted=False)
    torch.testing.assert_close(packed.data, expected.data)
    torch.testing.assert_close(packed.batch_sizes, expected.batch_sizes)
    again = unpack(packed)
    torch.testing.assert_close(again.values, padded.values)
    assert again.lengths.tolist() == LENGTHS


def test_an_empty_row_cannot_be_packed():
    with pytest.raises(ValueError, match="row 1 is empty, and cannot be packed"):
        pack(pad([[1, 2], [], [3]]))


# --- pooling ---


def test_pooling_is_that_of_each_sequence_alone():
    sequences = ragged(3)
    values, mask = pad(sequences, value=1e6).values, pad(sequences).mask
    torch.testing.assert_close(
        mean_pool(values, mask), torch.stack([s.mean(dim=0) for s in sequences])
    )
    torch.testing.assert_close(
        max_pool(values, mask), torch.stack([s.amax(dim=0) for s in sequences])
    )
    torch.testing.assert_close(last_unit(values, mask), torch.stack([s[-1] for s in sequences]))


@pytest.mark.parametrize("pool", [mean_pool, max_pool, last_unit])
def test_padding_of_any_kind_reaches_neither_values_nor_gradients(pool):
    padded = pad(ragged(3), value=torch.nan)
    values = padded.values.requires_grad_()
    pooled = pool(values, padded.mask)
    assert pooled.isfinite().all()
    pooled.sum().backward()
    assert values.grad is not None
    assert (values.grad[~padded.mask] == 0).all()
    assert values.grad[padded.mask].sum() == pytest.approx(len(LENGTHS) * 3)


@pytest.mark.parametrize("pool", [mean_pool, max_pool, last_unit])
def test_a_row_without_a_real_place_gives_zeros(pool):
    mask = torch.tensor([[True, False], [False, False]])
    pooled = pool(torch.full((2, 2, 3), 5.0), mask)
    assert pooled.tolist() == [[5.0] * 3, [0.0] * 3]


# --- buckets ---


def test_buckets_hold_everything_once_with_the_least_padding():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 50, 101)
    batches = bucket_batches(lengths, batch_size=7, rng=rng)
    assert sorted(np.concatenate(batches).tolist()) == list(range(101))
    assert sorted(map(len, batches)) == [3] + [7] * 14
    inside = sorted((lengths[b].min(), lengths[b].max()) for b in batches)
    assert all(high <= low for (_, high), (low, _) in pairwise(inside))
    means = [lengths[b].mean() for b in batches]
    assert means != sorted(means)  # short ones do not come first
    shuffled = [rng.permutation(101)[i : i + 7] for i in range(0, 101, 7)]
    assert padding_waste(lengths, batches) < 0.2 * padding_waste(lengths, shuffled)


def test_equal_lengths_come_in_another_order_each_time():
    rng = np.random.default_rng(0)
    first, second = (bucket_batches([3] * 11, batch_size=11, rng=rng)[0] for _ in range(2))
    assert first.tolist() != second.tolist()


def test_waste_counted_by_hand():
    batches = [np.array([0, 3]), np.array([1, 4]), np.array([2])]  # 10, 6 and 7 places
    assert padding_waste(LENGTHS, batches) == pytest.approx(1 - 18 / 23)
    assert padding_waste([4, 4], [np.array([0, 1])]) == 0
    with pytest.raises(ValueError, match="batches hold no place at all"):
        padding_waste([0], [np.array([0])])


# --- batches of a step ---


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: ShuffledBatches(11, batch_size=3, seed=seed),
        lambda seed: BucketBatches([2] * 5 + [7] * 6, batch_size=3, seed=seed),
    ],
)
def test_epochs_hold_each_example_once_and_depend_on_seed_and_step_alone(make):
    batches = make(0)
    epochs = [[batches(step) for step in range(4 * e, 4 * e + 4)] for e in range(2)]
    for epoch in epochs:
        assert sorted(torch.cat(epoch).tolist()) == list(range(11))
    assert torch.cat(epochs[0]).tolist() != torch.cat(epochs[1]).tolist()
    again = make(0)
    for step in (6, 1, 7, 6):
        assert again(step).tolist() == epochs[step // 4][step % 4].tolist()
    assert make(1)(0).tolist() != epochs[0][0].tolist()


def test_bucketed_epochs_keep_like_lengths_together():
    lengths = np.array([2, 9] * 6)
    batches = BucketBatches(lengths, batch_size=3, seed=0)
    for step in range(8):
        assert len(set(lengths[batches(step).numpy()].tolist())) == 1


def test_windows_are_shifted_by_one_and_reach_both_ends():
    ids = torch.arange(13)
    batches = WindowBatches(ids, length=5, batch_size=3, seed=0)
    seen = set()
    for step in range(40):
        inputs, targets = batches(step)
        assert inputs.shape == targets.shape == (3, 5)
        assert (targets == inputs + 1).all()
        assert (inputs[:, 1:] == inputs[:, :-1] + 1).all()
        seen |= set(inputs[:, 0].tolist())
    assert seen == set(range(8))
    again = WindowBatches(ids.numpy(), length=5, batch_size=3, seed=0)
    torch.testing.assert_close(again(17), batches(17))
    other = WindowBatches(ids, length=5, batch_size=3, seed=1)
    assert any(not torch.equal(other(step)[0], batches(step)[0]) for step in range(3))


def test_small_integers_become_ids_that_an_embedding_takes():
    inputs, _ = WindowBatches(torch.arange(9).byte(), length=2, batch_size=3, seed=0)(0)
    assert inputs.dtype == torch.int64
    assert WindowBatches(torch.arange(3), length=2, batch_size=1, seed=0)(0)[0].tolist() == [[0, 1]]


def test_contiguous_rows_go_on_where_they_stopped():
    batches = ContiguousBatches(torch.arange(47), length=5, batch_size=3)
    assert batches.steps_per_epoch == 3  # rows of 15; 46 // 3 leaves one out
    rows = torch.cat([batches(step)[0] for step in range(3)], dim=1)
    assert rows.tolist() == torch.arange(45).view(3, 15).tolist()
    for step in range(7):
        inputs, targets = batches(step)
        assert (targets == inputs + 1).all()
        assert batches.starts_anew(step) is (step % 3 == 0)
    torch.testing.assert_close(batches(4), batches(1))


def test_sizes_that_do_not_fit_are_explained():
    for make in (
        lambda: bucket_batches([1], batch_size=0, rng=np.random.default_rng(0)),
        lambda: ShuffledBatches(3, batch_size=0, seed=0),
        lambda: WindowBatches(torch.arange(9), length=2, batch_size=0, seed=0),
        lambda: ContiguousBatches(torch.arange(9), length=2, batch_size=0),
    ):
        with pytest.raises(ValueError, match="batch_size must be at least 1, but is 0"):
            make()
    with pytest.raises(ValueError, match="n_examples must be at least 1, but is 0"):
        ShuffledBatches(0, batch_size=2, seed=0)
    with pytest.raises(ValueError, match="length must be at least 1, but is 0"):
        WindowBatches(torch.arange(9), length=0, batch_size=2, seed=0)
    with pytest.raises(ValueError, match=r"at least length \+ 1 = 6 tokens, but holds 5"):
        WindowBatches(torch.arange(5), length=5, batch_size=2, seed=0)
    with pytest.raises(ValueError, match=r"length must be at least 1, but is 0"):
        ContiguousBatches(torch.arange(9), length=0, batch_size=2)
    with pytest.raises(ValueError, match=r"batch_size · length \+ 1 = 11 tokens, but holds 10"):
        ContiguousBatches(torch.arange(10), length=5, batch_size=2)


def test_a_mask_says_what_is_real():
    padded = Padded(torch.zeros(2, 3), torch.tensor([3, 0]))
    assert padded.mask.tolist() == [[True] * 3, [False] * 3]
    moved = padded.to("meta")
    assert moved.values.device.type == moved.lengths.device.type == "meta"
