import sqlite3
from contextlib import closing

import pytest
from nbgrader.api import Gradebook, get_alembic_version

from autograder.course import use_own_environment
from autograder.database import (
    DamagedGradebookError,
    back_up,
    backup_of,
    create,
    one_engine,
    require_healthy,
    url,
)


def test_a_new_gradebook_is_what_nbgrader_makes(tmp_path):
    use_own_environment(tmp_path)
    create(tmp_path / "ours.db")
    with Gradebook(f"sqlite:///{tmp_path}/theirs.db"):
        pass
    schemas = []
    for name in ("ours.db", "theirs.db"):
        with closing(sqlite3.connect(tmp_path / name)) as database:
            rows = database.execute("SELECT name, sql FROM sqlite_master WHERE name != 'course'")
            schemas.append(sorted((name, "".join((sql or "").split())) for name, sql in rows))
            (version,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
            assert version == get_alembic_version()
    assert dict(schemas[0]).keys() == dict(schemas[1]).keys()


def test_create_leaves_what_is_there(tmp_path):
    (tmp_path / "gradebook.db").write_text("mine")
    create(tmp_path / "gradebook.db")
    assert (tmp_path / "gradebook.db").read_text() == "mine"


@pytest.mark.parametrize("name", ["gradebook.db", "with space? and #.db"])
def test_a_healthy_gradebook_passes(tmp_path, name):
    require_healthy(tmp_path / name)
    create(tmp_path / "gradebook.db")
    (tmp_path / "gradebook.db").rename(tmp_path / name)
    require_healthy(tmp_path / name)


def test_a_damaged_gradebook_says_what_where_and_what_to_do(tmp_path):
    path = tmp_path / "gradebook.db"
    path.write_bytes(b"not a database" * 500)
    with pytest.raises(DamagedGradebookError, match=r"file is not a database") as caught:
        require_healthy(path)
    said = str(caught.value)
    assert f"The gradebook {path} is damaged" in said
    assert f"mv '{path}' '{path}.damaged'" in said
    assert "grade again: a new one is made" in said
    assert path.read_bytes() == b"not a database" * 500


def test_the_cure_is_the_backup_where_there_is_one(tmp_path):
    path = tmp_path / "gradebook.db"
    create(path)
    back_up(path)
    page = bytearray(path.read_bytes())
    page[4096:12288] = b"\xff" * 8192
    path.write_bytes(page)
    with pytest.raises(DamagedGradebookError, match=r"cp '.*gradebook.db.backup'"):
        require_healthy(path)
    require_healthy(backup_of(path))


def test_nbgrader_opens_one_engine_inside_and_its_own_after(tmp_path):
    database = tmp_path / "gradebook.db"
    create(database)

    def opened():
        with Gradebook(url(database)) as gradebook:
            gradebook.update_or_create_student("ann")
            return gradebook.engine

    with one_engine():
        assert opened() is opened()
    assert opened() is not opened()
