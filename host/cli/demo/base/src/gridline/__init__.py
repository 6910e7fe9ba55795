"""Plain-text tables for terminals, logs and mails."""

from .columns import Column
from .csvio import read_csv
from .errors import GridlineError, RowLengthError
from .table import Table

__all__ = [
    "Column",
    "GridlineError",
    "RowLengthError",
    "Table",
    "read_csv",
]
