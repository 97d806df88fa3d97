"""The examples in the docstrings of Sphinx's extensions."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["quiz", "notebooks", "house"])
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
