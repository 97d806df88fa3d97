import pytest

from seqcourse.training.files import replacing


def test_a_file_is_replaced_when_the_block_ends_well(tmp_path):
    path = tmp_path / "new folder" / "file"
    for text in ("first", "second"):
        with replacing(path) as draft:
            draft.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def write_and_fail():
        with replacing(path) as draft:
            draft.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
