import unittest

from gridline import Column, RowLengthError, Table


class TableTest(unittest.TestCase):
    def test_grid_is_drawn_around_cells(self):
        table = Table([Column("Name"), Column("Note")])
        table.add_row("a", "first")
        table.add_row("bcd", None)
        expected = [
            "+------+-------+",
            "| Name | Note  |",
            "+------+-------+",
            "| a    | first |",
            "| bcd  |       |",
            "+------+-------+",
        ]
        self.assertEqual(table.render().split("\n"), expected)

    def test_empty_table_has_a_header(self):
        table = Table([Column("Name")])
        self.assertEqual(table.render(), "+------+\n| Name |\n+------+")

    def test_wrong_number_of_values_is_refused(self):
        table = Table([Column("Name")])
        with self.assertRaises(RowLengthError):
            table.add_row("a", "b")
        self.assertEqual(len(table), 0)


if __name__ == "__main__":
    unittest.main()
