"""What the weaker walls stop, on machines where no namespaces can be had, and what they don't."""

import pytest
from catalogue import ATTACKS
from checks import check

# Each of these does get through.
STOPPED_ONLY_BY_NAMESPACES = {
    "looks for the repository": "Landlock guards what files hold, not whether they are there",
}


@pytest.mark.parametrize("attacker", ATTACKS, ids=lambda each: each.name)
def test_an_attack_fails_without_namespaces_or_is_known_not_to(attack, attacker):
    report = attack(attacker.source, attacker.cell, walls="fallback")
    assert "bubblewrap" not in report.walls
    if attacker.name in STOPPED_ONLY_BY_NAMESPACES:
        with pytest.raises(AssertionError):
            check(report, attacker)
    else:
        check(report, attacker)


def test_the_list_names_attacks_that_exist():
    assert STOPPED_ONLY_BY_NAMESPACES.keys() <= {attack.name for attack in ATTACKS}
