import math

from seqcourse.training.history import History


def test_the_best_validation_is_the_lowest_and_the_first_of_them():
    assert History().best_step is None
    assert History(validations={2: 0.5, 3: 0.25, 5: 0.25}).best_step == 3


def test_a_validation_that_failed_is_never_the_best():
    assert History(validations={2: math.nan, 3: 7.0, 5: math.nan}).best_step == 3
    assert History(validations={2: math.nan}).best_step is None


def test_what_is_saved_makes_an_equal_history():
    history = History([2.0, 1.0], [0.1, 0.2], [3.0, 5.0], {1: 7.0}, 0.5)
    again = History(**history.state())
    assert again == history
    assert again.steps == 2


def test_it_is_printed_in_a_line():
    assert repr(History()) == "History(0 steps in 0.0 s)"
    assert repr(History([2.5], seconds=12.34)) == "History(1 steps in 12.3 s, loss 2.500 → 2.500)"


def test_the_best_validation_is_part_of_it():
    history = History([2.0, 1.0], validations={1: 0.5, 2: 0.75})
    assert repr(history).endswith("loss 2.000 → 1.000, best validation 0.500 after step 1)")
