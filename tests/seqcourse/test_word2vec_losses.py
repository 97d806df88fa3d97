import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqcourse.finite_differences import numerical_gradient
from seqcourse.huffman import huffman_tree
from seqcourse.word2vec_losses import (
    ask_about_noise,
    ask_the_tree,
    hierarchical_logprobs,
    hierarchical_loss,
    negative_sampling_loss,
    sigmoid,
    softmax_loss,
)

B, D, V, K = 5, 3, 11, 7
TREE = huffman_tree([31, 17, 13, 7, 5, 5, 3, 2, 1, 1, 0])
TARGETS = np.array([0, 9, 4, 4, 10])  # one of them twice
NEGATIVES = np.random.default_rng(2).integers(0, 4, (B, K))  # with repetitions


def vectors(nodes: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((B, D)), rng.standard_normal((nodes, D))


def softmax(hidden, outputs):
    return softmax_loss(hidden, outputs, TARGETS)


def negative(hidden, outputs):
    return negative_sampling_loss(hidden, outputs, TARGETS, NEGATIVES)


def hierarchical(hidden, outputs):
    return hierarchical_loss(hidden, outputs, TARGETS, TREE)


def torch_softmax(hidden, outputs):
    return F.cross_entropy(hidden @ outputs.T, torch.tensor(TARGETS), reduction="none")


def torch_negative(hidden, outputs):
    positive = (hidden * outputs[TARGETS]).sum(dim=1)
    noise = torch.einsum("bd,bkd->bk", hidden, outputs[NEGATIVES])
    return -F.logsigmoid(positive) - F.logsigmoid(-noise).sum(dim=1)


def torch_hierarchical(hidden, outputs):
    losses = []
    for h, word in zip(hidden, TARGETS, strict=True):
        loss = torch.zeros((), dtype=h.dtype)
        for q in range(TREE.lengths[word]):
            score = h @ outputs[TREE.paths[word, q]]
            loss = loss - F.logsigmoid(score if TREE.codes[word, q] == 0 else -score)
        losses.append(loss)
    return torch.stack(losses)


LOSSES = [
    pytest.param(softmax, torch_softmax, V, id="softmax"),
    pytest.param(negative, torch_negative, V, id="negative"),
    pytest.param(hierarchical, torch_hierarchical, V - 1, id="hierarchical"),
]


def dense(step, nodes: int):
    """The gradient of the whole output matrix."""
    full = np.zeros((nodes, D))
    np.add.at(full, step.rows, step.outputs)
    return full


@pytest.mark.parametrize(("ours", "theirs", "nodes"), LOSSES)
def test_the_gradient_by_hand_is_autograds(ours, theirs, nodes):
    hidden, outputs = vectors(nodes)
    step = ours(hidden, outputs)
    tensors = [torch.tensor(x, requires_grad=True) for x in (hidden, outputs)]
    losses = theirs(*tensors)
    losses.sum().backward()
    np.testing.assert_allclose(step.losses, losses.detach().numpy())
    np.testing.assert_allclose(step.hidden, tensors[0].grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(dense(step, nodes), tensors[1].grad.numpy(), atol=1e-12)


@pytest.mark.parametrize(("ours", "_", "nodes"), LOSSES)
def test_the_gradient_by_hand_is_the_slope(ours, _, nodes):
    hidden, outputs = vectors(nodes)
    step = ours(hidden, outputs)
    of_hidden = numerical_gradient(lambda x: float(ours(x, outputs).losses.sum()), hidden)
    np.testing.assert_allclose(step.hidden, of_hidden, atol=1e-8)
    of_outputs = numerical_gradient(lambda x: float(ours(hidden, x).losses.sum()), outputs)
    np.testing.assert_allclose(dense(step, nodes), of_outputs, atol=1e-8)


def test_negative_sampling_touches_few_rows():
    step = negative(*vectors(V))
    assert set(step.rows) == {*TARGETS, *NEGATIVES.ravel()}
    assert step.outputs.shape == (B * (1 + K), D)


def test_hierarchical_softmax_sums_to_one_and_is_what_its_loss_says():
    hidden, outputs = vectors(V - 1)
    logprobs = hierarchical_logprobs(hidden, outputs, TREE)
    np.testing.assert_allclose(np.exp(logprobs).sum(axis=1), 1)
    expected = -logprobs[np.arange(B), TARGETS]
    np.testing.assert_allclose(hierarchical(hidden, outputs).losses, expected)


def test_a_tree_of_two_words_is_a_logistic_regression():
    hidden, outputs = vectors(1)
    logprobs = hierarchical_logprobs(hidden, outputs, huffman_tree([1, 2]))
    np.testing.assert_allclose(np.exp(logprobs[:, 0]), sigmoid(hidden @ outputs[0]))


@pytest.mark.parametrize(("ours", "_", "nodes"), LOSSES)
def test_huge_scores_stay_finite(ours, _, nodes):
    hidden, outputs = vectors(nodes)
    step = ours(1e4 * hidden, 1e4 * outputs)
    for part in (step.losses, step.hidden, step.outputs):
        assert np.isfinite(part).all()
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(("ours", "_", "nodes"), LOSSES)
def test_float32_stays_float32(ours, _, nodes):
    hidden, outputs = (x.astype(np.float32) for x in vectors(nodes))
    step = ours(hidden, outputs)
    assert step.hidden.dtype == step.outputs.dtype == np.float32


def test_the_questions():
    noise = ask_about_noise(np.array([3]), np.array([[5, 5, 0]]))
    assert noise.rows.tolist() == [[3, 5, 5, 0]]
    assert noise.answers.tolist() == [[True, False, False, False]]
    tree = huffman_tree([5, 2, 1, 1])  # codes 1, 00, 010, 011
    asked = ask_the_tree(np.array([0, 3]), tree)
    assert asked.rows.tolist() == [[0, -1, -1], [0, 1, 2]]
    assert asked.answers.tolist() == [[False, False, False], [True, False, False]]
