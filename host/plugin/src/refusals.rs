//! What was refused to a plugin, by kind: the right that was missing, the path that
//! is protected, the limit that was reached.
//!
//! Kinds are words that may grow in number. Those that begin with `limit:` and `quota`
//! are of who wants too much; all others are of who reaches for what is not its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::capability::WorkspaceAccess;

/// The kind of what an old journal counts without saying what it was.
const UNTOLD: &str = "untold";

/// Kinds that are counted apart, of one call and of sums; what comes then is counted as
/// [`OTHER`]. Guests choose names that are part of a kind.
const MOST_KINDS: usize = 64;

const OTHER: &str = "other";

/// Characters of a guest's name that are part of a kind.
const MOST_OF_A_NAME: usize = 64;

/// Something that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal<'a> {
    /// It may not reach so far into the worktree.
    Workspace(WorkspaceAccess),
    /// It may not hold conversations.
    Model,
    /// It may not see the human answer.
    Reference,
    /// It may not start this program.
    Program(&'a str),
    /// It may not make such a request to this host.
    Http(&'a str),
    /// It may not have this secret put into a request.
    Secret(&'a str),
    /// Nobody has sockets.
    Socket,
    /// A path that leads out of its mount.
    PathEscape,
    /// `.git` can't be made or reached into.
    GitDirectory,
    /// A change of a path that the run's policy protects or hides.
    ProtectedPath,
    /// A look for a path that the run's policy hides.
    HiddenPath,
    /// A change of what a judge is shown.
    Sealed,
    /// A change of files that belong to a program.
    ProgramFiles,
    /// More files or bytes than the worktree or the scratch may hold.
    Quota,
    /// Another limit, by its name in manifests where it has one.
    Limit(&'a str),
}

impl Refusal<'_> {
    fn kind(self) -> String {
        match self {
            Self::Workspace(WorkspaceAccess::ReadWrite) => "workspace-write".to_owned(),
            Self::Workspace(_) => "workspace-read".to_owned(),
            Self::Model => "model".to_owned(),
            Self::Reference => "reference".to_owned(),
            Self::Program(name) => format!("process:{}", printable(name)),
            Self::Http(host) => format!("http:{}", printable(host)),
            Self::Secret(name) => format!("secret:{}", printable(name)),
            Self::Socket => "socket".to_owned(),
            Self::PathEscape => "path-escape".to_owned(),
            Self::GitDirectory => "git-directory".to_owned(),
            Self::ProtectedPath => "protected-path".to_owned(),
            Self::HiddenPath => "hidden-path".to_owned(),
            Self::Sealed => "sealed".to_owned(),
            Self::ProgramFiles => "program-files".to_owned(),
            Self::Quota => "quota".to_owned(),
            Self::Limit(name) => format!("limit:{name}"),
        }
    }

    /// The right that was missing, as a run file would grant it.
    pub(crate) fn right(self) -> Option<&'static str> {
        match self {
            Self::Workspace(_) => Some("workspace"),
            Self::Model => Some("model"),
            Self::Reference => Some("reference"),
            Self::Program(_) => Some("programs"),
            Self::Http(_) => Some("http"),
            Self::Secret(_) => Some("secrets"),
            _ => None,
        }
    }
}

/// A name that a guest chose, fit for a table.
fn printable(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    let shown = name.chars().take(MOST_OF_A_NAME).map(|c| if is_plain(c) { c } else { '?' });
    shown.collect()
}

/// Counts of what was refused, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Refusals {
    /// By kind.
    ByKind(BTreeMap<String, u64>),
    /// Their number, which is all that journals before version 4 say.
    Sum(u64),
}

impl Default for Refusals {
    fn default() -> Self {
        Self::ByKind(BTreeMap::new())
    }
}

impl Refusals {
    /// Whether the kinds are known.
    pub fn are_told(&self) -> bool {
        matches!(self, Self::ByKind(_))
    }

    /// The counts by kind, in order of kinds.
    pub fn by_kind(&self) -> BTreeMap<String, u64> {
        match self {
            Self::ByKind(kinds) => kinds.clone(),
            Self::Sum(0) => BTreeMap::new(),
            Self::Sum(sum) => [(UNTOLD.to_owned(), *sum)].into(),
        }
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        match self {
            Self::ByKind(kinds) => kinds.values().sum(),
            Self::Sum(sum) => *sum,
        }
    }

    /// Adds further ones. Which kinds are told apart depends on the order of what is
    /// added, and on nothing else.
    pub fn add(&mut self, other: &Self) {
        if other.total() == 0 {
            return;
        }
        let kinds = self.kinds_mut();
        for (kind, count) in other.by_kind() {
            count_kind(kinds, kind, count);
        }
    }

    /// Counts one or more.
    pub(crate) fn count(&mut self, refusal: Refusal<'_>, times: u64) {
        if times == 0 {
            return;
        }
        count_kind(self.kinds_mut(), refusal.kind(), times);
    }

    fn kinds_mut(&mut self) -> &mut BTreeMap<String, u64> {
        loop {
            match self {
                Self::ByKind(kinds) => return kinds,
                Self::Sum(_) => *self = Self::ByKind(self.by_kind()),
            }
        }
    }
}

fn count_kind(kinds: &mut BTreeMap<String, u64>, kind: String, times: u64) {
    let told = kinds.len() - usize::from(kinds.contains_key(OTHER));
    let has_room = told < MOST_KINDS || kinds.contains_key(&kind);
    *kinds.entry(if has_room { kind } else { OTHER.to_owned() }).or_default() += times;
}

/// Whether a kind is of a limit or a quota, which honest plugins reach as well.
pub fn is_limit(kind: &str) -> bool {
    kind == "quota" || kind.starts_with("limit:")
}

/// How many of some counts by kind are of who reached for what is not its own.
pub fn attempts<'a>(kinds: impl IntoIterator<Item = (&'a String, &'a u64)>) -> u64 {
    kinds.into_iter().filter(|(kind, _)| !is_limit(kind)).map(|(_, count)| *count).sum()
}

/// What worktree and scratch counted as refused. They do not know who asked: that is
/// the plugin whose call was under way, without those that it called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OfFiles {
    pub(crate) quota: u64,
    pub(crate) changes: u64,
    pub(crate) lookups: u64,
}

impl OfFiles {
    /// What is left without `other`.
    pub(crate) fn without(self, other: Self) -> Self {
        Self {
            quota: self.quota.saturating_sub(other.quota),
            changes: self.changes.saturating_sub(other.changes),
            lookups: self.lookups.saturating_sub(other.lookups),
        }
    }

    pub(crate) fn count_in(self, refusals: &mut Refusals) {
        refusals.count(Refusal::Quota, self.quota);
        refusals.count(Refusal::ProtectedPath, self.changes);
        refusals.count(Refusal::HiddenPath, self.lookups);
    }

    /// Adds what was counted as refused to some plugin.
    pub(crate) fn add(&mut self, refusals: &Refusals) {
        let Refusals::ByKind(kinds) = refusals else { return };
        let of = |refusal: Refusal<'_>| kinds.get(&refusal.kind()).copied().unwrap_or_default();
        self.quota += of(Refusal::Quota);
        self.changes += of(Refusal::ProtectedPath);
        self.lookups += of(Refusal::HiddenPath);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_an_old_journal_is_read_and_added_to() {
        let mut old: Refusals = serde_json::from_str("3").unwrap();
        assert!(!old.are_told() && old.total() == 3);
        let mut new = Refusals::default();
        new.count(Refusal::Socket, 2);
        old.add(&new);
        assert_eq!(serde_json::to_string(&old).unwrap(), r#"{"socket":2,"untold":3}"#);
        assert_eq!(serde_json::from_str::<Refusals>(r#"{"socket":2,"untold":3}"#).unwrap(), old);
    }

    #[test]
    fn names_that_guests_choose_are_bounded() {
        let mut refusals = Refusals::default();
        for number in 0..1000 {
            refusals.count(Refusal::Program(&format!("\u{1b}[2J{number}")), 1);
        }
        assert_eq!(refusals.total(), 1000);
        let kinds = refusals.by_kind();
        assert_eq!((kinds.len(), kinds["process:??2J0"]), (MOST_KINDS + 1, 1));
        assert_eq!(kinds[OTHER], 1000 - MOST_KINDS as u64);
    }

    #[test]
    fn kinds_of_many_calls_are_bounded_as_those_of_one() {
        let mut sum = Refusals::default();
        for number in 0..1000 {
            let mut call = Refusals::default();
            call.count(Refusal::Program(&number.to_string()), 1);
            call.count(Refusal::Socket, 1);
            sum.add(&call);
        }
        let kinds = sum.by_kind();
        assert_eq!((sum.total(), kinds.len(), kinds["socket"]), (2000, MOST_KINDS + 1, 1000));
        assert_eq!(kinds[OTHER], 1001 - MOST_KINDS as u64);
    }

    #[test]
    fn limits_are_no_attempts() {
        let kinds = [("quota", 1), ("limit:fuel", 2), ("socket", 4), ("hidden-path", 8)];
        let kinds = kinds.map(|(kind, count)| (kind.to_owned(), count));
        assert_eq!(attempts(&BTreeMap::from(kinds)), 12);
    }
}
