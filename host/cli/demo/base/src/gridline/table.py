"""Tables: columns, rows and what can be made of them."""

from typing import List, Sequence

from .cells import cell_text
from .columns import Column
from .errors import RowLengthError
from .render import render


class Table:
    """A table that grows row by row."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = list(columns)
        self.rows: List[List[str]] = []

    def add_row(self, *values: object) -> None:
        """Adds a row with one value for each column."""
        if len(values) != len(self.columns):
            raise RowLengthError(len(self.columns), len(values))
        self.rows.append([cell_text(value) for value in values])

    def render(self) -> str:
        """The table as text, without a line feed at the end."""
        return render(self.columns, self.rows)

    def __len__(self) -> int:
        return len(self.rows)
