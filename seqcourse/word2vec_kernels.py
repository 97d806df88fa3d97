"""The compiled loops of word2vec: draw the examples of a piece of text, and learn.

They do what `Word2Vec.step` does with one example a step, number by number, and leave
the making of fast machine code to Numba. They carry `no_type_check` because Numba finds
out the types itself.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

__all__ = ["WATCHED", "Buffers", "Setting", "Tables", "compiled", "draw", "train"]

WATCHED = 16
"""The loss is watched on every 16th example: logarithms take time."""


class Setting(NamedTuple):
    """The numbers that a kernel needs."""

    skip_gram: bool
    hierarchical: bool
    window: int
    shrink: bool
    questions: int  # Q
    longest: int  # words in the longest piece


class Tables(NamedTuple):
    """The arrays that a kernel draws with; those of the other loss are empty."""

    keep: Float[np.ndarray, " V"]
    share: Float[np.ndarray, " V"]
    alias: Int[np.ndarray, " V"]
    paths: Int[np.ndarray, "V L"]
    codes: Int[np.ndarray, "V L"]


class Buffers(NamedTuple):
    """Room for one piece's examples; i has members[starts[i] : starts[i + 1]]."""

    kept: Int[np.ndarray, " T"]
    members: Int[np.ndarray, " M"]
    starts: Int[np.ndarray, " N"]
    targets: Int[np.ndarray, " N"]
    rows: Int[np.ndarray, "N Q"]
    answers: Int[np.ndarray, "N Q"]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel to run without the GIL, and keep the machine code if possible.

    Of fast arithmetic we take the right to reorder sums, so that they use all lanes of
    the processor, but keep infinities: σ needs them at large scores.
    """
    fast = {"reassoc", "contract", "arcp", "nsz"}
    compile_with = partial(numba.njit, nogil=True, error_model="numpy", fastmath=fast)
    try:
        return compile_with(cache=True)(function)
    except RuntimeError:  # nowhere to write to: compile anew in each session
        return compile_with()(function)


@compiled
@no_type_check
def _bits(stream):
    """Return 64 random bits: SplitMix64 (Steele, Lea and Flood 2014)."""
    stream[0] += np.uint64(0x9E3779B97F4A7C15)
    z = stream[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
@no_type_check
def _below(bits, n):
    """Turn the upper 32 bits into a number in 0 … n-1, without a division."""
    return np.int64(((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@compiled
@no_type_check
def _share(bits):
    """Turn the lower 32 bits into a number in [0, 1)."""
    return np.float64(bits & np.uint64(0xFFFFFFFF)) / 4294967296.0


@compiled
@no_type_check
def draw(
    ids: Int[np.ndarray, " T"],
    stream: Int[np.ndarray, "1"],
    setting: Setting,
    tables: Tables,
    buffers: Buffers,
) -> int:
    """Draw the examples of one piece; return how many there are."""
    kept = 0
    for word in ids:
        if _share(_bits(stream)) < tables.keep[word]:
            buffers.kept[kept] = word
            kept += 1
    n = 0
    filled = 0
    for centre in range(kept):
        reach = setting.window
        if setting.shrink:
            reach = 1 + _below(_bits(stream), setting.window)
        for place in range(max(0, centre - reach), min(kept, centre + reach + 1)):
            if place == centre:
                continue
            if setting.skip_gram:
                buffers.members[filled] = buffers.kept[centre]
                buffers.targets[n] = buffers.kept[place]
                filled += 1
                n += 1
                buffers.starts[n] = filled
            else:
                buffers.members[filled] = buffers.kept[place]
                filled += 1
        if not setting.skip_gram and filled > buffers.starts[n]:
            buffers.targets[n] = buffers.kept[centre]
            n += 1
            buffers.starts[n] = filled
    for i in range(n):
        _ask(
            buffers.targets[i],
            buffers.rows[i],
            buffers.answers[i],
            stream,
            setting,
            tables,
        )
    return n


@compiled
@no_type_check
def _ask(target, rows, answers, stream, setting, tables):
    """Write down the questions about one target."""
    if setting.hierarchical:
        for q in range(len(rows)):
            rows[q] = tables.paths[target, q]
            answers[q] = tables.codes[target, q] == 0
        return
    rows[0] = target
    answers[0] = 1
    for q in range(1, len(rows)):
        word = target
        while word == target:
            bits = _bits(stream)
            word = _below(bits, len(tables.share))
            if _share(bits) >= tables.share[word]:
                word = tables.alias[word]
        rows[q] = word
        answers[q] = 0


@compiled
@no_type_check
def _change(inputs, outputs, example, buffers, rate, scratch, asked):
    """Change the vectors that one example speaks of, by its errors."""
    hidden, gradient, error = scratch
    width = len(hidden)
    # All of the gradient before any change: a row may come twice.
    for q in range(asked):
        row = buffers.rows[example, q]
        change = error[q]
        for d in range(width):
            gradient[d] += change * outputs[row, d]
    for q in range(asked):
        row = buffers.rows[example, q]
        change = rate * error[q]
        for d in range(width):
            outputs[row, d] += change * hidden[d]
    begin = buffers.starts[example]
    end = buffers.starts[example + 1]
    share = hidden.dtype.type(1) / hidden.dtype.type(end - begin)
    for m in range(begin, end):
        word = buffers.members[m]
        change = rate * share
        for d in range(width):
            inputs[word, d] += change * gradient[d]


@compiled
@no_type_check
def _learn(inputs, outputs, example, buffers, rate, scratch, watch):
    """Take one step on one example; return its loss if watched, else 0."""
    hidden, gradient, error = scratch
    one = hidden.dtype.type(1)  # a plain 1 would turn float32 into float64
    width = len(hidden)
    begin = buffers.starts[example]
    end = buffers.starts[example + 1]
    share = one / hidden.dtype.type(end - begin)
    for d in range(width):
        hidden[d] = 0
        gradient[d] = 0
    for m in range(begin, end):
        word = buffers.members[m]
        for d in range(width):
            hidden[d] += share * inputs[word, d]
    loss = 0.0
    asked = 0
    while asked < len(error) and buffers.rows[example, asked] >= 0:
        row = buffers.rows[example, asked]
        score = hidden.dtype.type(0)
        for d in range(width):
            score += hidden[d] * outputs[row, d]
        yes = buffers.answers[example, asked]
        error[asked] = (one if yes else one - one) - one / (one + math.exp(-score))
        if watch:
            wrong = -score if yes else score  # -ln σ(-wrong), without overflow:
            loss += max(wrong, 0.0) + math.log1p(math.exp(-abs(wrong)))
        asked += 1
    _change(inputs, outputs, example, buffers, rate, scratch, asked)
    return loss


@compiled
@no_type_check
def train(
    inputs: Float[np.ndarray, "V D"],
    outputs: Float[np.ndarray, "V D"],
    pieces: tuple[Int[np.ndarray, " N"], Int[np.ndarray, " P"]],
    streams: Int[np.ndarray, " P"],
    rates: Float[np.ndarray, " P"],
    setting: Setting,
    tables: Tables,
    buffers: Buffers,
) -> tuple[float, int]:
    """Learn from some pieces; return the sum and the number of the losses watched."""
    ids, bounds = pieces
    width = inputs.shape[1]
    scratch = (
        np.empty(width, inputs.dtype),
        np.empty(width, inputs.dtype),
        np.empty(setting.questions, inputs.dtype),
    )
    stream = np.empty(1, np.uint64)
    total = 0.0
    watched = 0
    for piece in range(len(bounds) - 1):
        stream[0] = streams[piece]
        rate = rates[piece]
        words = ids[bounds[piece] : bounds[piece + 1]]
        for example in range(draw(words, stream, setting, tables, buffers)):
            watch = example % WATCHED == 0
            total += _learn(inputs, outputs, example, buffers, rate, scratch, watch)
            watched += watch
    return total, watched
