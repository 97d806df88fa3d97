"""Hidden Markov models: a chain of states that you cannot see, and what it emits.

Notation as in Rabiner (1989): T time steps, S states, V symbols; start π (S,),
transition A (S, S) with rows for the state left, emission B (S, V). `alpha` and `beta`
are Rabiner's forward and backward variables. They are computed scaled to sum to one at
each step, which is as safe as working with logarithms and quicker.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from seqcourse.lm import Ids, as_ids

__all__ = ["HMM", "LogTable"]

LogTable = Float[np.ndarray, "T S"]
"""Logarithms of probabilities: a row for each step, a column for each state."""


def _log(p: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    with np.errstate(divide="ignore"):
        return np.log(p)


def _check_rows(
    name: str, rows: Float[np.ndarray, "*shape"], shape: tuple[int, ...]
) -> None:
    if rows.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, but has {rows.shape}")
    if (rows < 0).any() or not np.allclose(rows.sum(axis=-1), 1):
        raise ValueError(
            f"{name} must hold probabilities that sum to 1 along the last axis"
        )


@dataclass(frozen=True)
class HMM:
    """A hidden Markov model over symbols 0 … V-1.

    Attributes:
        start: π, probability of each first state, shape (S,).
        transition: A, probability of the next state (column) given this one (row),
            shape (S, S).
        emission: B, probability of each symbol (column) in each state (row),
            shape (S, V).

    Raises:
        ValueError: if the shapes do not fit together, or rows are not distributions.
    """

    start: Float[np.ndarray, " S"]
    transition: Float[np.ndarray, "S S"]
    emission: Float[np.ndarray, "S V"]

    def __post_init__(self) -> None:
        if self.emission.ndim != 2:
            raise ValueError(
                f"emission must have shape (S, V), but has {self.emission.shape}"
            )
        states = len(self.start)
        _check_rows("start", self.start, (states,))
        _check_rows("transition", self.transition, (states, states))
        _check_rows("emission", self.emission, (states, self.emission.shape[1]))

    def _observed(self, symbols: Ids) -> Ids:
        observed = as_ids(symbols, self.emission.shape[1], name="symbols")
        if not observed.size:
            raise ValueError("symbols is empty: an HMM explains at least one symbol")
        return observed

    def forward(self, symbols: Ids) -> LogTable:
        """Return ln p(symbols up to t, state at t), shape (T, S), in nats."""
        alpha, scale = self._scaled_forward(self._observed(symbols)[None])
        return _log(alpha[0]) + np.cumsum(_log(scale[0]))[:, None]

    def backward(self, symbols: Ids) -> LogTable:
        """Return ln p(symbols after t | state at t), shape (T, S), in nats.

        The last row is 0: nothing is left to explain.
        """
        observed = self._observed(symbols)
        log_beta = np.zeros((len(observed), len(self.start)))
        with np.errstate(divide="ignore"):
            for t in range(len(observed) - 2, -1, -1):
                emits = _log(self.emission[:, observed[t + 1]])  # (S,)
                ahead = log_beta[t + 1] + emits
                log_beta[t] = np.logaddexp.reduce(_log(self.transition) + ahead, axis=1)
        return log_beta

    def log_likelihood(self, symbols: Ids) -> float:
        """Return ln p(symbols), summed over all paths through the states, in nats."""
        return float(_log(self._scaled_forward(self._observed(symbols)[None])[1]).sum())

    def posterior(self, symbols: Ids) -> Float[np.ndarray, "T S"]:
        """Return p(state at t | all symbols), shape (T, S).

        Raises:
            ValueError: if the model holds the symbols to be impossible.
        """
        return self._expected(self._observed(symbols)[None])[0][0]

    def viterbi(self, symbols: Ids) -> tuple[Int[np.ndarray, " T"], float]:
        """Return the most probable path of states, and ln p(path, symbols).

        The path has shape (T,), the logarithm is in nats. Among equally probable paths
        the one with the lower state, decided from the end, wins.
        """
        observed = self._observed(symbols)
        log_a, log_b = _log(self.transition), _log(self.emission)
        best = _log(self.start) + log_b[:, observed[0]]  # (S,) best path into each
        came_from = np.zeros((len(observed), len(best)), dtype=np.int64)
        for t in range(1, len(observed)):
            via = best[:, None] + log_a  # (S, S) from row to column
            came_from[t] = via.argmax(axis=0)
            best = via.max(axis=0) + log_b[:, observed[t]]
        path = [int(best.argmax())]
        for t in range(len(observed) - 1, 0, -1):
            path.append(int(came_from[t, path[-1]]))
        return np.array(path[::-1]), float(best.max())

    def sample(
        self, length: int, rng: np.random.Generator
    ) -> tuple[Int[np.ndarray, " T"], Int[np.ndarray, " T"]]:
        """Draw `length` steps; return the hidden states and the symbols, each (T,)."""
        states: list[int] = []
        symbols: list[int] = []
        for _ in range(length):
            p = self.transition[states[-1]] if states else self.start
            states.append(int(rng.choice(len(p), p=p)))
            p = self.emission[states[-1]]
            symbols.append(int(rng.choice(len(p), p=p)))
        return np.array(states, dtype=np.int64), np.array(symbols, dtype=np.int64)

    def _scaled_forward(
        self, batch: Int[np.ndarray, "B T"]
    ) -> tuple[Float[np.ndarray, "B T S"], Float[np.ndarray, "B T"]]:
        """Return p(state at t | symbols up to t), and p(symbol t | those before)."""
        alpha = np.empty((*batch.shape, len(self.start)))
        scale = np.empty(batch.shape)
        state = np.broadcast_to(self.start, (len(batch), len(self.start)))  # (B, S)
        for t in range(batch.shape[1]):
            joint = state * self.emission[:, batch[:, t]].T
            scale[:, t] = joint.sum(axis=1)
            possible = scale[:, t, None] > 0
            alpha[:, t] = np.divide(
                joint, scale[:, t, None], out=joint * 0, where=possible
            )
            state = alpha[:, t] @ self.transition
        return alpha, scale

    def _expected(
        self, batch: Int[np.ndarray, "B T"]
    ) -> tuple[Float[np.ndarray, "B T S"], Float[np.ndarray, "S S"], float]:
        """Return p(state | symbols), the expected transitions, and ln p(batch)."""
        alpha, scale = self._scaled_forward(batch)
        if (scale == 0).any():
            raise ValueError(
                "the model gives these symbols probability 0: no path explains them"
            )
        gamma = np.empty_like(alpha)
        gamma[:, -1] = alpha[:, -1]
        transitions = np.zeros_like(self.transition)
        beta = np.ones_like(alpha[:, 0])  # (B, S), scaled like alpha
        for t in range(batch.shape[1] - 2, -1, -1):
            ahead = self.emission[:, batch[:, t + 1]].T * beta / scale[:, t + 1, None]
            transitions += self.transition * (alpha[:, t].T @ ahead)
            beta = ahead @ self.transition.T
            gamma[:, t] = alpha[:, t] * beta
        return gamma, transitions, float(np.log(scale).sum())

    def improve(self, batch: Int[np.ndarray, "B T"]) -> tuple["HMM", float]:
        """Return the model after one step of EM, and ln p(batch) before it.

        Baum et al. (1970): replace each probability by the expected share of its event.

        Args:
            batch: B sequences of equal length T.

        Raises:
            ValueError: if the model holds a sequence to be impossible.
        """
        gamma, transitions, loglik = self._expected(batch)
        emissions = np.zeros_like(self.emission)
        np.add.at(emissions.T, batch, gamma)
        start = gamma[:, 0].mean(axis=0)
        a, b = _normalised(transitions), _normalised(emissions)
        return HMM(start / start.sum(), a, b), loglik

    @classmethod
    def fit(
        cls,
        batch: Int[np.ndarray, "B T"],
        n_states: int,
        n_symbols: int,
        *,
        steps: int = 50,
        rng: np.random.Generator,
    ) -> tuple["HMM", list[float]]:
        """Learn a model from symbols alone, by Baum-Welch from a random start.

        Args:
            batch: B sequences of T symbols each; cut a long text into equal pieces.
            n_states: S.
            n_symbols: V.
            steps: how many steps of EM.
            rng: draws the starting point; EM finds a local optimum, so try several.

        Returns:
            The model, and ln p(batch) in nats before each step, which never falls.

        Raises:
            ValueError: if a symbol is outside 0 … V-1, or there are none.
        """
        batch = np.asarray(batch)
        if batch.ndim != 2 or not batch.size:
            raise ValueError(
                f"batch must be a non-empty (B, T) array, but has shape {batch.shape}"
            )
        as_ids(batch.ravel(), n_symbols, name="batch")
        model = cls(
            rng.dirichlet(np.ones(n_states) * 10),
            rng.dirichlet(np.ones(n_states) * 10, size=n_states),
            rng.dirichlet(np.ones(n_symbols) * 10, size=n_states),
        )
        history = []
        for _ in range(steps):
            model, loglik = model.improve(batch)
            history.append(loglik)
        return model, history

    @classmethod
    def from_counts(
        cls,
        tagged: Sequence[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]],
        n_states: int,
        n_symbols: int,
        *,
        k: float = 0.0,
    ) -> "HMM":
        """Learn a model where the states were seen, by add-k counting.

        Args:
            tagged: (states, symbols) pairs, the two of a pair of equal length.
            n_states: S.
            n_symbols: V.
            k: pseudo-count of every start, transition and emission.

        Raises:
            ValueError: if the two of a pair differ in length, or nothing is known of
                some state.
        """
        start = np.full(n_states, k)
        transition = np.full((n_states, n_states), k)
        emission = np.full((n_states, n_symbols), k)
        for states, symbols in tagged:
            if len(states) != len(symbols):
                raise ValueError(f"got {len(states)} states for {len(symbols)} symbols")
            if not len(states):
                continue
            states = as_ids(states, n_states, name="states")
            symbols = as_ids(symbols, n_symbols, name="symbols")
            start[states[0]] += 1
            np.add.at(transition, (states[:-1], states[1:]), 1)
            np.add.at(emission, (states, symbols), 1)
        for name, counts in (("transition", transition), ("emission", emission)):
            if not counts.sum(axis=1).all():
                raise ValueError(
                    f"some state has no {name} in the tagged data; smooth the counts "
                    "with k > 0"
                )
        return cls(start / start.sum(), _normalised(transition), _normalised(emission))


def _normalised(rows: Float[np.ndarray, "R C"]) -> Float[np.ndarray, "R C"]:
    """Scale rows to sum to 1; a row of zeros (a state never used) becomes uniform."""
    total = rows.sum(axis=1, keepdims=True)
    uniform = np.full_like(rows, 1 / rows.shape[1])
    return np.divide(rows, total, out=uniform, where=total > 0)
