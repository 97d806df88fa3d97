"""Word2vec against gensim: all of Shakespeare, and a small corpus of news, to equal quality.

Both sides get the same lists of words and return vectors: they build the vocabulary, encode, and
train with D = 100, a window of 5, 5 negatives, subsampling at 1e-3, and two threads. What they draw
differs, so the vectors do too; equal quality is asserted in ways that chance moves little. The
loss of negative sampling, on examples drawn afresh, must be as low as gensim's. In skip-gram, our
vectors must also agree with gensim's about who is near whom as well as gensim agrees with itself
after another seed; in CBOW the two follow different gradients (see `Word2Vec.gradients`), so ours
gets the larger learning rate that the true one wants. WordSim-353 is printed beside; on so little
text it is mostly noise.
"""

import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from common import Row
from gensim.models import Word2Vec as Gensim

from seqcourse.data import load
from seqcourse.tokenizers import words
from seqcourse.vector_scores import neighbour_overlap, similarity_score
from seqcourse.vectors import WordVectors
from seqcourse.vocab import Vocab
from seqcourse.word2vec import Word2Vec, Word2VecConfig
from seqcourse.word2vec_fast import drawn, fit_fast
from seqcourse.word2vec_losses import Questions

Texts = list[list[str]]
Architecture = Literal["skip-gram", "cbow"]

MIN_COUNT, THREADS, PIECE = 5, 2, 1_000
RATE = {"skip-gram": 0.025, "cbow": 0.1}  # gensim's default is 0.025 for both


@cache
def corpus(name: str) -> Texts:
    """Return a data set as texts of at most 1,000 words, which neither side has to cut."""
    loaded = load(name)
    texts = loaded.values() if isinstance(loaded, dict) else loaded
    cut = [words(text, lower=True) for text in texts]
    return [t[i : i + PIECE] for t in cut for i in range(0, len(t), PIECE)]


def ours(
    texts: Texts, architecture: Architecture, epochs: int, *, seed: int = 1
) -> tuple[Word2Vec, Vocab]:
    """Train ours from lists of words."""
    vocab = Vocab.build((w for t in texts for w in t), min_count=MIN_COUNT, unk=None)
    ids = [vocab.encode(w for w in text if w in vocab) for text in texts]
    config = Word2VecConfig(len(vocab), architecture=architecture, learning_rate=RATE[architecture])
    model = Word2Vec(config, rng=np.random.default_rng(seed))
    model.inputs *= 2  # gensim starts within ±1/D, word2vec.c and ours within half of it
    fit_fast(model, ids, epochs=epochs, threads=THREADS, seed=seed)
    return model, vocab


def theirs(
    texts: Texts | Path, architecture: Architecture, epochs: int, *, seed: int = 1
) -> Gensim:
    """Train gensim's from lists of words, or from a file with a text on each line."""
    source = {"corpus_file": str(texts)} if isinstance(texts, Path) else {"sentences": texts}
    return Gensim(
        **source,
        vector_size=100,
        window=5,
        negative=5,
        sample=1e-3,
        min_count=MIN_COUNT,
        sg=int(architecture == "skip-gram"),
        workers=THREADS,
        epochs=epochs,
        seed=seed,
    )


def loss(model: Word2Vec, ids: list[np.ndarray]) -> float:
    """Return the mean loss of negative sampling, on examples that no side has drawn."""
    losses = []
    for examples, asked, _ in drawn(model.config, ids, epochs=1, seed=999):
        for begin in range(0, len(examples.targets), 500):
            some = slice(begin, begin + 500)
            questions = Questions(asked.rows[some], asked.answers[some])
            step, _ = model.gradients(examples.part(begin, begin + 500), questions)
            losses.append(step.losses)
    return float(np.concatenate(losses).mean())


def assert_equal_quality(texts: Texts, architecture: Architecture, epochs: int) -> None:
    """Assert that ours is not worse than gensim's, and print how good both are."""
    model, vocab = ours(texts, architecture, epochs)
    runs = [theirs(texts, architecture, epochs, seed=seed) for seed in (1, 2)]
    rows = [runs[0].wv.key_to_index[w] for w in vocab.tokens]
    peer = Word2Vec(model.config, rng=np.random.default_rng(0))
    peer.inputs, peer.outputs = runs[0].wv.vectors[rows], runs[0].syn1neg[rows]
    ids = [vocab.encode(w for w in text if w in vocab) for text in texts[::7]]
    losses = [loss(m, ids) for m in (model, peer)]

    mine = WordVectors(vocab, model.inputs)
    gensims = [WordVectors(vocab, run.wv[vocab.tokens]) for run in runs]
    asked = vocab.tokens[100:2000:19]
    agree = neighbour_overlap(mine, gensims[0], asked)
    itself = neighbour_overlap(*gensims, asked)
    scores = [similarity_score(v, load("wordsim-353"), lower=True) for v in (mine, *gensims)]
    wordsim = ", ".join(f"{s.spearman:.3f}" for s in scores)
    print(
        f"  {architecture}: loss {losses[0]:.4f} (gensim {losses[1]:.4f}); neighbours shared with "
        f"gensim {agree:.3f} (gensim with itself {itself:.3f}); WordSim-353 ours, gensim, gensim: "
        f"{wordsim} on {scores[0].covered} pairs"
    )
    assert losses[0] <= 1.01 * losses[1], losses
    assert architecture == "cbow" or agree >= itself - 0.05, (agree, itself)


def contest(
    name: str, architecture: Architecture, epochs: int, *, file: Path | None = None
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Prepare both sides; theirs reads the texts from a file if one is named."""
    texts = corpus(name)
    assert_equal_quality(texts, architecture, epochs)
    if file is not None:
        file.write_text("\n".join(map(" ".join, texts)) + "\n", encoding="utf-8")
    source = texts if file is None else file
    return (
        partial(ours, texts, architecture, epochs),
        partial(theirs, source, architecture, epochs),
    )


FOLDER = tempfile.TemporaryDirectory()  # gone when the benchmark ends
SHAKESPEARE = "1.09 million words of Shakespeare, 3 epochs"

ROWS = [
    Row(
        work=f"skip-gram, {SHAKESPEARE}",
        peer="gensim",
        goal=1.0,
        setup=lambda: contest("shakespeare", "skip-gram", 3),
        pairs=3,
        note="equal quality: loss, and neighbours shared with gensim's own other seed",
    ),
    Row(
        work=f"skip-gram, {SHAKESPEARE}",
        peer="gensim, corpus_file",
        goal=1.0,
        setup=lambda: contest("shakespeare", "skip-gram", 3, file=Path(FOLDER.name) / "corpus.txt"),
        pairs=3,
        note="gensim's quickest way: its threads read a file, without Python",
    ),
    Row(
        work=f"CBOW, {SHAKESPEARE}",
        peer="gensim",
        goal=1.0,
        setup=lambda: contest("shakespeare", "cbow", 3),
        pairs=3,
        note="ours follows the true gradient; loss as low as gensim's",
    ),
    Row(
        work="skip-gram, 60 thousand words of news, 10 epochs",
        peer="gensim",
        goal=1.0,
        setup=lambda: contest("lee-background", "skip-gram", 10),
        note="a small corpus: what each training costs before it begins",
    ),
]
