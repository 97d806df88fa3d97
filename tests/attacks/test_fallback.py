"""What the weaker walls stop, on machines where no namespaces can be had, and what they don't."""

import pytest
from attack import Wants
from catalogue import ATTACKS
from checks import check

# Each of these does get through.
STOPPED_ONLY_BY_NAMESPACES = {
    "looks for the repository": "Landlock guards what files hold, not whether they are there",
}
# Where no wall has a part: the worker, the wire and the judge are the same behind all of them.
WITHOUT_WALLS = {Wants.points, Wants.page, Wants.terminal, Wants.table}
AT_WALLS = [attack for attack in ATTACKS if attack.wants not in WITHOUT_WALLS]


@pytest.mark.parametrize("attacker", AT_WALLS, ids=lambda each: each.name)
def test_an_attack_fails_without_namespaces_or_is_known_not_to(attack, attacker):
    report = attack(attacker.source, attacker.cell, walls="fallback")
    assert "bubblewrap" not in report.walls
    if attacker.name in STOPPED_ONLY_BY_NAMESPACES:
        with pytest.raises(AssertionError):
            check(report, attacker)
    else:
        check(report, attacker)


def test_the_list_names_attacks_that_exist():
    assert STOPPED_ONLY_BY_NAMESPACES.keys() <= {attack.name for attack in AT_WALLS}
