//! From links to chains: paths that share no pull request.
//!
//! Every step of the choice is counted in a [`Funnel`], so that it can be seen
//! where pull requests were lost. The same catalogue and options give the same
//! chains on every machine.

use std::collections::{BTreeMap, HashMap};

use crate::catalogue::Catalogue;
use crate::exclude::{Exclusion, StageLimits, exclusion};
use crate::links::{Link, Links};

/// How pull requests are put into chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Along links, strongest first.
    #[default]
    Semantic,
    /// As they follow each other in time, linked or not.
    Temporal,
    /// Each pull request by itself.
    Single,
}

/// What chains are to be like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelectOptions {
    /// How pull requests are put into chains.
    pub strategy: Strategy,
    /// Fewest stages of a chain; 1 for [`Strategy::Single`].
    pub min_stages: usize,
    /// Most stages of a chain.
    pub max_stages: usize,
    /// Weakest link that holds, from 0 to 1.
    pub min_strength: f64,
    /// What a stage may be like.
    pub stage: StageLimits,
}

impl Default for SelectOptions {
    /// Semantic chains of 3 to 5 stages, as in the paper, over links of at least 0.2.
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            min_stages: 3,
            max_stages: 5,
            min_strength: 0.2,
            stage: StageLimits::default(),
        }
    }
}

/// The chains that were chosen, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Numbers of pull requests in landing order, each in one chain at most.
    pub chains: Vec<Vec<u64>>,
    /// What was lost on the way.
    pub funnel: Funnel,
    /// Links that do not count, with the reason.
    pub unused: Vec<(Link, Unused)>,
}

/// What became of pull requests and links at each filter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Funnel {
    /// Pull requests of the catalogue.
    pub pull_requests: usize,
    /// Those that make no stage, by the first reason.
    pub excluded: BTreeMap<Exclusion, usize>,
    /// Those that could.
    pub candidates: usize,
    /// Links between pull requests of the catalogue.
    pub links: usize,
    /// Those that do not count, by reason.
    pub unused: BTreeMap<Unused, usize>,
    /// Those along which chains run.
    pub used: usize,
    /// Paths by their number of pull requests, before too short ones were dropped.
    pub paths: BTreeMap<usize, usize>,
}

/// Why a link is not part of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unused {
    /// One of its ends makes no stage.
    #[error("one end makes no stage")]
    Excluded,
    /// It is weaker than asked for.
    #[error("weaker than asked for")]
    Weak,
    /// The later one continues another one, by a stronger link.
    #[error("the later one continues another by a stronger link")]
    Continues,
    /// The earlier one is continued by another one, by a stronger link.
    #[error("the earlier one is continued by another by a stronger link")]
    Continued,
    /// The chain would get too long.
    #[error("the chain would have too many stages")]
    TooLong,
}

/// Chooses chains.
pub fn select(catalogue: &Catalogue, links: &Links, options: &SelectOptions) -> Selection {
    let mut funnel = Funnel { pull_requests: catalogue.pull_requests.len(), ..Funnel::default() };
    let mut candidates = Vec::new();
    for pull_request in &catalogue.pull_requests {
        match exclusion(pull_request, &options.stage) {
            Some(reason) => *funnel.excluded.entry(reason).or_default() += 1,
            None => candidates.push(pull_request.number),
        }
    }
    funnel.candidates = candidates.len();
    funnel.links = links.accepted.len();
    let mut unused = Vec::new();
    let (paths, shortest) = match options.strategy {
        Strategy::Semantic => {
            let mut paths = Paths::new(&candidates, options.max_stages);
            unused = paths.join(links, options.min_strength);
            funnel.used = links.accepted.len() - unused.len();
            (paths.into_lists(), options.min_stages)
        }
        Strategy::Temporal => {
            let chunks = candidates.chunks(options.max_stages.max(1));
            (chunks.map(<[u64]>::to_vec).collect(), options.min_stages)
        }
        Strategy::Single => (candidates.iter().map(|number| vec![*number]).collect(), 1),
    };
    for (_, reason) in &unused {
        *funnel.unused.entry(*reason).or_default() += 1;
    }
    for path in &paths {
        *funnel.paths.entry(path.len()).or_default() += 1;
    }
    let chains = paths.into_iter().filter(|path| path.len() >= shortest).collect();
    Selection { chains, funnel, unused }
}

/// Paths under construction. Each candidate is in one path, alone at first.
struct Paths {
    longest: usize,
    /// In landing order.
    lists: Vec<Vec<u64>>,
    /// The path a pull request is in.
    of: HashMap<u64, usize>,
}

impl Paths {
    fn new(candidates: &[u64], longest: usize) -> Self {
        Self {
            longest,
            lists: candidates.iter().map(|number| vec![*number]).collect(),
            of: candidates.iter().enumerate().map(|(at, number)| (*number, at)).collect(),
        }
    }

    /// Joins paths along links, the strongest first, and returns the links that
    /// joined nothing.
    fn join(&mut self, links: &Links, weakest: f64) -> Vec<(Link, Unused)> {
        let mut order: Vec<&Link> = links.accepted.iter().collect();
        // Equal strength: the order of landing, which is that of the list.
        order.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        let mut unused = Vec::new();
        for link in order {
            if let Err(reason) = self.join_along(link, weakest) {
                unused.push((link.clone(), reason));
            }
        }
        unused
    }

    fn join_along(&mut self, link: &Link, weakest: f64) -> Result<(), Unused> {
        let (Some(before), Some(after)) = (self.of.get(&link.earlier), self.of.get(&link.later))
        else {
            return Err(Unused::Excluded);
        };
        let (before, after) = (*before, *after);
        if link.strength < weakest {
            return Err(Unused::Weak);
        }
        let list = |at: usize| self.lists.get(at).map_or(&[][..], Vec::as_slice);
        if list(after).first() != Some(&link.later) {
            return Err(Unused::Continues);
        }
        if list(before).last() != Some(&link.earlier) {
            return Err(Unused::Continued);
        }
        if list(before).len() + list(after).len() > self.longest {
            return Err(Unused::TooLong);
        }
        let moved = self.lists.get_mut(after).map(std::mem::take).unwrap_or_default();
        for number in &moved {
            self.of.insert(*number, before);
        }
        if let Some(list) = self.lists.get_mut(before) {
            list.extend(moved);
        }
        Ok(())
    }

    fn into_lists(self) -> Vec<Vec<u64>> {
        self.lists.into_iter().filter(|list| !list.is_empty()).collect()
    }
}
