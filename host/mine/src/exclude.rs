//! Which pull requests make no stage of a chain, and why.
//!
//! Looks at one pull request at a time; whether two belong together is for
//! [`crate::links`].

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use crate::catalogue::MinedPullRequest;
use crate::clone::LandingKind;
use crate::commits::MAX_COMMITS;
use crate::message::pattern;
use crate::origins::Readable;

/// What a stage may be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageLimits {
    /// Most files a pull request may change.
    pub files: usize,
    /// Most significant lines it may add and delete together.
    pub lines: u64,
}

impl Default for StageLimits {
    /// 50 files and 2,000 lines: more is a sweep over the code, which no query
    /// describes in a few sentences.
    fn default() -> Self {
        Self { files: 50, lines: 2000 }
    }
}

/// Why a pull request makes no stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Exclusion {
    /// A program wrote it.
    #[error("written by a bot")]
    Bot,
    /// It landed commit by commit, and nothing tells by which.
    #[error("landed commit by commit (a rebase), and nothing tells by which")]
    Rebased,
    /// It repeats on one branch what landed on another.
    #[error("a backport")]
    Backport,
    /// It brought in a whole branch.
    #[error("a branch synchronisation of more than {MAX_COMMITS} commits")]
    Synchronisation,
    /// The clone lacks a content it changes, so its patch cannot be computed.
    #[error("contents are missing in the clone")]
    Missing,
    /// Nothing but binary files and submodules changed, or nothing at all.
    #[error("changes no line of text")]
    NoText,
    /// It corrects spelling.
    #[error("corrects spelling only")]
    Typo,
    /// All it changes is copied from elsewhere or made by a program.
    #[error("changes vendored or generated files only")]
    Generated,
    /// It changes more files or lines than a stage may.
    #[error("changes too many files or lines")]
    TooLarge,
}

static BOT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\[bot\]|\bdependabot\b|\brenovate\b|pre-commit-ci|github-actions|codecov|[-_]bot$|^bot\b",
    )
});
static BACKPORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\bback[- ]?port(?:s|ed|ing)?\b|\bcherry[- ]pick"));
static TYPO: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:typos?|misspell\w*|spelling|grammar)\b"));

/// Paths of files that nobody writes by hand in this repository.
static GENERATED: LazyLock<RegexSet> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "all patterns are literals and covered by tests")]
    RegexSet::new([
        r"(?:^|/)(?:vendor|vendored|_vendor|third[_-]?party|node_modules|externals?|subprojects|bundled)/",
        r"(?:^|/)(?:dist|build)/[^/]*\.(?:js|css)$",
        r"\.min\.(?:js|css)$|\.map$|_pb2(?:_grpc)?\.pyi?$|\.pb\.(?:go|cc|h)$|\.snap$",
        r"(?:^|/)(?:Cargo|poetry|uv|composer|Pipfile|Gemfile|flake|conda)\.lock$|(?:^|/)(?:package-lock\.json|pnpm-lock\.yaml|yarn\.lock|go\.sum)$",
        r"(?:^|/)[^/]*(?:[._-]generated|[._-]gen)\.[a-z]+$|(?:^|/)generated/",
    ])
    .expect("literal patterns")
});

/// Files that explain and do not run.
static PROSE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\.(?:md|rst|txt|adoc)$|(?:^|/)(?:AUTHORS|THANKS|LICENSE)[^/]*$")
});

/// Most lines a correction of spelling changes, if its title says it is one.
const TYPO_LINES: u64 = 20;

/// Most lines of prose alone that are taken for one without such a title.
const PROSE_LINES: u64 = 4;

/// Why `pull_request` makes no stage; `None` if it may. The first reason found
/// is the one that is told.
pub fn exclusion(pull_request: &MinedPullRequest, limits: &StageLimits) -> Option<Exclusion> {
    let files = &pull_request.files;
    let lines = pull_request.changed_lines();
    let all = |what: &dyn Fn(&str) -> bool| files.iter().all(|file| what(&file.path));
    let reasons: [(Exclusion, &dyn Fn() -> bool); 9] = [
        (Exclusion::Bot, &|| pull_request.discussion.by_bot || BOT.is_match(&pull_request.author)),
        (Exclusion::Rebased, &|| pull_request.kind == LandingKind::Unclear),
        (Exclusion::Backport, &|| BACKPORT.is_match(&pull_request.title)),
        (Exclusion::Synchronisation, &|| pull_request.commits.len() >= MAX_COMMITS),
        (Exclusion::Missing, &|| files.iter().any(|file| file.content == Readable::Missing)),
        (Exclusion::NoText, &|| lines == 0),
        (Exclusion::Typo, &|| {
            (lines <= TYPO_LINES && TYPO.is_match(&pull_request.title))
                || (lines <= PROSE_LINES && all(&|path| PROSE.is_match(path)))
        }),
        (Exclusion::Generated, &|| all(&|path| GENERATED.is_match(path))),
        (Exclusion::TooLarge, &|| files.len() > limits.files || lines > limits.lines),
    ];
    reasons.into_iter().find(|(_, holds)| holds()).map(|(reason, _)| reason)
}
