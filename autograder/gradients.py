"""Gradients across the wire: `F.cross_entropy(student.model(x), y).backward()` in a hidden test.

The worker keeps those tensors of an answer that have a graph. Here they become the outputs of one
node of autograd's graph; its inputs are the tensors that went with the question and need gradients.
Going backward through the node asks the worker to go backward through its own graph, in which
parameters collect their gradients, and brings back the gradients of the node's inputs. By the
chain rule, so strung together the graphs of many calls are one.

The worker may send anything: a gradient that is not of its input's shape and dtype is a breach.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from autograder.errors import SuiteError
from autograder.question import Question

if TYPE_CHECKING:
    from autograder.session import Session

__all__ = ["join"]


def join(session: "Session", question: Question) -> None:
    """Make the answer's tensors the outputs of a node, in place, and let them go with it."""
    kept = _Kept(session, question)
    if torch.is_grad_enabled():
        tensors = [tensor for _, tensor in (*question.sent, *question.kept)]
        anchor = torch.empty(0, requires_grad=True)  # for an answer that depends on no input
        _Node.apply(kept, len(question.sent), anchor, *tensors)


class _Kept:
    """The numbers of the tensors that the worker keeps for one node. Dropped when it is gone."""

    def __init__(self, session: "Session", question: Question) -> None:
        self._session, self._generation = session, session.generation
        self._outputs = [number for number, _ in question.kept]
        self._inputs = [number for number, _ in question.sent]
        self._places = [(each.shape, each.dtype, each.device) for _, each in question.sent]
        session.drop_with(self, [*self._outputs, *self._inputs])

    def backward(self, grads: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
        """Ask for the gradients of the inputs, given those of the outputs."""
        if torch.is_grad_enabled():
            raise SuiteError("no gradients of gradients cross the wire: leave create_graph out")
        if self._generation != self._session.generation:
            raise SuiteError("this graph belongs to an earlier run of the notebook")
        known = {n: grad for n, grad in zip(self._outputs, grads, strict=True) if grad is not None}
        found = self._session.ask("backward", [*known], [*known.values()], self._inputs)
        if type(found) is not list or len(found) != len(self._inputs):
            self._session.breach("gradients of the wrong form")
        return [self._checked(*each) for each in zip(found, self._places, strict=True)]

    def _checked(self, grad: Any, place: tuple[Any, ...]) -> torch.Tensor | None:
        if grad is None:
            return None
        shape, dtype, device = place
        if type(grad) is not torch.Tensor or (grad.shape, grad.dtype) != (shape, dtype):
            self._session.breach("a gradient of the wrong shape or dtype")
        return grad.detach().to(device)


class _Node(torch.autograd.Function):
    """Joins the tensors of one answer to those of its question."""

    @staticmethod
    def forward(
        ctx: Any, kept: _Kept, count: int, anchor: torch.Tensor, *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        outputs = tensors[count:]
        ctx.kept, ctx.spare = kept, len(outputs)
        ctx.set_materialize_grads(False)
        ctx.mark_dirty(*outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        return (None, None, None, *ctx.kept.backward(grads), *[None] * ctx.spare)
