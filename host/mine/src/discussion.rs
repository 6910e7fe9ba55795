//! What was said of pull requests, and which links it speaks for.
//!
//! Comes from GitHub's cache; a catalogue of a clone alone has none. Only words
//! of people count: programs list what they find similar.

use std::collections::HashMap;

use catena_chain::{EdgeKind, Evidence, Place};

use crate::catalogue::{Catalogue, MinedPullRequest};
use crate::github::{CachedPullRequest, RemarkPlace};
use crate::links::NoLink;
use crate::message::{self, Reference};

/// What GitHub tells of one pull request beside its own text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discussion {
    /// Whether GitHub knows the author as a program.
    pub by_bot: bool,
    /// Its labels, in GitHub's order.
    pub labels: Vec<String>,
    /// Comments, reviews and remarks on lines by people, oldest first.
    pub remarks: Vec<Remark>,
    /// Issues of the repository that it closed.
    pub issues: Vec<ClosedIssue>,
    /// Other pull requests in which it is mentioned.
    pub cited_by: Vec<Citation>,
}

/// Something said under a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Whether in a review or on a line.
    pub in_review: bool,
    /// Who said it; nobody where the account was deleted.
    pub author: Option<String>,
    /// What.
    pub text: String,
}

/// An issue that a pull request closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedIssue {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Who opened it.
    pub author: Option<String>,
    /// Its description.
    pub body: String,
}

/// A mention in another pull request, as GitHub's timeline has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// The pull request that mentions it.
    pub from: u64,
    /// Who wrote the mention.
    pub author: Option<String>,
}

/// Evidence for a link, by the places of its ends in the catalogue.
pub(crate) struct Said {
    pub(crate) later: usize,
    pub(crate) earlier: usize,
    pub(crate) evidence: Evidence,
}

/// A reference in a discussion that makes no link.
pub(crate) struct Unlinked {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) reason: NoLink,
    pub(crate) evidence: Evidence,
}

impl Discussion {
    /// What the cache knows of a pull request of the repository `name`.
    pub(crate) fn of(cached: &CachedPullRequest, name: &str) -> Self {
        let remarks = cached.remarks.iter().filter(|remark| !remark.by_bot);
        let issues = cached.issues.iter();
        let issues = issues.filter(|issue| issue.repository.eq_ignore_ascii_case(name));
        let cited_by = cached.references.iter();
        Self {
            by_bot: cached.by_bot,
            labels: cached.labels.clone(),
            remarks: remarks
                .filter(|remark| !remark.body.trim().is_empty())
                .map(|remark| Remark {
                    in_review: remark.place != RemarkPlace::Comment,
                    author: remark.author.clone(),
                    text: remark.body.clone(),
                })
                .collect(),
            issues: issues
                .map(|issue| ClosedIssue {
                    number: issue.number,
                    title: issue.title.clone(),
                    author: issue.author.clone(),
                    body: issue.body.clone(),
                })
                .collect(),
            cited_by: cited_by
                .map(|cited| Citation { from: cited.from, author: cited.actor.clone() })
                .collect(),
        }
    }
}

impl Remark {
    fn place(&self) -> Place {
        if self.in_review { Place::Review } else { Place::Comment }
    }
}

/// All that the discussions of a catalogue say of its pull requests.
pub(crate) fn evidence(
    catalogue: &Catalogue,
    places: &HashMap<u64, usize>,
) -> (Vec<Said>, Vec<Unlinked>) {
    let mut found = Collector { catalogue, places, said: Vec::new(), unlinked: Vec::new() };
    let mut closers: HashMap<u64, usize> = HashMap::new();
    for (own, pull_request) in catalogue.pull_requests.iter().enumerate() {
        found.remarks(own, pull_request);
        for issue in &pull_request.discussion.issues {
            found.issue(own, pull_request, issue);
            if let Some(before) = closers.insert(issue.number, own) {
                let place = Place::Issue { issue: issue.number };
                let excerpt = format!("both close it: {}", issue.title);
                let kind = EdgeKind::FollowsUp;
                found.say(own, before, Evidence { kind, place, author: None, excerpt });
            }
        }
        for citation in &pull_request.discussion.cited_by {
            // The words themselves may be in a text that was edited since.
            let Some(later) = places.get(&citation.from).filter(|later| **later > own) else {
                continue;
            };
            let evidence = Evidence {
                kind: EdgeKind::Mentions,
                place: Place::CrossReference,
                author: citation.author.clone(),
                excerpt: format!("#{} mentions #{}", citation.from, pull_request.number),
            };
            found.say(*later, own, evidence);
        }
    }
    (found.said, found.unlinked)
}

struct Collector<'a> {
    catalogue: &'a Catalogue,
    places: &'a HashMap<u64, usize>,
    said: Vec<Said>,
    unlinked: Vec<Unlinked>,
}

impl Collector<'_> {
    fn say(&mut self, later: usize, earlier: usize, evidence: Evidence) {
        self.said.push(Said { later, earlier, evidence });
    }

    /// A remark may name an earlier pull request, or one that came of this one.
    fn remarks(&mut self, own: usize, pull_request: &MinedPullRequest) {
        for remark in &pull_request.discussion.remarks {
            for Reference { number, kind, done_by_it, excerpt } in message::references(&remark.text)
            {
                let author = remark.author.clone();
                let place = remark.place();
                let evidence = Evidence { kind, place, author, excerpt };
                match self.places.get(&number) {
                    Some(other) if *other == own => {}
                    Some(other) if *other < own => self.say(own, *other, evidence),
                    Some(other) => {
                        // "Fixes #12" under an earlier one is no fix of the earlier one.
                        let kind = done_by_it.unwrap_or(EdgeKind::Mentions);
                        let place = Place::UnderEarlier;
                        self.say(*other, own, Evidence { kind, place, ..evidence });
                    }
                    None => self.reject(pull_request.number, number, evidence),
                }
            }
        }
    }

    /// What is said in an issue of an earlier pull request is said of whatever
    /// closes the issue.
    fn issue(&mut self, own: usize, pull_request: &MinedPullRequest, issue: &ClosedIssue) {
        for text in [&issue.title, &issue.body] {
            for Reference { number, kind, excerpt, .. } in message::references(text) {
                let Some(earlier) = self.places.get(&number).filter(|other| **other < own) else {
                    continue;
                };
                if number == pull_request.number {
                    continue;
                }
                let place = Place::Issue { issue: issue.number };
                let author = issue.author.clone();
                self.say(own, *earlier, Evidence { kind, place, author, excerpt });
            }
        }
    }

    fn reject(&mut self, from: u64, to: u64, evidence: Evidence) {
        let reason = match self.catalogue.elsewhere.get(&to) {
            Some(branch) => NoLink::OtherBranch(branch.clone()),
            None => NoLink::NotLanded,
        };
        self.unlinked.push(Unlinked { from, to, reason, evidence });
    }
}
