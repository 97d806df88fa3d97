import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seqcourse import word2vec_fast, word2vec_kernels
from seqcourse.word2vec import Word2Vec, Word2VecConfig
from seqcourse.word2vec_fast import drawn, fit_fast

V, D = 29, 5
FAST = [(a, b) for a in ("skip-gram", "cbow") for b in ("negative", "hierarchical")]


def corpus() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(V))
    return [rng.choice(V, size=size, p=p) for size in (211, 1, 0, 53, 2, 101)]


def model(architecture="skip-gram", loss="negative", *, dtype=np.float64, **options) -> Word2Vec:
    options = {"window": 3, "negatives": 4, "subsample": 0.05, "learning_rate": 0.3, **options}
    config = Word2VecConfig(V, dim=D, architecture=architecture, loss=loss, **options)
    return Word2Vec(config, rng=np.random.default_rng(1), dtype=dtype)


@pytest.fixture
def short_pieces(monkeypatch):
    """Cut texts after 37 words, and give threads 101 words at a time."""
    monkeypatch.setattr(word2vec_fast, "PIECE", 37)
    monkeypatch.setattr(word2vec_fast, "JOB", 101)


def replayed(slow: Word2Vec, *, epochs: int, seed: int) -> list[float]:
    """Repeat fit_fast's training by the readable path, an example a step."""
    losses = []
    for examples, questions, rate in drawn(slow.config, corpus(), epochs=epochs, seed=seed):
        for i in range(len(examples.targets)):
            asked = type(questions)(*(part[i : i + 1] for part in questions))
            loss = slow.step(examples.part(i, i + 1), asked, rate)
            if i % word2vec_kernels.WATCHED == 0:
                losses.append(float(loss[0]))
    return losses


@pytest.mark.parametrize(("architecture", "loss"), FAST)
def test_the_fast_path_is_the_readable_path(short_pieces, architecture, loss):
    fast, slow = model(architecture, loss), model(architecture, loss)
    losses = fit_fast(fast, corpus(), epochs=1, seed=7)
    replay = replayed(slow, epochs=1, seed=7)
    np.testing.assert_allclose(fast.inputs, slow.inputs, rtol=1e-9)
    np.testing.assert_allclose(fast.outputs, slow.outputs, rtol=1e-9)
    assert np.abs(fast.outputs).max() > 0.05  # it did move
    assert losses == pytest.approx([np.mean(replay)])


def test_several_epochs_are_the_readable_path_too():
    fast, slow = model(shrink=False), model(shrink=False)
    fit_fast(fast, corpus(), epochs=2, seed=8)
    replayed(slow, epochs=2, seed=8)
    np.testing.assert_allclose(fast.inputs, slow.inputs, rtol=1e-9)


@pytest.mark.parametrize(("architecture", "loss"), FAST)
def test_compiled_or_not_the_kernels_do_the_same(monkeypatch, architecture, loss):
    compiled, interpreted = model(architecture, loss), model(architecture, loss)
    fit_fast(compiled, corpus(), epochs=1, seed=9)
    for name in ("_bits", "_below", "_share", "_ask", "_learn", "draw", "train"):
        plain = getattr(word2vec_kernels, name).py_func
        monkeypatch.setattr(word2vec_kernels, name, plain)

    def train(*arguments):
        with np.errstate(over="ignore"):  # random bits are meant to overflow
            return word2vec_kernels.train(*arguments)

    monkeypatch.setattr(word2vec_fast, "train", train)
    fit_fast(interpreted, corpus(), epochs=1, seed=9)
    np.testing.assert_allclose(compiled.inputs, interpreted.inputs, rtol=1e-9)


# --- what is drawn -----------------------------------------------------------------------------


def all_drawn(config: Word2VecConfig, texts, *, epochs: int, seed: int = 0):
    return list(drawn(config, texts, epochs=epochs, seed=seed))


def test_without_chance_the_examples_are_those_of_the_readable_path():
    for architecture in ("skip-gram", "cbow"):
        made = model(architecture, subsample=None, shrink=False)
        expected = word2vec_fast.Draws(made.config, corpus()).examples(np.random.default_rng(0))
        pieces = all_drawn(made.config, corpus(), epochs=1)
        targets = np.concatenate([p.targets for p, *_ in pieces])
        assert (targets == expected.targets).all()
        rows = [row[row >= 0].tolist() for p, *_ in pieces for row in p.inputs]
        assert rows == [row[row >= 0].tolist() for row in expected.inputs]


def test_words_are_kept_and_windows_shrunk_as_often_as_they_should_be():
    text = np.tile(np.arange(V), 200)
    config = model(window=3, subsample=0.01).config
    examples = [e for e, *_ in all_drawn(config, text, epochs=3)]
    keep = word2vec_fast.Draws(config, text).keep[0]
    pairs = sum(len(e.targets) for e in examples)
    # a kept word reaches 1, 2 or 3 words on either side: 4 pairs on average
    assert pairs / (3 * len(text)) == pytest.approx(4 * keep, rel=0.02)


def test_negatives_follow_the_noise_and_miss_the_target():
    texts = [np.random.default_rng(0).choice(5, size=10_007, p=[0.4, 0.3, 0.2, 0.07, 0.03])]
    config = model(subsample=None, window=1).config
    counts = np.bincount(texts[0], minlength=V)
    seen = np.zeros((V, V))
    for examples, questions, _ in all_drawn(config, texts, epochs=1):
        assert (questions.rows[:, 0] == examples.targets).all()
        assert (questions.rows[:, 1:] != examples.targets[:, None]).all()
        assert questions.answers.all(axis=0).tolist() == [True, False, False, False, False]
        np.add.at(seen, (examples.targets[:, None], questions.rows[:, 1:]), 1)
    for target in range(5):
        noise = counts**0.75
        noise[target] = 0
        share = seen[target] / seen[target].sum()
        np.testing.assert_allclose(share, noise / noise.sum(), atol=0.012)


def test_the_rate_falls_from_piece_to_piece(short_pieces):
    config = model(learning_rate=0.5, final_learning_rate=0.1).config
    rates = [rate for *_, rate in all_drawn(config, corpus(), epochs=2)]
    assert rates[0] == 0.5
    steps = np.diff(rates)
    assert (steps < 0).all()
    words = sum(map(len, corpus()))
    assert steps[0] == pytest.approx(-0.4 * 37 / (2 * words))


def test_jobs_cover_every_piece_once(short_pieces):
    plan = word2vec_fast.Plan(model().config, corpus(), 0, 1)
    assert (np.diff(plan.bounds) <= 37).all()
    assert plan.bounds[-1] == sum(map(len, corpus()))
    covered = [p for first, last in plan.jobs() for p in range(first, last)]
    assert covered == list(range(len(plan.bounds) - 1))
    assert len(plan.jobs()) > 3


# --- threads, seeds, precision -----------------------------------------------------------------


def test_one_thread_is_deterministic_and_the_seed_matters(short_pieces):
    trained = []
    for seed in (3, 3, 4):
        made = model(dtype=np.float32)
        fit_fast(made, corpus(), epochs=2, seed=seed)
        trained.append(made.inputs)
    assert (trained[0] == trained[1]).all()
    assert not (trained[0] == trained[2]).all()


def test_two_threads_learn_as_well(short_pieces):
    losses = [
        fit_fast(model(learning_rate=0.1), corpus(), epochs=40, threads=n, seed=5)[-1]
        for n in (1, 2)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_float32_stays_float32_and_close():
    double, single = model(), model(dtype=np.float32)
    for made in (double, single):
        fit_fast(made, corpus(), epochs=2, seed=6)
    assert single.inputs.dtype == np.float32
    np.testing.assert_allclose(single.inputs, double.inputs, rtol=1e-3, atol=1e-5)


def test_huge_vectors_give_finite_losses():
    made = model(dtype=np.float32, learning_rate=0.0, final_learning_rate=0.0)
    made.inputs[:] = 1e3
    made.outputs[:] = 1e3
    losses = fit_fast(made, corpus(), epochs=1, seed=0)
    assert np.isfinite(losses).all()
    assert (made.inputs == 1e3).all()


def test_negative_sampling_factorises_shifted_pmi():
    """Levy and Goldberg (2014): with room enough, u · v is where the expected slope is 0."""
    rng = np.random.default_rng(0)
    words, k = 4, 2
    together = np.array([[5, 3, 1, 1], [3, 1, 4, 2], [1, 4, 2, 3], [1, 2, 3, 4]])
    pairs = [np.array([a, b]) for a in range(words) for b in range(words)]
    texts = [p for p in pairs for _ in range(20 * together[p[0], p[1]])]
    texts = [texts[i] for i in rng.permutation(len(texts))]
    config = Word2VecConfig(
        words, dim=8, window=1, negatives=k, noise_power=1.0, subsample=None, learning_rate=0.05
    )
    made = Word2Vec(config, rng=rng)
    made.outputs[:] = 0.1 * rng.standard_normal(made.outputs.shape)
    fit_fast(made, texts, epochs=400, seed=0)
    # each target c' draws k negatives c with p(c) / (1 - p(c')), since never itself
    p = together.sum(axis=0) / together.sum()
    meets = np.where(np.eye(words), 0, p / (1 - p)[:, None])  # (c', c)
    expected = np.log(together / (k * together @ meets))
    np.testing.assert_allclose(made.inputs @ made.outputs.T, expected, atol=0.12)


def test_progress_is_shown_when_asked_for(capsys):
    fit_fast(model(), corpus(), epochs=1, seed=0)
    assert capsys.readouterr().out == ""
    fit_fast(model(), corpus(), epochs=1, seed=0, progress=True)
    assert "word2vec" in capsys.readouterr().out


# --- bad input, and a bad place ----------------------------------------------------------------


def test_bad_input_is_explained():
    softmax = Word2Vec(Word2VecConfig(V, loss="softmax"), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="train it with Word2Vec.fit"):
        fit_fast(softmax, corpus(), seed=0)
    with pytest.raises(ValueError, match="threads must be at least 1, but is 0"):
        fit_fast(model(), corpus(), threads=0, seed=0)
    with pytest.raises(ValueError, match="epochs must be at least 1, but is 0"):
        fit_fast(model(), corpus(), epochs=0, seed=0)
    with pytest.raises(ValueError, match="no word with a neighbour left"):
        fit_fast(model(), [np.array([0]), np.array([1])], seed=0)
    with pytest.raises(ValueError, match=r"corpus\[0\] contains the id 29"):
        fit_fast(model(), np.array([0, 29]), seed=0)
    small = model()
    small.outputs = small.outputs[:-1]
    with pytest.raises(ValueError, match=r"outputs must have shape \(29, 5\), but have \(28, 5\)"):
        fit_fast(small, corpus(), seed=0)


def test_kernels_compile_where_nothing_can_be_written(monkeypatch):
    calls = []

    def refuses_to_cache(cache=False, **options):
        calls.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(word2vec_kernels.numba, "njit", refuses_to_cache)
    assert word2vec_kernels.compiled(len) is len
    assert calls == [True, False]


def test_a_read_only_installation_can_be_imported_and_compiles(tmp_path):
    program = (
        "import numpy as np\n"
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"  # what a read-only disk leaves over
        "from seqcourse import word2vec_kernels\n"
        "print(word2vec_kernels._below(np.uint64(1 << 63), 10))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(word2vec_kernels.__file__).parents[1])},
        cwd=tmp_path,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("5\n", "")
