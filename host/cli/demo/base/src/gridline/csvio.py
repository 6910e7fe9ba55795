"""Tables from CSV files."""

import csv
from typing import TextIO

from .columns import Column
from .table import Table


def read_csv(file: TextIO, delimiter: str = ",") -> Table:
    """Reads a table whose first line has the titles of the columns."""
    reader = csv.reader(file, delimiter=delimiter)
    titles = next(reader, [])
    table = Table([Column(title) for title in titles])
    for row in reader:
        table.add_row(*row)
    return table
