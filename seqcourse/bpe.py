"""Byte-pair encoding: tokens grown from bytes by merging the most frequent neighbours.

Start with the 256 bytes, so that any text can be written. Count all pairs of neighbours
in a training text, make the most frequent pair a new token, and repeat (Gage 1994;
Sennrich et al. 2016). The merges, in their order, are all that is learned;
`seqcourse.bpe_merges` does it. GPT-2 works on bytes in this way (Radford et al. 2019,
section 2.2), and `BPE.gpt2` loads its own table.

Merges never cross words: a pattern first cuts the text into pieces, in which the space
before a word belongs to the word.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import SupportsIndex

import numpy as np
import regex

from seqcourse.bpe_merges import (
    Pair,
    Tokens,
    as_characters,
    byte_order,
    learn_merges,
    neighbours,
    printable,
)
from seqcourse.data import load
from seqcourse.data.pretrained import MergeTable
from seqcourse.lm import Ids, as_ids
from seqcourse.tokenizer_files import read_options, write_options

__all__ = ["BPE", "GPT2_PATTERN"]

GPT2_PATTERN = (
    r"'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
"""How GPT-2 cuts a text before it merges: endings after an apostrophe, letters, digits,
other signs (each with one space before it), and white space."""

_GPT2_ASCII = re.compile(
    r"'(?:[stmd]|re|ve|ll)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+",
    re.ASCII,
)
"""The same for texts in ASCII, where Python's own `re` will do, and is quicker."""


class _MergedWords(dict[str, str]):
    """Words after all merges, as strings of token ids; a word not met before is merged.

    A text has few different words, so that looking them up is most of the work.
    """

    LIMIT = 1 << 18  # words to remember: bounds the memory of a long-lived tokeniser

    def __init__(self, merges: Mapping[str, tuple[int, str, str]]) -> None:
        super().__init__()
        self._merges = merges  # pair: its rank, itself, and the token it makes

    def __missing__(self, word: str) -> str:
        now = as_characters(word)
        known = map(self._merges.get, neighbours(now))
        while first := min(filter(None, known), default=None):  # in the order learned
            _, pair, token = first
            now = now.replace(pair, token)
            known = map(self._merges.get, neighbours(now))
        if len(self) >= self.LIMIT:
            self.clear()
        self[word] = now
        return now


def _any_of(tokens: Sequence[str]) -> "regex.Pattern[str]":
    """Return a pattern that captures each of the tokens, the longest that fits."""
    if len(set(tokens)) < len(tokens) or "" in tokens:
        raise ValueError(
            f"special tokens must be different and not empty, but are {tokens}"
        )
    longest_first = sorted(tokens, key=len, reverse=True)
    return regex.compile(f"({'|'.join(map(regex.escape, longest_first))})")


class BPE:
    """A tokeniser made of merges: text to ids, and ids to text with nothing lost.

    Ids 0 … 255 are the bytes in the order of `byte_order`; then come the tokens that
    the merges make, and last the special tokens, such as one that ends a text.

    >>> tokenizer = BPE.train("low low low lower lowest", 260)
    >>> tokenizer.tokenize("slow lows")
    ['s', 'low', ' low', 's']
    >>> tokenizer.decode(tokenizer.encode("slow lows"))
    'slow lows'

    Args:
        merges: pairs of ids, in the order in which they were learned.
        special_tokens: tokens that stand for themselves, and are never the result of
            merges.
        pattern: how a text is cut before it is merged, in the syntax of the package
            `regex`; what it does not match is left out.

    Raises:
        ValueError: if a merge is of ids that do not exist before it, a special token is
            empty or repeated, or the pattern has a capturing group.
    """

    def __init__(
        self,
        merges: Iterable[Sequence[int]],
        *,
        special_tokens: Sequence[str] = (),
        pattern: str = GPT2_PATTERN,
    ) -> None:
        self.merges: tuple[Pair, ...] = tuple((a, b) for a, b in merges)
        self.special_tokens, self.pattern = tuple(special_tokens), pattern
        self._pattern, self._special = regex.compile(pattern), _any_of(special_tokens)
        if self._pattern.groups:
            raise ValueError(
                f"pattern must not capture: write (?:…) for (…) in {pattern!r}"
            )
        tokens = Tokens()
        known: dict[str, tuple[int, str, str]] = {}
        for rank, pair in enumerate(self.merges):
            if not 0 <= min(pair) <= max(pair) < len(tokens.spelled):
                raise ValueError(
                    f"merge {rank} is of the ids {pair}, but before it there are only "
                    f"0 … {len(tokens.spelled) - 1}; give merges in the order learned"
                )
            both = chr(pair[0]) + chr(pair[1])
            known.setdefault(both, (rank, both, chr(tokens.add(pair))))
        self._words = _MergedWords(known)
        self._tokens = (*tokens.spelled, *(token.encode() for token in special_tokens))

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int,
        *,
        special_tokens: Sequence[str] = (),
        pattern: str = GPT2_PATTERN,
    ) -> "BPE":
        """Learn merges from one text or several.

        The vocabulary is smaller than asked for where a text is too short for that many
        merges. Special tokens in the texts are not treated as such.

        Args:
            texts: what to learn from.
            vocab_size: V, the 256 bytes and the special tokens included.
            special_tokens: as for `BPE`.
            pattern: as for `BPE`.

        Raises:
            ValueError: if `vocab_size` leaves no room for the bytes and special tokens.
        """
        n = vocab_size - 256 - len(special_tokens)
        if n < 0:
            raise ValueError(
                f"vocab_size must be at least {vocab_size - n} (256 bytes and "
                f"{len(special_tokens)} special tokens), but is {vocab_size}"
            )
        counts: Counter[str] = Counter()
        for text in [texts] if isinstance(texts, str) else texts:
            counts.update(regex.findall(pattern, text))
        return cls(
            learn_merges(counts, n), special_tokens=special_tokens, pattern=pattern
        )

    @classmethod
    def gpt2(cls) -> "BPE":
        """Return GPT-2's tokeniser: 50 000 merges and ``<|endoftext|>``, V = 50 257.

        Raises:
            MissingDataError: if the table is not on this machine; the message says how
                to get it.
        """
        table: MergeTable = load("gpt2-bpe")
        return cls.from_spelled(table.merges, special_tokens=["<|endoftext|>"])

    @classmethod
    def from_spelled(
        cls, merges: Iterable[Sequence[str]], *, special_tokens: Sequence[str] = ()
    ) -> "BPE":
        """Return the tokeniser of merges whose tokens are spelled as in GPT-2's files.

        There a byte that is not printable is a letter from U+0100 on: a space is "Ġ".

        >>> BPE.from_spelled([["Ġ", "t"], ["h", "e"], ["Ġt", "he"]]).tokens[256:]
        (b' t', b'he', b' the')

        Args:
            merges: pairs of tokens, in the order in which they were learned.
            special_tokens: as for `BPE`.

        Raises:
            ValueError: if a merge is not two tokens that exist before it.
        """
        letters = [chr(byte) if printable(byte) else "" for byte in byte_order()]
        others = map(chr, range(256, 512))
        ids = {letter or next(others): i for i, letter in enumerate(letters)}
        pairs: list[Pair] = []
        for merge in merges:
            if len(merge) != 2 or not ids.keys() >= set(merge):
                raise ValueError(
                    f"merge {len(pairs)} is not two tokens known before it: {merge}"
                )
            pairs.append((ids[merge[0]], ids[merge[1]]))
            ids.setdefault("".join(merge), len(ids))
        return cls(pairs, special_tokens=special_tokens)

    @property
    def vocab_size(self) -> int:
        """V: ids run from 0 to V-1."""
        return len(self._tokens)

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """The bytes that each id stands for."""
        return self._tokens

    def special_id(self, token: str) -> int:
        """Return the id of a special token.

        Raises:
            KeyError: if there is no such special token.
        """
        if token not in self.special_tokens:
            raise KeyError(
                f"{token!r} is not among the special tokens {self.special_tokens}"
            )
        return (
            self.vocab_size
            - len(self.special_tokens)
            + self.special_tokens.index(token)
        )

    def encode(self, text: str, *, special: bool = False) -> Ids:
        """Return the ids of a text, shape (T,).

        Special tokens in the text are letters like any others, so that no user can slip
        one in, unless `special` is set.
        """
        if not (special and self.special_tokens):
            return self._encode(text)
        parts = self._special.split(text)  # text, special token, text, …
        ids = [self._encode(part) for part in parts]
        ids[1::2] = [np.array([self.special_id(token)]) for token in parts[1::2]]
        return np.concatenate(ids)

    def _encode(self, text: str) -> Ids:
        simple = self.pattern == GPT2_PATTERN and text.isascii()
        words = (_GPT2_ASCII if simple else self._pattern).findall(text)
        merged = "".join(map(self._words.__getitem__, words))
        codes = merged.encode("utf-32-le", "surrogatepass")  # four bytes for each id
        return np.frombuffer(codes, dtype="<u4").astype(np.int64)

    def decode(
        self, ids: Sequence[SupportsIndex] | Ids, *, errors: str = "replace"
    ) -> str:
        """Return the text that ids stand for.

        Not all sequences of bytes are UTF-8: a model may stop in the middle of a
        character. Such bytes become �, or raise UnicodeDecodeError with
        `errors="strict"`.

        Raises:
            ValueError: if an id is outside the vocabulary.
        """
        spelled = (self._tokens[i] for i in as_ids(ids, self.vocab_size, name="ids"))
        return b"".join(spelled).decode(errors=errors)

    def tokenize(self, text: str) -> list[str]:
        r"""Return the tokens of a text; bytes that are no character show as \x….

        >>> BPE([]).tokenize("né")
        ['n', '\\xc3', '\\xa9']
        """
        return [
            self._tokens[i].decode(errors="backslashreplace") for i in self.encode(text)
        ]

    def save(self, path: Path | str) -> None:
        """Write the tokeniser as JSON: merges, special tokens and pattern."""
        options = {
            "pattern": self.pattern,
            "special_tokens": self.special_tokens,
            "merges": self.merges,
        }
        write_options(path, "seqcourse.bpe 1", options)

    @classmethod
    def load(cls, path: Path | str) -> "BPE":
        """Read a tokeniser that `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is something else.
        """
        return cls(**read_options(path, "seqcourse.bpe 1"))
