//! Chains built from mined repositories.

use catena_chain::{EdgeKind, Place};
use catena_mine::catalogue::MineOptions;
use catena_mine::links::RejectedReference;
use catena_mine::{
    Built, Exclusion, Links, NoLink, SelectOptions, StageLimits, Strategy, Unused, build,
};
use catena_tree::ObjectDatabase;

use crate::catalogue::mine;
use crate::repository::Clone;

fn built(clone: &Clone, options: &SelectOptions) -> Built {
    let db = ObjectDatabase::open(clone.path()).unwrap();
    let catalogue = mine(clone, &MineOptions::default());
    let built = build(&db, &catalogue, options, None, &mut |_| {}).unwrap();
    built.resolution.file.check().unwrap();
    built.resolution.file.verify(&db).unwrap();
    assert_eq!(built.resolution.refused, []);
    built
}

fn links(clone: &Clone) -> Links {
    Links::find(&mine(clone, &MineOptions::default()))
}

fn text(lines: &[&str]) -> String {
    lines.join("\n") + "\n"
}

/// #1, #2 and #4 write on each other's lines; #3 is about something else.
fn woven() -> Clone {
    let mut clone = Clone::new();
    let first = ["alpha one", "alpha two", "alpha three", "alpha four", "alpha five"];
    let second = ["beta one", "beta two", "beta three", "beta four", "alpha five"];
    let third = ["gamma one", "gamma two", "gamma three", "beta four", "alpha five"];
    clone.merge(1, "Begin a thing", "x", &[("thing.py", &text(&first))]);
    clone.merge(2, "Better thing", "x", &[("thing.py", &text(&second))]);
    clone.merge(3, "Something else", "x", &[("else.py", "one\ntwo\n")]);
    clone.merge(4, "Best thing", "follow-up to #2", &[("thing.py", &text(&third))]);
    clone
}

#[test]
fn chain_runs_along_touched_lines_with_the_evidence() {
    let built = built(&woven(), &SelectOptions::default());
    assert_eq!(built.selection.chains, [[1, 2, 4]]);
    let [chain] = &built.resolution.file.chains[..] else { panic!("one chain") };
    assert_eq!(chain.id.as_str(), "name-1-2-4");
    let evidence: Vec<_> = chain
        .edges
        .iter()
        .flat_map(|edge| {
            let ends = (edge.from.as_str(), edge.to.as_str());
            edge.evidence.iter().map(move |piece| (ends, piece.kind, piece.excerpt.as_str()))
        })
        .collect();
    assert_eq!(
        evidence,
        [
            (("pr-2", "pr-1"), EdgeKind::TouchesLinesOf, "4 lines, the first: alpha one"),
            (("pr-4", "pr-2"), EdgeKind::FollowsUp, "follow-up to #2"),
            (("pr-4", "pr-2"), EdgeKind::TouchesLinesOf, "3 lines, the first: beta one"),
        ]
    );
    let funnel = &built.selection.funnel;
    assert_eq!((funnel.pull_requests, funnel.candidates, funnel.used), (4, 4, 2));
    assert_eq!(
        funnel.paths.iter().map(|(len, count)| (*len, *count)).collect::<Vec<_>>(),
        [(1, 1), (3, 1)]
    );
}

#[test]
fn no_pull_request_is_in_two_chains() {
    let mut clone = woven();
    // #5 continues #2 as #4 does, by fewer lines.
    let fork = ["gamma one", "gamma two", "gamma three", "delta four", "alpha five"];
    clone.merge(5, "Other thing", "x", &[("thing.py", &text(&fork))]);
    let options = SelectOptions { min_stages: 2, min_strength: 0.01, ..SelectOptions::default() };
    let built = built(&clone, &options);
    assert_eq!(built.selection.chains, [[1, 2, 4]]);
    let reasons: Vec<_> =
        built.selection.unused.iter().map(|(link, why)| (link.later, link.earlier, *why)).collect();
    assert_eq!(reasons, [(5, 2, Unused::Continued)]);
}

#[test]
fn longest_chain_and_weakest_link_are_kept_to() {
    let clone = woven();
    let short = SelectOptions { min_stages: 2, max_stages: 2, ..SelectOptions::default() };
    let built_short = built(&clone, &short);
    assert_eq!(built_short.selection.chains, [[2, 4]]);
    assert_eq!(built_short.selection.funnel.unused.get(&Unused::TooLong), Some(&1));
    let strict = SelectOptions { min_strength: 0.95, ..short };
    assert!(built(&clone, &strict).selection.chains.is_empty());
}

#[test]
fn strategies_without_links_take_what_comes() {
    let clone = woven();
    let temporal = SelectOptions {
        strategy: Strategy::Temporal,
        min_stages: 1,
        max_stages: 3,
        ..SelectOptions::default()
    };
    assert_eq!(built(&clone, &temporal).selection.chains, [vec![1, 2, 3], vec![4]]);
    let single = SelectOptions { strategy: Strategy::Single, ..SelectOptions::default() };
    assert_eq!(built(&clone, &single).selection.chains, [[1], [2], [3], [4]]);
}

#[test]
fn what_makes_no_stage_is_counted_with_the_reason() {
    let mut clone = Clone::new();
    clone.merge(1, "Fix a typo", "x", &[("a.txt", "One\ntwo\nthree\n")]);
    clone.merge(2, "[MRG] Backport of something", "x", &[("b.txt", "backported\n")]);
    clone.merge(3, "Refresh", "x", &[("vendor/lib.c", "int copied;\n")]);
    clone.merge(4, "A picture", "x", &[("image.png", "\0\u{1}")]);
    clone.merge(5, "Everything", "x", &[("all.txt", &"a line of many\n".repeat(30))]);
    clone.merge(6, "Real work", "x", &[("work.py", "def work():\n    pass\n")]);
    let stage = StageLimits { files: 5, lines: 20 };
    let options = SelectOptions { strategy: Strategy::Single, stage, ..SelectOptions::default() };
    let built = built(&clone, &options);
    assert_eq!(built.selection.chains, [[6]]);
    let excluded: Vec<_> = built.selection.funnel.excluded.into_iter().collect();
    assert_eq!(
        excluded,
        [
            (Exclusion::Backport, 1),
            (Exclusion::NoText, 1),
            (Exclusion::Typo, 1),
            (Exclusion::Generated, 1),
            (Exclusion::TooLarge, 1),
        ]
    );
}

#[test]
fn references_that_are_no_links_are_kept_with_the_reason() {
    let mut clone = Clone::new();
    clone.merge(1, "One", "x", &[("a.txt", "first\n")]);
    clone.git(&["switch", "-q", "-c", "0.2"]);
    clone.merge(2, "Old line", "x", &[("c.txt", "second\n")]);
    clone.git(&["switch", "-q", "main"]);
    let squashed = "Big (#6)\n\n* Typo (#2)\n* More (#1)\n\nSee #2, #3 and #9.";
    clone.commit(squashed, &[("b.txt", "sixth\n")]);
    clone.merge(9, "Later", "after #6 and #9", &[("d.txt", "ninth\n")]);
    let links = links(&clone);
    let rejected = |it: &RejectedReference| (it.from, it.to, it.reason.clone());
    assert_eq!(
        links.rejected.iter().map(rejected).collect::<Vec<_>>(),
        [
            (6, 2, NoLink::OtherBranch("0.2".to_owned())),
            (6, 3, NoLink::NotLanded),
            (6, 9, NoLink::Later),
            (6, 2, NoLink::Stamp),
            (6, 1, NoLink::Stamp),
        ]
    );
    let accepted: Vec<_> = links.accepted.iter().map(|link| (link.later, link.earlier)).collect();
    assert_eq!(accepted, [(9, 6)]);
    assert!(matches!(links.accepted[0].evidence[0].place, Place::CommitMessage { .. }));
}
