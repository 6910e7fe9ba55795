//! Trees, differences and patches.

use bstr::ByteSlice;
use bytes::Bytes;
use catena_tree::diff::{ChangeKind, DiffOptions, Renames, changes};
use catena_tree::patch::{self, Edit, FileKind, PatchError, edit_tree};
use catena_tree::{MemoryObjects, ObjectError, Objects, RepoPath, TreeId};
use proptest::prelude::*;

use crate::environment::{Repository, write};
use crate::generated::{
    HARD_TEXTS, edited, edits, files, mixed_lines, mutated, mutations, text, tree, writes,
};

use FileKind::{Executable, Regular, Submodule, Symlink};

fn config() -> ProptestConfig {
    ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn edited_tree_is_the_one_git_writes(before in files(), after in files()) {
        let repository = Repository::new();
        let old = tree(&repository, &before);
        let written = writes(&after);
        let kept = |path: &RepoPath| written.iter().any(|edit| edit.path() == path);
        let mut all: Vec<Edit> = writes(&before)
            .iter()
            .map(|edit| edit.path().clone())
            .filter(|path| !kept(path))
            .map(|path| Edit::Delete { path })
            .collect();
        all.extend(written.iter().cloned());
        let mut sink = &repository.db;
        let new = edit_tree(&repository.db, &mut sink, old, &all).unwrap();
        prop_assert_eq!(new, tree(&repository, &after));
        repository.git(&["read-tree", &new.to_string()], b"");
        let listed = repository.git(&["ls-files", "-z"], b"");
        let listed: Vec<_> = listed.split_str("\0").filter(|path| !path.is_empty()).collect();
        let expected: Vec<_> = written.iter().map(|edit| edit.path().as_bstr().as_bytes()).collect();
        prop_assert_eq!(listed, expected);
        let rewritten = repository.git_line(&["write-tree", "--missing-ok"]);
        prop_assert_eq!(rewritten, new.to_string());
    }

    #[test]
    fn git_applies_what_we_write(
        base in files(), changed in mutations(8), context in 1..5_u32, renames in any::<bool>(),
    ) {
        let repository = Repository::new();
        let (from, to) = (tree(&repository, &base), tree(&repository, &mutated(&base, &changed)));
        let renames = if renames { Renames::Detect } else { Renames::Ignore };
        let options = DiffOptions { context_lines: context, renames, ..DiffOptions::default() };
        let text = patch::write(&repository.db, from, to, &options).unwrap();
        prop_assert_eq!(repository.git_apply(from, &text), to);
        let back = patch::parse(&text).unwrap();
        let mut sink = &repository.db;
        prop_assert_eq!(patch::apply(&repository.db, &mut sink, from, &back).unwrap().tree, to);
    }

    #[test]
    fn text_patch_is_the_one_git_writes(
        base in text(), changes in edits(12), context in 0..5_u32,
    ) {
        let new = edited(&base, &changes);
        prop_assume!(!base.contains(&0) && !new.contains(&0));
        assert_same_patch(&[("file", base, new)], context);
    }

    #[test]
    fn we_apply_what_git_writes(
        base in files(), changed in mutations(8), option in 0..5_usize,
    ) {
        let repository = Repository::new();
        let (from, to) = (tree(&repository, &base), tree(&repository, &mutated(&base, &changed)));
        let option = ["-M", "--no-renames", "--find-copies-harder", "-U1", "-C"][option];
        let args = ["diff", "--binary", "--full-index", option, &from.to_string(), &to.to_string()];
        let text = repository.git(&args, b"");
        let parsed = patch::parse(&text).unwrap();
        let mut sink = &repository.db;
        let applied = patch::apply(&repository.db, &mut sink, from, &parsed).unwrap();
        prop_assert_eq!(applied.tree, to, "{}", text.as_bstr());
    }

    #[test]
    fn changes_are_those_git_names(base in files(), changed in mutations(10)) {
        let repository = Repository::new();
        let (from, to) = (tree(&repository, &base), tree(&repository, &mutated(&base, &changed)));
        let args = ["diff-tree", "-r", "-z", "-M", "--name-status", &from.to_string(), &to.to_string()];
        let text = repository.git(&args, b"");
        let mut fields = text.split_str("\0");
        let mut expected = Vec::new();
        while let Some(status) = fields.next().filter(|status| !status.is_empty()) {
            let first = fields.next().unwrap().to_vec();
            let second = status.starts_with(b"R").then(|| fields.next().unwrap().to_vec());
            expected.push((status.to_vec(), first, second));
        }
        let found = changes(&repository.db, from, to, &DiffOptions::default()).unwrap();
        let mut found: Vec<_> = found.iter().map(name_status).collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_text_as_patch_is_an_error_at_worst(
        text in prop::collection::vec(
            prop::sample::select(&[
                "diff --git a/x b/x\n", "--- a/x\n", "+++ b/x\n", "@@ -1,2 +1 @@\n", " a\n", "-b\n",
                "+c\n", "\\ No newline at end of file\n", "GIT binary patch\n", "literal 3\n",
                "Kcmb\n", "\n", "rename from x\n", "rename to \"y\\\n", "old mode 7\n",
                "deleted file mode 100644\n", "index 12..34 100644\n", "@@ -0,0 +99999999999 @@\n",
            ][..]),
            0..12,
        ),
    ) {
        let repository = Repository::new();
        let from = repository.tree(&[("x", Regular, "a\nb\n")]);
        if let Ok(parsed) = patch::parse(text.concat().as_bytes()) {
            let mut sink = &repository.db;
            let _ = patch::apply(&repository.db, &mut sink, from, &parsed);
        }
    }
}

/// A path with its old and its new content.
type ChangedFile = (&'static str, Vec<u8>, Vec<u8>);

/// Writes the patch of changed files, and checks it against git's, byte by byte.
fn assert_same_patch(files: &[ChangedFile], context: u32) {
    let repository = Repository::new();
    let tree_of = |side: fn(&ChangedFile) -> Vec<u8>| {
        let edits: Vec<_> = files
            .iter()
            .map(|file| Edit::Write {
                path: RepoPath::new(file.0).unwrap(),
                content: side(file).into(),
                kind: Regular,
            })
            .collect();
        edit_tree(&repository.db, &mut &repository.db, TreeId::EMPTY, &edits).unwrap()
    };
    let (from, to) = (tree_of(|file| file.1.clone()), tree_of(|file| file.2.clone()));
    let options = DiffOptions { context_lines: context, ..DiffOptions::default() };
    let ours = patch::write(&repository.db, from, to, &options).unwrap();
    let context = format!("-U{context}");
    let args = ["diff", "--full-index", "-M", &context, &from.to_string(), &to.to_string()];
    assert_eq!(ours.as_bstr(), repository.git(&args, b"").as_bstr());
}

#[test]
fn patch_of_texts_that_are_hard_to_compare_is_the_one_git_writes() {
    let files: Vec<_> = HARD_TEXTS
        .iter()
        .map(|(name, length, kinds)| {
            (*name, mixed_lines(1, *length, *kinds), mixed_lines(2, *length, *kinds))
        })
        .collect();
    assert_same_patch(&files, 3);
}

#[test]
fn name_of_a_section_ends_before_what_is_not_utf8() {
    let text = |head: &[u8], last: &str| [head, b"\n1\n2\n3\n4\n5\n", last.as_bytes()].concat();
    let long = format!("f{}", "\u{e9}".repeat(60));
    let files: Vec<ChangedFile> = [b"def J\xfcrgen \xfc" as &[u8], long.as_bytes(), b"x \xff y  "]
        .iter()
        .zip(["a", "b", "c"])
        .map(|(head, path)| (path, text(head, "old\n"), text(head, "new\n")))
        .collect();
    assert_same_patch(&files, 3);
}

fn name_status(change: &catena_tree::diff::Change) -> (Vec<u8>, Vec<u8>, Option<Vec<u8>>) {
    let path = |path: &RepoPath| path.as_bstr().to_vec();
    let status = match change.kind() {
        ChangeKind::Added => "A".to_owned(),
        ChangeKind::Deleted => "D".to_owned(),
        ChangeKind::Modified | ChangeKind::ModeChanged => "M".to_owned(),
        ChangeKind::TypeChanged => "T".to_owned(),
        ChangeKind::Renamed => format!("R{:03}", change.similarity.unwrap()),
    };
    match &change.previous_path {
        Some(previous) => (status.into_bytes(), path(previous), Some(path(&change.path))),
        None => (status.into_bytes(), path(&change.path), None),
    }
}

/// A text of numbered lines.
fn numbered(lines: std::ops::Range<u32>) -> String {
    let lines: Vec<_> = lines.map(|number| format!("line {number}\n")).collect();
    lines.concat()
}

fn apply(repository: &Repository, from: TreeId, text: &str) -> Result<TreeId, PatchError> {
    let parsed = patch::parse(text.as_bytes())?;
    let mut sink = &repository.db;
    patch::apply(&repository.db, &mut sink, from, &parsed).map(|applied| applied.tree)
}

#[test]
fn patch_reads_as_git_writes_it() {
    let repository = Repository::new();
    let old = "def f():\n    a\n    b\n    c\n    d\n    e\n    f\n    g\n";
    let from = repository.tree(&[
        ("moved.py", Regular, old),
        ("gone", Regular, "x\n"),
        ("tool", Regular, "run\n"),
        ("module", Submodule, "Subproject commit 1111111111111111111111111111111111111111\n"),
        ("link", Regular, "was a file\n"),
    ]);
    let to = repository.tree(&[
        ("new name.py", Regular, &old.replace("    g\n", "    G")),
        ("tool", Executable, "run\n"),
        ("module", Submodule, "Subproject commit 2222222222222222222222222222222222222222\n"),
        ("link", Symlink, "tool"),
        ("n\u{e4}u", Regular, ""),
        ("binary", Regular, "a\0b"),
    ]);
    let ours = patch::write(&repository.db, from, to, &DiffOptions::default()).unwrap();
    let args = ["diff", "--binary", "--full-index", "-M", &from.to_string(), &to.to_string()];
    let theirs = repository.git(&args, b"");
    let sections = |text: &[u8]| {
        let mut sections: Vec<_> =
            text.to_str().unwrap().split("diff --git ").map(str::to_owned).collect();
        // How zlib packs is not part of the format.
        sections.retain(|section| !section.contains("GIT binary patch"));
        sections.sort();
        sections
    };
    assert_eq!(sections(&ours), sections(&theirs));
}

#[test]
fn hunk_is_found_where_lines_above_were_added() {
    let repository = Repository::new();
    let old = repository.tree(&[("x", Regular, &numbered(1..20))]);
    let new = repository.tree(&[("x", Regular, &numbered(1..20).replace("line 10\n", "ten\n"))]);
    let text = patch::write(&repository.db, old, new, &DiffOptions::default()).unwrap();
    let shifted = repository.tree(&[("x", Regular, &(numbered(50..70) + &numbered(1..20)))]);
    let made = apply(&repository, shifted, text.to_str().unwrap()).unwrap();
    assert_eq!(made, repository.git_apply(shifted, &text));
}

#[test]
fn patch_that_does_not_fit_names_file_hunk_and_cause_and_changes_nothing() {
    let repository = Repository::new();
    let from = repository.tree(&[("x", Regular, "a\nB\nc\n"), ("y", Regular, "a\n")]);
    let text = "--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b\n+d\n c\n";
    let err = apply(&repository, from, text).unwrap_err();
    assert_eq!(err.to_string(), "`x`: hunk 1 (line 1) does not apply: line 2 is `B`, not `b`");
}

#[test]
fn patches_of_models_and_mail_are_read() {
    let repository = Repository::new();
    let from = repository.tree(&[("dir/x", Regular, "a\n\nb\n")]);
    let expected = repository.tree(&[("dir/x", Regular, "a\n\nc\n")]);
    let body = "--- a/dir/x\n+++ b/dir/x\t2020-01-01\n@@ -1,3 +1,3 @@ f\n a\n\n-b\n+c";
    let texts = [
        body.to_owned(),
        format!(
            "From 1234 Mon Sep 17\nSubject: [PATCH] x\n\ntext\n---\n dir/x | 2 +-\n\n{body}\n-- \n2.47.3\n"
        ),
        format!("diff --git a/dir/x b/dir/x\nindex 1234567..89abcde 100644\n{body}\n"),
        body.replace("a/dir", "/elsewhere/dir")
            .replace("b/dir", "dir")
            .replace("/elsewhere/dir/x", "old/dir/x")
            .replace("+++ dir/x", "+++ new/dir/x"),
    ];
    for text in texts {
        assert_eq!(apply(&repository, from, &text).unwrap(), expected, "{text}");
    }
}

#[test]
fn patch_cannot_reach_out_of_the_tree() {
    for path in ["../x", ".git/config", "/etc/passwd", "a/../../x", "a//x"] {
        let text = format!(
            "diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
        );
        assert!(patch::parse(text.as_bytes()).is_err(), "{path}");
    }
}

#[test]
fn files_swap_names_and_a_file_becomes_a_directory() {
    let repository = Repository::new();
    let (one, two) = (numbered(1..20), numbered(50..80));
    let from =
        repository.tree(&[("a", Regular, &one), ("b", Regular, &two), ("c", Regular, "c\n")]);
    let to =
        repository.tree(&[("a", Regular, &two), ("b", Regular, &one), ("c/d", Regular, "c\n")]);
    let swap = "diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n\
                diff --git a/b b/a\nsimilarity index 100%\nrename from b\nrename to a\n\
                diff --git a/c b/c/d\nsimilarity index 100%\nrename from c\nrename to c/d\n";
    assert_eq!(apply(&repository, from, swap).unwrap(), to);
    assert_eq!(repository.git_apply(from, swap.as_bytes()), to);
}

#[test]
fn file_is_not_created_over_another_or_over_a_directory() {
    let repository = Repository::new();
    let from = repository.tree(&[("a", Regular, "a\n"), ("dir/x", Regular, "x\n")]);
    for path in ["a", "a/b", "dir"] {
        let text = format!(
            "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
        );
        let err = apply(&repository, from, &text).unwrap_err();
        assert!(matches!(err, PatchError::File { .. }), "{path}: {err}");
    }
}

#[test]
fn binary_delta_of_git_is_applied_only_to_its_content() {
    let repository = Repository::new();
    let noise: String =
        (0..4000_u32).map(|n| char::from(u8::try_from(n * n % 127).unwrap())).collect();
    let from = repository.tree(&[("x", Regular, &noise)]);
    let to = repository.tree(&[("x", Regular, &noise.replacen('\0', "changed", 1))]);
    let args = ["diff", "--binary", "--full-index", &from.to_string(), &to.to_string()];
    let text = repository.git(&args, b"");
    assert!(text.contains_str("\ndelta "));
    let text = text.to_str().unwrap();
    assert_eq!(apply(&repository, from, text).unwrap(), to);
    let other = repository.tree(&[("x", Regular, &noise.replace('\u{1}', "2"))]);
    assert!(apply(&repository, other, text).is_err());
}

#[test]
fn patch_without_context_lines_goes_where_it_says() {
    let repository = Repository::new();
    let old = numbered(0..40);
    let new = old.replace("line 0\n", "line 0\nnew\n").replace("line 7\n", "").replace("20", "x");
    let from = repository.tree(&[("x", Regular, &old), ("y", Regular, &numbered(0..3))]);
    let to = repository.tree(&[("x", Regular, &new), ("y", Regular, &numbered(0..2))]);
    let text = repository.git(&["diff", "-U0", &from.to_string(), &to.to_string()], b"");
    assert_eq!(apply(&repository, from, text.to_str().unwrap()).unwrap(), to);
    // Nothing shows that another file is meant, so the place must be right.
    let other = repository.tree(&[("x", Regular, &format!("more\n{old}"))]);
    assert!(apply(&repository, other, text.to_str().unwrap()).is_err());
}

#[test]
fn of_equal_candidates_for_a_rename_the_one_git_takes_is_taken() {
    let repository = Repository::new();
    let text = |seed: u32, kept: u32| {
        let lines: Vec<_> =
            (0..40).map(|n| format!("{} {n}\n", if n < kept { 0 } else { seed })).collect();
        lines.concat()
    };
    // More sources than are remembered for a target, so that some are replaced,
    // also by such as are too different to be renamed.
    let kept = [2, 24, 3, 25, 39, 1, 39, 39, 22, 39];
    let old: Vec<_> = (1..).zip(kept).map(|(seed, kept)| text(seed, kept)).collect();
    let names: Vec<_> = (0..old.len()).map(|number| format!("{number}/same.c")).collect();
    let before: Vec<_> =
        names.iter().zip(&old).map(|(name, old)| (name.as_str(), Regular, old.as_str())).collect();
    let new = text(0, 40);
    let after = ["p/same.c", "q/same.c", "r/other.c"].map(|name| (name, Regular, new.as_str()));
    let (from, to) = (repository.tree(&before), repository.tree(&after));
    let args = ["diff-tree", "-r", "-M", "--name-status", &from.to_string(), &to.to_string()];
    let listed = repository.git_line(&args);
    let expected: Vec<_> = listed.lines().filter(|line| line.starts_with('R')).collect();
    let found = changes(&repository.db, from, to, &DiffOptions::default()).unwrap();
    let found: Vec<_> = found
        .iter()
        .filter_map(|change| {
            let (status, from, to) = name_status(change);
            let fields = [status, from, to?].map(|field| String::from_utf8(field).unwrap());
            Some(fields.join("\t"))
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn patch_that_grows_out_of_proportion_is_refused() {
    let repository = Repository::new();
    let zeros = "\0".repeat(200 << 20);
    let from = repository.tree(&[]);
    let to = repository.tree(&[("x", Regular, &zeros)]);
    let text = patch::write(&repository.db, from, to, &DiffOptions::default()).unwrap();
    assert!(text.len() < 1 << 20);
    assert!(patch::parse(&text).is_ok());
    let twice = [text.as_slice(), &text.replace("/x", "/y")].concat();
    let err = patch::parse(&twice).unwrap_err();
    assert!(matches!(err, PatchError::Syntax { .. }), "{err}");
}

#[test]
fn difference_is_limited_to_paths() {
    let repository = Repository::new();
    let from =
        repository.tree(&[("a/x", Regular, "1"), ("b/x", Regular, "1"), ("ab", Regular, "1")]);
    let to = repository.tree(&[("a/x", Regular, "2"), ("b/x", Regular, "2"), ("ab", Regular, "2")]);
    let paths = vec![RepoPath::new("a").unwrap()];
    let options = DiffOptions { paths, ..DiffOptions::default() };
    let found = changes(&repository.db, from, to, &options).unwrap();
    let found: Vec<_> = found.iter().map(|change| change.path.to_string()).collect();
    assert_eq!(found, ["a/x"]);
}

#[test]
fn missing_blob_costs_the_rename_but_not_the_difference() {
    let objects = MemoryObjects::new(catena_tree::objects::NoObjects);
    let mut sink = &objects;
    let edit = |path: &str, content: &str| [write(path, Regular, content)];
    let kept =
        edit_tree(&objects, &mut sink, TreeId::EMPTY, &edit("new", &numbered(1..30))).unwrap();
    let elsewhere = Repository::new();
    let lost = elsewhere.tree(&[("old", Regular, &numbered(1..31))]);
    let entries = elsewhere.db.tree(lost).unwrap().to_vec();
    assert_eq!(objects.insert_tree(entries).unwrap(), lost);

    let found = changes(&objects, lost, kept, &DiffOptions::default()).unwrap();
    let kinds: Vec<_> = found.iter().map(catena_tree::diff::Change::kind).collect();
    assert_eq!(kinds, [ChangeKind::Added, ChangeKind::Deleted]);
    let err = patch::write(&objects, lost, kept, &DiffOptions::default()).unwrap_err();
    assert!(matches!(err, ObjectError::Missing(_)));
}

#[test]
fn edit_below_a_file_replaces_it_and_emptied_directories_vanish() {
    let repository = Repository::new();
    let from = repository.tree(&[("a", Regular, "a"), ("dir/deep/x", Regular, "x")]);
    let edits = [
        write("a/b", Regular, "b"),
        Edit::Delete { path: RepoPath::new("dir/deep/x").unwrap() },
        Edit::Delete { path: RepoPath::new("not/there").unwrap() },
        Edit::Write {
            path: RepoPath::new("run").unwrap(),
            content: Bytes::from("r"),
            kind: Executable,
        },
    ];
    let mut sink = &repository.db;
    let made = edit_tree(&repository.db, &mut sink, from, &edits).unwrap();
    assert_eq!(made, repository.tree(&[("a/b", Regular, "b"), ("run", Executable, "r")]));
}

#[test]
fn copies_count_for_what_a_patch_may_make() {
    let repository = Repository::new();
    let from = repository.tree(&[("x", Regular, &"line\n".repeat(3 << 20))]);
    let copies = |count: u32| {
        let copy = |number| {
            format!(
                "diff --git a/x b/{number}\nsimilarity index 100%\ncopy from x\ncopy to {number}\n"
            )
        };
        (0..count).map(copy).collect::<Vec<_>>().concat()
    };
    assert!(apply(&repository, from, &copies(3)).is_ok());
    let refused = apply(&repository, from, &copies(80)).unwrap_err();
    assert!(refused.to_string().contains("makes more than"), "{refused}");
}
