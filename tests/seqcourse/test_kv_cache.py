import pytest
import torch

from seqcourse.kv_cache import BLOCK, KVCache, LayerCache

B, H, K = 2, 3, 5


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def piece(length: int, batch: int = B) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(batch, H, length, K), torch.randn(batch, H, length, K)


def address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@pytest.mark.parametrize("capacity", [None, 200])
def test_a_cache_holds_what_was_appended_in_order(capacity):
    cache = LayerCache(capacity)
    pieces = [piece(n) for n in (7, 1, 1, BLOCK, 0, 1, BLOCK + 3)]
    for i, (key, value) in enumerate(pieces):
        keys, values = cache.append(key, value)
        torch.testing.assert_close(keys, torch.cat([k for k, _ in pieces[: i + 1]], 2))
        torch.testing.assert_close(values, torch.cat([v for _, v in pieces[: i + 1]], 2))
        assert cache.length == keys.shape[2]
        assert torch.equal(cache.keys, keys)
        assert torch.equal(cache.values, values)


def test_one_more_token_copies_nothing_but_itself():
    cache = LayerCache()
    cache.append(*piece(5))
    before, room = address(cache.keys), cache.nbytes
    for _ in range(BLOCK - 5):
        keys, _ = cache.append(*piece(1))
    assert address(keys) == address(cache.values) == before
    assert cache.nbytes == room == 2 * B * H * BLOCK * K * 4


def test_memory_doubles_so_that_a_long_text_is_copied_a_few_times_only():
    cache, moves, last = LayerCache(), 0, None
    for _ in range(40 * BLOCK):
        keys, _ = cache.append(*piece(1, batch=1))
        moves += address(keys) != last
        last = address(keys)
    assert moves <= 8


def test_a_fixed_capacity_is_set_aside_at_once_and_is_the_limit():
    cache = LayerCache(capacity=7)
    cache.append(*piece(5))
    assert cache.nbytes == 2 * B * H * 7 * K * 4
    cache.append(*piece(2))
    with pytest.raises(ValueError, match="capacity 7 holds 7 tokens and cannot take 1"):
        cache.append(*piece(1))
    assert cache.length == 7


@pytest.mark.parametrize("capacity", [None, 11])
def test_two_readings_from_one_bookmark_do_not_see_each_other(capacity):
    begun = LayerCache(capacity)
    start = piece(3)
    begun.append(*start)
    one, other = begun.fork(), begun.fork()
    first, second, third = piece(2), piece(2), piece(1)
    one.append(*first)
    other.append(*second)
    one.append(*third)
    torch.testing.assert_close(one.keys, torch.cat((start[0], first[0], third[0]), dim=2))
    torch.testing.assert_close(other.keys, torch.cat((start[0], second[0]), dim=2))
    torch.testing.assert_close(begun.keys, start[0])
    assert address(one.keys) == address(begun.keys)  # straight on: nothing copied
    assert address(other.keys) != address(begun.keys)


def test_cropping_takes_tokens_back_and_leaves_the_longer_cache_alone():
    cache = LayerCache()
    start, end, instead = piece(5), piece(3), piece(2)
    cache.append(*start)
    cache.append(*end)
    short = cache.crop(5)
    assert torch.equal(short.keys, start[0])
    assert address(short.keys) == address(cache.keys)
    short.append(*instead)
    torch.testing.assert_close(short.values, torch.cat((start[1], instead[1]), dim=2))
    torch.testing.assert_close(cache.values, torch.cat((start[1], end[1]), dim=2))
    assert cache.crop(0).length == 0
    for length in (-1, 9):
        with pytest.raises(ValueError, match=f"in 0 … 8, but is {length}"):
            cache.crop(length)


def test_rows_are_picked_repeated_and_apart_from_then_on():
    cache = LayerCache()
    start, more = piece(5), piece(1, batch=3)
    cache.append(*start)
    picked = cache.reorder(torch.tensor([1, 1, 0]))
    torch.testing.assert_close(picked.keys, start[0][[1, 1, 0]])
    keys, _ = picked.append(*more)
    torch.testing.assert_close(keys[:, :, 5:], more[0])
    assert torch.equal(cache.keys, start[0])
    assert LayerCache().reorder(torch.tensor([0, 0])).length == 0


def test_while_gradients_are_recorded_nothing_is_overwritten():
    cache = LayerCache()
    pieces = [tuple(x.requires_grad_() for x in piece(1)) for _ in range(4)]
    total = torch.zeros(())
    for key, value in pieces:
        keys, values = cache.append(key, value)
        total = total + (keys.square() * values).sum()
    total.backward()  # would fail if a saved tensor had been written over
    for age, (key, value) in zip((4, 3, 2, 1), pieces, strict=True):
        torch.testing.assert_close(key.grad, age * 2 * key * value)
    with torch.no_grad():
        keys, _ = cache.append(*piece(1))
    assert keys.shape[2] == 5


def test_a_model_keeps_one_cache_for_each_layer():
    cache = KVCache(2)
    assert cache.length == 0
    assert cache.nbytes == 0
    start = [piece(5), piece(5)]
    for layer, pair in zip(cache.layers, start, strict=True):
        layer.append(*pair)
    assert cache.length == 5
    assert cache.nbytes == 2 * 2 * B * H * BLOCK * K * 4
    fork = cache.fork()
    for layer in fork.layers:
        layer.append(*piece(1))
    assert (fork.length, cache.length, cache.crop(3).length) == (6, 5, 3)
    picked = cache.reorder(torch.tensor([1]))
    for layer, (key, _) in zip(picked.layers, start, strict=True):
        assert torch.equal(layer.keys, key[1:])
    assert KVCache(1, capacity=3).layers[0].capacity == 3


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="capacity must be at least 1, but is 0"):
        LayerCache(0)
    with pytest.raises(ValueError, match="layers must be at least 1, but is 0"):
        KVCache(0)
    cache = LayerCache()
    assert not cache.filled
    with pytest.raises(RuntimeError, match="empty; append"):
        _ = cache.keys
    with pytest.raises(RuntimeError, match="empty; append"):
        _ = cache.values
    cache.append(*piece(2))
    with pytest.raises(ValueError, match=r"\(2, 3, T, 5\), .* has \(1, 3, 1, 5\)"):
        cache.append(*piece(1, batch=1))


def test_keys_and_values_must_fit_each_other(unchecked_shapes):
    with pytest.raises(ValueError, match=r"\(2, 3, 2, 5\) and \(2, 3, 1, 5\)"):
        LayerCache().append(piece(2)[0], piece(1)[1])
