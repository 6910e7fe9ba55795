import io
import unittest

from gridline import read_csv


class ReadCsvTest(unittest.TestCase):
    def test_first_line_has_the_titles(self):
        table = read_csv(io.StringIO("a,b\n1,2\n"))
        self.assertEqual([column.title for column in table.columns], ["a", "b"])
        self.assertEqual(table.rows, [["1", "2"]])


if __name__ == "__main__":
    unittest.main()
