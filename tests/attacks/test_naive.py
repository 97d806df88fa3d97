"""Every attack works on a grader as people commonly write it: none is a straw man."""

import pytest
from attack import WRONG, Attack, Wants
from catalogue import ATTACKS, TAMPERED
from jail import FULL_MARKS, grade_naively

WITH_VICTIM = [attack for attack in ATTACKS if not attack.no_victim]
HANGS_AFTER = 1.0  # seconds; the whole batch takes a fifth of one


@pytest.fixture
def naive(suite, submit, tmp_path):
    """Return a function that has the naive grader grade a source, or whatever `put` puts there."""

    def naive(source="", cell="scale", put=None, wants=None):
        put = put or (lambda path: submit(path, source, cell))
        patience = HANGS_AFTER if wants is Wants.batch else 60
        return grade_naively(tmp_path, put, suite.notebook, patience)

    return naive


def test_the_naive_grader_is_right_about_honest_work(naive):
    outcome = naive("def scale(x, factor): return x * factor")
    assert outcome.score("mallory") == outcome.score("ada") == FULL_MARKS
    assert not outcome.harm | outcome.changed


def test_the_naive_grader_is_right_about_wrong_work(naive):
    outcome = naive(WRONG)
    assert outcome.score("mallory", "scale") < 2
    assert outcome.score("ada") == FULL_MARKS
    for wants in Wants:
        assert not outcome.won(Attack("honest", wants, WRONG))


@pytest.mark.parametrize("attack", WITH_VICTIM, ids=lambda attack: attack.name)
def test_an_attack_works_on_the_naive_grader(naive, attack):
    outcome = naive(attack.on_naive, attack.cell, wants=attack.wants)
    assert outcome.won(attack), outcome


@pytest.mark.parametrize("attack", TAMPERED, ids=lambda attack: attack.name)
def test_a_tampered_notebook_works_on_the_naive_grader(naive, suite, attack):
    outcome = naive(put=lambda path: attack.put(suite.source, path), wants=attack.wants)
    assert outcome.won(attack), outcome


def test_nearly_every_attack_has_a_victim():
    without = [attack for attack in ATTACKS if attack.no_victim]
    assert len(without) <= 12
    assert all(not attack.victim for attack in without)
