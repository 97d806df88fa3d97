"""Co-occurrence: what a word's neighbours, counted, say about its meaning.

"You shall know a word by the company it keeps" (Firth 1957). Count how often each word
stands near each other one; ask how much more often than by chance (PMI); squeeze the V
numbers that a word then has into D (SVD). These three steps make word vectors with no
training at all, and skip-gram with negative sampling turns out to factorise nearly the
same matrix: PMI shifted by the logarithm of the number of negatives (Levy and Goldberg
2014).

Most words never meet, so matrices are sparse: only what is not zero is stored.
"""

from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.sparse.linalg import svds

from seqcourse._checks import check_choice, check_positive
from seqcourse.lm import Corpus, Ids
from seqcourse.word_sampling import as_texts

__all__ = ["Weighting", "count_cooccurrences", "pmi", "ppmi", "svd_vectors"]

Weighting: TypeAlias = Literal["flat", "linear", "harmonic"]
"""What a neighbour at distance d counts in a window of n: 1, (n - d + 1)/n, or 1/d."""


def count_cooccurrences(
    corpus: Ids | Corpus, vocab_size: int, *, window: int, weighting: Weighting = "flat"
) -> sparse.csr_array:
    """Return how often each word (row) has each word (column) near it, shape (V, V).

    The matrix is symmetric, in float64; no window reaches from one text into another.

    >>> count_cooccurrences(np.array([0, 1, 2, 1]), 3, window=1).toarray()
    array([[0., 1., 0.],
           [1., 0., 2.],
           [0., 2., 0.]])

    Args:
        corpus: the ids of one text, or of several.
        vocab_size: V.
        window: how many words to look at on either side.
        weighting: "flat" counts all neighbours alike; "linear" is what word2vec's
            randomly shrunk windows do on average; "harmonic" is GloVe's (Pennington et
            al. 2014, section 4.2).

    Raises:
        ValueError: if the window is below 1, an id is outside 0 … V-1, or there are no
            words.
    """
    check_positive("window", window)
    check_choice("weighting", weighting, ("flat", "linear", "harmonic"))
    texts = as_texts(corpus, vocab_size)
    weigh = {
        "flat": lambda d: 1.0,
        "linear": lambda d: (window - d + 1) / window,
        "harmonic": lambda d: 1 / d,
    }[weighting]
    shape = (vocab_size, vocab_size)
    total = sparse.csr_array(shape)
    for d in range(1, window + 1):
        left = np.concatenate([text[:-d] for text in texts])
        right = np.concatenate([text[d:] for text in texts])
        pairs = sparse.coo_array(
            (np.full(len(left), weigh(d)), (left, right)), shape=shape
        )
        total = total + pairs.tocsr()  # sums what stands at the same place
    return total + total.T.tocsr()


def pmi(
    counts: sparse.csr_array, *, shift: float = 1.0, power: float = 1.0
) -> sparse.csr_array:
    """Return ln(p(w, c) / (p(w) p(c))) - ln shift for the pairs seen, shape (V, V).

    Pointwise mutual information (Church and Hanks 1990). For pairs never seen it would
    be minus infinity; they are left out of the sparse matrix, where "left out" reads as
    0.

    >>> counts = sparse.csr_array(np.array([[0.0, 1.0], [1.0, 2.0]]))
    >>> np.exp(pmi(counts).toarray()).round(3)  # p(0, 1) = 1/4, p(0) p(1) = 1/4 · 3/4
    array([[1.   , 1.333],
           [1.333, 0.889]])

    Args:
        counts: weights of (word, context) pairs, at least 0.
        shift: k; Levy and Goldberg (2014), eq. 11: the number of negatives.
        power: contexts are smoothed as p(c) ~ count^power; 0.75 keeps rare contexts
            from standing out (Levy, Goldberg and Dagan 2015, section 3.2).

    Raises:
        ValueError: if there are no counts, one is negative, or the shift is not above
            0.
    """
    pairs = sparse.coo_array(counts, dtype=np.float64)
    pairs.eliminate_zeros()
    if not pairs.nnz or pairs.data.min() < 0:
        raise ValueError("counts must hold at least one count, and none below 0")
    if not shift > 0:
        raise ValueError(f"shift must be above 0, but is {shift}")
    words = pairs.sum(axis=1)
    contexts = pairs.sum(axis=0)
    smoothed = np.zeros_like(contexts)
    np.power(contexts, power, out=smoothed, where=contexts > 0)
    p_context = smoothed / smoothed.sum()
    chance = words[pairs.row] * p_context[pairs.col]  # the count expected by chance
    values = np.log(pairs.data / chance) - np.log(shift)
    return sparse.csr_array((values, (pairs.row, pairs.col)), shape=pairs.shape)


def ppmi(
    counts: sparse.csr_array, *, shift: float = 1.0, power: float = 1.0
) -> sparse.csr_array:
    """Return max(PMI - ln shift, 0): only what occurs together more than by chance.

    >>> counts = sparse.csr_array(np.array([[0.0, 1.0], [1.0, 2.0]]))
    >>> np.exp(ppmi(counts).toarray()).round(3)
    array([[1.   , 1.333],
           [1.333, 1.   ]])

    Args and errors are those of `pmi`.
    """
    matrix = pmi(counts, shift=shift, power=power)
    matrix.data = np.maximum(matrix.data, 0.0)
    matrix.eliminate_zeros()
    return matrix


def svd_vectors(
    matrix: sparse.csr_array, dim: int, *, power: float = 0.5
) -> Float[np.ndarray, "V D"]:
    """Return U S^power for the D largest singular values, largest first, shape (V, D).

    U S is the best picture of the rows in D dimensions, in squared error (Eckart and
    Young 1936); as word vectors, smaller powers did better (Levy, Goldberg and Dagan
    2015, section 3.3). The sign of a column is arbitrary; here its largest entry is
    positive.

    >>> np.abs(svd_vectors(sparse.csr_array(np.diag([4.0, 9.0, 1.0])), 2)).round(3)
    array([[0., 2.],
           [3., 0.],
           [0., 0.]])

    Raises:
        ValueError: if D is not within 1 … V-1.
    """
    largest = min(matrix.shape) - 1
    if not 1 <= dim <= largest:
        raise ValueError(
            f"dim must be within 1 … {largest} for a matrix of shape {matrix.shape}, "
            f"but is {dim}"
        )
    start = np.random.default_rng(0).standard_normal(min(matrix.shape))
    u, s, _ = svds(sparse.csr_array(matrix, dtype=np.float64), k=dim, v0=start)
    u, s = u[:, ::-1], s[::-1]  # svds returns the smallest first
    signs = np.sign(u[np.abs(u).argmax(axis=0), np.arange(dim)])
    return u * signs * s**power
