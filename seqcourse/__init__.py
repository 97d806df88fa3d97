"""Reference implementations for the course on sequence modelling."""

import time

LOADED_AT = time.perf_counter()
"""When this package was first imported, for `seqcourse.training.page_cost`."""

__version__ = "0.1.0"
