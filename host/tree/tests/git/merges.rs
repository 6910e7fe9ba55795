//! Three-way merges.

use std::fs;

use catena_tree::merge::{
    Conflict, ConflictKind, ConflictPolicy, Labels, MergeError, MergeRequest, Merged, merge,
};
use catena_tree::patch::{FileKind, Files as _, TreeFiles};
use catena_tree::{BlobId, ObjectDatabase, RepoPath, TreeId};
use proptest::prelude::*;

use crate::environment::{Repository, loose_object};
use crate::generated::{edited, edits, files, mutated, mutations, text, tree};

use FileKind::{Executable, Regular, Submodule, Symlink};

type Listing<'a> = [(&'a str, FileKind, &'a str)];

/// Three trees in a repository of their own.
struct Case {
    repository: Repository,
    request: MergeRequest,
}

impl Case {
    fn new(base: &Listing<'_>, ours: &Listing<'_>, theirs: &Listing<'_>) -> Self {
        let repository = Repository::new();
        let trees = [base, ours, theirs].map(|files| repository.tree(files));
        let request = request(trees);
        Self { repository, request }
    }

    /// Merges, and checks that git finds conflicts too or makes the same tree.
    fn merge(&self) -> Merged {
        let MergeRequest { base, ours, theirs, .. } = self.request;
        let merged = merge(&self.repository.db, &self.request).unwrap();
        let (tree, conflict) = self.repository.git_merge(base, ours, theirs).unwrap();
        assert_eq!(conflict, !merged.conflicts.is_empty(), "{:?}", merged.conflicts);
        assert!(conflict || tree == merged.tree);
        merged
    }

    fn with(&mut self, policy: ConflictPolicy) -> Merged {
        self.request.policy = policy;
        self.merge()
    }

    fn text(&self, tree: TreeId, path: &str) -> Option<String> {
        let files = TreeFiles::new(&self.repository.db, tree);
        let file = files.read(&RepoPath::new(path).unwrap()).unwrap()?;
        Some(String::from_utf8(file.content.to_vec()).unwrap())
    }
}

pub(crate) fn request([base, ours, theirs]: [TreeId; 3]) -> MergeRequest {
    MergeRequest {
        base,
        ours,
        theirs,
        policy: ConflictPolicy::Markers,
        labels: Labels::default(),
        union: Vec::new(),
    }
}

/// A request with the labels that `git merge-tree` gives to trees.
fn request_of_git(trees: [TreeId; 3]) -> MergeRequest {
    let [_, ours, theirs] = trees;
    let labels = Labels { ours: ours.to_string(), theirs: theirs.to_string() };
    MergeRequest { labels, ..request(trees) }
}

fn conflicts(merged: &Merged) -> Vec<(String, ConflictKind)> {
    merged.conflicts.iter().map(|found| (found.path.to_string(), found.kind)).collect()
}

fn from_theirs(merged: &Merged) -> Vec<String> {
    merged.from_theirs.iter().map(ToString::to_string).collect()
}

fn numbered() -> String {
    let lines: Vec<_> = (1..30).map(|number| format!("line {number}\n")).collect();
    lines.concat()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn outcome_is_that_of_git(
        base in files(), ours in mutations(5), theirs in mutations(5), policy in 0..3_usize,
    ) {
        let repository = Repository::new();
        let trees = [base.clone(), mutated(&base, &ours), mutated(&base, &theirs)]
            .map(|files| tree(&repository, &files));
        let by_git = repository.git_merge(trees[0], trees[1], trees[2]);
        prop_assume!(by_git.is_some());
        let (tree, conflict) = by_git.unwrap();
        let mut request = request_of_git(trees);
        request.policy =
            [ConflictPolicy::Markers, ConflictPolicy::Upstream, ConflictPolicy::Stop][policy];
        let merged = merge(&repository.db, &request).unwrap();
        prop_assert_eq!(conflict, !merged.conflicts.is_empty(), "{:?}", merged.conflicts);
        if !conflict || request.policy == ConflictPolicy::Markers {
            let diff = ["diff", &tree.to_string(), &merged.tree.to_string()];
            prop_assert_eq!(merged.tree, tree, "{}", repository.git_line(&diff));
        }
        repository.git(&["ls-tree", "-r", &merged.tree.to_string()], b"");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn conflicts_are_marked_where_git_marks_them(
        base in text(), ours in edits(12), theirs in edits(12),
    ) {
        let repository = Repository::new();
        let trees = [base.clone(), edited(&base, &ours), edited(&base, &theirs)].map(|content| {
            let content = String::from_utf8(content).unwrap();
            repository.tree(&[("a", Regular, &content)])
        });
        let (tree, _) = repository.git_merge(trees[0], trees[1], trees[2]).unwrap();
        let merged = merge(&repository.db, &request_of_git(trees)).unwrap();
        let diff = ["diff", &tree.to_string(), &merged.tree.to_string()];
        prop_assert_eq!(merged.tree, tree, "{}", repository.git_line(&diff));
    }
}

#[test]
fn markers_name_the_paths_that_git_names() {
    let text = numbered();
    let (ours, theirs) = (text.clone() + "ours\n", text.clone() + "theirs\n");
    let kept = [("old/a", Regular, text.as_str()), ("old/b", Regular, "b\n")];
    let moved = [("to/a", Regular, text.as_str()), ("to/b", Regular, "b\n")];
    let followed = (
        vec![kept[0], kept[1]],
        vec![kept[0], kept[1], ("old/new", Regular, ours.as_str())],
        vec![moved[0], moved[1], ("to/new", Regular, theirs.as_str())],
    );
    let moved_alike = (
        vec![kept[0]],
        vec![("to/new", Regular, ours.as_str())],
        vec![("to/new", Regular, theirs.as_str())],
    );
    for ((base, ours, theirs), names_path) in [(followed, true), (moved_alike, false)] {
        let case = Case::new(&base, &ours, &theirs);
        let trees = [case.request.base, case.request.ours, case.request.theirs];
        let merged = merge(&case.repository.db, &request_of_git(trees)).unwrap();
        let (tree, conflict) = case.repository.git_merge(trees[0], trees[1], trees[2]).unwrap();
        assert!(conflict);
        assert_eq!(merged.tree, tree);
        assert_eq!(case.text(tree, "to/new").unwrap().contains(":old/new\n"), names_path);
    }
}

#[test]
fn changes_to_different_lines_and_files_merge() {
    let text = numbered();
    let ours = text.replace("line 3\n", "three\n");
    let theirs = text.replace("line 20\n", "twenty\n");
    let case = Case::new(
        &[("a", Regular, &text), ("b", Regular, "b\n")],
        &[("a", Regular, &ours), ("b", Executable, "b\n")],
        &[("moved/a", Regular, &theirs), ("b", Regular, "B\n")],
    );
    let merged = case.merge();
    assert_eq!(merged.conflicts, []);
    assert!(merged.from_theirs.is_empty());
    let both = ours.replace("line 20\n", "twenty\n");
    assert_eq!(case.text(merged.tree, "moved/a"), Some(both));
}

#[test]
fn lines_changed_on_both_sides_follow_the_policy() {
    let base = [("a", Regular, "1\n2\n3\n"), ("b", Regular, "b\n")];
    let ours = [("a", Regular, "1\nours\n3\n"), ("b", Regular, "b\n")];
    let theirs = [("a", Regular, "1\ntheirs\n3\n"), ("b", Regular, "B\n")];
    let mut case = Case::new(&base, &ours, &theirs);

    let marked = case.with(ConflictPolicy::Markers);
    assert_eq!(conflicts(&marked), [("a".into(), ConflictKind::Content)]);
    let text = "1\n<<<<<<< ours\nours\n=======\ntheirs\n>>>>>>> theirs\n3\n";
    assert_eq!(case.text(marked.tree, "a").unwrap(), text);
    assert_eq!(case.text(marked.tree, "b").unwrap(), "B\n");
    assert_eq!(from_theirs(&marked), ["a"]);

    let upstream = case.with(ConflictPolicy::Upstream);
    assert_eq!(upstream.tree, case.request.theirs);
    assert_eq!(from_theirs(&upstream), ["a"]);

    let stopped = case.with(ConflictPolicy::Stop);
    assert_eq!(stopped.tree, case.request.ours);
    assert_eq!(conflicts(&stopped), conflicts(&marked));
    assert!(stopped.from_theirs.is_empty());
}

#[test]
fn file_deleted_on_one_side_and_changed_on_the_other() {
    let base = [("a", Regular, "1\n2\n"), ("b", Regular, "b\n")];
    let mut kept = Case::new(&base, &[("a", Regular, "1\nours\n"), base[1]], &base[1..]);
    let merged = kept.with(ConflictPolicy::Markers);
    assert_eq!(conflicts(&merged), [("a".into(), ConflictKind::ModifyDelete)]);
    assert_eq!(merged.tree, kept.request.ours);
    assert!(merged.from_theirs.is_empty());
    assert_eq!(kept.with(ConflictPolicy::Upstream).tree, kept.request.theirs);

    let mut lost = Case::new(&base, &base[1..], &[("a", Regular, "1\ntheirs\n"), base[1]]);
    let merged = lost.with(ConflictPolicy::Markers);
    assert_eq!(lost.text(merged.tree, "a").unwrap(), "1\ntheirs\n");
    assert_eq!(from_theirs(&merged), ["a"]);
    assert_eq!(lost.with(ConflictPolicy::Upstream).tree, lost.request.theirs);
}

#[test]
fn file_added_on_both_sides() {
    let case = Case::new(&[], &[("new", Regular, "ours\n")], &[("new", Regular, "theirs\n")]);
    let merged = case.merge();
    assert_eq!(conflicts(&merged), [("new".into(), ConflictKind::AddAdd)]);
    assert_eq!(from_theirs(&merged), ["new"]);
    let same = Case::new(&[], &[("new", Regular, "same\n")], &[("new", Regular, "same\n")]);
    assert_eq!(same.merge().conflicts, []);
}

#[test]
fn file_moved_to_two_places() {
    let text = numbered();
    let mut case =
        Case::new(&[("a", Regular, &text)], &[("b", Regular, &text)], &[("c", Regular, &text)]);
    let merged = case.with(ConflictPolicy::Markers);
    let kinds = [("b".into(), ConflictKind::Rename), ("c".into(), ConflictKind::Rename)];
    assert_eq!(conflicts(&merged), kinds);
    assert!(case.text(merged.tree, "b").is_some() && case.text(merged.tree, "c").is_some());
    assert_eq!(case.with(ConflictPolicy::Upstream).tree, case.request.theirs);
}

#[test]
fn file_against_symlink_and_directory() {
    let link = Case::new(&[], &[("a", Symlink, "b")], &[("a", Regular, "text\n")]);
    let merged = link.merge();
    assert_eq!(merged.conflicts[0].kind, ConflictKind::Type);
    assert_eq!(link.text(merged.tree, "a~theirs").unwrap(), "text\n");
    assert_eq!(from_theirs(&merged), ["a~theirs"]);

    let mut dir = Case::new(&[], &[("a/x", Regular, "x\n")], &[("a", Regular, "text\n")]);
    let merged = dir.with(ConflictPolicy::Markers);
    assert_eq!(conflicts(&merged), [("a~theirs".into(), ConflictKind::Type)]);
    assert_eq!(dir.text(merged.tree, "a/x").unwrap(), "x\n");
    assert_eq!(dir.with(ConflictPolicy::Upstream).tree, dir.request.theirs);
}

#[test]
fn submodule_moved_on_one_side_merges_and_on_both_does_not() {
    let commits = ["1", "2", "3"].map(|digit| format!("Subproject commit {}\n", digit.repeat(40)));
    let trees = |index: usize| [("lib", Submodule, commits[index].as_str())];
    let one = Case::new(&trees(0), &trees(0), &trees(1));
    assert_eq!(one.merge().tree, one.request.theirs);
    let mut both = Case::new(&trees(0), &trees(1), &trees(2));
    let merged = both.with(ConflictPolicy::Markers);
    assert_eq!(conflicts(&merged), [("lib".into(), ConflictKind::Submodule)]);
    assert_eq!(merged.tree, both.request.ours);
    assert_eq!(both.with(ConflictPolicy::Upstream).tree, both.request.theirs);
}

#[test]
fn file_added_to_a_directory_that_was_renamed() {
    let (one, two) = (numbered(), numbered().replace("line", "row"));
    let mut case = Case::new(
        &[("old/a", Regular, &one), ("old/b", Regular, &two)],
        &[("new/a", Regular, &one), ("new/b", Regular, &two)],
        &[("old/a", Regular, &one), ("old/b", Regular, &two), ("old/c", Regular, "c\n")],
    );
    let merged = case.with(ConflictPolicy::Markers);
    assert_eq!(conflicts(&merged), [("new/c".into(), ConflictKind::Directory)]);
    assert_eq!(case.text(merged.tree, "new/c").unwrap(), "c\n");
    assert_eq!(from_theirs(&merged), ["new/c"]);
    let upstream = case.with(ConflictPolicy::Upstream);
    assert_eq!(case.text(upstream.tree, "old/c").unwrap(), "c\n");
    assert_eq!(case.text(upstream.tree, "new/c"), None);
}

#[test]
fn binary_files_and_symlinks_changed_on_both_sides_stay_ours() {
    let mut case = Case::new(
        &[("bin", Regular, "\0base"), ("link", Symlink, "base")],
        &[("bin", Regular, "\0ours"), ("link", Symlink, "ours")],
        &[("bin", Regular, "\0theirs"), ("link", Symlink, "theirs")],
    );
    let merged = case.with(ConflictPolicy::Markers);
    let kinds = [("bin".into(), ConflictKind::Content), ("link".into(), ConflictKind::Content)];
    assert_eq!(conflicts(&merged), kinds);
    assert_eq!(merged.tree, case.request.ours);
    assert!(merged.from_theirs.is_empty());
    assert_eq!(case.with(ConflictPolicy::Upstream).tree, case.request.theirs);
}

#[test]
fn changelog_is_merged_by_union_where_a_glob_says_so() {
    let base = [("doc/CHANGES.md", Regular, "# Changes\n\nold\n"), ("a", Regular, "a\n")];
    let ours = [("doc/CHANGES.md", Regular, "# Changes\n\nours\nold\n"), ("a", Regular, "o\n")];
    let theirs = [("doc/CHANGES.md", Regular, "# Changes\n\ntheirs\nold\n"), ("a", Regular, "t\n")];
    let mut case = Case::new(&base, &ours, &theirs);
    case.request.union = vec!["**/CHANGES.md".into()];
    let merged = merge(&case.repository.db, &case.request).unwrap();
    assert_eq!(conflicts(&merged), [("a".into(), ConflictKind::Content)]);
    let changes = "# Changes\n\nours\ntheirs\nold\n";
    assert_eq!(case.text(merged.tree, "doc/CHANGES.md").unwrap(), changes);
    assert_eq!(from_theirs(&merged), ["a"]);
    case.request.union = vec!["[".into()];
    let err = merge(&case.repository.db, &case.request).unwrap_err();
    assert!(matches!(err, MergeError::Glob { .. }));
}

#[test]
fn attributes_of_the_content_have_no_say() {
    let attributes = (".gitattributes", Regular, "a merge=union\n*.bin -merge\n* filter=evil\n");
    let case = Case::new(
        &[attributes, ("a", Regular, "1\n")],
        &[attributes, ("a", Regular, "2\n")],
        &[attributes, ("a", Regular, "3\n")],
    );
    let merged = merge(&case.repository.db, &case.request).unwrap();
    assert_eq!(conflicts(&merged), [("a".into(), ConflictKind::Content)]);
}

#[test]
fn missing_blob_that_is_not_needed_does_not_matter() {
    let text = numbered();
    let base =
        [("kept", Regular, "kept\n"), ("old", Regular, text.as_str()), ("a", Regular, "1\n")];
    let moved = text.clone() + "and more\n";
    let ours = [base[0], ("new", Regular, moved.as_str()), ("a", Regular, "1\n")];
    let theirs = [base[0], base[1], ("a", Regular, "2\n")];
    let case = Case::new(&base, &ours, &theirs);
    let lose = |content: &str| {
        let id = BlobId::of(content.as_bytes()).to_string();
        fs::remove_file(loose_object(case.repository.db.path(), &id)).unwrap();
        ObjectDatabase::open(case.repository.db.path()).unwrap()
    };
    lose("kept\n");
    let db = lose(&text);
    let merged = merge(&db, &case.request).unwrap();
    assert_eq!(merged.conflicts, []);
    assert_eq!(case.text(merged.tree, "a").unwrap(), "2\n");
}

#[test]
fn missing_blob_that_is_needed_is_named() {
    let case =
        Case::new(&[("a", Regular, "1\n")], &[("a", Regular, "2\n")], &[("a", Regular, "3\n")]);
    let id = BlobId::of(b"3\n").to_string();
    fs::remove_file(loose_object(case.repository.db.path(), &id)).unwrap();
    let db = ObjectDatabase::open(case.repository.db.path()).unwrap();
    let err = merge(&db, &case.request).unwrap_err();
    assert!(matches!(err, MergeError::MissingObject { id: missing } if missing == id));
}

#[test]
fn merges_with_the_empty_tree() {
    let case = Case::new(&[], &[("a", Regular, "a\n")], &[("b", Regular, "b\n")]);
    assert_eq!(case.request.base, TreeId::EMPTY);
    assert_eq!(case.merge().conflicts, []);
    let gone = Case::new(&[("a", Regular, "a\n")], &[], &[("a", Regular, "a\n")]);
    assert_eq!(gone.merge().tree, TreeId::EMPTY);
    let path = RepoPath::new("a").unwrap();
    assert_eq!(Conflict { path, kind: ConflictKind::AddAdd }.kind.to_string(), "add/add");
}
