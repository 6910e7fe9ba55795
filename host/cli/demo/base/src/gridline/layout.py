"""Layout: how wide columns are, and which lines a cell has."""

from typing import List, Sequence

from .columns import Column
from .wrap import wrap


def column_widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> List[int]:
    """The width of each column: its longest line, at most ``max_width``."""
    widths = []
    for index, column in enumerate(columns):
        texts = [column.title] + [row[index] for row in rows]
        width = max(len(line) for text in texts for line in text.split("\n"))
        if column.max_width is not None:
            width = min(width, column.max_width)
        widths.append(width)
    return widths


def row_lines(cells: Sequence[str], widths: Sequence[int]) -> List[List[str]]:
    """The lines of a row: for each line, the part of each cell."""
    wrapped = [wrap(cell, width) for cell, width in zip(cells, widths)]
    height = max((len(lines) for lines in wrapped), default=0)
    padded = [lines + [""] * (height - len(lines)) for lines in wrapped]
    return [list(parts) for parts in zip(*padded)]
