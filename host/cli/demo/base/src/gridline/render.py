"""Rendering: a grid of ASCII characters around the cells."""

from typing import List, Sequence

from .columns import Column
from .layout import column_widths, row_lines


def render(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """The table as text, without a line feed at the end."""
    widths = column_widths(columns, rows)
    rule = _rule(widths)
    lines = [rule]
    lines.extend(_row([column.title for column in columns], widths))
    lines.append(rule)
    for row in rows:
        lines.extend(_row(row, widths))
    if rows:
        lines.append(rule)
    return "\n".join(lines)


def _rule(widths: Sequence[int]) -> str:
    return "+" + "+".join("-" * (width + 2) for width in widths) + "+"


def _row(cells: Sequence[str], widths: Sequence[int]) -> List[str]:
    lines = []
    for parts in row_lines(cells, widths):
        padded = [part.ljust(width) for part, width in zip(parts, widths)]
        lines.append("| " + " | ".join(padded) + " |")
    return lines
