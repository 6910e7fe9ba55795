//! Trees that no git client would write.

use std::sync::Arc;

use bstr::ByteSlice;
use catena_tree::diff::{DiffOptions, changes};
use catena_tree::merge::merge;
use catena_tree::patch::{self, FileKind, edit_tree};
use catena_tree::worktree::WorktreeOptions;
use catena_tree::{EntryKind, ObjectError, Objects, RepoPath, TreeId, Worktree};

use crate::environment::{Repository, write};
use crate::merges::request;

/// A tree object with these entries as they are: mode, name, hex id.
fn raw_tree(repository: &Repository, entries: &[(&str, &str, &str)]) -> TreeId {
    let mut content = Vec::new();
    for (mode, name, id) in entries {
        content.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        let byte = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).unwrap();
        content.extend((0..20).map(|number| byte(2 * number)));
    }
    let args = ["hash-object", "-w", "-t", "tree", "--literally", "--stdin"];
    let id = repository.git(&args, &content);
    id.to_str().unwrap().trim().parse().unwrap()
}

fn blob(repository: &Repository, content: &str) -> String {
    let id = repository.git(&["hash-object", "-w", "--stdin"], content.as_bytes());
    id.to_str().unwrap().trim().to_owned()
}

/// Does with a tree what a stage does, and returns what came of each step.
fn everything(repository: &Repository, tree: TreeId) -> Vec<Result<(), String>> {
    let db = &repository.db;
    let other = repository.tree(&[("own", FileKind::Regular, "own\n")]);
    let text = |err: &dyn std::error::Error| err.to_string();
    let mut worktree = Worktree::new(Arc::new(db.clone()), tree, WorktreeOptions::default());
    let mut results = vec![
        changes(db, TreeId::EMPTY, tree, &DiffOptions::default()).map(drop).map_err(|e| text(&e)),
        patch::write(db, tree, TreeId::EMPTY, &DiffOptions::default())
            .map(drop)
            .map_err(|e| text(&e)),
        worktree.walk(&RepoPath::root()).map(drop).map_err(|e| text(&e)),
    ];
    for trees in [[TreeId::EMPTY, other, tree], [tree, other, TreeId::EMPTY], [other, tree, other]]
    {
        results.push(merge(db, &request(trees)).map(drop).map_err(|e| text(&e)));
    }
    let edit = write("new/file", FileKind::Regular, "new\n");
    results.push(edit_tree(db, &mut &*db, tree, &[edit]).map(drop).map_err(|e| text(&e)));
    results.push(worktree.snapshot(&mut &*db).map(drop).map_err(|e| text(&e)));
    results
}

#[test]
fn names_that_lead_elsewhere_are_seen_by_nobody() {
    let repository = Repository::new();
    let id = blob(&repository, "evil\n");
    let inner = raw_tree(&repository, &[("100644", "config", &id)]).to_string();
    for (mode, name, id) in [
        ("100644", "..", &id),
        ("100644", ".", &id),
        ("100644", "a/b", &id),
        ("40000", ".git", &inner),
        ("40000", ".GIT", &inner),
        ("40000", "..", &inner),
        ("100644", "", &id),
    ] {
        let tree = raw_tree(&repository, &[(mode, name, id)]);
        let mut worktree =
            Worktree::new(Arc::new(repository.db.clone()), tree, WorktreeOptions::default());
        let found = worktree.walk(&RepoPath::root()).unwrap_or_default();
        assert_eq!(found, [], "`{name}`");
        for result in everything(&repository, tree) {
            if let Err(message) = result {
                assert!(message.len() < 400, "`{name}`: {message}");
            }
        }
        // What we write of it, git takes.
        if let Ok(clean) = worktree.snapshot(&mut &repository.db)
            && clean != tree
        {
            repository.git(&["ls-tree", "-r", &clean.to_string()], b"");
        }
    }
}

#[test]
fn entries_twice_or_out_of_order_end_no_process() {
    let repository = Repository::new();
    let (one, two) = (blob(&repository, "one\n"), blob(&repository, "two\n"));
    let inner = raw_tree(&repository, &[("100644", "x", &one)]).to_string();
    for entries in [
        vec![("100644", "a", &one), ("100644", "a", &two)],
        vec![("100644", "a", &one), ("40000", "a", &inner)],
        vec![("100644", "b", &one), ("100644", "a", &two)],
        vec![("100644", "a", &one), ("160000", "a", &one), ("120000", "a", &two)],
    ] {
        let entries: Vec<_> =
            entries.iter().map(|(mode, name, id)| (*mode, *name, id.as_str())).collect();
        let tree = raw_tree(&repository, &entries);
        everything(&repository, tree);
        let listed = repository.db.tree(tree).unwrap();
        assert_eq!(listed.len(), entries.len());
    }
}

#[test]
fn ten_thousand_levels_are_an_error_and_two_thousand_are_not() {
    let repository = Repository::new();
    let deep = |levels: usize| {
        let id = blob(&repository, "deep\n");
        let file = [("100644", "x", id.as_str())];
        let mut tree = raw_tree(&repository, &file);
        for _ in 1..levels {
            let entry = catena_tree::TreeEntry {
                name: "d".into(),
                kind: EntryKind::Directory(tree),
                size: None,
            };
            tree = catena_tree::objects::ObjectSink::write_tree(&mut &repository.db, vec![entry])
                .unwrap();
        }
        tree
    };
    // The stack of a thread that serves requests, not the larger one of a program.
    let run = |tree: TreeId| {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(2 << 20);
            let job = || everything(&repository, tree);
            thread.spawn_scoped(scope, job).unwrap().join().unwrap()
        })
    };
    let shallow = run(deep(2_000));
    assert!(shallow.iter().all(Result::is_ok), "{shallow:?}");
    let results = run(deep(10_000));
    // All that look into it say so; the last two need not.
    let (looking, others) = results.split_at(6);
    for result in looking {
        let message = result.as_ref().unwrap_err();
        assert!(message.contains("too long"), "{message}");
    }
    assert!(others.iter().all(Result::is_ok), "{others:?}");
}

#[test]
fn tree_that_is_no_tree_is_named() {
    let repository = Repository::new();
    let id = repository
        .git(&["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], b"100644 cut off");
    let tree: TreeId = id.to_str().unwrap().trim().parse().unwrap();
    let err = repository.db.tree(tree).unwrap_err();
    assert!(matches!(&err, ObjectError::Malformed { id, .. } if *id == tree.to_string()), "{err}");
    assert!(everything(&repository, tree).iter().any(Result::is_err));
}
