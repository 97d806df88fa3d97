"""Word2vec at full speed: the model of `seqcourse.word2vec`, trained by compiled loops.

The arithmetic is that of `Word2Vec.step` with one example a step, as compiled loops
(`seqcourse.word2vec_kernels`). Several threads share the vectors and write to them
without locks: Hogwild (Recht et al. 2011). Two threads may then overwrite each other's
change to a word, but with thousands of words that is rare, and a lost step is no worse
than a little noise.

The work is cut into pieces of at most 1,000 words, as in word2vec.c, and each piece
draws from a random stream of its own. So what is drawn depends on the seed alone; with
one thread the result does, too. `drawn` returns those draws, with which `Word2Vec.step`
can repeat the training.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Int
from rich.progress import track

from seqcourse._checks import check_positive
from seqcourse.lm import Corpus, Ids
from seqcourse.word2vec import NOTHING_LEFT, Draws, Examples, Word2Vec, Word2VecConfig
from seqcourse.word2vec_kernels import Buffers, Setting, Tables, draw, train
from seqcourse.word2vec_losses import Questions

__all__ = ["Plan", "drawn", "fit_fast"]

PIECE = 1_000
"""Words after which a text is cut; no window reaches across a cut."""

JOB = 10_000
"""Words, about, that a thread takes on at once."""


def fit_fast(
    model: Word2Vec,
    corpus: Ids | Corpus,
    *,
    epochs: int = 5,
    threads: int = 1,
    seed: int,
    progress: bool = False,
) -> list[float]:
    """Train a model in place with negative sampling or hierarchical softmax.

    >>> config = Word2VecConfig(vocab_size=3, dim=2, window=1, subsample=None)
    >>> model = Word2Vec(config, rng=np.random.default_rng(0))
    >>> losses = fit_fast(model, [np.array([0, 1, 2] * 9)], epochs=3, seed=1)
    >>> len(losses)
    3

    Args:
        model: any `Word2Vec` but one with full softmax.
        corpus: texts as ids, each cut into pieces of at most 1,000 words.
        epochs: how often to go through the corpus.
        threads: how many to use. With more than one, the result differs a little
            between runs.
        seed: decides the draws, at least 0.
        progress: whether to show a bar.

    Returns:
        The mean loss of an example in each epoch, in nats, from every 16th example.

    Raises:
        ValueError: for full softmax, threads or epochs below 1, vectors whose shapes
            are not the configuration's, or a corpus that `Word2Vec.fit` refuses.
    """
    check_positive("epochs", epochs)
    check_positive("threads", threads)
    plan = Plan(model.config, corpus, seed, epochs)
    _check_shapes(model)
    jobs = [(epoch, *job) for epoch in range(epochs) for job in plan.jobs()]

    def work(job: tuple[int, int, int]) -> tuple[float, int]:
        epoch, first, last = job
        return train(
            model.inputs,
            model.outputs,
            (plan.ids, plan.bounds[first : last + 1]),
            plan.streams[epoch, first:last],
            plan.rates[epoch, first:last].astype(model.inputs.dtype),
            plan.setting,
            plan.tables,
            _buffers(plan.setting),
        )

    watched = np.zeros((epochs, 2))  # sum of losses, number of examples
    with ThreadPoolExecutor(threads) as pool:
        done = pool.map(work, jobs)
        bar = track(done, "word2vec", total=len(jobs), disable=not progress)
        for (epoch, *_), result in zip(jobs, bar, strict=True):
            watched[epoch] += result
    if not watched[:, 1].all():
        raise ValueError(NOTHING_LEFT)
    return (watched[:, 0] / watched[:, 1]).tolist()


def drawn(
    config: Word2VecConfig, corpus: Ids | Corpus, *, epochs: int = 5, seed: int
) -> Iterator[tuple[Examples, Questions, float]]:
    """Yield what `fit_fast` draws for each piece: examples, questions and rate."""
    plan = Plan(config, corpus, seed, epochs)
    for epoch in range(epochs):
        for piece in range(len(plan.bounds) - 1):
            buffers = _buffers(plan.setting)
            ids = plan.ids[plan.bounds[piece] : plan.bounds[piece + 1]]
            stream = plan.streams[epoch, piece]
            n = draw(ids, np.array([stream]), plan.setting, plan.tables, buffers)
            sizes = np.diff(buffers.starts[: n + 1])
            inputs = np.full((n, sizes.max(initial=1)), -1)
            there = np.arange(inputs.shape[1]) < sizes[:, None]
            inputs[there] = buffers.members[: sizes.sum()]
            examples = Examples(inputs, buffers.targets[:n].astype(np.int64))
            questions = Questions(
                buffers.rows[:n].astype(np.int64), buffers.answers[:n] > 0
            )
            yield examples, questions, float(plan.rates[epoch, piece])


class Plan:
    """The corpus cut into pieces, with a learning rate and a random stream for each."""

    def __init__(
        self, config: Word2VecConfig, corpus: Ids | Corpus, seed: int, epochs: int
    ) -> None:
        if config.loss == "softmax":
            raise ValueError(
                "fit_fast knows the losses 'negative' and 'hierarchical'; full softmax "
                "touches every word for each example: train it with Word2Vec.fit"
            )
        draws = Draws(config, corpus)
        self.ids = np.concatenate(draws.texts).astype(np.int32)
        self.bounds = _cut([len(text) for text in draws.texts])
        done = (
            np.add.outer(np.arange(epochs), self.bounds[:-1] / len(self.ids)) / epochs
        )
        span = [config.learning_rate, config.final_learning_rate]
        self.rates = np.interp(done, [0, 1], span)  # (epochs, pieces)
        streams = np.random.SeedSequence(seed).generate_state(done.size, np.uint64)
        self.streams = streams.reshape(done.shape)
        self.tables = _tables(draws)
        hierarchical = config.loss == "hierarchical"
        self.setting = Setting(
            skip_gram=config.architecture == "skip-gram",
            hierarchical=hierarchical,
            window=config.window,
            shrink=config.shrink,
            questions=(
                self.tables.paths.shape[1] if hierarchical else 1 + config.negatives
            ),
            longest=int(np.diff(self.bounds).max()),
        )

    def jobs(self) -> list[tuple[int, int]]:
        """Return (first, last) of groups of pieces with about JOB words each."""
        groups = self.bounds[:-1] // JOB  # a piece is of the job in which it begins
        firsts = np.flatnonzero(np.diff(groups, prepend=-1))
        lasts = np.append(firsts[1:], len(groups))
        return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _check_shapes(model: Word2Vec) -> None:
    """Refuse arrays beyond whose end compiled loops would read and write."""
    for name in ("inputs", "outputs"):
        rows = model.config.vocab_size
        rows -= name == "outputs" and model.config.loss == "hierarchical"
        expected, found = (rows, model.config.dim), getattr(model, name).shape
        if found != expected:
            raise ValueError(
                f"the model's {name} must have shape {expected}, but have {found}"
            )


def _cut(lengths: list[int]) -> Int[np.ndarray, " P"]:
    """Return where the pieces begin, and the end; an empty text has no piece."""
    ends = np.cumsum(lengths)
    begins = (range(end - n, end, PIECE) for n, end in zip(lengths, ends, strict=True))
    return np.array([*(b for text in begins for b in text), ends[-1]])


def _tables(draws: Draws) -> Tables:
    nothing, no_rows = np.empty(0), np.empty((0, 0), np.int32)
    if draws.config.loss == "hierarchical":
        tree = draws.tree
        paths, codes = tree.paths.astype(np.int32), tree.codes.astype(np.int32)
        return Tables(draws.keep, nothing, nothing.astype(np.int32), paths, codes)
    noise = draws.noise
    return Tables(
        draws.keep, noise.share, noise.alias.astype(np.int32), no_rows, no_rows
    )


def _buffers(setting: Setting) -> Buffers:
    members = setting.longest * 2 * setting.window
    examples = members if setting.skip_gram else setting.longest
    return Buffers(
        kept=np.empty(setting.longest, np.int32),
        members=np.empty(members, np.int32),
        starts=np.zeros(examples + 1, np.int64),
        targets=np.empty(examples, np.int32),
        rows=np.empty((examples, setting.questions), np.int32),
        answers=np.empty((examples, setting.questions), np.int8),
    )
