import pytest
import torch
from rich.console import Console

from seqcourse.training import progress
from seqcourse.training.progress import ProgressLine, count_tokens


@pytest.fixture
def screen(monkeypatch):
    """A terminal that can be read; its lines are wide enough."""
    import io

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, legacy_windows=False)
    monkeypatch.setattr(progress, "Console", lambda: console)
    return out


def test_it_shows_step_loss_speed_and_time_left(screen):
    with ProgressLine(11, done=3) as line:
        line.advance(500, 2.34567)
        line._progress.refresh()
    shown = screen.getvalue()
    assert "4/11" in shown
    assert "loss 2.346" in shown
    assert "tokens/s" in shown
    assert "left" in shown


def test_an_unknown_speed_is_not_shown(screen):
    with ProgressLine(11) as line:
        line.advance(None, 2.0)
        line._progress.refresh()
    assert "loss 2.000" in screen.getvalue()
    assert "tokens/s" not in screen.getvalue()


def test_it_is_silent_when_told_to_be(screen):
    with ProgressLine(11, shown=False) as line:
        line.advance(3, 2.0)
    assert screen.getvalue() == ""


def test_it_is_silent_where_nobody_looks(capsys):
    with ProgressLine(11) as line:
        line.advance(3, 2.0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize(("setting", "shown"), [(None, True), ("0", False), ("1", True)])
def test_in_a_notebook_the_environment_decides(monkeypatch, setting, shown):
    monkeypatch.delenv("TTY_INTERACTIVE", raising=False)
    if setting:
        monkeypatch.setenv("TTY_INTERACTIVE", setting)
    monkeypatch.setattr(progress, "Console", lambda: Console(force_jupyter=True))
    assert ProgressLine(3)._progress.disable is not shown


def test_the_tokens_of_a_batch_are_its_targets():
    ids, floats = torch.zeros(3, 5, dtype=torch.int64), torch.zeros(3, 5)
    assert count_tokens(ids) == 15
    assert count_tokens((floats, ids)) == 15
    for unknown in (floats, (ids, floats), (ids, ids[0]), (), 7, None):
        assert count_tokens(unknown) is None
