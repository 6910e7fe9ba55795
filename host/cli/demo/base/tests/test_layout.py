import unittest

from gridline import Column
from gridline.layout import column_widths, row_lines


class LayoutTest(unittest.TestCase):
    def test_longest_line_sets_the_width(self):
        columns = [Column("Id"), Column("Text", max_width=6)]
        rows = [["1", "short"], ["1000", "much longer"]]
        self.assertEqual(column_widths(columns, rows), [4, 6])

    def test_cells_of_a_row_are_equally_high(self):
        lines = row_lines(["a b", "c"], [1, 1])
        self.assertEqual(lines, [["a", "c"], ["b", ""]])


if __name__ == "__main__":
    unittest.main()
