import unittest

from gridline.cells import cell_text


class CellTextTest(unittest.TestCase):
    def test_values_become_text(self):
        self.assertEqual(cell_text(None), "")
        self.assertEqual(cell_text(True), "yes")
        self.assertEqual(cell_text(0.1 + 0.2), "0.3")
        self.assertEqual(cell_text(12), "12")


if __name__ == "__main__":
    unittest.main()
