//! What of a file is code, what a comment and what a text in quotes, as far as
//! that can be told without a parser for each language.
//!
//! Files whose language is not known are prose: nothing in them is code.

use std::collections::HashSet;
use std::ops::Range;

use super::words;

/// How a file writes comments and texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Comments begin with `#`; a text may be in three quotes.
    Hash,
    /// Comments are as in C. A single quote is a text's or a character's.
    Slashes {
        /// Whether texts stand in single quotes and backticks too.
        is_script: bool,
    },
    /// No program. Comments begin with `#`.
    Data,
    /// No program.
    Prose,
}

const HASH: [&str; 10] = ["py", "pyi", "pyx", "pxd", "pxi", "sh", "bash", "rb", "jl", "cmake"];
const DATA: [&str; 3] = ["toml", "yaml", "yml"];
const SCRIPTS: [&str; 6] = ["js", "jsx", "mjs", "cjs", "ts", "tsx"];
const SLASHES: [&str; 16] = [
    "rs", "c", "h", "cc", "cpp", "cxx", "hpp", "cu", "java", "kt", "go", "swift", "scala", "cs",
    "php", "zig",
];

/// Words before a name that is made, not used.
const DEFINES: [&str; 7] = ["def", "class", "fn", "func", "function", "struct", "interface"];

/// Words at the start of a line that names what a file takes from others.
const IMPORTS: [&str; 5] = ["import", "from", "use", "pub use", "export"];

/// A stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Comment,
    /// With the length of its quotes.
    Text(usize),
}

impl Language {
    /// The language of a file, by the end of its name.
    pub(super) fn of(path: &str) -> Self {
        let end = path.rsplit_once('.').map_or("", |(_, end)| end);
        if HASH.contains(&end) {
            Self::Hash
        } else if DATA.contains(&end) {
            Self::Data
        } else if SCRIPTS.contains(&end) {
            Self::Slashes { is_script: true }
        } else if SLASHES.contains(&end) {
            Self::Slashes { is_script: false }
        } else {
            Self::Prose
        }
    }

    pub(super) fn is_program(self) -> bool {
        !matches!(self, Self::Data | Self::Prose)
    }

    /// What begins at `at`, with its length; `None` for code.
    fn part(self, text: &[u8], at: usize) -> Option<(Part, usize)> {
        let rest = text.get(at..).unwrap_or_default();
        let first = *rest.first()?;
        match (self, first) {
            (Self::Hash | Self::Data, b'#') => Some((Part::Comment, line(rest))),
            (Self::Hash | Self::Data, quote @ (b'"' | b'\'')) if rest.starts_with(&[quote; 3]) => {
                Some((Part::Text(3), quoted(rest, &[quote; 3], Ends::AtQuote)))
            }
            (Self::Hash | Self::Data, quote @ (b'"' | b'\'')) => {
                Some((Part::Text(1), quoted(rest, &[quote], Ends::WithLine)))
            }
            (Self::Slashes { .. }, b'/') if rest.starts_with(b"//") => {
                Some((Part::Comment, line(rest)))
            }
            (Self::Slashes { .. }, b'/') if rest.starts_with(b"/*") => {
                let end = bstr::ByteSlice::find(rest, "*/").map_or(rest.len(), |end| end + 2);
                Some((Part::Comment, end))
            }
            (Self::Slashes { .. }, b'"') => {
                Some((Part::Text(1), quoted(rest, b"\"", Ends::WithLine)))
            }
            (Self::Slashes { is_script: true }, b'`') => {
                Some((Part::Text(1), quoted(rest, b"`", Ends::AtQuote)))
            }
            (Self::Slashes { is_script: true }, b'\'') => {
                Some((Part::Text(1), quoted(rest, b"'", Ends::WithLine)))
            }
            // A character, and not the life time of Rust.
            (Self::Slashes { is_script: false }, b'\'') => {
                let length = match rest {
                    [_, b'\\', _, b'\'', ..] => 4,
                    [_, _, b'\'', ..] => 3,
                    _ => return None,
                };
                Some((Part::Text(1), length))
            }
            _ => None,
        }
    }

    /// All stretches that are no code, in order.
    fn parts(self, text: &[u8]) -> Vec<(Part, Range<usize>)> {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < text.len() {
            match self.part(text, at) {
                Some((part, length)) => {
                    parts.push((part, at..at + length));
                    at += length.max(1);
                }
                None => at += 1,
            }
        }
        parts
    }
}

/// Where a text in quotes ends that has no closing quote on its line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    AtQuote,
    WithLine,
}

fn line(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// The length of a text in quotes, with them.
fn quoted(rest: &[u8], quote: &[u8], ends: Ends) -> usize {
    let mut at = quote.len();
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\n' if ends == Ends::WithLine => return at,
            _ if rest.get(at..).is_some_and(|rest| rest.starts_with(quote)) => {
                return at + quote.len();
            }
            _ => at += 1,
        }
    }
    rest.len()
}

/// Texts in quotes that are long enough to be known again and more than a name.
pub(super) fn literals(text: &[u8], language: Language) -> HashSet<String> {
    if language == Language::Prose {
        return words::quoted(text).collect();
    }
    let mut found = HashSet::new();
    for (part, range) in language.parts(text) {
        let whole = text.get(range.clone()).unwrap_or_default();
        match part {
            Part::Text(1) => {
                let inner = whole.get(1..whole.len().saturating_sub(1));
                found.extend(inner.and_then(words::as_literal));
            }
            // What explains code quotes as prose does.
            Part::Text(_) | Part::Comment => {
                let inner = without_quotes(whole);
                found.extend(words::quoted(inner));
                found.extend(words::as_literal(inner).filter(|_| inner.len() < whole.len()));
            }
        }
    }
    found
}

/// A text without the quotes around it.
fn without_quotes(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\"\"\"").unwrap_or(text);
    text.strip_suffix(b"\"\"\"").unwrap_or(text)
}

/// Names that a program calls, imports, or reaches for in something else, and words of
/// the language among them. Those it merely has, as its own variables or in comments,
/// are left out.
pub(super) fn used(text: &[u8], language: Language) -> HashSet<&str> {
    if !language.is_program() {
        return HashSet::new();
    }
    let code = blanked(text, language);
    let imports = imports(&code);
    let mut scopes = Scopes { code: &code, at: 0, open: 0 };
    let mut before: &[u8] = &[];
    let mut found = HashSet::new();
    for range in words::words(&code) {
        let word = code.get(range.clone()).unwrap_or_default();
        let defined = std::str::from_utf8(before).is_ok_and(|before| DEFINES.contains(&before));
        let in_call = scopes.go_to(range.start);
        before = word;
        let is_used = imports.iter().any(|import| import.contains(&range.start))
            || (!defined && is_used(&code, &range, in_call));
        // Blanking keeps the place of every name.
        if is_used && let Some(name) = text.get(range).and_then(words::as_name) {
            found.insert(name);
        }
    }
    found
}

/// Whether a program has a word outside of comments and texts.
pub(super) fn has_word(text: &[u8], language: Language, word: &str) -> bool {
    language.is_program() && words::names(&blanked(text, language)).any(|name| name == word)
}

/// A text with blanks in the place of all that is no code.
fn blanked(text: &[u8], language: Language) -> Vec<u8> {
    let mut code = text.to_vec();
    for (_, range) in language.parts(text) {
        let part = code.get_mut(range).unwrap_or_default();
        part.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    }
    code
}

/// Whether a name is called, reached for, or the keyword of an argument.
fn is_used(code: &[u8], range: &Range<usize>, in_call: bool) -> bool {
    let before = code.get(..range.start).unwrap_or_default();
    let after = code.get(range.end..).unwrap_or_default();
    let next = after.trim_ascii_start();
    let last = before.trim_ascii_end().last();
    let is_called = next.starts_with(b"(") || after.starts_with(b"!(") || after.starts_with(b"::");
    let is_reached = before.ends_with(b"::") || before.ends_with(b"->") || before.ends_with(b"@");
    let is_member = before.ends_with(b".") && !before.ends_with(b"..");
    let is_keyword = in_call
        && next.starts_with(b"=")
        && !next.starts_with(b"==")
        && matches!(last, Some(b'(' | b','));
    is_called || is_reached || is_member || is_keyword
}

/// How many brackets are open, from place to place.
struct Scopes<'a> {
    code: &'a [u8],
    at: usize,
    open: usize,
}

impl Scopes<'_> {
    /// Whether `place`, which is behind the last, is within round brackets.
    fn go_to(&mut self, place: usize) -> bool {
        for byte in self.code.get(self.at..place).unwrap_or_default() {
            match byte {
                b'(' => self.open += 1,
                b')' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
        self.at = place;
        self.open > 0
    }
}

/// Where imports stand, each to the end of its statement.
fn imports(code: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for line in code.split_inclusive(|byte| *byte == b'\n') {
        let begins = |word: &&str| {
            let rest = line.trim_ascii_start().strip_prefix(word.as_bytes());
            rest.and_then(<[u8]>::first).is_some_and(u8::is_ascii_whitespace)
        };
        let is_within = found.last().is_some_and(|last| last.contains(&start));
        if !is_within && IMPORTS.iter().any(begins) {
            found.push(start..start + statement(code.get(start..).unwrap_or_default()));
        }
        start += line.len();
    }
    found
}

/// The length of a statement: to the end of a line outside of brackets.
fn statement(code: &[u8]) -> usize {
    let mut open = 0_usize;
    for (at, byte) in code.iter().enumerate() {
        match byte {
            b'(' | b'{' => open += 1,
            b')' | b'}' => open = open.saturating_sub(1),
            b';' => return at,
            b'\n' if open == 0 => return at,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, path: &str) -> Vec<String> {
        let mut names: Vec<_> =
            used(text.as_bytes(), Language::of(path)).into_iter().map(str::to_owned).collect();
        names.sort();
        names
    }

    #[test]
    fn names_that_are_called_imported_or_reached_for_are_used() {
        let python = "from pkg.table import (\n    spread,\n    Trim as Cut,\n)\n\
            # calls commented()\n\
            class Mine:\n    def check(self, width):\n        '''Says documented().'''\n\
            \x20       value = table.columns\n        assert make(value, fast=True) == \"quoted()\"\n";
        assert_eq!(
            names(python, "test_a.py"),
            ["Cut", "Trim", "columns", "fast", "from", "import", "make", "pkg", "spread", "table"]
        );
        let rust = "use crate::table::{\n    Spread,\n};\n/* old() */\nfn own() {\n    \
            let it: &'a str = Trim::new('(', \"text()\");\n    check!(it->deep);\n}\n";
        assert_eq!(
            names(rust, "a_test.rs"),
            ["Spread", "Trim", "check", "crate", "deep", "new", "table", "use"]
        );
        let script = "import { render } from './said'; // gone()\nexpect(`${not()}`).toBe('it()')";
        assert_eq!(names(script, "a.test.ts"), ["expect", "from", "import", "render", "toBe"]);
        assert_eq!(names("call() of the name", "README.md"), [""; 0]);
    }

    #[test]
    fn apostrophes_of_comments_begin_no_text() {
        let code = b"# don't take this, it's a comment\nraise X(\"no such column\")\nc = 'it''s'\n\
            \"\"\"As \"the book of rows\" has it.\"\"\"\n";
        let mut found: Vec<_> = literals(code, Language::Hash).into_iter().collect();
        found.sort();
        assert_eq!(
            found,
            ["As \"the book of rows\" has it.", "no such column", "the book of rows"]
        );
        let rust = b"let c = '\"'; let it: &'a str = \"no room for it\"; // it's gone";
        let found = literals(rust, Language::of("a.rs"));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["no room for it"]);
    }
}
