"""Reference implementations for the course on sequence modelling."""

__version__ = "0.1.0"
