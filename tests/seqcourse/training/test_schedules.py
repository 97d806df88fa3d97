import math

import pytest

from seqcourse.training.schedules import constant, inverse_sqrt, linear, noam, warmup_cosine


def factors(schedule, steps: int) -> list[float]:
    return [schedule(step) for step in range(steps)]


def test_a_constant_is_one_after_its_warm_up():
    assert factors(constant(), 3) == [1, 1, 1]
    assert factors(constant(warmup=2), 5) == pytest.approx([1 / 3, 2 / 3, 1, 1, 1])


def test_linear_by_hand():
    expected = [1 / 3, 2 / 3, 1, 0.8, 0.6, 0.4, 0.2, 0, 0]
    assert factors(linear(7, warmup=2), 9) == pytest.approx(expected)
    floored = [0.1 + 0.9 * x for x in expected[2:]]
    assert factors(linear(7, warmup=2, floor=0.1), 9)[2:] == pytest.approx(floored)


def test_cosine_by_hand():
    half = math.sqrt(0.5)
    falling = [1, (1 + half) / 2, 0.5, (1 - half) / 2, 0, 0]
    assert factors(warmup_cosine(4), 6) == pytest.approx(falling)
    assert factors(warmup_cosine(5, warmup=1), 7) == pytest.approx([0.5, *falling])
    floored = [0.2 + 0.8 * x for x in falling]
    assert factors(warmup_cosine(4, floor=0.2), 6) == pytest.approx(floored)


def test_cosine_is_pytorchs_annealing():
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=3.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=13, eta_min=0.6)
    ours = warmup_cosine(13, floor=0.2)
    for step in range(13):
        assert 3 * ours(step) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


def test_noam_is_the_papers_equation():
    width, warmup = 17, 5
    schedule = noam(width, warmup)
    for step in range(1, 23):
        expected = width**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert schedule(step - 1) == pytest.approx(expected)
    assert max(range(50), key=schedule) == warmup - 1


def test_inverse_square_root_by_hand():
    assert factors(inverse_sqrt(1), 4) == pytest.approx([1, 2**-0.5, 3**-0.5, 0.5])
    assert factors(inverse_sqrt(3), 3) == pytest.approx([1 / 3, 2 / 3, 1])


def test_no_schedule_wastes_the_first_step_or_one_that_was_asked_for():
    for schedule in (constant(warmup=3), linear(11, warmup=3), warmup_cosine(11, warmup=3)):
        assert all(0 < factor <= 1 for factor in factors(schedule, 11))


def test_bad_options_are_explained():
    with pytest.raises(ValueError, match="warmup must be at least 0, but is -1"):
        constant(warmup=-1)
    for schedule in (linear, warmup_cosine):
        with pytest.raises(ValueError, match="warmup must be at least 0, but is -2"):
            schedule(5, warmup=-2)
        with pytest.raises(ValueError, match="above warmup.* but is 3 with a warmup of 3"):
            schedule(3, warmup=3)
        with pytest.raises(ValueError, match="floor must be within 0 … 1, but is 1.5"):
            schedule(3, floor=1.5)
    with pytest.raises(ValueError, match="warmup must be at least 1, but is 0"):
        inverse_sqrt(0)
    with pytest.raises(ValueError, match="width must be at least 1, but is 0"):
        noam(0, 10)
    with pytest.raises(ValueError, match="warmup must be at least 1, but is 0"):
        noam(3, 0)
