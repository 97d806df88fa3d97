"""Training: our loop and our loss against PyTorch's parts, put together by hand."""

from collections.abc import Callable
from typing import Any

import torch
from common import Row
from torch import Tensor, nn

from seqcourse.gpt import GPT, GPTConfig
from seqcourse.training import clip_by_norm, cross_entropy, fit, next_token_loss

V, B, T, STEPS = 65, 8, 64, 10
Work = Callable[[], object]


def _model() -> GPT:
    torch.manual_seed(0)
    config = GPTConfig(V, width=64, heads=4, layers=2, context_length=T, dropout=0.0)
    return GPT(config)


def _batch(number: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(number)
    ids = torch.randint(V, (B, T + 1), generator=draw)
    return ids[:, :-1], ids[:, 1:]


def _fit() -> list[float]:
    model = _model()
    return fit(model, _batch, next_token_loss, steps=STEPS, progress=False).losses


def _by_hand() -> list[float]:
    model, losses = _model(), []
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.01)
    for step in range(STEPS):
        inputs, targets = _batch(step)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def _loop() -> tuple[Work, Work]:
    torch.testing.assert_close(_fit(), _by_hand(), atol=1e-4, rtol=0)
    return _fit, _by_hand


def _cross_entropy() -> tuple[Work, Work]:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(B, T, 5003, generator=draw, requires_grad=True)
    targets = torch.randint(5003, (B, T), generator=draw)
    mask = torch.arange(T) < torch.arange(T, 0, -B)[:B, None]
    ignored = targets.masked_fill(~mask, -100).flatten()

    def ours() -> Tensor:
        loss = cross_entropy(logits, targets, mask=mask, label_smoothing=0.1)
        return torch.autograd.grad(loss, logits)[0]

    def theirs() -> Tensor:
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), ignored, label_smoothing=0.1)
        return torch.autograd.grad(loss, logits)[0]

    torch.testing.assert_close(ours(), theirs())
    return ours, theirs


def _clipping() -> tuple[Work, Work]:
    model = _model()
    draw = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=draw)
    norm = clip_by_norm(model.parameters(), 1.0)
    assert norm > 1
    assert abs(nn.utils.clip_grad_norm_(model.parameters(), 1.0).item() - 1) < 1e-4

    def ours() -> list[float]:
        return [clip_by_norm(model.parameters(), 1e-3) for _ in range(100)]

    def theirs() -> list[float]:
        return [nn.utils.clip_grad_norm_(model.parameters(), 1e-3).item() for _ in range(100)]

    return ours, theirs


ROWS = [
    Row(f"train a small GPT, {STEPS} steps of {B} × {T} tokens", "a loop by hand", 1.1, _loop),
    Row(
        f"masked, smoothed cross-entropy and its gradient, {B} × {T} × 5,003",
        "torch",
        1.2,
        _cross_entropy,
    ),
    Row("clip a small GPT's gradients by norm, 100 times", "torch", 1.5, _clipping),
]
