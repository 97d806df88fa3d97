"""Word vectors in use: who is near whom, what is to c as b is to a, how to keep them.

All nearness here is the cosine of the angle between two vectors: their dot product
after each is scaled to length 1.
"""

import difflib
import json
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float

from seqcourse._checks import check_choice, check_positive
from seqcourse.vocab import Vocab

if TYPE_CHECKING:
    from torch import nn

__all__ = ["AnalogyMethod", "WordVectors", "pca"]

AnalogyMethod: TypeAlias = Literal["add", "multiply"]
"""How an analogy is scored: 3CosAdd or 3CosMul."""

EPSILON = 1e-3
"""Keeps the division of 3CosMul finite; the value of Levy and Goldberg (2014)."""


class WordVectors:
    """A vocabulary, and a vector for each of its words.

    >>> vectors = WordVectors(
    ...     Vocab(["king", "queen", "man", "woman"]),
    ...     np.array([[3.0, 1.0], [3.0, -1.0], [1.0, 1.0], [1.0, -1.0]]),
    ... )
    >>> round(vectors.similarity("king", "queen"), 2)
    0.8
    >>> vectors.analogy("man", "king", "woman", n=1)[0][0]
    'queen'

    Args:
        vocab: V words.
        matrix: their vectors, row i that of the word with id i.

    Raises:
        ValueError: if the matrix has another shape than (V, D), D ≥ 1, or is not
            finite.
    """

    def __init__(self, vocab: Vocab, matrix: Float[np.ndarray, "V D"]) -> None:
        if matrix.ndim != 2 or len(matrix) != len(vocab) or not matrix.shape[1]:
            raise ValueError(
                f"matrix must have shape ({len(vocab)}, D), a row for each word and D "
                f"at least 1, but has shape {matrix.shape}"
            )
        if not np.isfinite(matrix).all():
            word = vocab.tokens[int((~np.isfinite(matrix)).any(axis=1).argmax())]
            raise ValueError(
                f"the vector of {word!r} is not finite: did training diverge?"
            )
        self.vocab, self.matrix = vocab, matrix

    def __len__(self) -> int:
        return len(self.vocab)

    def __contains__(self, word: object) -> bool:
        return word in self.vocab

    def __repr__(self) -> str:
        return f"WordVectors({len(self)} words, D = {self.matrix.shape[1]})"

    def id(self, word: str) -> int:
        """Return a word's row; unlike in `Vocab.id`, no unknown token stands in for it.

        Raises:
            KeyError: for an unknown word; the message suggests words that are spelt
                like it.
        """
        if word not in self.vocab:
            close = difflib.get_close_matches(word, self.vocab.tokens, n=3)
            hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise KeyError(
                f"{word!r} is not among the {len(self)} words that have vectors.{hint}"
            )
        return self.vocab.id(word)

    def __getitem__(self, word: str) -> Float[np.ndarray, " D"]:
        return self.matrix[self.id(word)]

    @cached_property
    def unit(self) -> Float[np.ndarray, "V D"]:
        """All vectors scaled to length 1; a zero vector stays, near to nothing."""
        return _unit(self.matrix)

    def similarity(self, first: str, second: str) -> float:
        """Return the cosine of the angle between two words, -1 … 1.

        Raises:
            KeyError: for an unknown word.
        """
        return float(self.unit[self.id(first)] @ self.unit[self.id(second)])

    def nearest(
        self,
        query: str | Float[np.ndarray, " D"],
        *,
        n: int = 10,
        exclude: Collection[str] = (),
    ) -> list[tuple[str, float]]:
        """Return the n words nearest to a word or a vector, and their cosines.

        Args:
            query: a word, which is left out of the result itself, or a vector.
            n: how many.
            exclude: words to leave out besides.

        Raises:
            KeyError: for an unknown word.
            ValueError: if n is below 1, or a vector has the wrong shape.
        """
        if isinstance(query, str):
            return self._best(
                self.unit @ self.unit[self.id(query)], n, {query, *exclude}
            )
        if query.shape != self.matrix.shape[1:]:
            raise ValueError(
                f"query must be a word or a vector of {self.matrix.shape[1]} numbers, "
                f"but has shape {query.shape}"
            )
        return self._best(self.unit @ _unit(query), n, exclude)

    def analogy(
        self, a: str, b: str, c: str, *, n: int = 10, method: AnalogyMethod = "add"
    ) -> list[tuple[str, float]]:
        """Return the n best answers to "a is to b as c is to …?", and their scores.

        The three words themselves are left out, as is usual. That helps more than it
        seems to: the nearest to b - a + c is often b or c (Linzen 2016).

        Args:
            a: for example "man".
            b: "king".
            c: "woman".
            n: how many answers.
            method: "add" scores the cosine with b - a + c (3CosAdd; Mikolov, Yih and
                Zweig 2013); "multiply" scores cos(b) cos(c) / cos(a), each cosine moved
                to 0 … 1 (3CosMul; Levy and Goldberg 2014), so that one large term can't
                drown the others.

        Raises:
            KeyError: for an unknown word.
            ValueError: if n is below 1, or the method is unknown.
        """
        rows = np.array([[self.id(a), self.id(b), self.id(c)]])
        return self._best(self.analogy_scores(rows, method)[0], n, {a, b, c})

    def analogy_scores(
        self, questions: np.ndarray, method: AnalogyMethod
    ) -> Float[np.ndarray, "N V"]:
        """Return the score of every word as the answer to each question; see `analogy`.

        Args:
            questions: ids of a, b and c, shape (N, 3).
            method: as for `analogy`.
        """
        check_choice("method", method, ("add", "multiply"))
        a, b, c = (self.unit[column] for column in questions.T)  # (N, D) each
        if method == "add":
            return _unit(b - a + c) @ self.unit.T
        near_a, near_b, near_c = ((x @ self.unit.T + 1) / 2 for x in (a, b, c))
        return near_b * near_c / (near_a + EPSILON)

    def _best(
        self, scores: Float[np.ndarray, " V"], n: int, exclude: Collection[str]
    ) -> list[tuple[str, float]]:
        check_positive("n", n)
        left_out = {self.id(word) for word in exclude}
        ranked = [
            int(i) for i in np.argsort(-scores, kind="stable") if i not in left_out
        ]
        return [(self.vocab.tokens[i], float(scores[i])) for i in ranked[:n]]

    def to_embedding(self, *, freeze: bool) -> "nn.Embedding":
        """Return an embedding layer that starts from a copy of these vectors.

        Args:
            freeze: True keeps them fixed; False lets training fine-tune them.
        """
        import torch

        weights = torch.tensor(self.matrix, dtype=torch.get_default_dtype())
        return torch.nn.Embedding.from_pretrained(weights, freeze=freeze)

    def save(self, path: str | Path) -> None:
        """Write vocabulary and vectors to one file: a NumPy archive without pickles."""
        words = {
            "tokens": self.vocab.tokens,
            "unk": self.vocab.unk,
            "end": self.vocab.end,
        }
        text = np.frombuffer(json.dumps(words).encode(), dtype=np.uint8)
        with Path(path).open("wb") as file:  # given a name, NumPy would add .npz to it
            np.savez_compressed(file, matrix=self.matrix, vocab=text)

    @classmethod
    def load(cls, path: str | Path) -> "WordVectors":
        """Read what `save` wrote.

        Raises:
            ValueError: if the file holds something else.
        """
        with Path(path).open("rb") as file:
            try:
                archive = np.load(file, allow_pickle=False)
                matrix, text = archive["matrix"], archive["vocab"]
            except (ValueError, KeyError, IndexError, EOFError, BadZipFile) as error:
                raise ValueError(f"{path} is not a file of WordVectors.save") from error
        words = json.loads(text.tobytes())
        return cls(Vocab(words["tokens"], unk=words["unk"], end=words["end"]), matrix)

    @classmethod
    def load_text(cls, path: str | Path) -> "WordVectors":
        """Read vectors from a text file, a word and its numbers on each line.

        So do GloVe's files come; those of word2vec begin with a line "V D" besides.

        Raises:
            ValueError: if there are no vectors, or a line has another number of
                numbers.
        """
        text = Path(path).read_text(encoding="utf-8")
        lines = [line.rstrip().split(" ") for line in text.split("\n") if line.strip()]
        first = 2 if len(lines) > 1 and lines[0][1:] == [str(len(lines[1]) - 1)] else 1
        lines = lines[first - 1 :]
        if not lines:
            raise ValueError(f"{path} has no vectors")
        for number, line in enumerate(lines, first):
            if len(line) != len(lines[0]) or len(line) < 2:
                raise ValueError(
                    f"line {number} of {path} must have a word and "
                    f"{max(1, len(lines[0]) - 1)} numbers, but has {len(line)} parts"
                )
        matrix = np.array([line[1:] for line in lines], dtype=np.float32)
        return cls(Vocab(line[0] for line in lines), matrix)


def _unit(vectors: Float[np.ndarray, "*N D"]) -> Float[np.ndarray, "*N D"]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1).astype(vectors.dtype)


def pca(
    matrix: Float[np.ndarray, "N D"], n: int = 2
) -> tuple[Float[np.ndarray, "N K"], Float[np.ndarray, " K"]]:
    """Return the rows in their n directions of largest variance, and its shares.

    Principal component analysis (Pearson 1901): the picture in n dimensions that loses
    least. The sign of a direction is arbitrary; here its largest entry is positive.

    >>> points = np.array([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]])
    >>> flat, share = pca(points, 1)
    >>> flat.ravel().round(3), share.round(3)
    (array([-2.828,  0.   ,  2.828]), array([1.]))

    Raises:
        ValueError: if n is not within 1 … min(N, D).
    """
    if not 1 <= n <= min(matrix.shape):
        raise ValueError(f"n must be within 1 … {min(matrix.shape)} here, but is {n}")
    centred = matrix - matrix.mean(axis=0)
    _, s, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    variance = s**2
    return centred @ directions[:n].T, variance[:n] / variance.sum()
