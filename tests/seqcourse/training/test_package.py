import subprocess
import sys

import pytest

import seqcourse.training


def test_the_light_part_does_not_load_torch():
    code = (
        "import sys; from seqcourse.training import page_cost, seed_everything, noam, History; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_can_be_imported_from_the_package():
    for name in seqcourse.training.__all__:
        assert getattr(seqcourse.training, name).__module__.startswith("seqcourse.training") or (
            name == "Schedule"
        )


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"seqcourse.training' has no attribute 'fitt'"):
        _ = seqcourse.training.fitt
