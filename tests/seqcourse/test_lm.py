import numpy as np
import pytest

from seqcourse.lm import as_ids


def test_ids_are_checked_and_become_int64():
    assert as_ids(np.array([1, 0], dtype=np.uint8), 2).dtype == np.int64
    assert as_ids([], 2).shape == (0,)


def test_what_is_not_an_id_is_refused(unchecked_shapes):
    with pytest.raises(TypeError, match="must be integer ids, but has dtype float64.*Vocab.encode"):
        as_ids(np.array([0.5]), 2)
    with pytest.raises(ValueError, match=r"must have one axis \(T,\), but has shape \(1, 2\)"):
        as_ids(np.array([[0, 1]]), 2)
    with pytest.raises(ValueError, match="prompt contains the id 2, but the vocabulary has"):
        as_ids([2], 2, name="prompt")
