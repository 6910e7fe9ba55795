//! What leads away from a text, whatever the patch: numbers of pull requests,
//! commits, addresses, people; and where a text is marked as code.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use catena_tree::CommitId;
use regex::Regex;

/// Pull requests of fewer digits are known only by what stands before them.
const LEAST_BARE_NUMBER: u64 = 1000;

/// Words before `issue` that let it be something that is done.
const BEFORE_VERB: [&str; 16] = [
    "to", "and", "or", "not", "also", "should", "will", "would", "must", "may", "might", "can",
    "could", "it", "that", "which",
];

/// What stands behind the dot in names of files that nobody reaches into.
const ENDINGS: [&str; 14] =
    ["py", "rs", "c", "h", "js", "ts", "md", "rst", "txt", "json", "toml", "yml", "yaml", "cfg"];

/// Longest name of several words, in bytes.
const MAX_COMPOUND: usize = 60;

#[expect(clippy::expect_used, reason = "the patterns are literals and covered by tests")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("literal pattern")
}

static MARKED_NUMBER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:\bgh-|#|/pull/|/issues/)(\d+)\b"));
static NAMED_NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:prs?|pull requests?|issues?|merge requests?)(?:\s+number|\s+no\.)?[\s-]*(\d+)\b",
    )
});
static BARE_NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(\d{4,9})\b"));
static COLOUR: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:colou?rs?|hex|rgb|background|fill|stroke)\W{0,5}$"));
static COMMIT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b[0-9a-f]{6,40}\b"));
static URL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:https?://|www\.)[^\s<>()\[\]`]+|\b(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|dev|(?:github|gitlab|readthedocs|crates|docs)\.(?:io|rs))/[^\s<>()\[\]`]*",
    )
});
static MENTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:^|[\s(\[,])(@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:[\s)\],;:!?]|\.(?:\s|$)|$)",
    )
});
static QUOTED: LazyLock<Regex> =
    LazyLock::new(|| pattern("[\"\u{201c}]([^\"\u{201c}\u{201d}\n]{3,60})[\"\u{201d}]"));
static OPTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\B--([A-Za-z][\w-]+)"));

/// Numbers that lead to pull requests and issues. `own` are those of the chain.
pub(super) fn numbers<'t>(
    text: &'t str,
    code: &[Range<usize>],
    own: &HashSet<u64>,
) -> impl Iterator<Item = &'t str> {
    let found = |pattern: &'static Regex| {
        pattern.captures_iter(text).filter_map(|found| {
            let digits = found.get(1)?;
            Some((found.get(0)?, digits.as_str().parse::<u64>().unwrap_or(u64::MAX), digits.len()))
        })
    };
    let largest = own.iter().max().copied();
    let marked = found(&MARKED_NUMBER).filter(move |(found, number, digits)| {
        let is_hex = found.as_str().starts_with('#') && matches!(digits, 3 | 6 | 8);
        let before = text.get(..found.start()).unwrap_or_default();
        let is_quoted = before.ends_with(['"', '\'']);
        let in_code = code.iter().any(|span| span.contains(&found.start()));
        // Six digits are many times what most repositories have.
        let is_far = *digits >= 6 && largest.is_some_and(|largest| *number > 4 * largest);
        !(is_hex && (is_quoted || in_code || is_far || COLOUR.is_match(before)))
    });
    let named = found(&NAMED_NUMBER).filter(move |(found, number, _)| {
        let before = text.get(..found.start()).unwrap_or_default();
        let after = text.get(found.end()..).unwrap_or_default();
        *number >= LEAST_BARE_NUMBER || !counts_something(before, found.as_str(), after)
    });
    let bare = found(&BARE_NUMBER)
        .filter(|(_, number, _)| *number >= LEAST_BARE_NUMBER && own.contains(number));
    let all = marked.chain(named).chain(bare).map(|(found, ..)| found.as_str());
    all.collect::<Vec<_>>().into_iter()
}

/// Whether the number of `issue 2 warnings` counts what comes behind it.
fn counts_something(before: &str, found: &str, after: &str) -> bool {
    let counted = after.strip_prefix(' ').and_then(|text| text.chars().next());
    let before = before.trim_end();
    let last = before.rsplit(char::is_whitespace).next().unwrap_or_default().to_lowercase();
    let is_verb = before.is_empty()
        || before.ends_with(['.', ':', '\n', ','])
        || BEFORE_VERB.contains(&last.as_str());
    is_verb && found.to_lowercase().starts_with("issue") && counted.is_some_and(char::is_lowercase)
}

/// Ids of commits: such that look like one, and starts of those of the chain.
pub(super) fn commits<'t>(text: &'t str, own: &[CommitId]) -> impl Iterator<Item = &'t str> {
    let is_commit = |found: &&str| {
        let is_mixed = found.len() > 6
            && found.bytes().any(|byte| byte.is_ascii_digit())
            && found.bytes().any(|byte| byte.is_ascii_alphabetic());
        let small = found.to_ascii_lowercase();
        is_mixed || own.iter().any(|id| id.to_string().starts_with(&small))
    };
    COMMIT.find_iter(text).map(|found| found.as_str()).filter(is_commit)
}

/// Addresses, with and without `https://`.
pub(super) fn urls(text: &str) -> impl Iterator<Item = &str> {
    URL.find_iter(text).map(|found| found.as_str())
}

/// Names behind an `@` outside of code, with the `@`.
pub(super) fn mentions<'t>(text: &'t str, code: &[Range<usize>]) -> impl Iterator<Item = &'t str> {
    let found = MENTION.captures_iter(text).filter_map(|found| found.get(1));
    found
        .filter(|found| !code.iter().any(|span| span.contains(&found.start())))
        .map(|found| found.as_str())
}

/// What may be a name of several words with blanks or hyphens between them: options
/// of command lines, and what stands between backticks or double quotes.
pub(super) fn compounds<'t>(text: &'t str, code: &[Range<usize>]) -> impl Iterator<Item = &'t str> {
    let is_name = |found: &&str| {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
        found.len() <= MAX_COMPOUND && found.chars().all(is_part) && found.contains([' ', '-'])
    };
    let inside = |pattern: &'static Regex| {
        pattern.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str()))
    };
    let spans = code.iter().filter_map(|span| text.get(span.clone()));
    spans
        .chain(inside(&QUOTED))
        .chain(inside(&OPTION))
        .filter(is_name)
        .collect::<Vec<_>>()
        .into_iter()
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `word` stands in `text` by itself, in any case.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    has_small_word(&text.to_lowercase(), word)
}

/// Whether `word`, in any case, stands by itself in `text`, which is in small letters.
pub(super) fn has_small_word(text: &str, word: &str) -> bool {
    let word = word.to_lowercase();
    let is_part = |c: Option<char>| c.is_some_and(is_part);
    text.match_indices(&word).any(|(at, found)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
        !is_part(before) && !is_part(after)
    })
}

/// Where a text is marked as code: between backticks, on one line or several.
pub(super) fn code_spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut rest = 0;
    while let Some(start) = text.get(rest..).and_then(|text| text.find('`')).map(|at| rest + at) {
        let fence = text.get(start..).unwrap_or_default();
        let len = fence.len() - fence.trim_start_matches('`').len();
        let mark = "`".repeat(len);
        let inside = start + len;
        let Some(end) = text.get(inside..).and_then(|text| text.find(&mark)) else {
            // A fence that nobody closes marks all that follows; a single sign marks nothing.
            if len >= 3 {
                spans.push(inside..text.len());
                break;
            }
            rest = inside;
            continue;
        };
        spans.push(inside..inside + end);
        rest = inside + end + len;
    }
    spans
}

/// Whether a word is called, in quotes, behind an `@`, or a part of something with
/// dots.
pub(super) fn stands_as_code(text: &str, range: &Range<usize>) -> bool {
    let before = text.get(..range.start).unwrap_or_default();
    let after = text.get(range.end..).unwrap_or_default();
    let is_member = before.strip_suffix('.').and_then(|text| text.chars().next_back());
    let member = after.strip_prefix('.').and_then(|text| text.split(|c| !is_part(c)).next());
    let has_member = member.is_some_and(|name| !name.is_empty() && !ENDINGS.contains(&name));
    let is_scoped = before.ends_with("::") || before.ends_with("->") || after.starts_with("::");
    let is_quoted =
        ['"', '\''].into_iter().any(|quote| before.ends_with(quote) && after.starts_with(quote));
    after.starts_with('(')
        || is_quoted
        || is_scoped
        || before.ends_with('@')
        || has_member
        || is_member.is_some_and(|c| is_part(c) || c == ')')
}
