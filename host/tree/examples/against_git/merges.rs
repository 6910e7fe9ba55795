//! Three-way merges with side edits that people made.
//!
//! The base is a commit of the first-parent history and theirs is the one 1 to
//! 500 commits later, each span in turn. Ours is, in turn, what the commits of a
//! branch made that was merged later, or the base with the changes of one to
//! three other commits of the history carried onto it. Compared are whether there
//! is a conflict, the tree, and with a conflict also the tree with its markers.

use std::time::Instant;

use catena_tree::database::Commit;
use catena_tree::merge::{self, ConflictPolicy, Labels, MergeError, MergeRequest};
use catena_tree::{CommitId, TreeId};

use super::git::MergedByGit;
use super::tally::Outcome;
use super::{Bench, Failure, progress};

/// Longest way from the base to theirs, in first parents.
const SPAN: usize = 500;

/// How far from the base the commits are that are carried onto it.
const CARRIED_FROM: usize = 1_000;

/// Draws until a side is found that differs from the base.
const DRAWS: usize = 50;

/// Three trees to merge.
struct Case {
    kind: &'static str,
    base: TreeId,
    ours: TreeId,
    theirs: TreeId,
}

pub(crate) fn compare(bench: &mut Bench, count: usize) -> Result<(), Failure> {
    let branches = branches(bench);
    for round in 0..count {
        progress("merges", round, count);
        let span = 1 + round % SPAN.min(bench.history.len() - 2);
        let branch =
            if round / SPAN % 2 == round % 2 { branch(bench, &branches, span)? } else { None };
        let case = match branch {
            Some(case) => Some(case),
            None => carried(bench, span)?,
        };
        let name = format!("span {span}");
        if let Some(case) = case {
            merge(bench, &case, &name)?;
        } else {
            let outcome = Outcome::LeftOut("no side edit found");
            bench.tally.judge("merge", &name, Ok(outcome));
        }
    }
    Ok(())
}

/// The merge commits among the first parents, with their places.
fn branches(bench: &Bench) -> Vec<(usize, [CommitId; 2])> {
    let sides = |commit: &Commit| <[CommitId; 2]>::try_from(commit.parents.clone()).ok();
    let places = bench.history.iter().enumerate();
    places.filter_map(|(place, commit)| Some((place, sides(commit)?))).collect()
}

/// A branch from where it left the first-parent history, against a later commit there.
fn branch(
    bench: &mut Bench,
    branches: &[(usize, [CommitId; 2])],
    span: usize,
) -> Result<Option<Case>, Failure> {
    for _ in 0..DRAWS {
        let Some((place, [main, side])) = bench.dice.of(branches).copied() else { break };
        let Some(base) = bench.git.merge_base(main, side)? else { continue };
        let Some(distance) =
            bench.history.iter().skip(place).take(2_000).position(|commit| commit.id == base)
        else {
            continue;
        };
        let Some(later) = (place + distance).checked_sub(span) else { continue };
        let (Ok(base), Ok(ours)) = (bench.db.commit(base), bench.db.commit(side)) else { continue };
        let Some(theirs) = bench.history.get(later) else { continue };
        return Ok(Some(Case {
            kind: "branch",
            base: base.tree,
            ours: ours.tree,
            theirs: theirs.tree,
        }));
    }
    Ok(None)
}

/// A commit with the changes of others carried onto it by git, against a later commit.
fn carried(bench: &mut Bench, span: usize) -> Result<Option<Case>, Failure> {
    for _ in 0..DRAWS {
        let newer = bench.dice.below(bench.history.len() - span);
        let (Some(base), Some(theirs)) =
            (bench.history.get(newer + span), bench.history.get(newer))
        else {
            continue;
        };
        let (base, theirs) = (base.tree, theirs.tree);
        let mut ours = base;
        for _ in 0..=bench.dice.below(3) {
            ours = carry(bench, newer + span, ours)?.unwrap_or(ours);
        }
        if ours != base {
            return Ok(Some(Case { kind: "carried commits", base, ours, theirs }));
        }
    }
    Ok(None)
}

/// `onto` with the change of a commit that is not far from `place`, unless that
/// makes a conflict.
fn carry(bench: &mut Bench, place: usize, onto: TreeId) -> Result<Option<TreeId>, Failure> {
    let first = place.saturating_sub(CARRIED_FROM);
    let drawn = first + bench.dice.below(2 * CARRIED_FROM);
    let (Some(change), Some(before)) = (bench.history.get(drawn), bench.history.get(drawn + 1))
    else {
        return Ok(None);
    };
    match bench.git.merge_tree(before.tree, onto, change.tree)? {
        MergedByGit::Tree { tree, conflicted: false } => Ok(Some(tree)),
        _ => Ok(None),
    }
}

fn merge(bench: &mut Bench, case: &Case, name: &str) -> Result<(), Failure> {
    let Case { kind, base, ours, theirs } = *case;
    let name = format!("{name}: {base} {ours} {theirs}");
    let started = Instant::now();
    let left_out = match bench.git.merge_tree(base, ours, theirs) {
        Ok(MergedByGit::Tree { tree, conflicted }) => {
            bench.tally.time("`git merge-tree`", started.elapsed());
            return compare_with(bench, case, &name, tree, conflicted);
        }
        Ok(MergedByGit::Missing) => Ok(Outcome::LeftOut("missing blob")),
        Ok(MergedByGit::Crashed) => Ok(Outcome::LeftOut("git crashes")),
        Err(err) => Err(err),
    };
    bench.tally.judge(&format!("merge, {kind}"), &name, left_out);
    Ok(())
}

/// Merges too, and compares with what git made.
fn compare_with(
    bench: &mut Bench,
    case: &Case,
    name: &str,
    expected: TreeId,
    conflicted: bool,
) -> Result<(), Failure> {
    let Case { kind, base, ours, theirs } = *case;
    let request = MergeRequest {
        base,
        ours,
        theirs,
        policy: ConflictPolicy::Markers,
        labels: Labels { ours: ours.to_string(), theirs: theirs.to_string() },
        union: Vec::new(),
    };
    let started = Instant::now();
    let merged = match merge::merge(&bench.db, &request) {
        Err(MergeError::MissingObject { id }) => {
            let outcome = Outcome::Differs(format!("git has no need of `{id}`, which we miss"));
            bench.tally.judge(&format!("merge, {kind}"), name, Ok(outcome));
            return Ok(());
        }
        merged => merged?,
    };
    bench.tally.time("merging in process", started.elapsed());
    let sort = if conflicted { "conflict" } else { "clean" };
    let outcome = match (conflicted, merged.conflicts.is_empty()) {
        (true, true) => Outcome::Differs("git has a conflict, we have none".to_owned()),
        (false, false) => {
            Outcome::Differs(format!("git has no conflict, we have {:?}", merged.conflicts))
        }
        (false, true) if merged.tree != expected => {
            Outcome::Differs(format!("git makes {expected}, we make {}", merged.tree))
        }
        _ => Outcome::Agrees,
    };
    bench.tally.judge(&format!("merge, {kind}, {sort}"), name, Ok(outcome));
    if conflicted && !merged.conflicts.is_empty() {
        let outcome = if merged.tree == expected {
            Outcome::Agrees
        } else {
            let trees = [expected.to_string(), merged.tree.to_string()];
            let args = ["diff", "--name-only", &trees[0], &trees[1]];
            Outcome::Differs(format!("in {}", bench.git.text(&args, b"")?.replace('\n', ", ")))
        };
        bench.tally.judge(&format!("merge, {kind}, tree with markers"), name, Ok(outcome));
    }
    Ok(())
}
