"""Checks of options that several models share, with messages that explain."""

from collections.abc import Iterable

__all__ = ["check_choice", "check_id", "check_positive", "check_probability"]


def check_positive(name: str, value: int) -> None:
    """Raise ValueError unless a size is at least 1."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1, but is {value}")


def check_probability(name: str, value: float) -> None:
    """Raise ValueError unless a probability is within 0 … 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be within 0 … 1, but is {value}")


def check_id(name: str, value: int, vocab_size: int) -> None:
    """Raise ValueError unless an id is in the vocabulary."""
    if not 0 <= value < vocab_size:
        raise ValueError(
            f"{name} must be within the vocabulary's ids, 0 … {vocab_size - 1}, but is "
            f"{value}"
        )


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raise ValueError unless a value is one of the choices."""
    if value not in (known := list(choices)):
        raise ValueError(f"{name} must be one of {known}, but is {value!r}")
