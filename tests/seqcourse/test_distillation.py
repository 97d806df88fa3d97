import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seqcourse.bert import Bert, BertConfig, BertPretraining
from seqcourse.distillation import distilling, hidden_loss, soft_target_loss, student_of
from seqcourse.gpt import GPT, GPTConfig
from seqcourse.training import fit

V, D = 13, 10


def logits(seed: int, shape: tuple[int, ...] = (5, 3, V)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(shape, generator=generator, dtype=torch.float64)


# --- losses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.0])
def test_the_soft_loss_is_torchs_divergence_times_the_square_of_the_temperature(temperature):
    student, teacher = logits(0), logits(1)
    expected = temperature**2 * F.kl_div(
        F.log_softmax(student.flatten(0, 1) / temperature, -1),
        F.softmax(teacher.flatten(0, 1) / temperature, -1),
        reduction="batchmean",
    )
    loss = soft_target_loss(student, teacher, temperature=temperature)
    torch.testing.assert_close(loss, expected)


def test_the_gradient_is_that_of_hinton():
    student, teacher, tau = logits(0, (1, V)).requires_grad_(), logits(1, (1, V)), 3.0
    soft_target_loss(student, teacher, temperature=tau).backward()
    expected = tau * ((student / tau).softmax(-1) - (teacher / tau).softmax(-1))
    torch.testing.assert_close(student.grad, expected.detach())


def test_hot_targets_compare_centred_logits():
    student, teacher = logits(0, (1, V)), logits(1, (1, V))
    gap = (student - student.mean()) - (teacher - teacher.mean())
    loss = soft_target_loss(student, teacher, temperature=1e5)
    assert loss.item() == pytest.approx(gap.square().mean().item() / 2, rel=1e-3)


def test_agreement_costs_nothing_and_disagreement_something():
    student = logits(0)
    assert soft_target_loss(student, student + 5).item() == pytest.approx(0, abs=1e-12)
    assert soft_target_loss(student, logits(1)) > 0.1
    assert torch.isfinite(soft_target_loss(student * 1e4, logits(1) * 1e4))


def test_masked_places_do_not_count():
    student, teacher = logits(0), logits(1)
    mask = torch.rand(5, 3, generator=torch.Generator().manual_seed(2)) < 0.5
    loss = soft_target_loss(student, teacher, mask=mask)
    torch.testing.assert_close(loss, soft_target_loss(student[mask], teacher[mask]))
    near = hidden_loss(student, teacher, mask=mask)
    torch.testing.assert_close(near, hidden_loss(student[mask], teacher[mask]))


def test_hidden_vectors_are_compared_by_direction():
    student, teacher = logits(0), logits(1)
    cosine = (student * teacher).sum(-1) / (student.norm(dim=-1) * teacher.norm(dim=-1))
    torch.testing.assert_close(hidden_loss(student, teacher), 1 - cosine.mean())
    assert hidden_loss(student, 3 * student).item() == pytest.approx(0, abs=1e-12)
    assert hidden_loss(student, -student).item() == pytest.approx(2)


def test_no_gradient_reaches_the_teacher():
    student, teacher = logits(0).requires_grad_(), logits(1).requires_grad_()
    (soft_target_loss(student, teacher) + hidden_loss(student, teacher)).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_impossible_losses_are_refused():
    with pytest.raises(ValueError, match="temperature must be above 0, but is 0"):
        soft_target_loss(logits(0), logits(1), temperature=0.0)
    with pytest.raises(ValueError, match="temperature must be above 0, but is -1"):
        distilling(nn.Linear(3, 5), forward, temperature=-1.0)
    with pytest.raises(ValueError, match="soft must be within 0 … 1, but is 1.5"):
        distilling(nn.Linear(3, 5), forward, soft=1.5)
    with pytest.raises(ValueError, match="no place counts"):
        hidden_loss(logits(0), logits(1), mask=torch.zeros(5, 3, dtype=torch.bool))


# --- training ----------------------------------------------------------------------------------


def forward(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]):
    return model(batch[0]), batch[1]


def test_the_training_loss_mixes_soft_and_hard():
    torch.manual_seed(0)
    teacher, student = nn.Linear(3, 5), nn.Linear(3, 5)
    batch = torch.randn(7, 2, 3), torch.randint(0, 5, (7, 2))
    soft = soft_target_loss(student(batch[0]), teacher(batch[0]), temperature=4.0)
    hard = F.cross_entropy(student(batch[0]).transpose(1, 2), batch[1])
    loss = distilling(teacher, forward, temperature=4.0, soft=0.3)(student, batch)
    torch.testing.assert_close(loss, 0.3 * soft + 0.7 * hard)


def test_a_student_learns_its_teachers_opinions_from_noise():
    torch.manual_seed(0)
    teacher = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5)).train()
    before = copy.deepcopy(teacher.state_dict())
    student = nn.Linear(3, 5)

    def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.randn(31, 3, generator=torch.Generator().manual_seed(step))
        return x, torch.zeros(31, dtype=torch.int64)

    fit(
        student,
        batch,
        distilling(teacher, forward, soft=1.0),
        steps=300,
        optimizer=torch.optim.Adam(student.parameters(), lr=0.05),
        progress=False,
    )
    x = torch.randn(17, 3)
    assert not teacher.training
    torch.testing.assert_close(student(x).softmax(-1), teacher(x).softmax(-1), atol=0.01, rtol=0)
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert all(p.grad is None for p in teacher.parameters())


# --- students ----------------------------------------------------------------------------------


def bert(layers: int = 5) -> BertPretraining:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=V, width=D, heads=2, layers=layers, context_length=7)
    return BertPretraining(config).double().eval()


def with_layers(model, layers: list[int]):
    """Cut layers out of a copy by hand."""
    cut = copy.deepcopy(model)
    stack = cut.encoder.stack if isinstance(cut, BertPretraining) else cut.stack
    stack.blocks = nn.ModuleList(stack.blocks[i] for i in layers)
    return cut


@pytest.mark.parametrize(
    ("layers", "kept"), [(None, [0, 2, 4]), ([4], [4]), ([3, 0, 3], [3, 0, 3])]
)
def test_a_student_has_the_kept_layers_of_its_teacher(layers, kept):
    teacher = bert()
    student = student_of(teacher, layers).eval()
    assert student.config.layers == len(kept)
    ids = torch.randint(0, V, (3, 7))
    torch.testing.assert_close(student(ids).tokens, with_layers(teacher, kept)(ids).tokens)


def test_any_model_of_one_configuration_has_students():
    config = GPTConfig(vocab_size=V, width=D, heads=2, layers=4, context_length=7)
    for teacher in (GPT(config).eval(), Bert(bert(12).config).eval()):
        student = student_of(teacher).eval()
        assert type(student) is type(teacher)
        ids = torch.randint(0, V, (3, 7))
        kept = list(range(0, teacher.config.layers, 2))
        ours, theirs = student(ids), with_layers(teacher, kept)(ids)
        torch.testing.assert_close(ours, theirs)


def test_a_student_shares_no_memory_with_its_teacher():
    teacher = bert()
    before = copy.deepcopy(teacher.state_dict())
    with torch.no_grad():
        for parameter in student_of(teacher).parameters():
            parameter.zero_()
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


@pytest.mark.parametrize("layers", [[], [5], [0, -1]])
def test_impossible_layers_are_refused(layers):
    with pytest.raises(ValueError, match="layers must be some of 0 … 4, but is"):
        student_of(bert(), layers)
