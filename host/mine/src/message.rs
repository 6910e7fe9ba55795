//! What commit messages and pull request texts tell of pull requests: which one
//! a commit landed, and which others are referred to.

use std::sync::LazyLock;

use catena_chain::EdgeKind;
use regex::Regex;

/// How a commit says that it landed a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// `Merge pull request #N from …`
    Merge(u64),
    /// A subject that ends in `(#N)`, as squashed ones do.
    Suffix(u64),
}

/// A reference to a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// To which.
    pub number: u64,
    /// What is said about it.
    pub kind: EdgeKind,
    /// What it is said to do to the one that refers to it, as in "fixed by #12".
    pub done_by_it: Option<EdgeKind>,
    /// The words around it.
    pub excerpt: String,
}

/// Compiles a pattern of this crate.
pub(crate) fn pattern(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "all patterns are literals and covered by tests")]
    Regex::new(text).expect("a literal pattern")
}

static MERGE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^Merge pull request #(\d+)\b"));
static SUFFIX: LazyLock<Regex> = LazyLock::new(|| pattern(r"\(#(\d+)\)$"));

static LISTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*[*-]\s.*\(#(\d{1,9})\)$"));

/// Words in front of a reference; the first that fits says its kind.
static KINDS: LazyLock<[(Regex, EdgeKind); 4]> = LazyLock::new(|| {
    let before =
        |words: &str| pattern(&format!(r"(?i)\b(?:{words})\s*:?\s*(?:pr\s*|pull request\s*)?$"));
    [
        (
            before(r"follow(?:s|ing)?[ -]?up(?:s| pr)?(?: (?:to|of|on|for|from))?"),
            EdgeKind::FollowsUp,
        ),
        (
            before(
                r"(?:partly |partially )?(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?)(?: (?:bugs?|a bug|regressions?|a regression)(?: (?:in|from|of|introduced (?:in|by)))?)?|regression (?:from|in|of|introduced (?:in|by))",
            ),
            EdgeKind::Fixes,
        ),
        (before(r"revert(?:s|ed|ing)?"), EdgeKind::Reverts),
        (before(r"supersede[sd]?|replace[sd]?"), EdgeKind::Supersedes),
    ]
});
/// Words in front of a reference that say what the other one did.
static DONE: LazyLock<[(Regex, EdgeKind); 4]> = LazyLock::new(|| {
    let before = |words: &str| pattern(&format!(r"(?i)\b(?:{words})\s*:?\s*(?:pr\s*)?$"));
    [
        (
            before(r"(?:follow(?:ed)?[ -]?up|continued)(?: pr)?(?: (?:in|by|with|at|here))?"),
            EdgeKind::FollowsUp,
        ),
        (before(r"(?:fixed|fix|resolved) (?:in|by|with|at)"), EdgeKind::Fixes),
        (before(r"(?:reverted|taken back) (?:in|by|with)"), EdgeKind::Reverts),
        (before(r"(?:superseded|replaced) (?:in|by|with)"), EdgeKind::Supersedes),
    ]
});

static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:\B#|\bgh-|/(?:pull|issues)/)(\d{1,9})\b"));

/// What the first line of `message` says about the pull request it landed.
/// Of several stamps the last counts: a cherry-pick keeps the stamp it had.
pub fn stamp(message: &str) -> Option<Stamp> {
    let subject = subject(message);
    if let Some(number) = captured_number(&MERGE, subject) {
        return Some(Stamp::Merge(number));
    }
    captured_number(&SUFFIX, subject).map(Stamp::Suffix)
}

/// The first line of a message.
pub fn subject(message: &str) -> &str {
    message.trim_start().lines().next().unwrap_or_default().trim_end()
}

/// The first line of a message without the stamp `(#N)` at its end.
pub fn title(message: &str) -> &str {
    let subject = subject(message);
    SUFFIX
        .find(subject)
        .map_or(subject, |stamp| subject.get(..stamp.start()).unwrap_or(subject))
        .trim_end()
}

/// All after the first line of a message.
pub fn body(message: &str) -> &str {
    message.trim_start().split_once('\n').map_or("", |(_, body)| body).trim()
}

/// The pull requests that `text` refers to, in order, each place once. A stamp
/// `(#N)` at the end of the first line, or of a line of a list of commits, says
/// where a commit comes from and is no reference.
pub fn references(text: &str) -> Vec<Reference> {
    let mut references = Vec::new();
    for (index, line) in text.trim_start().lines().enumerate() {
        let mut line = line.trim();
        if index == 0 || LISTED.is_match(line) {
            line = SUFFIX.find(line).map_or(line, |own| line.get(..own.start()).unwrap_or(line));
        }
        let mut end_before = 0;
        for found in NUMBER.captures_iter(line) {
            let (Some(whole), Some(digits)) = (found.get(0), found.get(1)) else { continue };
            let Ok(number) = digits.as_str().parse() else { continue };
            let before = line.get(end_before..whole.start()).unwrap_or_default();
            end_before = whole.end();
            let kind = if reverts(line, whole.start()) { EdgeKind::Reverts } else { kind(before) };
            let done = DONE.iter().find(|(words, _)| words.is_match(before));
            let done_by_it = done.map(|(_, kind)| *kind);
            let excerpt = excerpt(line, whole.start());
            references.push(Reference { number, kind, done_by_it, excerpt });
        }
    }
    references
}

/// A stamp that squashing a branch put into the list of its commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedStamp {
    /// The pull request the commit came from.
    pub number: u64,
    /// The words around it.
    pub excerpt: String,
}

/// The stamps in lists of commits in `text`.
pub fn listed_stamps(text: &str) -> Vec<ListedStamp> {
    let lines = text.lines().map(str::trim);
    lines
        .filter_map(|line| {
            let number = captured_number(&LISTED, line)?;
            let at = SUFFIX.find(line)?.start();
            Some(ListedStamp { number, excerpt: excerpt(line, at) })
        })
        .collect()
}

fn kind(before: &str) -> EdgeKind {
    let found = KINDS.iter().find(|(words, _)| words.is_match(before));
    found.map_or(EdgeKind::Mentions, |(_, kind)| *kind)
}

/// Whether byte `at` of `line` is inside what `Revert "…"`, as git writes it, quotes.
fn reverts(line: &str, at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default();
    before.starts_with("Revert \"") && line.get(at..).unwrap_or_default().contains('"')
}

/// At most 120 characters of `line` around byte `at`.
fn excerpt(line: &str, at: usize) -> String {
    const BEFORE: usize = 60;
    const WHOLE: usize = 120;
    let before = line.get(..at).unwrap_or_default().chars().count();
    let skipped = before.saturating_sub(BEFORE);
    let part: String = line.chars().skip(skipped).take(WHOLE).collect();
    match part.split_once(' ') {
        Some((_, words)) if skipped > 0 => format!("… {}", words.trim_end()),
        _ => part.trim_end().to_owned(),
    }
}

fn captured_number(regex: &Regex, text: &str) -> Option<u64> {
    regex.captures(text)?.get(1)?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_and_squashes_are_told_apart() {
        assert_eq!(stamp("Merge pull request #12 from a/b\n\nTitle"), Some(Stamp::Merge(12)));
        assert_eq!(stamp("ENH: faster things (#34)\n\nbody"), Some(Stamp::Suffix(34)));
        assert_eq!(stamp("backport of x (#12) (#34)"), Some(Stamp::Suffix(34)));
        assert_eq!(stamp("Revert \"x (#12)\""), None);
        assert_eq!(stamp("Merge branch 'main' into x"), None);
        assert_eq!(stamp("x\n\nMerge pull request #12 from a/b"), None);
    }

    #[test]
    fn references_have_the_kind_that_is_said() {
        let kinds = |text| -> Vec<_> {
            references(text).into_iter().map(|found| (found.number, found.kind)).collect()
        };
        assert_eq!(kinds("A follow-up to #12."), [(12, EdgeKind::FollowsUp)]);
        assert_eq!(kinds("Follow up of gh-12"), [(12, EdgeKind::FollowsUp)]);
        assert_eq!(
            kinds("Fixes #3 and reverts #4"),
            [(3, EdgeKind::Fixes), (4, EdgeKind::Reverts)]
        );
        assert_eq!(kinds("Fixes a regression introduced in #12"), [(12, EdgeKind::Fixes)]);
        assert_eq!(kinds("supersedes PR #9"), [(9, EdgeKind::Supersedes)]);
        assert_eq!(kinds("as discussed in the review of #12"), [(12, EdgeKind::Mentions)]);
        assert_eq!(kinds("Revert \"Faster (#12)\" (#15)"), [(12, EdgeKind::Reverts)]);
        assert_eq!(kinds("see https://example.org/a/b/pull/77"), [(77, EdgeKind::Mentions)]);
    }

    #[test]
    fn what_a_later_one_did_is_understood() {
        let done = |text| references(text).first().and_then(|found| found.done_by_it);
        assert_eq!(done("This was fixed by #12"), Some(EdgeKind::Fixes));
        assert_eq!(done("follow-up in #12"), Some(EdgeKind::FollowsUp));
        assert_eq!(done("Reverted in gh-12, sadly"), Some(EdgeKind::Reverts));
        assert_eq!(done("superseded by PR #12"), Some(EdgeKind::Supersedes));
        assert_eq!(done("fixes #12"), None);
    }

    #[test]
    fn own_stamp_and_colours_are_no_references() {
        assert_eq!(references("Title (#12)"), []);
        assert_eq!(references("Title (#12)\n\nsee #12").len(), 1);
        assert_eq!(references("color: #123abc, a#1"), []);
    }

    #[test]
    fn stamps_in_a_list_of_squashed_commits_are_no_references() {
        let text = "Termination (#36)\n\n* Typo (#30)\n* Fix what #5 broke (#31)\n* see (#7) there";
        let numbers: Vec<_> = references(text).into_iter().map(|found| found.number).collect();
        assert_eq!(numbers, [5, 7]);
        let stamps: Vec<_> = listed_stamps(text).into_iter().map(|stamp| stamp.number).collect();
        assert_eq!(stamps, [30, 31]);
    }
}
