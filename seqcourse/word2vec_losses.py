"""The losses of word2vec, each with its gradient written out by hand.

All of them ask the same thing: how well does a hidden vector h predict a word w? In
skip-gram h is the vector of the centre word; in CBOW, the mean of the vectors around
it. Each word or tree node has an output vector u besides, and its score is u · h.

* *Full softmax* scores all V words: p(w | h) = exp(u_w · h) / Σ_v exp(u_v · h).
* *Negative sampling* asks K + 1 yes-or-no questions: is this the word that stood here,
  or noise?
* *Hierarchical softmax* asks one yes-or-no question at each inner node on the way to
  the word in a binary tree: right or left?

The last two are logistic regressions on a few rows of U, so one function,
`logistic_loss`, serves both. Its gradient is (prediction - answer) times the other
vector; so is softmax's.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from seqcourse.huffman import HuffmanTree

__all__ = [
    "Gradients",
    "Questions",
    "ask_about_noise",
    "ask_the_tree",
    "hierarchical_logprobs",
    "hierarchical_loss",
    "logistic_loss",
    "negative_sampling_loss",
    "sigmoid",
    "softmax_loss",
]

Hidden = Float[np.ndarray, "B D"]
Outputs = Float[np.ndarray, "N D"]
Targets = Int[np.ndarray, " B"]


class Gradients(NamedTuple):
    """The losses of B examples, and the gradient of their sum.

    Attributes:
        losses: -ln p of each example, in nats; for negative sampling, the sum over its
            questions.
        hidden: gradient with respect to the hidden vectors.
        rows: which output vectors have a gradient; one may be listed several times, and
            then its gradients add up. All others have gradient zero.
        outputs: the gradients of those rows.
    """

    losses: Float[np.ndarray, " B"]
    hidden: Float[np.ndarray, "B D"]
    rows: Int[np.ndarray, " R"]
    outputs: Float[np.ndarray, "R D"]


class Questions(NamedTuple):
    """Up to Q yes-or-no questions for each of B examples.

    Attributes:
        rows: which output vector each question is about; -1 where an example has fewer
            than Q.
        answers: whether the right answer is yes.
    """

    rows: Int[np.ndarray, "B Q"]
    answers: Bool[np.ndarray, "B Q"]


def softmax_loss(hidden: Hidden, outputs: Outputs, targets: Targets) -> Gradients:
    """Return -ln softmax(U h) at the target, and its gradient.

    With e = softmax(U h) - one_hot(target): Uᵀ e for h, and e hᵀ for U.
    Each example touches all V output vectors, which is what the other two losses avoid
    (Mikolov et al. 2013, eq. 2).

    >>> step = softmax_loss(np.array([[1.0]]), np.array([[0.0], [0.0]]), np.array([1]))
    >>> step.losses.round(3), step.outputs.ravel()  # p = 1/2, 1/2
    (array([0.693]), array([ 0.5, -0.5]))
    """
    logits = hidden @ outputs.T  # (B, V)
    logits -= logits.max(axis=1, keepdims=True)
    logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    examples = np.arange(len(targets))
    error = np.exp(logprobs)  # (B, V): p - one_hot
    error[examples, targets] -= 1
    return Gradients(
        losses=-logprobs[examples, targets],
        hidden=error @ outputs,
        rows=np.arange(len(outputs)),
        outputs=error.T @ hidden,
    )


def logistic_loss(hidden: Hidden, outputs: Outputs, questions: Questions) -> Gradients:
    """Return -Σ ln σ(±u · h) over the questions, + for yes, - for no; and the gradient.

    With the score s = u · h and the answer y of 1 or 0, the gradient with respect to s
    is σ(s) - y; the rest is the chain rule.
    """
    asked = questions.rows >= 0
    vectors = outputs[questions.rows]  # (B, Q, D)
    scores = np.einsum("bd,bqd->bq", hidden, vectors)
    losses = np.logaddexp(0, np.where(questions.answers, -scores, scores))
    error = (sigmoid(scores) - questions.answers).astype(hidden.dtype) * asked  # (B, Q)
    return Gradients(
        losses=(losses * asked).sum(axis=1),
        hidden=np.einsum("bq,bqd->bd", error, vectors),
        rows=questions.rows[asked],
        outputs=(error[..., None] * hidden[:, None])[asked],
    )


def sigmoid(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Return 1 / (1 + e^-x) without overflow."""
    return np.exp(-np.logaddexp(0, -x))


def ask_about_noise(targets: Targets, negatives: Int[np.ndarray, "B K"]) -> Questions:
    """Return the questions of negative sampling: yes for the target, no for noise."""
    rows = np.concatenate([targets[:, None], negatives], axis=1)  # (B, 1 + K)
    return Questions(rows, np.arange(rows.shape[1]) == np.zeros_like(rows))


def ask_the_tree(targets: Targets, tree: HuffmanTree) -> Questions:
    """Return the questions of hierarchical softmax: at each node, is the next bit a 0?

    That 0 stands for yes is word2vec.c's choice; it decides the sign of the vectors, no
    more.
    """
    return Questions(tree.paths[targets], tree.codes[targets] == 0)


def negative_sampling_loss(
    hidden: Hidden,
    outputs: Outputs,
    targets: Targets,
    negatives: Int[np.ndarray, "B K"],
) -> Gradients:
    """Return -ln σ(u_target · h) - Σ ln σ(-u_negative · h), and its gradient.

    Mikolov et al. (2013), eq. 4, for negatives already drawn.

    >>> zeros = np.zeros((5, 2))
    >>> target, negatives = np.array([0]), np.array([[3, 3, 4]])
    >>> step = negative_sampling_loss(zeros[:1], zeros, target, negatives)
    >>> step.losses  # four questions at ln 2 each
    array([2.77258872])
    """
    return logistic_loss(hidden, outputs, ask_about_noise(targets, negatives))


def hierarchical_loss(
    hidden: Hidden,
    outputs: Float[np.ndarray, "N D"],
    targets: Targets,
    tree: HuffmanTree,
) -> Gradients:
    """Return -ln p(target | h), a product over the turns to it, and its gradient.

    Mikolov et al. (2013), eq. 3. The rows of `outputs` are the V-1 inner nodes, not
    words.
    """
    return logistic_loss(hidden, outputs, ask_the_tree(targets, tree))


def hierarchical_logprobs(
    hidden: Hidden, outputs: Float[np.ndarray, "N D"], tree: HuffmanTree
) -> Float[np.ndarray, "B V"]:
    """Return ln p(v | h) for every word: a distribution that needs no normalising."""
    scores = hidden @ outputs.T  # (B, V-1)
    turns = np.where(tree.codes == 0, 1, -1)  # (V, L)
    bits = -np.logaddexp(0, -turns * scores[:, tree.paths])  # (B, V, L)
    return (bits * (tree.paths >= 0)).sum(axis=2)
