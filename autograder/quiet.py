"""nbgrader's converters inside our own commands: what they log is caught, not printed."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from sqlalchemy.exc import SAWarning
from traitlets.log import get_logger

__all__ = ["KeepsProblem", "quiet_nbgrader"]


_DATABASE_LOG = "tornado.application"  # nbgrader's choice


class KeepsProblem:
    """Mix into one of nbgrader's converters: `problem` is what went wrong, which it only logs."""

    problem: Exception | None = None

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Keep what goes wrong."""
        with self._kept():
            super().init_assignment(assignment_id, student_id)  # type: ignore[misc]

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """Keep what goes wrong."""
        with self._kept():
            super().convert_single_notebook(notebook_filename)  # type: ignore[misc]

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.problem = error
            raise


@contextmanager
def quiet_nbgrader(level: int = logging.WARNING) -> Iterator[io.StringIO]:
    """Yield what nbgrader logs; drop SQLAlchemy's remarks on how nbgrader uses it."""
    text, log = io.StringIO(), cast(logging.Logger, get_logger())
    old, database_log = (log.handlers, log.level, log.propagate), logging.getLogger(_DATABASE_LOG)
    database_log.disabled = True  # every error in it is raised as well
    log.handlers, log.propagate = [logging.StreamHandler(text)], False
    log.setLevel(level)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=SAWarning)
            yield text
    finally:
        log.handlers, log.propagate = old[0], old[2]
        log.setLevel(old[1])
        database_log.disabled = False
