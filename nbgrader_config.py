"""nbgrader for this course: which folders, and our sandbox in place of the student's own kernel.

`nbgrader generate_assignment`, `nbgrader autograde`, `nbgrader generate_feedback` and formgrader
work as their users know them. What differs: student code runs in the sandbox only, hidden tests
never meet it, and scores come from the engine's reports, not from cell outputs.

A course directory of its own (`_build/sample-class/`) loads this file and changes only the root.
"""

from pathlib import Path

import nbgrader

from autograder.course import TEMPLATES, use_own_environment

c = get_config()  # noqa: F821  # nbgrader defines it
here = Path(__file__).resolve().parent
use_own_environment(here)

c.CourseDirectory.course_id = "sequence-modelling"
c.CourseDirectory.root = str(here)
c.CourseDirectory.source_directory = str(here / "solutions")
c.CourseDirectory.release_directory = str(here / "labs")
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", ".*"]
# Students must be able to write to the exchange, and to read nothing else here. On a machine that
# they use too, name a folder elsewhere, such as /srv/nbgrader/exchange: see "The life of a lab".
c.Exchange.root = str(here / "exchange")
c.Exchange.cache = str(here / "exchange" / "cache")

# What students may have done to a notebook is undone before nbgrader looks at it.
c.Autograde.exporter_class = "autograder.gradebook.SubmissionExporter"
c.Autograde.sanitize_preprocessors = [
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# `Execute` is gone: nothing of a student's ever runs in nbgrader's process or in a kernel.
c.Autograde.autograde_preprocessors = [
    "autograder.gradebook.GradeInSandbox",
    "autograder.gradebook.SaveReportedGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
]
c.GenerateFeedback.exporter_class = "autograder.feedback.FeedbackExporter"
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.AssignLatePenalties",  # points given by hand change what lateness costs
    "autograder.feedback.GetGradesAndDoubts",
]
c.ExchangeFactory.release_feedback = "autograder.exchange.ReleaseFeedback"
c.ExportApp.plugin_class = "autograder.export.GradesExport"

# Late work costs nothing until a due date is set, in formgrader or by
#     nbgrader db assignment add lab02 --duedate "2030-03-01 23:59 UTC"
# and a share of the score for each day begun is named here, for example 10:
c.AssignLatePenalties.plugin_class = "autograder.late.PerDayPenalty"
c.PerDayPenalty.percent_per_day = 0
c.PerDayPenalty.most_percent = 100  # however late
c.PerDayPenalty.grace_minutes = 15  # for slow uploads
# More time for one student: autograder extend lab02 STUDENT --days 3

# Submissions downloaded from a learning management system go to downloaded/LAB/archive/, then
#     nbgrader zip_collect LAB
# takes files and archives of files that are called as below. Yours are not? Change the pattern; a
# group `timestamp` in it is the time of submission. The names of Moodle and Canvas hold no time,
# so that nobody is late: `autograder export` says so where there is a due date.
# Moodle's number is another one for each lab; Canvas appends -1 when a file is handed in again.
c.FileNameCollectorPlugin.named_regexp = r"""(?x) .*?/ (?P<student_id> [^/]+? )
    (?: _\d+_assignsubmission_file [_/]+  # Moodle: Ada Byron_8_assignsubmission_file/lab02.ipynb
      | (?:_LATE)? _\d+_\d+_              # Canvas: byronada_LATE_123_4567_lab02-1.ipynb
      | _ (?= [^/_]+ $ )                  # others: ada_lab02.ipynb
    ) (?P<file_id> [^/]+? ) (?: -\d+ )? \.ipynb $
"""
# They hold no secret of the exchange: return their feedback pages through the same system.

# Formgrader shows formulas without internet.
c.HTMLExporter.extra_template_basedirs = [
    str(TEMPLATES / "nbconvert"),
    str(Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"),
]
