"""The last step to the student: pages of feedback into nbgrader's exchange.

`nbgrader submit` writes a secret beside the notebook, and a page is released under a name made of
that secret, so that nobody else finds it. The secret and the time of submission go with a
submission from folder to folder. One that came through a learning management system
(`nbgrader zip_collect`) has no secret; nbgrader's own `release_feedback` stops there, for all.
"""

import shutil
from fnmatch import fnmatch
from pathlib import Path

from nbgrader.exchange.default import ExchangeReleaseFeedback
from nbgrader.utils import notebook_hash, parse_utc

from autograder.course import Course
from autograder.inert import inert_line
from autograder.untrusted import open_untrusted

__all__ = ["ReleaseFeedback", "carry_receipt", "receipt"]

SECRET, TIME = "submission_secret.txt", "timestamp.txt"
_MAX_BYTES = 1000


class ReleaseFeedback(ExchangeReleaseFeedback):
    """Releases the pages of those who used the exchange, and names the others."""

    def copy_files(self) -> None:
        """Copy each page in one step, so that a student never fetches half of one."""
        lab, without = self.coursedir.assignment_id, []
        for page in self._pages(lab):
            if secret := _small_text(page.parent / SECRET):
                self._release(page, notebook_hash(secret=secret, notebook_id=lab))
            else:
                without.append(inert_line(page.parent.parent.name))
        if without:
            self.log.warning(
                "Not released, since not handed in through the exchange: %s. Return the pages in "
                "feedback/STUDENT/%s/ through the learning management system.",
                ", ".join(without),
                lab,
            )

    def _pages(self, lab: str) -> list[Path]:
        """Find the pages of the students asked for: one each, whatever lies beside it."""
        course, asked = Course.of_nbgrader(self.coursedir), self.coursedir.student_id
        excluded = self.coursedir.student_id_exclude.split(",")
        folder = course.directory / "feedback"
        names = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
        wanted = [name for name in names if fnmatch(name, asked) and name not in excluded]
        return [page for name in wanted if (page := course.feedback(name, lab)).is_file()]

    def _release(self, page: Path, name: str) -> None:
        fresh = Path(self.dest_path) / f"{name}-tmp.html"
        shutil.copy(page, fresh)
        fresh.replace(Path(self.dest_path) / f"{name}.html")
        self.log.info("Released %s", page)


def receipt(folder: Path) -> dict[str, str]:
    """Read the secret and the time of submission from a folder; {} where nothing fit is found.

    Both come from the student, so each may be missing, a link, or no time at all.
    """
    found = {name: _small_text(folder / name) for name in (SECRET, TIME)}
    if not _is_time(found[TIME]):
        del found[TIME]
    return {name: text for name, text in found.items() if text}


def carry_receipt(source: Path, target: Path) -> None:
    """Copy the receipt to the next folder on the way to the student."""
    target.mkdir(parents=True, exist_ok=True)
    for name, text in receipt(source).items():
        (target / name).unlink(missing_ok=True)
        (target / name).write_text(text, encoding="utf-8")


def _is_time(text: str) -> bool:
    """Whether nbgrader can read it: what it can't read stops it."""
    try:
        return bool(text) and parse_utc(text) is not None
    except Exception:  # dateutil raises many kinds, and the text is a stranger's
        return False


def _small_text(path: Path) -> str:
    """Read a short text file that a student may have made; nothing for all else."""
    try:
        with open_untrusted(path) as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError:
        return ""
    return data.decode("ascii", "ignore").strip() if len(data) <= _MAX_BYTES else ""
