"""What every language model must do, as checks that any test can run.

    from contracts import check_language_model

    def test_it_fulfils_the_contract():
        check_language_model(MyModel(config))

The checks take tiny models: a vocabulary of a few tokens, random parameters, no training. A model
with a context limit needs one of at least 4.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqcourse.lm import LanguageModel
from seqcourse.neural import NeuralLM
from seqcourse.stepping import StepModel, evaluating

B, T = 3, 7  # T is cut down to what the model can read at once


def check_language_model(
    model: LanguageModel, *, atol: float = 1e-5, lengths: tuple[int, ...] = (0, 1, 2, 11)
) -> None:
    """Check `logprobs` and `next_logprobs`; of a `NeuralLM`, everything."""
    assert isinstance(model, LanguageModel)
    for length in lengths:
        tokens = random_tokens(model, length)
        check_distribution(model.next_logprobs(tokens), model.vocab_size)
        check_agreement(model, tokens, atol)
        check_causal_scores(model, tokens, atol)
    if isinstance(model, NeuralLM):
        check_parallel(model, atol)
        check_pieces(model, atol)
        check_mode_is_kept(model)
        prompts = random_batch(model, size(model) - 3)
        check_step_model(model, prompts, atol=atol)
        check_begin(model, prompts, atol)


def check_step_model(model: StepModel, inputs: Any, *, steps: int = 2, atol: float = 1e-5) -> None:
    """Check `begin`, `step` and `reorder`, from inputs of a batch of at least two rows.

    Written for models that read ids and for models that read a source sequence alike: it
    compares the model only with itself, run on its rows in another order.
    """
    assert isinstance(model, StepModel)
    with torch.no_grad(), evaluating(model):
        logits, state = model.begin(inputs)
        rows = len(logits)
        assert rows >= 2, "give inputs of at least two rows"
        assert logits.shape == (rows, model.vocab_size)
        written = random_ids(model, rows, steps, logits.device)
        straight = [logits]
        for t in range(steps):
            logits, state = model.step(written[:, t], state)
            assert logits.shape == (rows, model.vocab_size)
            straight.append(logits)
        check_reorder(model, inputs, written, straight, atol)
        check_reuse(model, inputs, written, straight, atol)


def check_writer(model: Any, inputs: Any, *, steps: int = 5, atol: float = 1e-5) -> None:
    """Check a model that turns inputs into a sequence, and also reads known ones in parallel.

    Beside the checks of a step model: `model(inputs, ids)`, with the start token before the ids,
    gives the logits of begin and step, and sees no later token.
    """
    check_step_model(model, inputs, atol=atol)
    with torch.no_grad(), evaluating(model):
        logits, state = model.begin(inputs)
        written = random_ids(model, len(logits), steps, logits.device)
        straight = [logits]
        for t in range(steps):
            logits, state = model.step(written[:, t], state)
            straight.append(logits)
        start = written.new_full((len(written), 1), model.start_id)
        parallel = model(inputs, torch.cat([start, written], dim=1))
    close(parallel, torch.stack(straight, dim=1), atol, "writing step by step and in parallel")


# --- the answers of a language model -----------------------------------------------------------


def check_distribution(logprobs: np.ndarray, vocab_size: int) -> None:
    """A distribution over all tokens: it sums to one, and is in double precision."""
    assert logprobs.shape == (vocab_size,)
    assert logprobs.dtype == np.float64
    np.testing.assert_allclose(np.exp(logprobs).sum(), 1, rtol=1e-5)


def check_agreement(model: LanguageModel, tokens: np.ndarray, atol: float) -> None:
    """Scoring a text agrees with asking for each token what may come next.

    Where the context is limited, a text longer than the limit is read in windows of the model's
    choice, so there only the places that fit are compared.
    """
    scores = model.logprobs(tokens)
    assert scores.shape == (len(tokens),)
    assert scores.dtype == np.float64
    compared = len(tokens) if limit(model) is None else min(len(tokens), limit(model))
    asked = [model.next_logprobs(tokens[:t])[tokens[t]] for t in range(compared)]
    np.testing.assert_allclose(scores[:compared], asked, atol=atol)


def check_causal_scores(model: LanguageModel, tokens: np.ndarray, atol: float) -> None:
    """No score changes when a later token does."""
    for t in range(len(tokens)):
        other = tokens.copy()
        other[t] = (other[t] + 1) % model.vocab_size
        before = model.logprobs(tokens)[:t]
        np.testing.assert_allclose(model.logprobs(other)[:t], before, atol=atol)


# --- the machinery of a neural one -------------------------------------------------------------


def check_parallel(model: NeuralLM, atol: float) -> None:
    """`forward` gives logits of each place, and no place sees a later one: not even by gradient."""
    ids = random_batch(model, size(model))
    logits = forward(model, ids)
    assert logits.shape == (*ids.shape, model.vocab_size)
    for t in range(ids.shape[1]):
        other = ids.clone()
        other[:, t] = (other[:, t] + 1) % model.vocab_size
        changed = forward(model, other)
        close(changed[:, :t], logits[:, :t], atol, f"a token at {t} changed what is before it")
        if model.vocab_size > 1:
            assert not torch.equal(changed[:, t:], logits[:, t:]), f"the token at {t} is not read"


def check_pieces(model: NeuralLM, atol: float) -> None:
    """Reading in pieces, with a state, gives the logits of reading all at once."""
    ids = random_batch(model, size(model))
    expected = forward(model, ids)
    for cuts in ([], [1], [3], [1, 2, 3]):
        state, pieces = None, []
        for piece in torch.tensor_split(ids, cuts, dim=1):
            logits, state = advance(model, piece, state)
            pieces.append(logits)
        close(torch.cat(pieces, dim=1), expected, atol, f"reading in pieces cut at {cuts}")


def check_mode_is_kept(model: NeuralLM) -> None:
    """Scoring switches dropout off, and the model is left in the mode it was in."""
    was_training = model.training
    tokens = random_tokens(model, 5)
    for mode in (True, False):
        model.train(mode)
        np.testing.assert_array_equal(model.logprobs(tokens), model.logprobs(tokens))
        model.next_logprobs(tokens)
        assert model.training is mode
    model.train(was_training)


def check_begin(model: NeuralLM, prompts: Tensor, atol: float) -> None:
    """`begin` and `step` give the distributions that `next_logprobs` gives."""
    with torch.no_grad(), evaluating(model):
        first, state = model.begin(prompts)
        token = random_ids(model, len(prompts), 1, prompts.device)
        second, _ = model.step(token[:, 0], state)
    for logits, read in ((first, prompts), (second, torch.cat([prompts, token], dim=1))):
        for row in range(len(prompts)):
            ours = torch.log_softmax(logits[row].double(), dim=-1).cpu().numpy()
            theirs = model.next_logprobs(read[row].cpu().numpy())
            np.testing.assert_allclose(ours, theirs, atol=atol)


# --- states ------------------------------------------------------------------------------------


def check_reorder(
    model: StepModel, inputs: Any, written: Tensor, straight: list[Tensor], atol: float
) -> None:
    """Rows that are moved, repeated and dropped go on exactly as they would have in place."""
    rows = torch.tensor([1, 0, 1], device=written.device)
    _, state = model.begin(inputs)
    state = model.reorder(state, rows)
    for t in range(written.shape[1]):
        logits, state = model.step(written[rows, t], state)
        close(logits, straight[t + 1][rows], atol, "reordered rows went on otherwise")


def check_reuse(
    model: StepModel, inputs: Any, written: Tensor, straight: list[Tensor], atol: float
) -> None:
    """A state that was stepped from can be stepped from again: beams share their beginnings."""
    _, state = model.begin(inputs)
    for t in range(written.shape[1]):
        other = (written[:, t] + 1) % model.vocab_size
        model.step(other, state)  # leads elsewhere, and must leave no trace
        logits, state = model.step(written[:, t], state)
        close(logits, straight[t + 1], atol, "a step changed the state that it started from")


# --- helpers -----------------------------------------------------------------------------------


def limit(model: LanguageModel) -> int | None:
    """How many tokens, the start included, the model reads at once."""
    return getattr(model, "context_length", None)


def size(model: NeuralLM) -> int:
    """A length that the model can read at once."""
    return T if model.context_length is None else min(T, model.context_length)


def random_tokens(model: LanguageModel, length: int) -> np.ndarray:
    return np.random.default_rng(length).integers(0, model.vocab_size, length)


def random_ids(model: StepModel, rows: int, length: int, device: torch.device) -> Tensor:
    draws = np.random.default_rng(rows).integers(0, model.vocab_size, (rows, length))
    return torch.as_tensor(draws, device=device)


def random_batch(model: NeuralLM, length: int) -> Tensor:
    return random_ids(model, B, length, model.device)


def forward(model: NeuralLM, ids: Tensor) -> Tensor:
    with torch.no_grad(), evaluating(model):
        return model(ids)


def advance(model: NeuralLM, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
    with torch.no_grad(), evaluating(model):
        return model.advance(ids, state)


def close(ours: Tensor, expected: Tensor, atol: float, message: str) -> None:
    torch.testing.assert_close(
        ours, expected, atol=atol, rtol=1e-4, msg=lambda text: f"{message}: {text}"
    )
