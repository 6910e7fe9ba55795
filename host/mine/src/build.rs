//! From a catalogue and its clone to a chain file.
//!
//! Chooses chains, resolves them in the clone (which checks that every reference
//! patch reproduces its human tree), and writes the evidence of each link into
//! them.

use std::collections::HashMap;

use catena_chain::{Chain, Edge, EdgeKind, Evidence};
use catena_tree::ObjectDatabase;

use crate::catalogue::Catalogue;
use crate::links::{Link, Links};
use crate::lists::{ChainLists, ListedChain};
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
        license,
        branch: Some(catalogue.branch.clone()),
        chains: selection.chains.iter().map(|chain| ListedChain::of_numbers(chain)).collect(),
    };
    let mut resolution = resolve(db, &lists, &ResolveOptions::default(), progress)?;
    let by_ends: HashMap<(u64, u64), &Link> =
        links.accepted.iter().map(|link| ((link.later, link.earlier), link)).collect();
    for chain in &mut resolution.file.chains {
        add_lines(chain, &by_ends);
    }
    Ok(Built { resolution, selection, links })
}

/// Adds to a chain, whose edges come from texts, what the links know of lines.
fn add_lines(chain: &mut Chain, links: &HashMap<(u64, u64), &Link>) {
    let number = |stage: &catena_chain::Stage| stage.pull_request.as_ref().map(|it| it.number);
    for (place, later) in chain.stages.iter().enumerate() {
        for earlier in chain.stages.iter().take(place) {
            let (Some(from), Some(to)) = (number(later), number(earlier)) else { continue };
            let Some(link) = links.get(&(from, to)) else { continue };
            let is_touch = |piece: &&Evidence| piece.kind == EdgeKind::TouchesLinesOf;
            let touches: Vec<Evidence> = link.evidence.iter().filter(is_touch).cloned().collect();
            if touches.is_empty() {
                continue;
            }
            let ends = (&later.id, &earlier.id);
            let known = chain.edges.iter_mut().find(|edge| (&edge.from, &edge.to) == ends);
            if let Some(edge) = known {
                edge.evidence.extend(touches);
            } else {
                let (from, to) = (later.id.clone(), earlier.id.clone());
                chain.edges.push(Edge { from, to, evidence: touches });
            }
        }
    }
    let places: HashMap<_, _> =
        chain.stages.iter().enumerate().map(|(place, stage)| (stage.id.clone(), place)).collect();
    chain
        .edges
        .sort_by_key(|edge| (places.get(&edge.from).copied(), places.get(&edge.to).copied()));
}
