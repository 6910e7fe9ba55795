//! Texts as words: names, quoted texts, references to pull requests, and rows of
//! words.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::sync::LazyLock;

use bstr::ByteSlice as _;
use regex::bytes::Regex;

/// Least length of a name that can give something away.
const LEAST_NAME: usize = 3;

/// Least length of a quoted text that can.
const LEAST_LITERAL: usize = 10;

/// Words in a row that nobody writes by chance.
pub(super) const ROW: usize = 8;

#[expect(clippy::expect_used, reason = "the pattern is a literal and covered by tests")]
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i-u)(?:#|\bgh-|/pull/|/issues/|:(?:gh)?(?:pr|pull|issue):`)([0-9]{1,9})\b")
        .expect("literal pattern")
});

#[expect(clippy::expect_used, reason = "the pattern is a literal and covered by tests")]
static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?-u)"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'"#).expect("literal pattern")
});

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the words of a text stand: names, numbers, and what lies between them.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, mut end, _) = chars.find(|(.., c)| is_word(*c))?;
        while let Some((_, next, _)) = chars.next_if(|(.., c)| is_word(*c)) {
            end = next;
        }
        Some(start..end)
    })
}

/// The names of a text, with repetitions.
pub(super) fn names(text: &[u8]) -> impl Iterator<Item = &str> {
    words(text).filter_map(|range| as_name(text.get(range)?))
}

/// A word as a name of the least length.
pub(super) fn as_name(word: &[u8]) -> Option<&str> {
    let begins = word.first().is_some_and(|byte| !byte.is_ascii_digit());
    let name = std::str::from_utf8(word).ok()?;
    (begins && word.len() >= LEAST_NAME && word.iter().any(u8::is_ascii_alphabetic)).then_some(name)
}

/// Whether a name is one of a program wherever it stands: `snake_case`, `_hidden`,
/// `camelCase`, `name2`. `_words_` between underscores are emphasised.
pub(super) fn is_code(name: &str) -> bool {
    let inner = name.trim_matches('_');
    let pairs = inner.as_bytes().windows(2);
    let changes_case = |pair: &[u8]| matches!(pair, [first, second] if first.is_ascii_lowercase() && second.is_ascii_uppercase());
    let is_hidden = name.starts_with('_') && !name.ends_with('_');
    let is_special = name.starts_with("__") && name.ends_with("__");
    is_hidden
        || is_special
        || inner.contains('_')
        || inner.bytes().any(|byte| byte.is_ascii_digit())
        || {
            let mut pairs = pairs;
            pairs.any(changes_case)
        }
}

/// The numbers of pull requests and issues that a text refers to.
pub(super) fn references(text: &[u8]) -> impl Iterator<Item = u64> + '_ {
    REFERENCE
        .captures_iter(text)
        .filter_map(|found| std::str::from_utf8(found.get(1)?.as_bytes()).ok()?.parse().ok())
}

/// How a reference stands among the words of a tree.
pub(super) fn reference(number: u64) -> String {
    format!("#{number}")
}

/// The texts in quotes that are long enough to be known again and more than a name.
pub(super) fn literals(text: &[u8]) -> HashSet<String> {
    let quoted = LITERAL.captures_iter(text).filter_map(|found| {
        let quoted = found.get(1).or_else(|| found.get(2))?;
        let text = std::str::from_utf8(quoted.as_bytes()).ok()?.trim();
        let is_more = text.chars().any(|c| !is_word(c));
        (text.len() >= LEAST_LITERAL && is_more).then(|| text.to_owned())
    });
    quoted.collect()
}

/// Every row of [`ROW`] words of a text, as a hash, with where it stands. Case
/// and what lies between the words do not count.
pub(super) fn rows(text: &[u8]) -> Vec<(u64, Range<usize>)> {
    let words: Vec<Range<usize>> = words(text).collect();
    let row = |words: &[Range<usize>]| {
        let (first, last) = (words.first()?, words.last()?);
        let mut hasher = DefaultHasher::new();
        for word in words {
            text.get(word.clone())?.to_ascii_lowercase().hash(&mut hasher);
        }
        Some((hasher.finish(), first.start..last.end))
    };
    words.windows(ROW).filter_map(row).collect()
}

/// The hash under which a word of a tree is known.
pub(super) fn hash(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_a_program_could_have() {
        let found: Vec<&str> = names(b"def load_all(x2, 12ab, naive\xc3\xa9): _ = go.to").collect();
        assert_eq!(found, ["def", "load_all", "naive\u{e9}"]);
        let code = ["load_all", "loadAll", "utf8", "_load", "__enter__"];
        assert!(code.iter().all(|name| is_code(name)));
        let prose = ["load", "Load", "HTTP", "_load_"];
        assert!(!prose.iter().any(|name| is_code(name)));
    }

    #[test]
    fn typographic_signs_end_a_word() {
        let found: Vec<&str> =
            names("\u{201c}load_table\u{201d}, load_rows\u{2019}s fit\u{2014}then".as_bytes())
                .collect();
        assert_eq!(found, ["load_table", "load_rows", "fit", "then"]);
    }

    #[test]
    fn references_are_known_in_every_usual_form() {
        let text = b"#1, gh-22 and https://example.org/o/n/pull/333, :pr:`4`; not 5, x#y or a12";
        assert_eq!(references(text).collect::<Vec<_>>(), [1, 22, 333, 4]);
    }

    #[test]
    fn literals_are_long_and_more_than_a_name() {
        let found =
            literals(br#"raise X("no such column", 'short', 'identifier_only', "a\"b c d e")"#);
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort();
        assert_eq!(found, ["a\\\"b c d e", "no such column"]);
    }
}
