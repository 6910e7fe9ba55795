import unittest

from gridline.wrap import wrap


class WrapTest(unittest.TestCase):
    def test_lines_break_at_spaces(self):
        self.assertEqual(wrap("one two three", 7), ["one two", "three"])

    def test_long_words_are_cut(self):
        self.assertEqual(wrap("abcdefgh", 3), ["abc", "def", "gh"])

    def test_line_feeds_are_kept(self):
        self.assertEqual(wrap("a\n\nb", 5), ["a", "", "b"])


if __name__ == "__main__":
    unittest.main()
