//! Texts as words: names and their spellings, quoted texts, references to pull
//! requests, and rows of words.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::ops::Range;
use std::sync::LazyLock;

use foldhash::fast::FixedState;
use regex::bytes::Regex;

/// Least length of a name that can give something away.
const LEAST_NAME: usize = 3;

/// Least length of a quoted text that can.
const LEAST_LITERAL: usize = 10;

/// Words in a row that nobody writes by chance.
pub(super) const ROW: usize = 8;

/// Words in a row that nobody writes by chance, where they stand in quotes.
const LEAST_PHRASE: usize = 4;

#[expect(clippy::expect_used, reason = "the pattern is a literal and covered by tests")]
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i-u)(?:#|\bgh-|/pull/|/issues/|:(?:gh)?(?:pr|pull|issue):`)([0-9]{1,9})\b")
        .expect("literal pattern")
});

#[expect(clippy::expect_used, reason = "the pattern is a literal and covered by tests")]
static LITERAL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?-u)"((?:[^"\\\n]|\\.)*)""#).expect("literal pattern"));

#[expect(clippy::expect_used, reason = "the pattern is a literal and covered by tests")]
static DECORATOR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m-u)^[ \t*/#!]*@([A-Za-z][A-Za-z0-9_-]*)").expect("literal pattern")
});

#[expect(clippy::expect_used, reason = "the pattern is a literal and covered by tests")]
static PLACEHOLDER: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(r"\$?\{[^{}]*\}|%\(\w+\)[a-z]|%[-0-9.]*[a-z]|\\[a-z]")
        .expect("literal pattern")
});

/// Of the hash by Fowler, Noll and Vo.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
/// The golden ratio, as a fraction of 64 bits.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the words of a text stand: names, numbers, and what lies between them.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            match sign(text, at)? {
                (true, _) => break,
                (false, length) => at += length,
            }
        }
        let start = at;
        while let Some((true, length)) = sign(text, at) {
            at += length;
        }
        Some(start..at)
    })
}

/// Whether the sign at a place is one of a word, and its length in bytes. Whole
/// repositories go through it, and most of them are ASCII.
fn sign(text: &[u8], at: usize) -> Option<(bool, usize)> {
    let byte = *text.get(at)?;
    if byte.is_ascii() {
        return Some((byte.is_ascii_alphanumeric() || byte == b'_', 1));
    }
    let (sign, length) = bstr::decode_utf8(text.get(at..)?);
    Some((sign.is_some_and(is_word), length))
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

/// Texts in double quotes, as prose has them, that are literals.
pub(super) fn quoted(text: &[u8]) -> impl Iterator<Item = String> + '_ {
    LITERAL.captures_iter(text).filter_map(|found| as_literal(found.get(1)?.as_bytes()))
}

/// What stands in quotes, if it is long enough to be known again, on one line, and
/// more than a name.
pub(super) fn as_literal(quoted: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(quoted).ok()?.trim();
    let is_more = text.chars().any(|c| !is_word(c));
    (text.len() >= LEAST_LITERAL && is_more && !text.contains('\n')).then(|| text.to_owned())
}

/// The words of each part of a literal between the places that a program fills in,
/// in small letters, where they are so many that nobody writes them by chance.
pub(super) fn phrases(literal: &str) -> Vec<Vec<String>> {
    let parts = PLACEHOLDER.split(literal);
    let phrases = parts.map(|part| {
        let words = words(part.as_bytes()).filter_map(|range| part.get(range));
        words.map(str::to_lowercase).collect::<Vec<_>>()
    });
    phrases.filter(|words| words.len() >= LEAST_PHRASE).collect()
}

/// Names that follow an `@` at the start of a line, as those of decorators do.
pub(super) fn decorators(text: &[u8]) -> impl Iterator<Item = &str> {
    let found = DECORATOR.captures_iter(text);
    found.filter_map(|found| std::str::from_utf8(found.get(1)?.as_bytes()).ok())
}

/// A name without what tells its writing apart: `load_all`, `loadAll` and `LoadAll`
/// are one. `None` for a name of one part.
pub(super) fn folded(name: &str) -> Option<String> {
    let parts = parts(name);
    (parts.len() > 1).then(|| parts.concat())
}

/// A name of several parts in all ways in which programs write names.
pub(super) fn spellings(name: &str) -> Vec<String> {
    let parts = parts(name);
    if parts.len() < 2 {
        return Vec::new();
    }
    let capital = |part: &String| {
        let mut letters = part.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string());
        first.unwrap_or_default() + letters.as_str()
    };
    let pascal: String = parts.iter().map(capital).collect();
    let first = parts.first().cloned().unwrap_or_default();
    let camel = first + &parts.iter().skip(1).map(capital).collect::<String>();
    let snake = parts.join("_");
    vec![snake.to_uppercase(), format!("_{snake}"), snake, camel, pascal]
}

/// The parts of a name in small letters: what stands between `_`, `-`, blanks and
/// changes of case.
fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && was_small);
        if begins && parts.last().is_some_and(|last| !last.is_empty()) {
            parts.push(String::new());
        }
        if let Some(last) = parts.last_mut().filter(|_| c.is_alphanumeric()) {
            last.extend(c.to_lowercase());
        }
        was_small = c.is_lowercase() || c.is_ascii_digit();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Every row of [`ROW`] words of a text, as a hash, with where it stands. Case
/// and what lies between the words do not count.
pub(super) fn rows(text: &[u8]) -> impl Iterator<Item = (u64, Range<usize>)> + '_ {
    let mut last = VecDeque::with_capacity(ROW);
    words(text).filter_map(move |range| {
        if last.len() == ROW {
            last.pop_front();
        }
        let word = small_hash(text.get(range.clone()).unwrap_or_default());
        last.push_back((word, range.start));
        let (_, start) = last.front().filter(|_| last.len() == ROW)?;
        let row = last.iter().fold(0, |row, (word, _)| mixed(row, *word));
        Some((row, *start..range.end))
    })
}

/// The hash of a word in small letters. Whole repositories go through it.
fn small_hash(word: &[u8]) -> u64 {
    word.iter().fold(FNV_BASIS, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(FNV_PRIME)
    })
}

fn mixed(row: u64, word: u64) -> u64 {
    (row.rotate_left(5) ^ word).wrapping_mul(MIX)
}

/// The hash under which a word of a tree is known; the same in every process.
pub(super) fn hash(word: &str) -> u64 {
    FixedState::default().hash_one(word)
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
        let text =
            br#"say "no such column", 'single quotes here', "identifier_only", "a\"b c d e""#;
        assert_eq!(quoted(text).collect::<Vec<_>>(), ["no such column", "a\\\"b c d e"]);
    }

    #[test]
    fn phrases_leave_out_what_a_program_fills_in() {
        let found = phrases("Cannot load {name!r} from the table of %d rows, sorry");
        assert_eq!(found, [["from", "the", "table", "of"]]);
        assert!(phrases("no such column").is_empty());
    }

    #[test]
    fn names_are_the_same_in_every_spelling() {
        let fold = |name| folded(name).unwrap_or_default();
        for name in
            ["load_all_rows", "loadAllRows", "LoadAllRows", "LOAD_ALL_ROWS", "load all-rows"]
        {
            assert_eq!(fold(name), "loadallrows", "{name}");
        }
        assert_eq!(folded("load"), None);
        let all = ["LOAD_ALL", "_load_all", "load_all", "loadAll", "LoadAll"];
        assert_eq!(spellings("loadAll"), all);
    }

    #[test]
    fn decorators_begin_a_line() {
        let text = b"    @cached.thing\n * @param x, ask @rob\n@a\n";
        assert_eq!(decorators(text).collect::<Vec<_>>(), ["cached", "param", "a"]);
    }
}
