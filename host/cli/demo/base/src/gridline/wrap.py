"""Wrapping of cells that are too long for their column."""

from typing import List


def wrap(text: str, width: int) -> List[str]:
    """The lines of ``text``, none longer than ``width``.

    Lines are broken at spaces. A word longer than ``width`` is cut.
    """
    lines: List[str] = []
    for paragraph in text.split("\n"):
        lines.extend(_wrap_paragraph(paragraph, width))
    return lines


def _wrap_paragraph(text: str, width: int) -> List[str]:
    lines = [""]
    for word in text.split(" "):
        candidate = f"{lines[-1]} {word}" if lines[-1] else word
        if len(candidate) <= width:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append("")
        while len(word) > width:
            lines[-1] = word[:width]
            word = word[width:]
            lines.append("")
        lines[-1] = word
    return lines
