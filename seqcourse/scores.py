"""Attention scores: three ways to ask how well a key fits a query.

Attention looks for what it needs in two steps. First a *score* compares what is wanted,
the query, with each thing on offer, the keys: a number each, higher for a better fit.
Then a softmax turns the numbers into weights (`seqcourse.attention`). The scores differ
in what they can learn::

    dot         q·k                   nothing to learn; both need the same width
    bilinear    qᵀ W k                learns what in a query goes with what in a key
    additive    vᵀ tanh(W q + U k)    a small network that looks at both

Each score is a module that takes all queries and all keys at once. A decoder asks with
one query after another about keys that never change, so the part of the work that
depends on the keys alone can be done once, by `prepare`; `compare` does the rest.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqcourse._checks import check_positive

__all__ = ["AdditiveScore", "BilinearScore", "DotScore", "Score"]


class Score(nn.Module, ABC):
    """Compares every query with every key: the better they fit, the higher."""

    def forward(
        self, query: Float[Tensor, "B Tq Dq"], keys: Float[Tensor, "B Tk Dk"]
    ) -> Float[Tensor, "B Tq Tk"]:
        """Return the score of each query (row) with each key (column).

        Raises:
            ValueError: if a width is not what the score was made for, or the batches
                differ.
        """
        self._check(query.shape[-1], keys.shape[-1])
        if len(query) != len(keys):
            raise ValueError(
                "query and keys must have the same batch size, but have "
                f"{len(query)} and {len(keys)}"
            )
        return self.compare(query, self.prepare(keys))

    def prepare(self, keys: Float[Tensor, "B Tk Dk"]) -> Float[Tensor, "B Tk P"]:
        """Do the part of the work that depends on the keys alone; here, nothing."""
        return keys

    @abstractmethod
    def compare(
        self, query: Float[Tensor, "B Tq Dq"], prepared: Float[Tensor, "B Tk P"]
    ) -> Float[Tensor, "B Tq Tk"]:
        """Return the scores of the queries with keys that `prepare` has seen."""

    @abstractmethod
    def _check(self, query_width: int, key_width: int) -> None:
        """Raise ValueError unless the score can compare vectors of these widths."""


class DotScore(Score):
    """The dot product q·k, "dot" in Luong et al. (2015), eq. 8; it has no parameters.

    Two random vectors of width D have a dot product of variance D, so that wide vectors
    drive the softmax to 0 and 1, where it stops learning. Dividing by √D (Vaswani et
    al. 2017, section 3.2.1) keeps the variance at 1.

    >>> query = torch.tensor([[[1.0, 2.0]]])
    >>> keys = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    >>> DotScore()(query, keys)  # 1·1 + 2·0, 1·1 + 2·1
    tensor([[[1., 3.]]])

    Args:
        scaled: whether to divide by √D.
    """

    def __init__(self, *, scaled: bool = False) -> None:
        super().__init__()
        self.scaled = scaled

    def compare(
        self, query: Float[Tensor, "B Tq D"], prepared: Float[Tensor, "B Tk D"]
    ) -> Float[Tensor, "B Tq Tk"]:
        """Return q·k, over √D if scaled."""
        scale = query.shape[-1] ** -0.5 if self.scaled else 1.0
        return scale * query @ prepared.transpose(1, 2)

    def _check(self, query_width: int, key_width: int) -> None:
        if query_width != key_width:
            raise ValueError(
                "a dot product needs query and keys of equal width, but these have "
                f"{query_width} and {key_width}; use BilinearScore or AdditiveScore"
            )

    def extra_repr(self) -> str:
        """Return what print(score) shows between the brackets."""
        return f"scaled={self.scaled}"


class _LearnedScore(Score):
    """A score with parameters, which fix the two widths."""

    def __init__(self, query_width: int, key_width: int) -> None:
        super().__init__()
        check_positive("query_width", query_width)
        check_positive("key_width", key_width)
        self.query_width, self.key_width = query_width, key_width

    def _check(self, query_width: int, key_width: int) -> None:
        if (query_width, key_width) != (self.query_width, self.key_width):
            raise ValueError(
                "this score was made for queries and keys of width "
                f"{self.query_width} and {self.key_width}, but got {query_width} and "
                f"{key_width}"
            )


class BilinearScore(_LearnedScore):
    """The bilinear form qᵀ W k, "general" in Luong et al. (2015), eq. 8.

    With W the identity it is the dot product. W starts as `torch.nn.Linear` starts its
    weights: uniform within ±1/√(key_width).

    Args:
        query_width: width of the queries.
        key_width: width of the keys.

    Raises:
        ValueError: if a width is below 1.
    """

    def __init__(self, query_width: int, key_width: int) -> None:
        super().__init__(query_width, key_width)
        self.project = nn.Linear(key_width, query_width, bias=False)

    def prepare(self, keys: Float[Tensor, "B Tk Dk"]) -> Float[Tensor, "B Tk Dq"]:
        """Return W k, the keys in the space of the queries."""
        return self.project(keys)

    def compare(
        self, query: Float[Tensor, "B Tq Dq"], prepared: Float[Tensor, "B Tk Dq"]
    ) -> Float[Tensor, "B Tq Tk"]:
        """Return q · (W k)."""
        return query @ prepared.transpose(1, 2)


class AdditiveScore(_LearnedScore):
    """A small network, vᵀ tanh(W q + U k): Bahdanau et al. (2015), appendix A.1.2.

    It is the only one of the three whose numbers are bounded, by the sum of ``|v|``. It
    also costs the most memory: it holds a vector for each pair of a query and a key,
    (B, Tq, Tk, width). W, U and v start as `torch.nn.Linear` starts its weights.

    Args:
        query_width: width of the queries.
        key_width: width of the keys.
        width: width of the hidden layer, n' in the paper.

    Raises:
        ValueError: if a width is below 1.
    """

    def __init__(self, query_width: int, key_width: int, width: int) -> None:
        super().__init__(query_width, key_width)
        check_positive("width", width)
        self.project_query = nn.Linear(query_width, width, bias=False)  # W
        self.project_key = nn.Linear(key_width, width, bias=False)  # U
        self.weigh = nn.Linear(width, 1, bias=False)  # v

    def prepare(self, keys: Float[Tensor, "B Tk Dk"]) -> Float[Tensor, "B Tk D"]:
        """Return U k."""
        return self.project_key(keys)

    def compare(
        self, query: Float[Tensor, "B Tq Dq"], prepared: Float[Tensor, "B Tk D"]
    ) -> Float[Tensor, "B Tq Tk"]:
        """Return vᵀ tanh(W q + U k)."""
        asked = self.project_query(query)[:, :, None]  # (B, Tq, 1, D)
        hidden = torch.tanh(asked + prepared[:, None])  # (B, Tq, Tk, D)
        return self.weigh(hidden).squeeze(-1)
