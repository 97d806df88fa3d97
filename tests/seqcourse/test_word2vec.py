import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from seqcourse.finite_differences import numerical_gradient
from seqcourse.word2vec import (
    Draws,
    Word2Vec,
    Word2VecConfig,
    cbow_examples,
    context_windows,
    skip_gram_examples,
)

V, D = 7, 3
ALL = [(a, b) for a in ("skip-gram", "cbow") for b in ("softmax", "negative", "hierarchical")]


def corpus() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, V, size) for size in (31, 1, 13, 0, 2)]


def model(architecture="skip-gram", loss="negative", **options) -> Word2Vec:
    options = {"subsample": None, **options}
    config = Word2VecConfig(V, dim=D, architecture=architecture, loss=loss, **options)
    made = Word2Vec(config, rng=np.random.default_rng(1), dtype=np.float64)
    made.outputs[:] = np.random.default_rng(2).standard_normal(made.outputs.shape)
    return made


def drawn(made: Word2Vec, seed: int = 3):
    """Some examples, and the questions about them."""
    rng = np.random.default_rng(seed)
    draws = Draws(made.config, corpus())
    examples = draws.examples(rng)
    return examples, draws.questions(examples.targets, rng)


# --- examples ----------------------------------------------------------------------------------


def neighbours(ids, centre: int, reach: int) -> list[int]:
    places = range(max(0, centre - reach), min(len(ids), centre + reach + 1))
    return [int(ids[p]) for p in places if p != centre]


@given(st.lists(st.integers(0, 9), max_size=23), st.integers(1, 7))
def test_windows_are_the_neighbours_on_both_sides(tokens, window):
    ids = np.array(tokens, dtype=np.int64)
    rows = context_windows(ids, window)
    assert rows.shape == (len(ids), 2 * window)
    for centre, row in enumerate(rows):
        assert row[row >= 0].tolist() == neighbours(ids, centre, window)


def test_shrunk_windows_take_each_size_equally_often():
    ids = np.arange(6_007)
    rows = context_windows(ids, 3, rng=np.random.default_rng(0))[3:-3]
    sizes = (rows >= 0).sum(axis=1)
    for centre, row in zip(ids[3:-3], rows, strict=True):
        reach = len(row[row >= 0]) // 2
        assert row[row >= 0].tolist() == neighbours(ids, centre, reach)
    for size in (2, 4, 6):
        assert (sizes == size).mean() == pytest.approx(1 / 3, abs=0.02)


def test_pairs_and_bags_by_hand():
    ids = np.array([4, 5, 6])
    pairs = skip_gram_examples(ids, context_windows(ids, 2))
    assert pairs.inputs.tolist() == [[4], [4], [5], [5], [6], [6]]
    assert pairs.targets.tolist() == [5, 6, 4, 6, 4, 5]
    bags = cbow_examples(ids, context_windows(ids, 2))
    assert bags.inputs.tolist() == [[-1, -1, 5, 6], [-1, 4, 6, -1], [4, 5, -1, -1]]
    assert bags.targets.tolist() == [4, 5, 6]


def test_a_word_alone_is_no_example():
    alone = np.array([3])
    assert not len(skip_gram_examples(alone, context_windows(alone, 2)).targets)
    assert not len(cbow_examples(alone, context_windows(alone, 2)).targets)


def test_windows_stay_within_their_text():
    config = Word2VecConfig(V, dim=D, window=50, shrink=False, subsample=None)
    pairs = Draws(config, corpus()).examples(np.random.default_rng(0))
    assert len(pairs.targets) == 31 * 30 + 13 * 12 + 2 * 1


def test_subsampling_takes_words_out_before_windows_are_cut():
    ids = np.array([0] * 97 + [1, 2])
    config = Word2VecConfig(3, dim=D, window=1, shrink=False, subsample=1e-9)
    with pytest.raises(ValueError, match="no word with a neighbour left"):
        Draws(config, ids).examples(np.random.default_rng(0))
    keep = Draws(Word2VecConfig(3, dim=D, subsample=0.01), ids).keep
    assert keep[0] == pytest.approx(np.sqrt(0.01 * 99 / 97) + 0.01 * 99 / 97)


# --- gradients ---------------------------------------------------------------------------------


def torch_loss(inputs, outputs, examples, questions):
    """The loss, written anew: for autograd to differentiate down to the word vectors."""
    total = torch.zeros((), dtype=torch.float64)
    for i, (row, target) in enumerate(zip(*examples, strict=True)):
        hidden = inputs[row[row >= 0]].mean(dim=0)
        if questions is None:
            total = total + F.cross_entropy(outputs @ hidden, torch.tensor(target))
        else:
            asked = questions.rows[i] >= 0
            signs = torch.tensor(np.where(questions.answers[i][asked], 1.0, -1.0))
            scores = outputs[questions.rows[i][asked]] @ hidden
            total = total - F.logsigmoid(signs * scores).sum()
    return total


@pytest.mark.parametrize(("architecture", "loss"), ALL)
def test_a_step_follows_autograds_gradient(architecture, loss):
    made = model(architecture, loss, window=2)
    examples, questions = drawn(made)
    tensors = [torch.tensor(x, requires_grad=True) for x in (made.inputs, made.outputs)]
    expected = torch_loss(*tensors, examples, questions)
    expected.backward()
    losses = made.step(examples, questions, rate=0.1)
    assert losses.sum() == pytest.approx(expected.item())
    for after, before in zip((made.inputs, made.outputs), tensors, strict=True):
        stepped = before.detach() - 0.1 * before.grad
        np.testing.assert_allclose(after, stepped.numpy(), atol=1e-12)


@pytest.mark.parametrize(("architecture", "loss"), ALL)
def test_a_step_follows_the_slope(architecture, loss):
    made = model(architecture, loss, window=2)
    examples, questions = drawn(made)

    def total(inputs):
        made.inputs = inputs
        return float(made.gradients(examples, questions)[0].losses.sum())

    before = made.inputs.copy()
    slope = numerical_gradient(total, before)
    made.inputs = before.copy()
    made.step(examples, questions, rate=0.01)
    np.testing.assert_allclose(before - made.inputs, 0.01 * slope, atol=1e-9)


# --- training ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("architecture", "loss"), ALL)
def test_words_that_keep_the_same_company_get_similar_vectors(architecture, loss):
    rng = np.random.default_rng(0)
    sentences = [(0, 4, 5), (1, 4, 5), (2, 6, 7), (3, 6, 7)]  # 0 like 1, 2 like 3
    texts = [np.array(sentences[i]) for i in rng.integers(4, size=211)]
    options = {"subsample": None, "learning_rate": 0.2, "window": 2}
    config = Word2VecConfig(8, dim=5, architecture=architecture, loss=loss, **options)
    learner = Word2Vec(config, rng=rng)
    losses = learner.fit(texts, epochs=7, batch_size=5, rng=rng)
    assert len(losses) == 7
    assert losses[-1] < 0.8 * losses[0]
    unit = learner.inputs / np.linalg.norm(learner.inputs, axis=1, keepdims=True)
    cosine = unit @ unit.T
    assert min(cosine[0, 1], cosine[2, 3]) > 0.9
    assert max(cosine[0, 2], cosine[1, 3], cosine[0, 3], cosine[1, 2]) < 0.5


def test_vectors_start_as_the_paper_says():
    fresh = Word2Vec(Word2VecConfig(V, dim=50), rng=np.random.default_rng(0))
    assert 0.009 < np.abs(fresh.inputs).max() <= 0.01
    assert not fresh.outputs.any()
    assert fresh.inputs.dtype == fresh.outputs.dtype == np.float32
    tree = Word2Vec(Word2VecConfig(V, loss="hierarchical"), rng=np.random.default_rng(0))
    assert tree.outputs.shape == (V - 1, 100)


def test_the_rate_falls_in_a_straight_line():
    config = Word2VecConfig(V, learning_rate=0.3, final_learning_rate=0.1)
    assert [config.rate(x) for x in (0.0, 0.5, 1.0)] == pytest.approx([0.3, 0.2, 0.1])


def test_the_same_seed_gives_the_same_vectors():
    trained = []
    for seed in (4, 4, 5):
        learner = model()
        learner.fit(corpus(), epochs=2, rng=np.random.default_rng(seed))
        trained.append(learner.inputs)
    assert (trained[0] == trained[1]).all()
    assert not (trained[0] == trained[2]).all()


def test_progress_is_shown_when_asked_for(capsys):
    model().fit(corpus(), epochs=1, rng=np.random.default_rng(0))
    assert capsys.readouterr().out == ""
    model().fit(corpus(), epochs=1, rng=np.random.default_rng(0), progress=True)
    assert "word2vec" in capsys.readouterr().out


# --- bad input ---------------------------------------------------------------------------------


def test_bad_configurations_are_explained():
    for option in ("dim", "window", "negatives"):
        with pytest.raises(ValueError, match=f"{option} must be at least 1, but is 0"):
            Word2VecConfig(V, **{option: 0})
    with pytest.raises(ValueError, match="vocab_size must be at least 2 .* but is 1"):
        Word2VecConfig(1)
    with pytest.raises(ValueError, match="rate must fall .* learning_rate=0.1 to .*=0.2"):
        Word2VecConfig(V, learning_rate=0.1, final_learning_rate=0.2)


def test_unknown_choices_are_explained(unchecked_shapes):
    with pytest.raises(ValueError, match="architecture must be one of .* but is 'glove'"):
        Word2VecConfig(V, architecture="glove")
    with pytest.raises(ValueError, match="loss must be one of .* but is 'hinge'"):
        Word2VecConfig(V, loss="hinge")


def test_bad_corpora_are_explained():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="window must be at least 1, but is 0"):
        context_windows(np.array([0]), 0)
    with pytest.raises(ValueError, match=r"corpus\[1\] contains the id 7"):
        model().fit([np.array([0]), np.array([7])], rng=rng)
    with pytest.raises(ValueError, match="empty corpus"):
        model().fit([], rng=rng)
    with pytest.raises(ValueError, match="no word with a neighbour left"):
        model().fit([np.array([0]), np.array([1])], rng=rng)
    with pytest.raises(ValueError, match="two different words"):
        model().fit(np.array([1, 1, 1]), rng=rng)
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        model().fit(corpus(), epochs=0, rng=rng)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        model().fit(corpus(), batch_size=0, rng=rng)
