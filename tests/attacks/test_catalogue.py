"""The catalogue itself: as its README says, and each attack once."""

from pathlib import Path

import exhaustion
import forging
import lies
import neighbours
import readers
import reading
import tampering
import telling
from catalogue import ATTACKS, TAMPERED

KINDS = (reading, telling, forging, lies, exhaustion, neighbours, readers, tampering)
README = (Path(__file__).parent / "README.md").read_text()


def test_the_readme_counts_the_attacks():
    for kind in KINDS:
        assert f"| `{kind.__name__}.py` | {len(kind.ATTACKS)} |" in README
    without = sum(bool(attack.no_victim) for attack in ATTACKS)
    assert f"{without} of them have no counterpart in the naive grader" in README


def test_no_two_attacks_share_a_name():
    names = [attack.name for attack in (*ATTACKS, *TAMPERED)]
    assert len(names) == len(set(names)) == sum(len(kind.ATTACKS) for kind in KINDS)
