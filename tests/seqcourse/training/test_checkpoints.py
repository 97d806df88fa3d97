import signal
import threading

import pytest
import torch
from torch import nn

from seqcourse.training.checkpoints import Run, interrupts_held
from seqcourse.training.history import History


def run(model: nn.Module | None = None, scaler: torch.amp.GradScaler | None = None) -> Run:
    model = model or nn.Linear(3, 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return Run(model, optimizer, scaler or torch.amp.GradScaler("cpu", enabled=False), History())


@pytest.fixture
def path(tmp_path):
    run().save(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_the_scaler_is_restored(tmp_path):
    run(scaler=torch.amp.GradScaler("cpu", init_scale=8.0)).save(tmp_path / "checkpoint")
    restored = run(scaler=torch.amp.GradScaler("cpu"))
    restored.restore(tmp_path / "checkpoint")
    assert restored.scaler.get_scale() == 8


def test_another_model_optimiser_or_precision_is_refused(path):
    with pytest.raises(ValueError, match="checkpoint of another model.*size mismatch.*delete the"):
        run(nn.Linear(3, 7)).restore(path)
    other = run()
    other.optimizer.add_param_group({"params": [torch.zeros(1)]})
    with pytest.raises(ValueError, match="checkpoint of another.*parameter group"):
        other.restore(path)
    with pytest.raises(ValueError, match="checkpoint of another.*GradScaler"):
        run(scaler=torch.amp.GradScaler("cpu")).restore(path)


def test_a_damaged_file_is_refused(path):
    whole = path.read_bytes()
    for damaged in (b"", b"nonsense", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="cannot be read as a checkpoint; delete"):
            run().restore(path)


def test_a_foreign_file_is_refused(path):
    for foreign in ({"model": 1}, [3]):
        torch.save(foreign, path)
        with pytest.raises(ValueError, match="is not a checkpoint of fit; delete the file"):
            run().restore(path)
    torch.save(nn.Linear(2, 2), path)  # a pickle that would have to be executed
    with pytest.raises(ValueError, match="cannot be read as a checkpoint; delete"):
        run().restore(path)


# --- interrupts --------------------------------------------------------------------------------


def test_an_interrupt_is_held_and_told():
    with interrupts_held() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_interrupt_is_not_held():
    def press_twice():
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_deals_with_interrupts_already_is_left_alone():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(True))
    try:
        with interrupts_held() as interrupted:
            signal.raise_signal(signal.SIGINT)
            assert not interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [True]


def test_other_threads_can_train():
    answers = []

    def work():
        with interrupts_held() as interrupted:
            answers.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]
