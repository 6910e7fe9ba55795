//! What a chain file is like, in numbers: the counts of the paper's Table 4 and
//! what tells chains of one repository from those of another.

use std::collections::BTreeMap;

use catena_chain::{ChainFile, EdgeKind, ReferencePatch, Stage};
use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::links::Links;

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// Chains in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Pull requests that landed on the branch (Table 4: "total PRs").
    pub pull_requests: usize,
    /// Stages of all chains, each of which has a query (Table 4: "task queries").
    pub task_queries: usize,
    /// Chains.
    pub chains: usize,
    /// Chains by their number of stages.
    pub lengths: BTreeMap<usize, usize>,
    /// Links between pull requests by the kinds of their evidence; one with evidence
    /// of two kinds counts twice.
    pub links: BTreeMap<EdgeKind, usize>,
    /// The same of the links within chains.
    pub links_in_chains: BTreeMap<EdgeKind, usize>,
    /// Files that a stage changes.
    pub files: Spread,
    /// Lines that a stage adds and deletes.
    pub lines: Spread,
    /// Days from the first merge of a chain to its last.
    pub days: Spread,
    /// Stages that change files with this ending, the most first, ten at most.
    pub endings: Vec<(String, usize)>,
    /// Stages that change a file of tests.
    pub with_tests: usize,
}

/// The middle and the ends of a set of numbers; all 0 of an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Spread {
    /// Half of them are at most this.
    pub median: u64,
    /// Nine of ten of them are at most this.
    pub p90: u64,
    /// All of them are.
    pub max: u64,
}

impl Spread {
    fn of(mut numbers: Vec<u64>) -> Self {
        numbers.sort_unstable();
        let at = |share: usize| {
            let place = (numbers.len().saturating_sub(1) * share).div_ceil(100);
            numbers.get(place).copied().unwrap_or_default()
        };
        Self { median: at(50), p90: at(90), max: at(100) }
    }
}

impl Statistics {
    /// Counts what `file` has, which was built from `catalogue` and its `links`.
    pub fn of(catalogue: &Catalogue, links: &Links, file: &ChainFile) -> Self {
        let stages: Vec<&Stage> = file.chains.iter().flat_map(|chain| &chain.stages).collect();
        let mut lengths = BTreeMap::new();
        for chain in &file.chains {
            *lengths.entry(chain.stages.len()).or_default() += 1;
        }
        let evidence = links.accepted.iter().map(|link| &link.evidence);
        let edges = file.chains.iter().flat_map(|chain| &chain.edges).map(|edge| &edge.evidence);
        let sizes = stages.iter().filter_map(|stage| match &stage.reference_patch {
            ReferencePatch::Available { files, added, deleted, .. } => {
                Some((*files, added + deleted))
            }
            ReferencePatch::MissingObjects { .. } => None,
        });
        let (counts, changed) = sizes.unzip();
        let days = file.chains.iter().filter_map(|chain| {
            let (first, last) = (chain.stages.first()?, chain.stages.last()?);
            u64::try_from((last.time - first.time) / DAY).ok()
        });
        let (endings, with_tests) = paths(catalogue, &stages);
        Self {
            pull_requests: catalogue.pull_requests.len(),
            task_queries: stages.len(),
            chains: file.chains.len(),
            lengths,
            links: by_kind(evidence),
            links_in_chains: by_kind(edges),
            files: Spread::of(counts),
            lines: Spread::of(changed),
            days: Spread::of(days.collect()),
            endings,
            with_tests,
        }
    }
}

fn by_kind<'a>(
    all: impl Iterator<Item = &'a Vec<catena_chain::Evidence>>,
) -> BTreeMap<EdgeKind, usize> {
    let mut counts = BTreeMap::new();
    for evidence in all {
        let mut kinds: Vec<EdgeKind> = evidence.iter().map(|piece| piece.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            *counts.entry(kind).or_default() += 1;
        }
    }
    counts
}

/// Endings of the files that stages change, and stages that change tests.
fn paths(catalogue: &Catalogue, stages: &[&Stage]) -> (Vec<(String, usize)>, usize) {
    let known: BTreeMap<u64, _> =
        catalogue.pull_requests.iter().map(|mined| (mined.number, &mined.files)).collect();
    let number = |stage: &&Stage| stage.pull_request.as_ref().map(|it| it.number);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut with_tests = 0;
    for files in stages.iter().filter_map(number).filter_map(|number| known.get(&number)) {
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let endings = files.iter().map(|file| name(&file.path));
        let endings = endings.filter_map(|name| Some(name.rsplit_once('.')?.1.to_owned()));
        let mut endings: Vec<String> = endings.collect();
        endings.sort();
        endings.dedup();
        for ending in endings {
            *counts.entry(ending).or_default() += 1;
        }
        let is_test =
            |file: &crate::catalogue::MinedFile| catena_chain::leak::is_test_path(&file.path);
        with_tests += usize::from(files.iter().any(is_test));
    }
    let mut endings: Vec<(String, usize)> = counts.into_iter().collect();
    endings.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    endings.truncate(10);
    (endings, with_tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_have_a_middle_and_ends() {
        assert_eq!(Spread::of(vec![]), Spread::default());
        assert_eq!(Spread::of(vec![7]), Spread { median: 7, p90: 7, max: 7 });
        assert_eq!(Spread::of((1..=100).rev().collect()), Spread { median: 51, p90: 91, max: 100 });
    }
}
