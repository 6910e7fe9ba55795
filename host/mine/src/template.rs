//! The plain query of a stage and overview of a chain, made of titles and
//! messages alone.
//!
//! They say what the pull request said of itself, which is often little, and
//! may name what the patch introduces. A query writer makes better ones. Left
//! out is what would lead to the answer: numbers, commit ids, people, links.

use std::sync::LazyLock;

use catena_chain::{Leak, PullRequest, Stage};
use regex::Regex;

use crate::message::{self, pattern};

/// Longest body taken over, in characters.
const MAX_BODY: usize = 2000;

/// Patterns of what is cut, from whole lines to single words.
static CUT: LazyLock<[Regex; 8]> = LazyLock::new(|| {
    [
        pattern(r"(?is)<!--.*?-->"),
        pattern(
            r"(?im)^[ \t]*(?:co-authored-by|signed-off-by|reviewed-by|cc|\[?(?:skip|ci)[ -](?:ci|skip)\]?)\b.*$",
        ),
        pattern(
            r"(?i)\[(?:skip|ci|docs|circle|azp|lint|cirrus|wheel)[ -]*(?:ci|skip|actions|circle|azp|only|build)[^\]]*\]",
        ),
        pattern(r"https?://\S+"),
        pattern(
            r"(?i)[ \t]*[(\[]?(?:\b(?:see|fix(?:e[sd])?|close[sd]?|resolve[sd]?|follow[- ]?up (?:to|of|on)|backport of|supersedes|reverts):?\s+(?:also\s+)?)?(?:\b(?:pr|pull request|issue)s?\s*)?(?:[\w./-]*#|\bgh-)\d+(?:\s*(?:,|and|&)\s*(?:[\w./-]*#|\bgh-)\d+)*[)\]]?",
        ),
        pattern(r"\b(?:[0-9]+[a-f]|[a-f]+[0-9])[0-9a-f]{5,38}\b"),
        pattern(r"\B@[A-Za-z0-9][A-Za-z0-9-]*\b"),
        pattern(r"<[^<>\s]+@[^<>\s]+>"),
    ]
});
static BLANKS: LazyLock<Regex> = LazyLock::new(|| pattern(r"[ \t]+"));
static LINE_ENDS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^[ \t]*[-*:;,.]*[ \t]*$|^[ \t]*[:;,.]+[ \t]+|[ \t]+$"));
static BEFORE_POINT: LazyLock<Regex> = LazyLock::new(|| pattern(r"[ \t]+([.,;:])"));
static GAPS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\n\s*\n\s*"));

/// What the agent is asked for: title and description, or the subjects of the
/// commits where neither is known.
pub fn query(pull_request: &PullRequest) -> String {
    let author = pull_request.author.as_deref();
    let title = clean(&pull_request.title, author);
    let mut body = clean(&pull_request.body, author);
    if body.is_empty() {
        let subjects = pull_request.commit_messages.iter().map(|text| message::subject(text));
        let mut subjects: Vec<_> = subjects
            .map(|subject| clean(subject, author))
            .filter(|subject| !subject.is_empty() && *subject != title)
            .map(|subject| format!("- {subject}"))
            .collect();
        subjects.dedup();
        body = subjects.join("\n");
    }
    let body: String = body.chars().take(MAX_BODY).collect();
    match (title.is_empty(), body.is_empty()) {
        (false, false) => format!("{title}\n\n{body}"),
        (false, true) => title,
        (true, _) => body,
    }
}

/// What a chain is about: the titles of its stages, in order.
pub fn overview(repository: &str, stages: &[Stage]) -> String {
    let mut text = format!("A series of {} changes to {repository}, in this order:", stages.len());
    for (index, stage) in stages.iter().enumerate() {
        let title = stage.query.lines().next().unwrap_or_default();
        text.push_str(&format_line(index + 1, title));
    }
    text
}

/// `text` without what gives something away: in its first line the words
/// themselves, below that the sentences they stand in.
pub fn without(text: &str, leaks: &[Leak]) -> String {
    let leaks: Vec<Regex> = leaks.iter().filter_map(|leak| as_words(&leak.excerpt)).collect();
    let gives_away = |sentence: &str| leaks.iter().any(|leak| leak.is_match(sentence));
    let (title, body) = text.split_once('\n').unwrap_or((text, ""));
    let mut kept = title.to_owned();
    for leak in &leaks {
        kept = leak.replace_all(&kept, "…").into_owned();
    }
    for line in body.lines() {
        kept.push('\n');
        let sentences = line.split_inclusive(". ").filter(|sentence| !gives_away(sentence));
        kept.extend(sentences);
    }
    GAPS.replace_all(LINE_ENDS.replace_all(&kept, "").trim(), "\n\n").into_owned()
}

/// `words` where they stand by themselves, in any case and perhaps in backticks.
/// None if they are too many for a pattern.
fn as_words(words: &str) -> Option<Regex> {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let bound = |is_word: bool| if is_word { r"\b" } else { "" };
    let (first, last) = (is_word(words.chars().next()), is_word(words.chars().next_back()));
    let pattern = format!("(?i)`*{}{}{}`*", bound(first), regex::escape(words), bound(last));
    Regex::new(&pattern).ok()
}

fn format_line(number: usize, title: &str) -> String {
    let title = if title.is_empty() { "(no description)" } else { title };
    format!("\n{number}. {title}")
}

/// `text` without numbers, commit ids, people and links.
pub fn clean(text: &str, author: Option<&str>) -> String {
    let mut text = text.replace('\r', "");
    for cut in CUT.iter() {
        text = cut.replace_all(&text, "").into_owned();
    }
    if let Some(author) = author.filter(|author| author.len() > 2).and_then(as_words) {
        text = author.replace_all(&text, "").into_owned();
    }
    let text = BLANKS.replace_all(&text, " ");
    let text = BEFORE_POINT.replace_all(&text, "$1");
    let text = LINE_ENDS.replace_all(&text, "");
    GAPS.replace_all(text.trim(), "\n\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull_request(title: &str, body: &str, commits: &[&str]) -> PullRequest {
        PullRequest {
            number: 12,
            title: title.to_owned(),
            body: body.to_owned(),
            author: Some("Jo Doe".to_owned()),
            merged_at: None,
            labels: Vec::new(),
            closes: Vec::new(),
            commit_messages: commits.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    #[test]
    fn numbers_ids_people_and_links_are_cut() {
        let pull_request = pull_request(
            "ENH: faster lookup (#12)",
            "Follow-up to #9: makes lookup fast. Thanks @someone, see https://example.org/x.\n\
             Broken since 0a1b2c3d4e.\n\nCo-authored-by: Jo Doe <jo@example.org>\nCloses gh-7",
            &[],
        );
        insta::assert_snapshot!(query(&pull_request), @r"
        ENH: faster lookup

        makes lookup fast. Thanks, see
        Broken since.
        ");
    }

    #[test]
    fn words_that_give_something_away_go_with_their_sentences() {
        let leak = |excerpt: &str| Leak {
            kind: catena_chain::LeakKind::Identifier,
            excerpt: excerpt.to_owned(),
        };
        let text = "Add `load_all` for tables\n\nTables load slowly. Use load_all. It is fast.\n- load_all\nThe reload_all stays.\nEnd.";
        insta::assert_snapshot!(without(text, &[leak("load_all")]), @r"
        Add … for tables

        Tables load slowly. It is fast.

        The reload_all stays.
        End.
        ");
    }

    #[test]
    fn subjects_of_commits_stand_in_for_a_description() {
        let commits = ["MAINT: tidy\n\nlong", "TST: more tests", "TST: more tests"];
        assert_eq!(query(&pull_request("", "", &commits)), "- MAINT: tidy\n- TST: more tests");
        assert_eq!(query(&pull_request("MAINT: tidy", "", &["MAINT: tidy"])), "MAINT: tidy");
    }

    #[test]
    fn lines_of_which_nothing_is_left_go() {
        let body = "First.\n\nSee other/repo#12, #13.\n\n* #14\n\nLast.";
        assert_eq!(clean(body, None), "First.\n\nLast.");
    }
}
