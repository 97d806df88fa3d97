"""WordPiece: BERT's way to cut words into known pieces, the longest first.

A word is cut from left to right, each time taking the longest piece that the vocabulary
has. Pieces that continue a word are marked: "smartwatch" is "smart", "##watch". A word
that cannot be cut becomes [UNK].

The method is Schuster and Nakajima's (2012); BERT made it known (Devlin et al. 2019).
How BERT's own vocabulary was learned was never published; what is done here in its
place is told in `seqcourse.wordpiece_learning`.
"""

import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import SupportsIndex

import numpy as np

from seqcourse.data import load
from seqcourse.lm import Ids, as_ids
from seqcourse.tokenizer_files import read_options, write_options
from seqcourse.wordpiece_learning import PREFIX, learn_pieces

__all__ = ["SPECIAL_TOKENS", "WordPiece", "basic_words", "longest_pieces"]

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""BERT's: padding, unknown word, start of the input, end of each part, masked token."""

UNK = "[UNK]"

# --- words ---


def basic_words(text: str, *, lower: bool = True) -> list[str]:
    """Cut a text as BERT does before it looks for pieces.

    Words end at white space; every punctuation mark and every Chinese character is a
    word of its own; control characters vanish. With `lower`, letters become small and
    lose their accents.

    >>> basic_words("Crème brûlée, s'il vous plaît!")
    ['creme', 'brulee', ',', 's', "'", 'il', 'vous', 'plait', '!']
    """
    if lower:
        text = unicodedata.normalize("NFD", text.lower())  # accents become characters
    return text.translate(_UNCASED if lower else _CASED).split()


class _Cleaner(dict[int, str]):
    """Says of each character what shall stand for it; works it out when first asked."""

    def __init__(self, drop_accents: bool) -> None:
        super().__init__()
        self._drop_accents = drop_accents

    def __missing__(self, code: int) -> str:
        self[code] = self._clean(chr(code))
        return self[code]

    def _clean(self, character: str) -> str:
        category = unicodedata.category(character)
        if character in "\t\n\r":
            return " "
        if category in ("Cc", "Cf") or character in "\0\ufffd":
            return ""
        if character.isspace():
            return " "
        if category == "Mn" and self._drop_accents:
            return ""
        alone = _is_punctuation(character, category) or _is_chinese(ord(character))
        return f" {character} " if alone else character


def _is_punctuation(character: str, category: str) -> bool:
    """All signs of ASCII count, even what Unicode calls symbols, such as $ and ^."""
    return category[0] == "P" or ("!" <= character <= "~" and not character.isalnum())


def _is_chinese(code: int) -> bool:
    """Say whether it is a CJK ideograph, by the blocks that BERT's code lists."""
    return any(first <= code <= last for first, last in _CHINESE_BLOCKS)


_CHINESE_BLOCKS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_UNCASED, _CASED = _Cleaner(drop_accents=True), _Cleaner(drop_accents=False)


# --- pieces ---


def longest_pieces(word: str, known: Container[str]) -> list[str] | None:
    """Cut a word into the longest known pieces from left to right, or return None.

    It never goes back: a first piece that leaves an impossible rest makes the word
    unknown.

    >>> longest_pieces("smartwatch", {"smart", "s", "##watch", "##w"})
    ['smart', '##watch']
    """
    pieces: list[str] = []
    start = 0
    while start < len(word):
        prefix = PREFIX if start else ""
        ends = range(len(word), start, -1)
        end = next((e for e in ends if prefix + word[start:e] in known), None)
        if end is None:
            return None
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


# --- the tokeniser ---


class WordPiece:
    """A tokeniser that cuts words into the longest pieces of a given vocabulary.

    >>> tokenizer = WordPiece([*SPECIAL_TOKENS, "smart", "##watch", "!"])
    >>> tokenizer.tokenize("Smartwatch! Smartwatches!")
    ['smart', '##watch', '!', '[UNK]', '!']
    >>> tokenizer.encode("Smartwatch!")
    array([5, 6, 7])

    Args:
        tokens: the vocabulary in order of id; "[UNK]" must be in it.
        lower: whether letters become small and lose their accents.
        max_chars: longer words are unknown, unseen: cutting a word of n letters can
            take n² looks into the vocabulary.

    Raises:
        ValueError: if "[UNK]" is missing, a token is repeated, or `max_chars` is below
            1.
    """

    def __init__(
        self, tokens: Iterable[str], *, lower: bool = True, max_chars: int = 100
    ) -> None:
        self.tokens = tuple(tokens)
        self.lower, self.max_chars = lower, max_chars
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self._ids) < len(self.tokens):
            twice = [token for token, n in Counter(self.tokens).items() if n > 1]
            raise ValueError(f"tokens must be different; repeated: {twice[:5]}")
        if UNK not in self._ids:
            raise ValueError(f"tokens must have {UNK!r}, for words that cannot be cut")
        if max_chars < 1:
            raise ValueError(f"max_chars must be at least 1, but is {max_chars}")
        self._words = _CutWords(self._ids, max_chars)

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int,
        *,
        min_count: int = 2,
        lower: bool = True,
    ) -> "WordPiece":
        """Learn a vocabulary from one text or several; see `learn_pieces`.

        Args:
            texts: what to learn from.
            vocab_size: V at most, the five special tokens included. All letters are
                kept even if they are more.
            min_count: how often a pair must occur to be merged. It matters much: with
                V = 8 000 Shakespeare's plays have 2.5 million tokens with 2, but 1.2
                million with 30, which is about the most that still fills V.
            lower: as for `WordPiece`.
        """
        counts: Counter[str] = Counter()
        for text in [texts] if isinstance(texts, str) else texts:
            counts.update(basic_words(text, lower=lower))
        size = vocab_size - len(SPECIAL_TOKENS)
        pieces = learn_pieces(counts, size, min_count=min_count)
        return cls([*SPECIAL_TOKENS, *pieces], lower=lower)

    @classmethod
    def bert(cls) -> "WordPiece":
        """Return the tokeniser of uncased BERT: its own vocabulary, V = 30 522.

        Raises:
            MissingDataError, DamagedDataError: as `seqcourse.data.load`.
        """
        folder: Path = load("all-minilm-l6-v2")  # it kept BERT's vocabulary
        text = (folder / "vocab.txt").read_text(encoding="utf-8")
        return cls(text.removesuffix("\n").split("\n"))

    @property
    def vocab_size(self) -> int:
        """V: ids run from 0 to V-1."""
        return len(self.tokens)

    def id(self, token: str) -> int:
        """Return the id of a token, a special one say.

        Raises:
            KeyError: if it is not in the vocabulary.
        """
        if token not in self._ids:
            raise KeyError(f"{token!r} is not among the {self.vocab_size} tokens")
        return self._ids[token]

    def encode(self, text: str) -> Ids:
        """Return the ids of a text, shape (T,), with no special tokens but [UNK]."""
        words = basic_words(text, lower=self.lower)
        return np.frombuffer(
            b"".join(map(self._words.__getitem__, words)), np.int64
        ).copy()

    def encode_pair(
        self, first: str, second: str | None = None, *, max_length: int = 512
    ) -> tuple[Ids, Ids]:
        """Return what BERT reads: [CLS] first [SEP] second [SEP], and the segments.

        Where that is too long, tokens are taken from the end of the longer text, one at
        a time (Devlin et al. 2019, their code).

        Returns:
            The ids, shape (T,), and the segments, shape (T,): 0 up to the first [SEP],
            1 after it.

        Raises:
            ValueError: if `max_length` leaves no room for the special tokens.
        """
        parts = [
            self.encode(text).tolist() for text in (first, second) if text is not None
        ]
        room = max_length - 1 - len(parts)
        if room < 0:
            raise ValueError(
                f"max_length must be at least {1 + len(parts)}, but is {max_length}"
            )
        while sum(map(len, parts)) > room:
            max(reversed(parts), key=len).pop()
        ids, segments = [self.id("[CLS]")], [0]
        for segment, part in enumerate(parts):
            ids += [*part, self.id("[SEP]")]
            segments += [segment] * (len(part) + 1)
        return np.array(ids), np.array(segments)

    def decode(self, ids: Sequence[SupportsIndex] | Ids) -> str:
        """Return the tokens as one text: pieces joined, a space between words.

        What `basic_words` took away does not come back: capitals, accents, white space.

        Raises:
            ValueError: if an id is outside the vocabulary.
        """
        tokens = (self.tokens[i] for i in as_ids(ids, self.vocab_size, name="ids"))
        return " ".join(tokens).replace(f" {PREFIX}", "")

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of a text."""
        return [self.tokens[i] for i in self.encode(text)]

    def save(self, path: Path | str) -> None:
        """Write the tokeniser as JSON."""
        options = {
            "lower": self.lower,
            "max_chars": self.max_chars,
            "tokens": self.tokens,
        }
        write_options(path, "seqcourse.wordpiece 1", options)

    @classmethod
    def load(cls, path: Path | str) -> "WordPiece":
        """Read a tokeniser that `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is something else.
        """
        return cls(**read_options(path, "seqcourse.wordpiece 1"))


class _CutWords(dict[str, bytes]):
    """Words as the bytes of their ids; a word not met before is cut into pieces."""

    LIMIT = 1 << 18  # words to remember: bounds the memory of a long-lived tokeniser

    def __init__(self, ids: Mapping[str, int], max_chars: int) -> None:
        super().__init__()
        self._ids, self._max_chars = ids, max_chars

    def __missing__(self, word: str) -> bytes:
        short = len(word) <= self._max_chars
        pieces = longest_pieces(word, self._ids) if short else None
        cut = np.array([self._ids[piece] for piece in pieces or [UNK]]).tobytes()
        if len(self) >= self.LIMIT:
            self.clear()
        self[word] = cut
        return cut
