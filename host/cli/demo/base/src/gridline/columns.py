"""Columns: what is known of a column before there is any row."""

from dataclasses import dataclass
from typing import Optional

from .errors import GridlineError


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    max_width: Optional[int] = None

    def __post_init__(self) -> None:
        if self.max_width is not None and self.max_width < 1:
            raise GridlineError(f"max_width of {self.title!r} must be at least 1")
