//! Texts of any language as tokens, without what formatters change: white space,
//! line ends, quotes, brackets, and what separates or ends items and lines.
//!
//! One lexer serves all languages: it knows words, numbers and signs, and a few
//! words that most languages keep for themselves.

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    text: &'a str,
    shape: &'a str,
}

/// Characters that formatters add, take away or exchange.
const LAYOUT: &str = "\"'`,;()[]{}\\";

/// Words that stay what they are when everything else is renamed. Sorted.
const KEPT: [&str; 62] = [
    "False", "None", "Self", "True", "and", "as", "assert", "async", "await", "break", "case",
    "catch", "class", "const", "continue", "def", "del", "do", "elif", "else", "enum", "except",
    "export", "extern", "false", "finally", "fn", "for", "from", "function", "global", "if",
    "impl", "import", "in", "is", "lambda", "let", "loop", "match", "mod", "mut", "new", "not",
    "null", "or", "pass", "pub", "raise", "return", "self", "static", "struct", "switch", "throw",
    "true", "try", "use", "var", "where", "while", "with",
];

/// The shape of a word that can be renamed.
const WORD: &str = "w";

/// The shape of a number.
const NUMBER: &str = "0";

impl<'a> Token<'a> {
    /// The token as it is written.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// What stays of it when names and numbers are others.
    pub(crate) fn shape(&self) -> &'a str {
        self.shape
    }

    fn of(text: &'a str) -> Self {
        let first = text.chars().next().unwrap_or_default();
        let shape = if first.is_ascii_digit() {
            NUMBER
        } else if is_word_character(first) && KEPT.binary_search(&text).is_err() {
            WORD
        } else {
            text
        };
        Self { text, shape }
    }
}

/// Runs of letters, digits and underscores, and every other character alone.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || LAYOUT.contains(c));
        let Some(first) = rest.chars().next() else { return tokens };
        let length = if is_word_character(first) {
            rest.find(|c| !is_word_character(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        tokens.push(Token::of(token));
        rest = after;
    }
}

fn is_word_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_no_token() {
        let texts =
            |text: &'static str| -> Vec<&str> { tokens(text).iter().map(Token::text).collect() };
        assert_eq!(texts("a_1 += f('é', [2,\n  3])"), ["a_1", "+", "=", "f", "é", "2", "3"]);
        assert_eq!(texts("a_1+=f(\"é\",[2,3],)"), texts("a_1 += f('é', [2, 3])"));
    }

    #[test]
    fn shapes_have_no_names() {
        let shapes: Vec<_> =
            tokens("if total > 10: return self.sum").iter().map(Token::shape).collect();
        assert_eq!(shapes, ["if", "w", ">", "0", ":", "return", "self", ".", "w"]);
        assert!(KEPT.is_sorted());
    }
}
