import pytest
import torch
from torch import nn

from seqcourse.training.optimizers import adamw


def test_only_matrices_are_pulled_towards_zero():
    model = nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.Embedding(7, 2))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = adamw(model, learning_rate=0.1, weight_decay=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()  # without a gradient, only the decay is left
    for name, parameter in model.named_parameters():
        kept = 1 - 0.1 * 0.5 if parameter.ndim == 2 else 1
        torch.testing.assert_close(parameter.detach(), kept * before[name])


def test_a_step_is_pytorchs():
    ours, theirs = nn.Linear(3, 5, bias=False), nn.Linear(3, 5, bias=False)
    theirs.load_state_dict(ours.state_dict())
    optimizers = (
        adamw(ours, learning_rate=0.1, weight_decay=0.2, betas=(0.8, 0.9)),
        torch.optim.AdamW(theirs.parameters(), 0.1, weight_decay=0.2, betas=(0.8, 0.9)),
    )
    for model, optimizer in zip((ours, theirs), optimizers, strict=True):
        for step in range(3):
            model.weight.grad = torch.full_like(model.weight, step - 1.5)
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=0, atol=0)


def test_frozen_parameters_are_left_out():
    model = nn.Linear(3, 5)
    model.weight.requires_grad_(False)
    groups = adamw(model).param_groups
    assert [p.shape for group in groups for p in group["params"]] == [(5,)]


def test_a_model_with_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="ReLU has no parameter that requires a gradient"):
        adamw(nn.ReLU())
