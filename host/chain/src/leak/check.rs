//! Looks for an answer in a text.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::answer::Answer;
use super::{Findings, Leak, LeakKind, words};

/// Longest excerpt, in characters.
const MAX_EXCERPT: usize = 80;

/// Pull requests of fewer digits are known only by what stands before them.
const LEAST_BARE_NUMBER: u64 = 1000;

#[expect(clippy::expect_used, reason = "the patterns are literals and covered by tests")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("literal pattern")
}

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:\bgh-|#|/pull/|/issues/|\b(?:prs?|pull requests?|issues?|merge requests?)(?:\s+number|\s+no\.)?[\s-]*#?\s*)\d+\b",
    )
});
static BARE_NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b\d{4,9}\b"));
static COMMIT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b[0-9a-f]{7,40}\b"));
static URL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:https?://|www\.)[^\s<>()\[\]`]+"));
static MENTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?:^|[\s(\[,])(@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:[\s)\],.;:!?]|$)")
});

impl Answer {
    /// What `text` gives away. Plain words count as names only where they stand
    /// as code does: in backticks or quotes, with a call's bracket, behind a dot.
    pub fn check(&self, text: &str) -> Findings {
        let mut leaks = BTreeSet::new();
        let mut told = BTreeSet::new();
        for name in self.names_in(text) {
            if self.may_be_told(name) {
                told.insert(name.to_owned());
            } else {
                leaks.insert(leak(LeakKind::Identifier, name));
            }
        }
        let quoted = self.literals.iter().filter(|literal| has_word(text, literal));
        leaks.extend(quoted.map(|literal| leak(LeakKind::StringLiteral, literal)));
        let files = self.files.iter().filter(|file| has_word(text, file));
        leaks.extend(files.map(|file| leak(LeakKind::FileName, file)));
        leaks.extend(all(&NUMBER, text).map(|found| leak(LeakKind::PullRequestNumber, found)));
        leaks.extend(self.bare_numbers(text).map(|found| leak(LeakKind::PullRequestNumber, found)));
        leaks.extend(self.commits_in(text).map(|found| leak(LeakKind::CommitId, found)));
        leaks.extend(all(&URL, text).map(|found| leak(LeakKind::Url, found)));
        let code = code_spans(text);
        let mentions = MENTION.captures_iter(text).filter_map(|found| found.get(1));
        let mentions =
            mentions.filter(|found| !code.iter().any(|span| span.contains(&found.start())));
        leaks.extend(mentions.map(|found| leak(LeakKind::Author, found.as_str())));
        let people = self.people.iter().filter(|name| has_word(text, name));
        leaks.extend(people.map(|name| leak(LeakKind::Author, name)));
        leaks.extend(self.rows_in(text).map(|found| leak(LeakKind::PatchText, found)));
        Findings { leaks: leaks.into_iter().collect(), told: told.into_iter().collect() }
    }

    /// Names that the patch introduces and `text` uses as names.
    fn names_in<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let code = code_spans(text);
        words::words(text.as_bytes()).filter_map(move |range| {
            let name = text.get(range.clone())?;
            let is_name = self.identifiers.contains(name) || self.may_be_told(name);
            let stands_as_code = || {
                words::is_code(name)
                    || code.iter().any(|span| span.contains(&range.start))
                    || stands_as_code(text, &range)
            };
            (is_name && stands_as_code()).then_some(name)
        })
    }

    fn may_be_told(&self, name: &str) -> bool {
        self.interface.contains(name) || self.allowed.contains(name)
    }

    fn bare_numbers<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let is_own = |found: &&str| {
            let number = found.parse().unwrap_or_default();
            number >= LEAST_BARE_NUMBER && self.numbers.contains(&number)
        };
        all(&BARE_NUMBER, text).filter(is_own)
    }

    fn commits_in<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let is_commit = |found: &&str| {
            let is_mixed = found.bytes().any(|byte| byte.is_ascii_digit())
                && found.bytes().any(|byte| byte.is_ascii_alphabetic());
            is_mixed || self.commits.iter().any(|id| id.to_string().starts_with(*found))
        };
        all(&COMMIT, text).filter(is_commit)
    }

    /// The longest stretches of `text` whose rows of words the patch adds.
    fn rows_in<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for (row, range) in words::rows(text.as_bytes()) {
            if !self.rows.contains(&row) {
                continue;
            }
            match stretches.last_mut() {
                Some(last) if last.end >= range.start => last.end = range.end,
                _ => stretches.push(range),
            }
        }
        stretches.into_iter().filter_map(|range| text.get(range))
    }
}

fn leak(kind: LeakKind, found: &str) -> Leak {
    let line = found.split_whitespace().collect::<Vec<_>>().join(" ");
    Leak { kind, excerpt: line.chars().take(MAX_EXCERPT).collect() }
}

fn all<'t>(pattern: &'static Regex, text: &'t str) -> impl Iterator<Item = &'t str> {
    pattern.find_iter(text).map(|found| found.as_str())
}

/// Whether `word` stands in `text` by itself, in any case.
fn has_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(&word).any(|(at, found)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
        !is_part(before) && !is_part(after)
    })
}

/// Where a text is marked as code: between backticks, on one line or several.
fn code_spans(text: &str) -> Vec<Range<usize>> {
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

/// Whether a word is called, in quotes, or a part of something with dots.
fn stands_as_code(text: &str, range: &Range<usize>) -> bool {
    let before = text.get(..range.start).unwrap_or_default();
    let after = text.get(range.end..).unwrap_or_default();
    let is_member = before.strip_suffix('.').and_then(|text| text.chars().next_back());
    let is_scoped = before.ends_with("::") || before.ends_with("->") || after.starts_with("::");
    let is_quoted =
        ['"', '\''].into_iter().any(|quote| before.ends_with(quote) && after.starts_with(quote));
    after.starts_with('(')
        || is_quoted
        || is_scoped
        || is_member.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ')')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let set = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let mut answer = Answer {
            identifiers: set(&["load_table", "renderer", "align", "fit_columns"]),
            literals: set(&["no such column"]),
            files: ["pkg/render.py", "render.py"].map(str::to_owned).into(),
            numbers: [4321].into(),
            commits: vec!["0123456789012345678901234567890123456789".parse().unwrap()],
            people: ["Jo Doe".to_owned()].into(),
            ..Answer::default()
        };
        let added = b"the table is drawn with as many columns as fit onto the page";
        answer.rows = words::rows(added).into_iter().map(|(row, _)| row).collect();
        answer.declare(&["pkg.fit_columns(width)".to_owned()]);
        answer
    }

    fn found(text: &str) -> Vec<(LeakKind, String)> {
        answer().check(text).leaks.into_iter().map(|leak| (leak.kind, leak.excerpt)).collect()
    }

    #[test]
    fn every_kind_is_found() {
        use LeakKind as K;
        let cases: [(&str, K, &str); 18] = [
            ("call load_table then", K::Identifier, "load_table"),
            ("the `renderer` class", K::Identifier, "renderer"),
            ("use x.align here", K::Identifier, "align"),
            ("pass 'align' here", K::Identifier, "align"),
            ("say \u{201c}load_table\u{201d}", K::Identifier, "load_table"),
            ("use engine::align here", K::Identifier, "align"),
            ("see github.com/o/n/pull/7", K::PullRequestNumber, "/pull/7"),
            ("use align() here", K::Identifier, "align"),
            ("it says 'no such column'", K::StringLiteral, "no such column"),
            ("put it into pkg/render.py", K::FileName, "pkg/render.py"),
            ("see #12", K::PullRequestNumber, "#12"),
            ("as PR 12 did", K::PullRequestNumber, "PR 12"),
            ("see 4321 for more", K::PullRequestNumber, "4321"),
            ("as of 0123456", K::CommitId, "0123456"),
            ("as of 12ab34f", K::CommitId, "12ab34f"),
            ("see https://example.org/x", K::Url, "https://example.org/x"),
            ("ask @jodoe.", K::Author, "@jodoe"),
            ("by jo doe", K::Author, "Jo Doe"),
        ];
        for (text, kind, excerpt) in cases {
            assert!(found(text).contains(&(kind, excerpt.to_owned())), "{text}: {:?}", found(text));
        }
        let text = "The table is drawn, with as many columns as fit. On the page";
        let row = "The table is drawn, with as many columns as fit".to_owned();
        assert_eq!(found(text), [(K::PatchText, row)]);
    }

    #[test]
    fn words_of_the_language_and_declared_names_pass() {
        assert_eq!(found("Align the columns; the renderer is slow. Issue a warning 2024."), []);
        let findings = answer().check("`fit_columns` takes a width");
        assert_eq!((findings.leaks, findings.told), (vec![], vec!["fit_columns".to_owned()]));
    }
}
