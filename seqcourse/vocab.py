"""Vocabularies: the two-way map between tokens (strings) and ids (integers)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import SupportsIndex

import numpy as np

from seqcourse.lm import Ids, as_ids

__all__ = ["Vocab"]


class Vocab:
    """An ordered set of tokens; a token's id is its place in that order.

    >>> vocab = Vocab(["<unk>", "to", "be"], unk="<unk>")
    >>> vocab.encode(["to", "be", "or"])
    array([1, 2, 0])
    >>> vocab.decode([1, 2])
    ['to', 'be']

    Args:
        tokens: the tokens, each once; the first gets id 0.
        unk: the token that stands for every token not in the vocabulary. Without one,
            encoding such a token is an error.
        end: the token that `encode` appends on request to mark where a sequence ends.

    Raises:
        ValueError: if a token occurs twice, or `unk` or `end` is not among the tokens.
    """

    def __init__(
        self, tokens: Iterable[str], *, unk: str | None = None, end: str | None = None
    ) -> None:
        self.tokens = tuple(tokens)
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens):
            twice = [t for t, n in Counter(self.tokens).items() if n > 1]
            raise ValueError(
                f"each token may occur once in a vocabulary; repeated: {twice[:5]}"
            )
        for name, token in (("unk", unk), ("end", end)):
            if token is not None and token not in self._ids:
                raise ValueError(
                    f"{name}={token!r} is not among the tokens of the vocabulary"
                )
        self.unk, self.end = unk, end

    @classmethod
    def build(
        cls,
        tokens: Iterable[str],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        unk: str | None = "<unk>",
        end: str | None = None,
    ) -> "Vocab":
        """Collect a vocabulary from a corpus: special tokens first, then the frequent.

        The order is by falling frequency. Ties are broken alphabetically, so that the
        same corpus always gives the same ids.

        >>> Vocab.build("to be or not to be".split()).tokens
        ('<unk>', 'be', 'to', 'not', 'or')

        Args:
            tokens: the corpus, token by token.
            min_count: leave out tokens that occur less often.
            max_size: keep at most this many tokens, the special ones included.
            unk: the unknown token; None for a vocabulary that refuses unknown tokens.
            end: the end-of-sequence token, if the model is to learn where to end.

        Raises:
            ValueError: if the corpus is empty, or `max_size` leaves no room for tokens.
        """
        special = [token for token in (unk, end) if token is not None]
        counts = Counter(tokens)
        if not counts:
            raise ValueError(
                "cannot build a vocabulary from an empty corpus: it has no tokens"
            )
        if max_size is not None and max_size <= len(special):
            raise ValueError(f"max_size={max_size} leaves no room beside {special}")
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        common = [t for t, n in ranked if n >= min_count and t not in special]
        return cls((special + common)[:max_size], unk=unk, end=end)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def __repr__(self) -> str:
        return f"Vocab({len(self)} tokens, unk={self.unk!r}, end={self.end!r})"

    @property
    def unk_id(self) -> int | None:
        """The id of the unknown token, or None where there is none."""
        return None if self.unk is None else self._ids[self.unk]

    @property
    def end_id(self) -> int | None:
        """The id of the end-of-sequence token, or None where there is none."""
        return None if self.end is None else self._ids[self.end]

    def id(self, token: str) -> int:
        """Return a token's id, or that of the unknown token.

        Raises:
            KeyError: if the token is not known and there is no unknown token.
        """
        found = self._ids.get(token, self.unk_id)
        if found is None:
            raise KeyError(
                f"{token!r} is not in the vocabulary of {len(self)} tokens, and the "
                "vocabulary has no unknown token; build it with unk='<unk>' to accept "
                "unseen tokens"
            )
        return found

    def encode(self, tokens: Iterable[str], *, end: bool = False) -> Ids:
        """Return the ids of `tokens`, shape (T,), int64.

        With `end`, the end token's id follows, and the shape is (T + 1,).

        Raises:
            KeyError: for a token that is not in a vocabulary without an unknown token.
            ValueError: if `end` is asked of a vocabulary that has no end token.
        """
        ids = [self.id(token) for token in tokens]
        if end:
            if self.end_id is None:
                raise ValueError(
                    "this vocabulary has no end token; build it with end='</s>'"
                )
            ids.append(self.end_id)
        return np.array(ids, dtype=np.int64)

    def decode(self, ids: Sequence[SupportsIndex] | Ids) -> list[str]:
        """Return the tokens of `ids`.

        Raises:
            ValueError: if an id is outside the vocabulary.
        """
        return [self.tokens[i] for i in as_ids(ids, len(self), name="ids")]
