"""What can go wrong."""


class GridlineError(Exception):
    """Base class of all errors of this package."""


class RowLengthError(GridlineError):
    """A row has more or fewer values than the table has columns."""

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"expected {expected} values, found {found}")
        self.expected = expected
        self.found = found
