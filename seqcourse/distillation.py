"""Distillation: a small student learns from the opinions of a large teacher.

A teacher says more than the right answer: that a 2 looks a little like a 3, and nothing
like an 8. Dividing the logits by a temperature above 1 brings such small probabilities
out (Hinton et al. 2015). DistilBERT (Sanh et al. 2019) makes its student of every
second layer of the teacher.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqcourse._checks import check_probability

__all__ = ["distilling", "hidden_loss", "soft_target_loss", "student_of"]

M = TypeVar("M", bound=nn.Module)
Logits = Float[Tensor, "*batch V"]
Batch = TypeVar("Batch")


def soft_target_loss(
    student: Logits,
    teacher: Logits,
    *,
    temperature: float = 2.0,
    mask: Bool[Tensor, "*batch"] | None = None,
) -> Float[Tensor, ""]:
    """Return τ² KL(teacher ‖ student) of the softmaxes at temperature τ, a mean.

    It is 0 where the student agrees, and its gradient is that of the cross-entropy with
    soft targets. The gradients of a softmax at temperature τ shrink as 1/τ²; the factor
    τ² makes up for it, so that soft and hard losses keep their balance (Hinton et al.
    2015, section 2).

    >>> same = torch.tensor([[1.0, 2.0, 3.0]])
    >>> soft_target_loss(same, same + 7)
    tensor(0.)

    Args:
        student: its logits.
        teacher: its logits; no gradient flows into them.
        temperature: τ, above 0. Towards infinity the loss becomes half the mean squared
            difference of the logits, each side shifted to mean 0 (Hinton et al. 2015,
            eq. 4).
        mask: True where a place counts; None for all.

    Raises:
        ValueError: if the temperature is not above 0, or no place counts.
    """
    _check_temperature(temperature)
    log_q = F.log_softmax(student / temperature, dim=-1)
    log_p = F.log_softmax(teacher.detach() / temperature, dim=-1)
    divergence = (log_p.exp() * (log_p - log_q)).sum(dim=-1)  # (*batch)
    return temperature**2 * _mean(divergence, mask)


def hidden_loss(
    student: Float[Tensor, "*batch D"],
    teacher: Float[Tensor, "*batch D"],
    *,
    mask: Bool[Tensor, "*batch"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean of 1 - cos(student, teacher): vectors shall point the same way.

    The third of DistilBERT's losses (Sanh et al. 2019, section 3).

    >>> hidden_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 5.0]]))
    tensor(1.)

    Raises:
        ValueError: if no place counts.
    """
    return _mean(1 - F.cosine_similarity(student, teacher.detach(), dim=-1), mask)


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, but is {temperature}")


def _mean(
    values: Float[Tensor, "*batch"], mask: Bool[Tensor, "*batch"] | None
) -> Tensor:
    counted = values.flatten() if mask is None else values[mask]
    if not counted.numel():
        raise ValueError(
            "no place counts: the mask is False everywhere, or the batch is empty"
        )
    return counted.mean()


def distilling(
    teacher: nn.Module,
    forward: Callable[[nn.Module, Batch], tuple[Logits, Int[Tensor, "*batch"]]],
    *,
    temperature: float = 2.0,
    soft: float = 0.5,
) -> Callable[[nn.Module, Batch], Float[Tensor, ""]]:
    """Return a loss for `fit`: the teacher's opinion beside the right answer.

    It is soft · `soft_target_loss` + (1 - soft) · cross-entropy with the targets.

    >>> teacher, student = nn.Linear(3, 5), nn.Linear(3, 5)
    >>> loss = distilling(teacher, lambda model, batch: (model(batch[0]), batch[1]))
    >>> loss(student, (torch.ones(2, 3), torch.tensor([0, 4]))).shape
    torch.Size([])

    Args:
        teacher: a trained model; it is used without gradients, and put in evaluation
            mode.
        forward: takes a model and a batch, and returns logits and targets of the places
            that count. It is called for the teacher and for the student with the same
            batch.
        temperature: as for `soft_target_loss`.
        soft: the weight of the teacher's opinion, within 0 … 1.

    Raises:
        ValueError: if the temperature is not above 0, or `soft` is outside 0 … 1.
    """
    _check_temperature(temperature)
    check_probability("soft", soft)

    def loss(student: nn.Module, batch: Batch) -> Float[Tensor, ""]:
        teacher.eval()
        with torch.no_grad():
            opinion, _ = forward(teacher, batch)
        logits, targets = forward(student, batch)
        hard = F.cross_entropy(logits.flatten(0, -2), targets.flatten())
        return (
            soft * soft_target_loss(logits, opinion, temperature=temperature)
            + (1 - soft) * hard
        )

    return loss


def student_of(teacher: M, layers: Sequence[int] | None = None) -> M:
    """Return a copy with only some of the layers: where a student begins.

    Args:
        teacher: a model made of one configuration with the field `layers`, such as
            `GPT` or `Bert`; it is not changed, and shares no memory with its student.
        layers: which layers to keep, in order; None for every second one, from the
            first on, as in Sanh et al. (2019), section 3. (Their code keeps 0, 2, 4, 7,
            9 and 11 of 12.)

    Raises:
        ValueError: if no layer is kept, or a layer does not exist.
    """
    config: Any = teacher.config
    kept = list(range(0, config.layers, 2) if layers is None else layers)
    if not kept or not all(0 <= layer < config.layers for layer in kept):
        raise ValueError(
            f"layers must be some of 0 … {config.layers - 1}, but is {kept}"
        )
    student = type(teacher)(replace(config, layers=len(kept)))
    places: dict[int, list[int]] = {}
    for new, old in enumerate(kept):
        places.setdefault(old, []).append(new)
    state = {}
    for name, value in teacher.state_dict().items():
        block = re.search(r"(?<=\bblocks\.)\d+", name)
        if block is None:
            state[name] = value
            continue
        for new in places.get(int(block[0]), []):
            state[name[: block.start()] + str(new) + name[block.end() :]] = value
    student.load_state_dict(state)
    return student.to(next(teacher.parameters()))
