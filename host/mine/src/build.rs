//! From a catalogue and its clone to a chain file.
//!
//! Chooses chains, resolves them in the clone (which checks that every reference
//! patch reproduces its human tree), and writes the evidence of each link into
//! them.

use std::collections::HashMap;

use catena_chain::{Chain, Edge, Issue};
use catena_tree::ObjectDatabase;

use crate::catalogue::Catalogue;
use crate::discussion::ClosedIssue;
use crate::links::{Link, Links};
use crate::lists::{ChainLists, ListedChain, ListedPullRequest};
use crate::resolve::{Progress, Resolution, ResolveError, ResolveOptions, resolve};
use crate::select::{SelectOptions, Selection, select};

/// What was built.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The chain file, and the chains that could not be resolved after all.
    pub resolution: Resolution,
    /// What was chosen, and what was lost on the way.
    pub selection: Selection,
    /// All links and rejected references of the catalogue.
    pub links: Links,
}

/// Builds chains out of the pull requests of `catalogue`, which was mined from
/// the clone `db`.
#[tracing::instrument(skip_all)]
pub fn build(
    db: &ObjectDatabase,
    catalogue: &Catalogue,
    options: &SelectOptions,
    license: Option<String>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, ResolveError> {
    let links = Links::find(catalogue);
    let selection = select(catalogue, &links, options);
    let lists = ChainLists {
        repository: Some(catalogue.repository.clone()),
        license: license.or_else(|| catalogue.license.clone()),
        branch: Some(catalogue.branch.clone()),
        chains: selection.chains.iter().map(|chain| listed(chain, catalogue)).collect(),
    };
    let mut resolution = resolve(db, &lists, &ResolveOptions::default(), progress)?;
    let by_ends: HashMap<(u64, u64), &Link> =
        links.accepted.iter().map(|link| ((link.later, link.earlier), link)).collect();
    for chain in &mut resolution.file.chains {
        set_edges(chain, &by_ends);
    }
    Ok(Built { resolution, selection, links })
}

/// A chain with what the catalogue knows of its pull requests.
fn listed(numbers: &[u64], catalogue: &Catalogue) -> ListedChain {
    let known = numbers.iter().filter_map(|number| catalogue.pull_request(*number));
    let stages = known.map(|mined| ListedPullRequest {
        number: mined.number,
        commit: Some(mined.commit),
        base: mined.base,
        title: Some(mined.title.clone()),
        body: Some(mined.body.clone()),
        author: Some(mined.author.clone()),
        labels: mined.discussion.labels.clone(),
        closes: mined.discussion.issues.iter().map(issue).collect(),
        ..ListedPullRequest::default()
    });
    ListedChain { stages: stages.collect(), ..ListedChain::default() }
}

fn issue(closed: &ClosedIssue) -> Issue {
    let ClosedIssue { number, title, body, .. } = closed.clone();
    Issue { number, title, body }
}

/// Gives a chain the edges that the links between its stages are.
fn set_edges(chain: &mut Chain, links: &HashMap<(u64, u64), &Link>) {
    let number = |stage: &catena_chain::Stage| stage.pull_request.as_ref().map(|it| it.number);
    let mut edges = Vec::new();
    for (place, later) in chain.stages.iter().enumerate() {
        for earlier in chain.stages.iter().take(place) {
            let (Some(from), Some(to)) = (number(later), number(earlier)) else { continue };
            let Some(link) = links.get(&(from, to)) else { continue };
            let (from, to) = (later.id.clone(), earlier.id.clone());
            edges.push(Edge { from, to, evidence: link.evidence.clone() });
        }
    }
    chain.edges = edges;
}
