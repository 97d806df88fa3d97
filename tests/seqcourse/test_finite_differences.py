import numpy as np
import pytest

from seqcourse.finite_differences import numerical_gradient, relative_error


def test_the_gradient_of_a_quadratic_is_exact_but_for_rounding():
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(5, 5)), rng.normal(size=5)
    got = numerical_gradient(lambda v: float(v @ a @ v), x)
    np.testing.assert_allclose(got, (a + a.T) @ x, rtol=1e-8)


def test_any_shape_will_do_and_the_input_stays_as_it_was():
    x = np.random.default_rng(1).normal(size=(2, 3, 5))
    before = x.copy()
    np.testing.assert_allclose(numerical_gradient(lambda v: float(np.sin(v).sum()), x), np.cos(x))
    np.testing.assert_array_equal(x, before)
    assert numerical_gradient(lambda v: float(v**2), np.array(3.0)) == pytest.approx(6)


def test_the_error_shrinks_with_the_square_of_the_step():
    x = np.array([0.7])
    errors = [
        abs(numerical_gradient(lambda v: float(np.exp(v[0])), x, step=step)[0] - np.exp(0.7))
        for step in (1e-1, 1e-2)
    ]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.01)


def test_relative_errors_by_hand():
    assert relative_error(np.array([3.0, 4.0]), np.array([0.0, 0.0])) == 1
    assert relative_error(np.array([3.0, 0.0]), np.array([0.0, 4.0])) == pytest.approx(5 / 7)
    assert relative_error(np.zeros(3), np.zeros(3)) == 0


@pytest.mark.usefixtures("unchecked_shapes")
def test_bad_input_says_what_was_expected():
    with pytest.raises(TypeError, match=r"x must be float64, but is float32; use x.astype"):
        numerical_gradient(lambda v: float(v.sum()), np.zeros(2, dtype=np.float32))
    with pytest.raises(ValueError, match=r"step must be above 0, but is 0\.0"):
        numerical_gradient(lambda v: float(v.sum()), np.zeros(2), step=0.0)
    with pytest.raises(ValueError, match=r"same shape, but have \(2,\) and \(3,\)"):
        relative_error(np.zeros(2), np.zeros(3))
