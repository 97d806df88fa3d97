"""Byte-pair encoding of all of Shakespeare: ours against Hugging Face's tokenizers.

Both sides get the plays one by one, a form in which tokenizers uses all cores. Before anything
is timed they must have learned the same merges, and give the same ids.
"""

import json
import os
from collections.abc import Callable
from functools import cache
from typing import Any

from common import Row
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from seqcourse.bpe import BPE
from seqcourse.data import load

MERGES = 8_000
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def plays() -> list[str]:
    """Return the texts, 4.8 MB in all."""
    return list(load("shakespeare").values())


def ours() -> BPE:
    """Learn with our package."""
    return BPE.train(plays(), 256 + MERGES)


def theirs() -> Tokenizer:
    """Learn with tokenizers, from bytes and with GPT-2's pattern as we do."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + MERGES, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(plays(), trainer)
    return tokenizer


@cache
def both() -> tuple[BPE, Tokenizer]:
    """Return both tokenisers, which have learned the same."""
    our, their = ours(), theirs()
    model = json.loads(their.to_str())["model"]
    merges = [(model["vocab"][a], model["vocab"][b]) for a, b in model["merges"]]
    assert merges == list(our.merges)
    return our, their


def learning() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Both learn the merges from the texts."""
    both()
    return ours, theirs


def encoding() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Both turn the texts into ids; ours starts without a word in its cache."""
    our, their = both()

    def encode_ours() -> list[Any]:
        fresh = BPE(our.merges)
        return [fresh.encode(text) for text in plays()]

    def encode_theirs() -> list[list[int]]:
        return [encoding.ids for encoding in their.encode_batch_fast(plays())]

    assert [ids.tolist() for ids in encode_ours()] == encode_theirs()
    return encode_ours, encode_theirs


ROWS = [
    Row(
        f"byte-pair encoding: learn {MERGES:,} merges from 4.8 MB",
        "tokenizers",
        3.0,
        learning,
        note="The peer is compiled and uses all cores. The merges are the same.",
    ),
    Row(
        "byte-pair encoding: turn 4.8 MB into ids",
        "tokenizers",
        1.0,
        encoding,
        note=(
            "All texts in one batch, for which the peer uses all cores; it also notes where in "
            "the text each token stands. The ids are the same."
        ),
    ),
]
