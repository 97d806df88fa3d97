import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from seqcourse.cooccurrence import count_cooccurrences, pmi, ppmi, svd_vectors

V = 7
WEIGHTS = {
    "flat": lambda d, n: 1,
    "linear": lambda d, n: (n - d + 1) / n,
    "harmonic": lambda d, n: 1 / d,
}


def corpus() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 6, size) for size in (31, 13, 2, 1, 0)]  # the word 6 never occurs


def counts() -> sparse.csr_array:
    return count_cooccurrences(corpus(), V, window=3)


@given(
    st.lists(st.lists(st.integers(0, V - 1), max_size=13), max_size=5).filter(any),
    st.integers(1, 5),
    st.sampled_from(sorted(WEIGHTS)),
)
def test_counts_are_those_of_a_double_loop(texts, window, weighting):
    expected = np.zeros((V, V))
    for text in texts:
        for i, word in enumerate(text):
            for j, other in enumerate(text):
                if 0 < abs(i - j) <= window:
                    expected[word, other] += WEIGHTS[weighting](abs(i - j), window)
    ids = [np.array(text, dtype=np.int64) for text in texts]
    ours = count_cooccurrences(ids, V, window=window, weighting=weighting)
    np.testing.assert_allclose(ours.toarray(), expected)


def test_linear_weights_are_shrunk_windows_on_average():
    from seqcourse.word2vec import context_windows

    ids, rng = corpus()[0], np.random.default_rng(0)
    mean = np.zeros((V, V))
    for _ in range(3_000):
        windows = context_windows(ids, 4, rng=rng)
        centre, side = np.nonzero(windows >= 0)
        np.add.at(mean, (ids[centre], windows[centre, side]), 1 / 3_000)
    linear = count_cooccurrences(ids, V, window=4, weighting="linear").toarray()
    np.testing.assert_allclose(mean, linear, atol=0.2)


def test_one_text_may_come_alone():
    ids = corpus()[0]
    together = count_cooccurrences([ids], V, window=2)
    assert (count_cooccurrences(ids, V, window=2) != together).nnz == 0


@pytest.mark.parametrize(("shift", "power"), [(1.0, 1.0), (5.0, 1.0), (1.0, 0.75)])
def test_pmi_is_its_definition(shift, power):
    joint = counts().toarray() / counts().sum()
    p_word, p_context = joint.sum(axis=1), joint.sum(axis=0) ** power
    p_context /= p_context.sum()
    ours = pmi(counts(), shift=shift, power=power).toarray()
    for w, c in np.ndindex(V, V):
        if joint[w, c] == 0:
            assert ours[w, c] == 0
        else:
            expected = np.log(joint[w, c] / (p_word[w] * p_context[c])) - np.log(shift)
            assert ours[w, c] == pytest.approx(expected)
    positive = ppmi(counts(), shift=shift, power=power)
    np.testing.assert_allclose(positive.toarray(), np.maximum(ours, 0))
    assert (positive.data > 0).all()  # zeros are not stored


def test_independent_words_have_no_information():
    p = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(pmi(sparse.csr_array(np.outer(p, p))).toarray(), 0, atol=1e-12)


def test_svd_is_scikit_learns():
    matrix = ppmi(counts())
    for power in (1.0, 0.5, 0.0):
        ours = svd_vectors(matrix, 3, power=power)
        theirs = TruncatedSVD(3, algorithm="arpack", random_state=0)
        scaled = theirs.fit_transform(matrix.toarray()) * theirs.singular_values_ ** (power - 1)
        np.testing.assert_allclose(np.abs(ours), np.abs(scaled), atol=1e-10)


def test_svd_is_the_best_picture_and_does_not_change_between_calls():
    matrix = ppmi(counts())
    vectors = svd_vectors(matrix, 4, power=1.0)
    s = np.linalg.svd(matrix.toarray(), compute_uv=False)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), s[:4])
    largest = np.abs(vectors).argmax(axis=0)
    assert (vectors[largest, np.arange(4)] > 0).all()
    assert (svd_vectors(matrix, 4, power=1.0) == vectors).all()


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="window must be at least 1, but is 0"):
        count_cooccurrences(corpus(), V, window=0)
    with pytest.raises(ValueError, match=r"corpus\[0\] contains the id 7"):
        count_cooccurrences(np.array([7]), V, window=1)
    with pytest.raises(ValueError, match="empty corpus"):
        count_cooccurrences([], V, window=1)
    with pytest.raises(ValueError, match="at least one count, and none below 0"):
        pmi(sparse.csr_array((3, 3)))
    with pytest.raises(ValueError, match="at least one count, and none below 0"):
        ppmi(sparse.csr_array(np.array([[1.0, -1.0]])))
    with pytest.raises(ValueError, match="shift must be above 0, but is 0"):
        pmi(counts(), shift=0.0)
    for dim in (0, 7):
        with pytest.raises(ValueError, match=f"dim must be within 1 … 6 .* but is {dim}"):
            svd_vectors(counts(), dim)


def test_an_unknown_weighting_is_refused(unchecked_shapes):
    with pytest.raises(ValueError, match="weighting must be one of .* but is 'cubic'"):
        count_cooccurrences(corpus(), V, window=1, weighting="cubic")
