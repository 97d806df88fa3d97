"""One question to the worker: its number, its tensors, and what an answer to it may look like."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder.values import decode
from autograder.wire import WireError

__all__ = ["Question", "is_of"]

_FORMS: dict[str, tuple[type | None, ...]] = {
    "value": (None,),
    "missing": (),
    "unsendable": (str,),
    "too_large": (),
    "raised": (list, str, list),
    "callback": (int, list, dict),
}


@dataclass
class Question:
    """A question that has been asked.

    Attributes:
        number: every answer repeats it.
        name: what was asked for, should it be missing: the worker doesn't get to say.
        sent: tensors that went with it and need gradients, with the worker's numbers for them.
        kept: tensors of the answer that have a graph, with the worker's numbers for them.
    """

    number: int
    name: str = ""
    sent: list[tuple[int, Any]] = field(default_factory=list)
    kept: list[tuple[int, Any]] = field(default_factory=list)

    def read(self, data: bytes, resolve: Callable[[list[Any]], Any]) -> list[Any]:
        """Return `[outcome, *fields]`. WireError for bytes that are no answer to this question."""
        answer = decode(data, resolve, link=self._keep)
        if type(answer) is not list or len(answer) < 2 or not is_of(answer[:2], int, str):
            raise WireError("an answer of the wrong form")
        number, outcome, *rest = answer
        if number != self.number:
            raise WireError("an answer to another question")
        if outcome not in _FORMS or not is_of(rest, *_FORMS[outcome]):
            raise WireError("an answer of the wrong form")
        if self.kept and outcome != "value":
            raise WireError("a tensor of a graph where only values are allowed")
        return [outcome, *rest]

    def _keep(self, tensor: Any, number: int) -> Any:
        tensor.grad = None
        self.kept.append((number, tensor.requires_grad_(requires_grad=False)))
        return tensor


def is_of(values: Sequence[Any], *kinds: type | None) -> bool:
    """Whether a list holds values of exactly these types; None takes any."""
    if type(values) is not list or len(values) != len(kinds):
        return False
    return all(
        kind is None or type(value) is kind for value, kind in zip(values, kinds, strict=True)
    )
