//! The GraphQL documents, and which operation of them asks for what.

/// Lists pull requests.
const LISTING: &str = include_str!("graphql/listing.graphql");
/// Asks for all that is kept of them.
const DETAILS: &str = include_str!("graphql/details.graphql");

/// Asks what the choice of a repository needs.
const SURVEY: &str = include_str!("graphql/survey.graphql");

/// One operation of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operation {
    /// Its name in the document.
    pub(super) name: &'static str,
    /// The whole document.
    pub(super) document: &'static str,
}

/// What the repository is.
pub(super) const REPOSITORY: Operation = Operation { name: "Repository", document: LISTING };
/// Which pull requests there are.
pub(super) const PAGE_OF_LISTING: Operation = Operation { name: "Listing", document: LISTING };
/// Some pull requests with the first page of each connection.
pub(super) const PULL_REQUESTS: Operation = Operation { name: "PullRequests", document: DETAILS };

/// What the choice of a repository needs.
pub(super) const SURVEYED: Operation = Operation { name: "Survey", document: SURVEY };

/// A list that hangs on a pull request, or on one of its review threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Connection {
    Labels,
    Commits,
    Files,
    Comments,
    Reviews,
    Threads,
    ThreadComments,
    Issues,
    References,
}

impl Connection {
    /// All of them.
    pub(super) const ALL: [Self; 9] = [
        Self::Labels,
        Self::Commits,
        Self::Files,
        Self::Comments,
        Self::Reviews,
        Self::Threads,
        Self::ThreadComments,
        Self::Issues,
        Self::References,
    ];

    /// Its name in the cache.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Commits => "commits",
            Self::Files => "files",
            Self::Comments => "comments",
            Self::Reviews => "reviews",
            Self::Threads => "threads",
            Self::ThreadComments => "thread-comments",
            Self::Issues => "issues",
            Self::References => "references",
        }
    }

    /// The operation that asks for a further page of it.
    pub(super) fn more(self) -> Operation {
        let name = match self {
            Self::Labels => "MoreLabels",
            Self::Commits => "MoreCommits",
            Self::Files => "MoreFiles",
            Self::Comments => "MoreComments",
            Self::Reviews => "MoreReviews",
            Self::Threads => "MoreThreads",
            Self::ThreadComments => "MoreThreadComments",
            Self::Issues => "MoreIssues",
            Self::References => "MoreReferences",
        };
        Operation { name, document: DETAILS }
    }
}
