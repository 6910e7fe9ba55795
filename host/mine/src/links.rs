//! Which pull requests hang together, how strongly, and by what evidence.
//!
//! A [`Link`] leads from a later pull request to an earlier one. Its evidence
//! is of two sorts: words (a message cites the earlier one) and lines (the later
//! one changes what the earlier one wrote). What looks like a link and is none is
//! kept too, with the reason.

use std::collections::{BTreeMap, HashMap};

use catena_chain::{EdgeKind, Evidence, Place};

use crate::catalogue::{Catalogue, MinedPullRequest, Touch};
use crate::discussion::{self, Unlinked};
use crate::message;

/// Pull requests landed in between that halve the strength of a link.
const HALF_DISTANCE: f64 = 500.0;

/// Lines touched that make a link by lines half as strong as it can be.
const HALF_LINES: f64 = 8.0;

/// A later pull request builds on an earlier one.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The later one.
    pub later: u64,
    /// The earlier one.
    pub earlier: u64,
    /// Everything that speaks for it; at least one.
    pub evidence: Vec<Evidence>,
    /// Lines of the earlier one that the later one changed or deleted.
    pub lines: u64,
    /// Pull requests that landed between the two.
    pub distance: usize,
    /// From 0 to 1; see [`Links::find`].
    pub strength: f64,
}

/// A reference that makes no link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedReference {
    /// The pull request that refers.
    pub from: u64,
    /// The number it refers to.
    pub to: u64,
    /// Why it does not count.
    pub reason: NoLink,
    /// Where and how it refers.
    pub evidence: Evidence,
}

/// Why a reference makes no link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NoLink {
    /// It stands where squashing writes which pull request a commit came from.
    #[error("a stamp of another commit, not a citation")]
    Stamp,
    /// The number landed on another branch only.
    #[error("landed on branch `{0}`")]
    OtherBranch(String),
    /// The number landed nowhere: an issue, or a pull request that was closed.
    #[error("an issue, or a pull request that did not land")]
    NotLanded,
    /// The number landed later.
    #[error("landed later than the one that refers to it")]
    Later,
}

/// All links of a catalogue.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Links {
    /// By later, then by earlier pull request, in landing order.
    pub accepted: Vec<Link>,
    /// In the same order.
    pub rejected: Vec<RejectedReference>,
}

impl Links {
    /// Finds the links between the pull requests of a catalogue.
    ///
    /// Each piece of evidence has a strength: a revert 1, a fix or a follow-up
    /// 0.9, a replacement 0.8, a bare mention 0.5. Touched lines have
    /// `n / (n + 8) × (0.4 + 0.6 s)`, where `n` lines of the earlier one are a share
    /// `s` of all that the later one deleted. The strongest piece of each kind
    /// counts; kinds add up as independent chances do. The sum is weighed by
    /// `500 / (500 + d)`, where `d` pull requests landed in between.
    pub fn find(catalogue: &Catalogue) -> Self {
        let places: HashMap<u64, usize> = catalogue
            .pull_requests
            .iter()
            .enumerate()
            .map(|(place, pull_request)| (pull_request.number, place))
            .collect();
        let mut links = Self::default();
        let mut discussed = links.discussed(catalogue, &places);
        for (place, later) in catalogue.pull_requests.iter().enumerate() {
            let mut seen: BTreeMap<usize, Vec<Evidence>> = BTreeMap::new();
            for (number, evidence) in references(later) {
                match place_of(catalogue, &places, place, number) {
                    Ok(earlier) => seen.entry(earlier).or_default().push(evidence),
                    Err(Some(reason)) => {
                        let from = later.number;
                        links.rejected.push(RejectedReference {
                            from,
                            to: number,
                            reason,
                            evidence,
                        });
                    }
                    Err(None) => {}
                }
            }
            for (earlier, evidence) in discussed.remove(&place).unwrap_or_default() {
                let known = seen.entry(earlier).or_default();
                // GitHub's list repeats what was read in a text.
                if evidence.place != Place::CrossReference || known.is_empty() {
                    known.push(evidence);
                }
            }
            links.rejected.extend(stamps(later));
            let mut touched: BTreeMap<usize, u64> = BTreeMap::new();
            for touch in &later.touches {
                // What landed in several commits may have written lines after this one.
                let earlier = places.get(&touch.number).filter(|earlier| **earlier < place);
                let Some(earlier) = earlier else { continue };
                *touched.entry(*earlier).or_default() += u64::from(touch.lines);
                seen.entry(*earlier).or_default().push(lines_evidence(touch));
            }
            for (earlier, evidence) in seen {
                let touched = touched.get(&earlier).copied().unwrap_or_default();
                let Some(from) = catalogue.pull_requests.get(earlier) else { continue };
                let distance = place - earlier - 1;
                let strength = strength(&evidence, touched, later.deleted_lines(), distance);
                let (later, earlier) = (later.number, from.number);
                links.accepted.push(Link {
                    later,
                    earlier,
                    evidence,
                    lines: touched,
                    distance,
                    strength,
                });
            }
        }
        links
    }
}

impl Links {
    /// Evidence in discussions for links from each later to earlier ones.
    fn discussed(
        &mut self,
        catalogue: &Catalogue,
        places: &HashMap<u64, usize>,
    ) -> HashMap<usize, Vec<(usize, Evidence)>> {
        let (said, unlinked) = discussion::evidence(catalogue, places);
        let unlinked = unlinked.into_iter().map(|it| {
            let Unlinked { from, to, reason, evidence } = it;
            RejectedReference { from, to, reason, evidence }
        });
        self.rejected.extend(unlinked);
        let mut discussed: HashMap<usize, Vec<(usize, Evidence)>> = HashMap::new();
        for said in said {
            discussed.entry(said.later).or_default().push((said.earlier, said.evidence));
        }
        discussed
    }
}

/// The place of an earlier pull request; `Err(None)` for a reference to itself.
fn place_of(
    catalogue: &Catalogue,
    places: &HashMap<u64, usize>,
    own: usize,
    number: u64,
) -> Result<usize, Option<NoLink>> {
    match places.get(&number) {
        Some(place) if *place == own => Err(None),
        Some(place) if *place < own => Ok(*place),
        Some(_) => Err(Some(NoLink::Later)),
        None => Err(Some(match catalogue.elsewhere.get(&number) {
            Some(branch) => NoLink::OtherBranch(branch.clone()),
            None => NoLink::NotLanded,
        })),
    }
}

fn texts(pull_request: &MinedPullRequest) -> impl Iterator<Item = (Place, &str)> {
    let own = [(Place::Title, &*pull_request.title), (Place::Body, &*pull_request.body)];
    let commits = pull_request
        .commits
        .iter()
        .map(|commit| (Place::CommitMessage { commit: commit.id }, &*commit.message));
    own.into_iter().chain(commits)
}

fn references(pull_request: &MinedPullRequest) -> Vec<(u64, Evidence)> {
    texts(pull_request)
        .flat_map(|(place, text)| {
            message::references(text).into_iter().map(move |reference| {
                let (kind, excerpt) = (reference.kind, reference.excerpt);
                (reference.number, Evidence { kind, place: place.clone(), author: None, excerpt })
            })
        })
        .collect()
}

fn stamps(pull_request: &MinedPullRequest) -> Vec<RejectedReference> {
    let from = pull_request.number;
    let mut rejected = Vec::new();
    for (place, text) in texts(pull_request) {
        for stamp in message::listed_stamps(text) {
            let kind = EdgeKind::Mentions;
            let (place, excerpt) = (place.clone(), stamp.excerpt);
            let evidence = Evidence { kind, place, author: None, excerpt };
            let (to, reason) = (stamp.number, NoLink::Stamp);
            rejected.push(RejectedReference { from, to, reason, evidence });
        }
    }
    rejected.retain(|stamp| stamp.to != from);
    rejected
}

fn lines_evidence(touch: &Touch) -> Evidence {
    let lines = touch.lines;
    let noun = if lines == 1 { "line" } else { "lines" };
    Evidence {
        kind: EdgeKind::TouchesLinesOf,
        place: Place::Lines { path: touch.path.clone() },
        author: None,
        excerpt: format!("{lines} {noun}, the first: {}", touch.example),
    }
}

#[expect(clippy::cast_precision_loss, reason = "line and pull request counts are far below 2^52")]
fn strength(evidence: &[Evidence], lines: u64, deleted: u64, distance: usize) -> f64 {
    let words = |kind| match kind {
        EdgeKind::Reverts => 1.0,
        EdgeKind::Fixes | EdgeKind::FollowsUp => 0.9,
        EdgeKind::Supersedes => 0.8,
        EdgeKind::Mentions => 0.5,
        EdgeKind::TouchesLinesOf => 0.0,
    };
    let strongest = evidence.iter().map(|piece| words(piece.kind)).fold(0.0, f64::max);
    let lines = lines as f64;
    let share = lines / (deleted.max(1) as f64);
    let by_lines = lines / (lines + HALF_LINES) * (0.4 + 0.6 * share.min(1.0));
    let together = 1.0 - (1.0 - strongest) * (1.0 - by_lines);
    together * HALF_DISTANCE / (HALF_DISTANCE + distance as f64)
}
