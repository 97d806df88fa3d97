"""Every attack fails against our engine, and whoever is graded next does not notice."""

import pytest
from catalogue import ATTACKS, TAMPERED
from checks import check


@pytest.mark.parametrize("attacker", ATTACKS, ids=lambda each: each.name)
def test_an_attack_fails(attack, attacker):
    check(attack(attacker.source, attacker.cell), attacker)


@pytest.mark.parametrize("attacker", TAMPERED, ids=lambda each: each.name)
def test_a_tampered_notebook_is_graded_by_its_source_or_not_at_all(grade, suite, attacker):
    report = grade(lambda path: attacker.put(suite.source, path))
    if attacker.score is None:
        assert (report.status, report.score) == ("not_graded", 0.0)
        assert report.reason
    else:
        assert (report.status, report.score) == ("graded", attacker.score)
        assert report.max_score == 10.0
