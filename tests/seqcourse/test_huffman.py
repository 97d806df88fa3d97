from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcourse.huffman import huffman_tree, kraft_sum

COUNTS = st.lists(st.integers(0, 50), min_size=2, max_size=23)


def expected_length(tree, counts) -> float:
    return float((tree.lengths * np.array(counts)).sum())


def shortest_possible(counts) -> int:
    """The least total length over all codes, by trying all lengths that Kraft's sum allows."""
    words = len(counts)
    every = product(range(1, words), repeat=words)
    allowed = (lengths for lengths in every if sum(2.0**-n for n in lengths) <= 1)
    return min(sum(n * c for n, c in zip(lengths, counts, strict=True)) for lengths in allowed)


@pytest.mark.parametrize(
    "counts",
    [[1, 1], [0, 7], [3, 3, 3], [5, 2, 1, 1], [1, 1, 2, 3, 5], [4, 4, 4, 4, 1], [0, 0, 0, 1, 1]],
)
def test_no_code_is_shorter(counts):
    assert expected_length(huffman_tree(counts), counts) == shortest_possible(counts)


@given(COUNTS)
def test_the_code_is_complete_and_within_one_bit_of_the_entropy(counts):
    tree = huffman_tree(counts)
    assert kraft_sum(tree.lengths) == pytest.approx(1)
    if total := sum(counts):
        p = np.array(counts) / total
        entropy = -sum(x * np.log2(x) for x in p if x > 0)
        assert entropy - 1e-9 <= (p * tree.lengths).sum() <= entropy + 1


@given(COUNTS, st.data())
def test_a_stream_of_codes_is_read_back(counts, data):
    tree = huffman_tree(counts)
    words = data.draw(st.lists(st.integers(0, len(counts) - 1), max_size=29))
    assert tree.decode(tree.encode(words)) == words


@given(COUNTS)
def test_following_a_path_leads_to_the_word(counts):
    """Paths and codes describe one tree: a node and a turn lead to one place only."""
    tree = huffman_tree(counts)
    leads: dict[tuple[int, int], tuple[str, int]] = {}
    for word, length in enumerate(tree.lengths):
        path, code = tree.paths[word, :length], tree.codes[word, :length]
        assert path[0] == 0
        after = [("node", int(n)) for n in path[1:]] + [("word", word)]
        for node, turn, place in zip(path, code, after, strict=True):
            assert leads.setdefault((int(node), int(turn)), place) == place
        assert (tree.paths[word, length:] == -1).all()
        assert (tree.codes[word, length:] == -1).all()
    assert len(leads) == 2 * (len(counts) - 1)  # two turns at each of V-1 nodes
    assert len(set(leads.values())) == len(leads)


def test_the_lengths_are_gensims():
    from gensim.models import Word2Vec

    counts = {str(i): 1000 // (i + 1) for i in range(53)}
    model = Word2Vec(hs=1, negative=0, min_count=1, vector_size=2)
    model.build_vocab_from_freq(counts)
    theirs = {w: len(model.wv.get_vecattr(w, "code")) for w in counts}
    ours = huffman_tree(list(counts.values()))
    total = sum(n * theirs[w] for w, n in counts.items())  # ties may be broken otherwise
    assert expected_length(ours, list(counts.values())) == total


def test_wikipedias_example():
    # "this is an example of a huffman tree": 135 bits
    text = "this is an example of a huffman tree"
    letters = sorted(set(text))
    tree = huffman_tree([text.count(x) for x in letters])
    assert len(tree.encode([letters.index(x) for x in text])) == 135


def test_bad_input_is_explained(unchecked_shapes):
    with pytest.raises(ValueError, match=r"at least 2 words, but counts has shape \(1,\)"):
        huffman_tree([3])
    with pytest.raises(ValueError, match="at least 2 words"):
        huffman_tree(np.ones((2, 2), dtype=int))
    with pytest.raises(ValueError, match="counts must be at least 0, but the smallest is -2"):
        huffman_tree([1, -2])
    tree = huffman_tree([5, 2, 1, 1])
    with pytest.raises(ValueError, match="bits must be 0s and 1s, but there is a 'x'"):
        tree.decode("0x")
    with pytest.raises(ValueError, match="end inside a code: '01' is left over"):
        tree.decode("0001")
    with pytest.raises(ValueError, match="ids contains the id 4"):
        tree.encode([4])
