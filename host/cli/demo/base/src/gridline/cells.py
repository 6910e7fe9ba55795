"""Cells: how values become text."""


def cell_text(value: object) -> str:
    """The text that stands for ``value`` in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
