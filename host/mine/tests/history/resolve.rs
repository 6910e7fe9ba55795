//! Lists resolved against repositories that git made.

use std::path::Path;

use catena_chain::{EdgeKind, Place, ReferencePatch};
use catena_mine::{
    ChainLists, ListedChain, Progress, Reason, Resolution, ResolveError, ResolveOptions, resolve,
};
use catena_tree::ObjectDatabase;

use crate::repository::Clone;

impl Clone {
    fn resolve(&self, chains: &[&[u64]]) -> Resolution {
        let chains = chains.iter().map(|numbers| ListedChain::of_numbers(numbers)).collect();
        self.resolve_lists(&ChainLists { chains, ..ChainLists::default() })
    }

    pub(crate) fn resolve_lists(&self, lists: &ChainLists) -> Resolution {
        let db = ObjectDatabase::open(self.path()).unwrap();
        let resolution = resolve(&db, lists, &options(), &mut |_| {}).unwrap();
        resolution.file.check().unwrap();
        resolution.file.verify(&db).unwrap();
        resolution
    }

    /// The only reason against the only chain.
    fn reason(&self, numbers: &[u64]) -> Reason {
        let mut resolution = self.resolve(&[numbers]);
        assert_eq!(resolution.file.chains, []);
        let mut refused = resolution.refused.remove(0);
        assert_eq!(refused.numbers, numbers);
        assert_eq!(refused.faults.len(), 1, "{:?}", refused.faults);
        refused.faults.remove(0).reason
    }
}

fn options() -> ResolveOptions {
    ResolveOptions { repository: Some("owner/name".parse().unwrap()), branch: None }
}

pub(crate) fn lists(text: &str) -> ChainLists {
    ChainLists::parse(text.as_bytes(), Path::new("lists.json")).unwrap()
}

#[test]
fn merges_and_squashes_become_stages_in_merge_order() {
    let mut clone = Clone::new();
    let base = clone.git(&["rev-parse", "HEAD"]);
    let merge = clone.merge(7, "Say four", "Add four", &[("a.txt", "one\ntwo\nthree\nfour\n")]);
    clone.commit("Unrelated", &[("c.txt", "c\n")]);
    let squash = clone.commit("Say five (#5)\n\nAfter #7.", &[("b.txt", "five\n")]);

    let resolution = clone.resolve(&[&[5, 7]]);
    let chain = &resolution.file.chains[0];
    assert_eq!(chain.id.as_str(), "name-7-5");
    let [first, second] = chain.stages.as_slice() else { panic!("two stages") };
    assert_eq!((first.id.as_str(), second.id.as_str()), ("pr-7", "pr-5"));
    assert_eq!(first.merge.to_string(), merge);
    assert_eq!(first.base.commit.to_string(), base);
    assert_eq!(second.merge.to_string(), squash);
    let pull_request = first.pull_request.as_ref().unwrap();
    assert_eq!(pull_request.title, "Say four");
    assert_eq!(pull_request.commit_messages, ["Add four\n"]);
    assert_eq!(first.query, "Say four\n\n- Add four");
    assert_eq!(second.query, "Say five\n\nAfter.");
    let ReferencePatch::Available { files, added, deleted, .. } = first.reference_patch else {
        panic!("nothing is missing");
    };
    assert_eq!((files, added, deleted), (1, 1, 0));
    let evidence = &chain.edges[0].evidence[0];
    assert_eq!((evidence.kind, &evidence.place), (EdgeKind::Mentions, &Place::Body));
}

#[test]
fn texts_of_the_lists_win_over_those_of_the_clone() {
    let mut clone = Clone::new();
    clone.merge(1, "From the clone", "x", &[("a.txt", "x\n")]);
    clone.merge(2, "Second", "y", &[("a.txt", "y\n")]);
    let lists = lists(
        r#"{"repository": "other/repo", "license": "MIT", "note": "ignored", "chains": [
            {"id": "mine", "overview": "All of it.", "stages": [1, {
                "number": 2, "id": "last", "title": "Better", "body": "Fixes #1.",
                "author": "Cy", "comments": ["a follow-up to #1"], "query": "Do it.",
                "interface": ["f"]
            }]}
        ]}"#,
    );
    let file = clone.resolve_lists(&lists).file;
    assert_eq!(file.repository.name.as_str(), "owner/name", "options win");
    assert_eq!(file.repository.license.as_deref(), Some("MIT"));
    assert_eq!(file.repository.default_branch, "main");
    let chain = &file.chains[0];
    assert_eq!((chain.id.as_str(), chain.overview.as_str()), ("mine", "All of it."));
    assert_eq!(chain.stages[0].query, "From the clone\n\n- x");
    let stage = &chain.stages[1];
    assert_eq!((stage.id.as_str(), stage.query.as_str()), ("last", "Do it."));
    assert_eq!(stage.interface, ["f"]);
    assert_eq!(stage.pull_request.as_ref().unwrap().author.as_deref(), Some("Cy"));
    let kinds: Vec<_> = chain.edges[0].evidence.iter().map(|evidence| evidence.kind).collect();
    assert_eq!(kinds, [EdgeKind::Fixes, EdgeKind::FollowsUp]);
}

#[test]
fn pull_request_of_another_branch_is_refused_with_that_branch() {
    let mut clone = Clone::new();
    clone.merge(1, "One", "one", &[("a.txt", "x\n")]);
    clone.git(&["switch", "-q", "-c", "maintenance/1.x"]);
    let backport = clone.merge(2, "Backport", "two", &[("b.txt", "y\n")]);
    clone.git(&["switch", "-q", "main"]);
    let reason = clone.reason(&[1, 2]);
    let Reason::OtherBranch { branch, commit, wanted } = &reason else { panic!("{reason}") };
    assert_eq!((branch.as_str(), wanted.as_str()), ("maintenance/1.x", "main"));
    assert_eq!(commit.to_string(), backport);
    assert_eq!(clone.resolve(&[&[1]]).refused, [], "the rest is not touched by it");
}

#[test]
fn every_fault_of_a_chain_is_told() {
    let clone = Clone::new();
    let refused = clone.resolve(&[&[8, 9], &[]]).refused;
    let numbers: Vec<_> = refused[0].faults.iter().map(|fault| fault.number).collect();
    assert_eq!(numbers, [Some(8), Some(9)]);
    assert!(matches!(refused[0].faults[0].reason, Reason::NotFound { .. }));
    assert_eq!(refused[1].faults[0].reason, Reason::Empty);
    assert_eq!(refused[1].position, 1);
}

#[test]
fn merge_that_changes_nothing_is_refused() {
    let mut clone = Clone::new();
    clone.commit("Nothing (#3)", &[]);
    assert!(matches!(clone.reason(&[3]), Reason::NoChange { .. }));
}

#[test]
fn number_that_is_listed_twice_is_refused() {
    let mut clone = Clone::new();
    clone.commit("x (#3)", &[("a.txt", "x\n")]);
    assert_eq!(clone.reason(&[3, 3]), Reason::Repeated);
    let refused = clone.resolve(&[&[3], &[3]]).refused;
    assert!(matches!(refused[0].faults[0].reason, Reason::ChainIdTaken(_)));
}

#[test]
fn merge_is_preferred_to_a_stamp_and_the_choice_is_told() {
    let mut clone = Clone::new();
    let picked = clone.commit("Cherry-picked (#4)", &[("a.txt", "x\n")]);
    let merge = clone.merge(4, "The real one", "z", &[("b.txt", "y\n")]);
    let resolution = clone.resolve(&[&[4]]);
    assert_eq!(resolution.file.chains[0].stages[0].merge.to_string(), merge);
    let ambiguity = &resolution.ambiguous[0];
    assert_eq!((ambiguity.number, ambiguity.chosen.to_string()), (4, merge));
    assert_eq!(ambiguity.others[0].to_string(), picked);
}

#[test]
fn merge_on_a_branch_that_came_in_later_is_not_on_the_line() {
    let mut clone = Clone::new();
    clone.git(&["switch", "-q", "-c", "feature"]);
    clone.merge(5, "Into the feature", "x", &[("a.txt", "x\n")]);
    clone.git(&["switch", "-q", "main"]);
    clone.commit("Meanwhile", &[("c.txt", "c\n")]);
    clone.git(&["merge", "-q", "--no-ff", "-m", "Merge pull request #6 from a/feature", "feature"]);
    assert!(matches!(clone.reason(&[5, 6]), Reason::OtherBranch { .. }));
    clone.git(&["branch", "-D", "feature"]);
    assert!(matches!(clone.reason(&[5, 6]), Reason::NotFound { .. }));
}

#[test]
fn rebased_pull_request_of_one_commit_is_found_by_its_head() {
    let mut clone = Clone::new();
    clone.git(&["switch", "-q", "-c", "topic"]);
    clone.commit("Say x", &[("a.txt", "x\n")]);
    clone.git(&["update-ref", "refs/pull/9/head", "HEAD"]);
    clone.git(&["switch", "-q", "main"]);
    clone.commit("Meanwhile", &[("c.txt", "c\n")]);
    clone.git(&["cherry-pick", "topic"]);
    let landed = clone.git(&["rev-parse", "HEAD"]);
    clone.git(&["branch", "-D", "topic"]);
    let stage = &clone.resolve(&[&[9]]).file.chains[0].stages[0];
    assert_eq!(stage.merge.to_string(), landed);
    assert_eq!(stage.query, "Say x");
}

#[test]
fn renames_binaries_links_and_modes_are_reproduced_by_the_patch() {
    let mut clone = Clone::new();
    let long = "a line among many\n".repeat(40);
    clone.commit("Files", &[("long.txt", &long), ("data.bin", "\0\u{1}\u{2}")]);
    std::os::unix::fs::symlink("a.txt", clone.path().join("link")).unwrap();
    clone.git(&["mv", "long.txt", "moved.txt"]);
    clone.git(&["rm", "-q", "b.txt"]);
    clone.git(&["update-index", "--chmod=+x", "a.txt"]);
    std::fs::write(clone.path().join("data.bin"), b"\0\xff\xfe").unwrap();
    clone.git(&["add", "link", "data.bin"]);
    clone.git(&["commit", "-q", "-m", "All sorts (#2)"]);
    let stage = &clone.resolve(&[&[2]]).file.chains[0].stages[0];
    let ReferencePatch::Available { files, .. } = stage.reference_patch else {
        panic!("nothing is missing");
    };
    assert_eq!(files, 5);
}

#[test]
fn stage_with_a_missing_blob_resolves_and_names_it() {
    let mut clone = Clone::new();
    clone.commit("x (#2)", &[("a.txt", "changed\n")]);
    let blob = clone.git(&["rev-parse", "HEAD:a.txt"]);
    let (dir, file) = blob.split_at(2);
    let objects = clone.path().join(".git/objects");
    std::fs::remove_file(objects.join(dir).join(file)).unwrap();
    let stage = &clone.resolve(&[&[2]]).file.chains[0].stages[0];
    assert_eq!(stage.reference_patch, ReferencePatch::MissingObjects { objects: vec![blob] });
}

#[test]
fn resolving_says_how_far_it_is() {
    let clone = Clone::new();
    let db = ObjectDatabase::open(clone.path()).unwrap();
    let mut seen = Vec::new();
    resolve(&db, &lists("[[1]]"), &options(), &mut |progress| seen.push(progress)).unwrap();
    assert_eq!(
        seen,
        [
            Progress::History { commits: 1 },
            Progress::Chains { done: 0, all: 1 },
            Progress::Chains { done: 1, all: 1 },
        ]
    );
}

#[test]
fn repository_and_branch_must_be_known() {
    let mut clone = Clone::new();
    clone.git(&["switch", "-q", "--detach"]);
    let db = ObjectDatabase::open(clone.path()).unwrap();
    let resolve = |options| resolve(&db, &lists("[]"), &options, &mut |_| {});
    let err = resolve(ResolveOptions::default()).unwrap_err();
    assert!(matches!(err, ResolveError::NoRepository));
    assert!(matches!(resolve(options()).unwrap_err(), ResolveError::NoBranch));
    let branch = Some("no-such-branch".to_owned());
    let err = resolve(ResolveOptions { branch, ..options() }).unwrap_err();
    assert!(err.to_string().contains("no-such-branch"), "{err}");
}

#[test]
fn wrong_lists_are_told_by_place_and_key() {
    let error = |text: &str| {
        ChainLists::parse(text.as_bytes(), Path::new("lists.json")).unwrap_err().to_string()
    };
    insta::assert_snapshot!(
        error(r#"{"chains": [[1, "two"]]}"#),
        @r#"lists.json:1:21: `chains[0][1]`: invalid type: string "two", expected a pull request number, or an object with the key `number`"#
    );
    insta::assert_snapshot!(
        error(r#"{"chains": [{"stages": [{"number": 1, "tilte": ""}]}]}"#),
        @"lists.json:1:45: unknown key `tilte` in `chains[0].stages[0]`; did you mean `title`?"
    );
    insta::assert_snapshot!(
        error(r#"{"chains": 5}"#),
        @"lists.json:1:12: `chains`: invalid type: integer `5`, expected a sequence"
    );
}

#[test]
fn chain_query_of_agencybench_is_resolved_by_its_commits() {
    let mut clone = Clone::new();
    let first = clone.commit("One, unmarked", &[("a.txt", "1\n")]);
    let second = clone.commit("Two, unmarked", &[("a.txt", "1\n2\n")]);
    clone.git(&["switch", "-q", "-c", "0.2"]);
    let aside = clone.commit("Aside (#9)", &[("a.txt", "1\n2\n3\n")]);
    clone.git(&["switch", "-q", "main"]);
    let stage = |number: u64, commit: &str, query: &str| {
        serde_json::json!({
            "stage_id": format!("stage-{number}"), "name": "x",
            "pr_number": number.to_string(),
            "base_commit_sha": commit, "head_commit_sha": commit, "dependencies": [],
            "carry_forward_policy": "reapply_patch", "test_query": query,
            "ground_truth_patch": "", "patches": [],
        })
    };
    let query = |stages: serde_json::Value| {
        let metadata = serde_json::json!({"source_repository": "owner/name", "topic": "x"});
        let query = serde_json::json!({
            "metadata": metadata, "stages": stages, "validation_messages": [],
        });
        let path = std::path::Path::new("query.json");
        ChainLists::parse(query.to_string().as_bytes(), path).unwrap()
    };
    let db = ObjectDatabase::open(clone.path()).unwrap();
    let options = ResolveOptions { branch: Some("main".to_owned()), ..ResolveOptions::default() };
    let lists = query(serde_json::json!([stage(7, &first, "all"), stage(8, &second, "all")]));
    let found = resolve(&db, &lists, &options, &mut |_| {}).unwrap();
    assert_eq!(found.refused, []);
    let chain = &found.file.chains[0];
    assert_eq!(chain.overview, "all", "what every stage says is said of the chain");
    assert_ne!(chain.stages[0].query, "all");
    assert_eq!(chain.stages[1].merge.to_string(), second);
    // As in the second published query: a stage that landed on another branch.
    let lists = query(serde_json::json!([stage(7, &first, "a"), stage(9, &aside, "b")]));
    let found = resolve(&db, &lists, &options, &mut |_| {}).unwrap();
    let told = found.refused[0].faults[0].reason.to_string();
    assert!(told.contains("is not on the line of `main`"), "{told}");
}

#[test]
fn commits_in_a_row_with_the_same_stamp_are_one_stage() {
    let mut clone = Clone::new();
    let before = clone.git(&["rev-parse", "HEAD"]);
    clone.commit("Say more (#5)", &[("a.txt", "one\n2\n3\n")]);
    let last = clone.commit("Say it again (#5)", &[("b.txt", "bb\n"), ("c.txt", "c\n")]);
    clone.merge(6, "Say six", "six", &[("a.txt", "one\n2\nsix\n")]);
    let file = clone.resolve_lists(&lists(r#"{"chains": [[5, 6]]}"#)).file;
    let [first, second] = &file.chains[0].stages[..] else { panic!("{file:?}") };
    assert_eq!((first.base.commit.to_string(), first.merge.to_string()), (before, last));
    assert_eq!((first.base.commits, second.base.commits), (2, 1));
    let messages = &first.pull_request.as_ref().unwrap().commit_messages;
    assert_eq!(messages[..], ["Say more (#5)\n", "Say it again (#5)\n"]);
    let database = catena_tree::ObjectDatabase::open(clone.path()).unwrap();
    file.verify(&database).unwrap();
    let patch = String::from_utf8(first.reference_patch(&database).unwrap()).unwrap();
    assert_eq!(patch.matches("diff --git").count(), 3, "{patch}");
    let mut wrong = file.clone();
    wrong.chains[0].stages[0].base.commits = 1;
    assert!(wrong.verify(&database).is_err());
}

#[test]
fn pull_request_of_several_commits_is_found_where_its_head_is_known() {
    let mut clone = Clone::new();
    let base = clone.git(&["rev-parse", "HEAD"]);
    clone.git(&["switch", "-q", "-c", "topic"]);
    clone.commit("First step", &[("x.txt", "x\n")]);
    clone.commit("Last step", &[("x.txt", "xx\n")]);
    clone.git(&["update-ref", "refs/pull/9/head", "HEAD"]);
    clone.git(&["switch", "-q", "main"]);
    clone.commit("Meanwhile", &[("y.txt", "y\n")]);
    let onto = clone.git(&["rev-parse", "HEAD"]);
    clone.git(&["cherry-pick", &format!("{base}..topic")]);
    let file = clone.resolve_lists(&lists(r#"{"chains": [[9]]}"#)).file;
    let stage = &file.chains[0].stages[0];
    assert_eq!((stage.base.commit.to_string(), stage.base.commits), (onto, 2));
}
