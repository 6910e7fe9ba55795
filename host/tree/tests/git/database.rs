//! Opening, creating, reading and writing repositories.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use catena_tree::database::{DatabaseError, NewCommit};
use catena_tree::objects::ObjectSink;
use catena_tree::patch::FileKind::Regular;
use catena_tree::{BlobId, CommitId, ObjectDatabase, ObjectError, Objects, TreeId};

use crate::environment::{Repository, git_in, loose_object};

fn commit(repository: &Repository, content: &str, parents: &[CommitId], time: i64) -> CommitId {
    let new = NewCommit {
        tree: repository.tree(&[("x", Regular, content)]),
        parents: parents.to_vec(),
        author: "A <Tester>\n".into(),
        author_email: "tester@example.org".into(),
        time,
        message: format!("commit {content}\n\nwith text\n"),
    };
    repository.db.write_commit(&new).unwrap()
}

#[test]
fn git_accepts_what_is_created_and_written() {
    let repository = Repository::new();
    let first = commit(&repository, "1", &[], 1_700_000_000);
    let second = commit(&repository, "2", &[first], 1_700_000_001);
    repository.db.set_ref("refs/heads/trunk", second).unwrap();
    repository.db.set_head("trunk").unwrap();
    assert_eq!(repository.git_line(&["rev-parse", "HEAD"]), second.to_string());
    let format = "--format=%an|%ae|%ct|%B";
    let shown = repository.git_line(&["show", "--no-patch", format, "HEAD^"]);
    assert_eq!(shown.trim_end(), "A Tester|tester@example.org|1700000000|commit 1\n\nwith text");
    repository.git(&["fsck", "--strict"], b"");
}

#[test]
fn commits_of_git_are_read() {
    let repository = Repository::new();
    let tree = repository.tree(&[("x", Regular, "x")]).to_string();
    let id = repository.git_line(&["commit-tree", &tree, "-m", "a message"]);
    let commit = repository.db.commit(id.parse().unwrap()).unwrap();
    assert_eq!(commit.tree.to_string(), tree);
    assert_eq!(
        (commit.author.as_str(), commit.author_email.as_str()),
        ("A Tester", "tester@example.org")
    );
    assert_eq!((commit.time, commit.message.as_str()), (1_700_000_000, "a message\n"));
    assert!(commit.parents.is_empty());
}

#[test]
fn repository_without_configuration_or_with_a_hostile_one_opens() {
    let repository = Repository::new();
    let id = commit(&repository, "1", &[], 1);
    repository.db.set_ref("refs/heads/main", id).unwrap();
    let path = repository.db.path();
    fs::remove_file(path.join("config")).unwrap();
    assert_eq!(ObjectDatabase::open(path).unwrap().resolve("main").unwrap(), id);
    let config = "[core]\n\tbare = true\n\tpager = touch pwned\n[include]\n\tpath = /nonexistent\n[diff]\n\talgorithm = nonsense\n";
    fs::write(path.join("config"), config).unwrap();
    assert_eq!(ObjectDatabase::open(path).unwrap().resolve("main").unwrap(), id);
}

#[test]
fn revisions_resolve_as_git_resolves_them() {
    let repository = Repository::new();
    let first = commit(&repository, "1", &[], 1);
    let second = commit(&repository, "2", &[first], 2);
    repository.db.set_ref("refs/heads/main", second).unwrap();
    repository.git(&["tag", "-a", "v1", "-m", "tagged", &first.to_string()], b"");
    repository.git(&["pack-refs", "--all"], b"");
    let full = second.to_string();
    for (revision, expected) in [
        ("HEAD", second),
        ("main", second),
        ("v1", first),
        ("main~1", first),
        (&full[..10], second),
    ] {
        assert_eq!(repository.db.resolve(revision).unwrap(), expected, "{revision}");
    }
    for revision in ["nothing", "", "HEAD~5", &"0".repeat(40)] {
        let err = repository.db.resolve(revision).unwrap_err();
        assert!(matches!(err, DatabaseError::Revision { .. }), "{revision}");
    }
}

#[test]
fn history_follows_first_parents_and_ancestors_all() {
    let repository = Repository::new();
    let root = commit(&repository, "root", &[], 10);
    // Its clock was wrong: the side commit seems older than its parent.
    let side = commit(&repository, "side", &[root], 5);
    let main = commit(&repository, "main", &[root], 20);
    let merge = commit(&repository, "merge", &[main, side], 30);
    let line: Vec<_> =
        repository.db.first_parents(merge).map(|commit| commit.unwrap().id).collect();
    assert_eq!(line, [merge, main, root]);
    for (ancestor, descendant, expected) in [
        (side, merge, true),
        (root, side, true),
        (merge, merge, true),
        (side, main, false),
        (merge, root, false),
    ] {
        assert_eq!(repository.db.is_ancestor(ancestor, descendant).unwrap(), expected);
    }
}

#[test]
fn history_ends_with_an_error_where_a_commit_is_missing() {
    let repository = Repository::new();
    let first = commit(&repository, "1", &[], 1);
    let second = commit(&repository, "2", &[first], 2);
    fs::remove_file(loose_object(repository.db.path(), &first.to_string())).unwrap();
    let db = ObjectDatabase::open(repository.db.path()).unwrap();
    let line: Vec<_> = db.first_parents(second).collect();
    assert_eq!(line.len(), 2);
    assert!(matches!(&line[1], Err(ObjectError::Missing(id)) if *id == first.to_string()));
}

#[test]
fn borrowed_objects_are_read_and_not_written_again() {
    let lender = Repository::new();
    let tree = lender.tree(&[("dir/x", Regular, "lent")]);
    let blob = BlobId::of(b"lent");
    // A worktree with a space and a quote in its path lends like a bare repository.
    let clone = lender.dir().join("a \"clone\"");
    let head = commit(&lender, "1", &[], 1);
    lender.db.set_ref("refs/heads/main", head).unwrap();
    let target = clone.to_str().unwrap();
    lender.git(
        &["clone", "--quiet", "--no-checkout", lender.db.path().to_str().unwrap(), target],
        b"",
    );
    let own = clone.join(".git");
    let output = git_in(&own, &["hash-object", "-w", "--stdin"], b"of the clone");
    assert!(output.status.success());

    let path = lender.dir().join("borrower.git");
    let lenders = [lender.db.path().to_owned(), clone.clone()];
    let db = ObjectDatabase::create(&path, &lenders[..1]).unwrap();
    assert_eq!(db.blob(blob).unwrap(), "lent");
    let db = ObjectDatabase::create(&path, &lenders).unwrap();
    assert_eq!(db.blob(BlobId::of(b"of the clone")).unwrap(), "of the clone");
    let mut sink = &db;
    assert_eq!(sink.write_blob(Bytes::from("lent")).unwrap(), blob);
    assert!(!loose_object(db.path(), &blob.to_string()).exists());
    assert_eq!(db.tree(tree).unwrap().len(), 1);
    let output = git_in(&path, &["cat-file", "-p", &BlobId::of(b"of the clone").to_string()], b"");
    assert_eq!(output.stdout, b"of the clone");
    let real = |dir: &Path| dir.canonicalize().unwrap();
    let mut found = db.object_directories().unwrap();
    found.sort();
    let mut expected = vec![
        real(&path.join("objects")),
        real(&lender.db.path().join("objects")),
        real(&own.join("objects")),
    ];
    expected.sort();
    assert_eq!(found, expected);
    ObjectDatabase::create(&path, &lenders).unwrap();
    assert_eq!(
        fs::read_to_string(path.join("objects/info/alternates")).unwrap().lines().count(),
        2
    );
}

#[test]
fn missing_and_mistaken_objects_are_errors_and_sizes_unknown() {
    let repository = Repository::new();
    let tree = repository.tree(&[("x", Regular, "content"), ("y", Regular, "more")]);
    let x = BlobId::of(b"content");
    fs::remove_file(loose_object(repository.db.path(), &x.to_string())).unwrap();
    let db = ObjectDatabase::open(repository.db.path()).unwrap();
    let sizes: Vec<_> = db.tree(tree).unwrap().iter().map(|entry| entry.size).collect();
    assert_eq!(sizes, [None, Some(4)]);
    assert!(matches!(db.blob(x), Err(ObjectError::Missing(_))));
    assert!(matches!(db.blob_size(x), Err(ObjectError::Missing(_))));
    let as_blob: BlobId = tree.to_string().parse().unwrap();
    assert!(matches!(db.blob(as_blob), Err(ObjectError::Malformed { .. })));
    let as_tree: TreeId = BlobId::of(b"more").to_string().parse().unwrap();
    assert!(matches!(db.tree(as_tree), Err(ObjectError::Malformed { .. })));
    // What comes later is seen, also by a handle that missed it before.
    let mut sink = &repository.db;
    sink.write_blob(Bytes::from("content")).unwrap();
    assert_eq!(db.blob(x).unwrap(), "content");
    assert_eq!(db.tree(tree).unwrap()[0].size, Some(7));
}

#[test]
fn objects_packed_behind_our_back_are_still_found() {
    let repository = Repository::new();
    let tree = repository.tree(&[("x", Regular, "content")]);
    let id = commit(&repository, "1", &[], 1);
    repository.db.set_ref("refs/heads/main", id).unwrap();
    let kept = commit(&repository, "2", &[id], 2);
    repository.db.set_ref("refs/heads/other", kept).unwrap();
    repository.git(&["repack", "-a", "-d", "-q"], b"");
    repository.git(&["prune-packed"], b"");
    assert_eq!(repository.db.commit(kept).unwrap().id, kept);
    assert_eq!(repository.db.tree(tree).unwrap().len(), 1);
}

#[test]
fn names_that_are_not_utf8_survive() {
    let repository = Repository::new();
    let blob = repository.git(&["hash-object", "-w", "--stdin"], b"x");
    let blob = std::str::from_utf8(&blob).unwrap().trim();
    let line = [b"100644 blob ", blob.as_bytes(), b"\tname\xff\xfe\0"].concat();
    let tree = repository.git(&["mktree", "-z"], &line);
    let tree: TreeId = std::str::from_utf8(&tree).unwrap().trim().parse().unwrap();
    let entries = repository.db.tree(tree).unwrap();
    assert_eq!(entries[0].name, b"name\xff\xfe".as_slice());
    let mut sink = &repository.db;
    assert_eq!(sink.write_tree(entries.to_vec()).unwrap(), tree);
}

#[test]
fn database_is_used_by_many_threads_at_once() {
    let repository = Repository::new();
    let tree = repository.tree(&[("x", Regular, "content")]);
    let db = Arc::new(repository.db.clone());
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let db = Arc::clone(&db);
            scope.spawn(move || {
                for round in 0..20 {
                    let mut sink = &*db;
                    let content = Bytes::from(format!("{worker} {round}"));
                    let id = sink.write_blob(content.clone()).unwrap();
                    assert_eq!(db.blob(id).unwrap(), content);
                    assert_eq!(db.tree(tree).unwrap().len(), 1);
                }
            });
        }
    });
}

#[test]
fn wrong_paths_and_reference_names_are_refused() {
    let repository = Repository::new();
    let nowhere = repository.dir().join("nowhere");
    assert!(matches!(ObjectDatabase::open(&nowhere), Err(DatabaseError::Open { .. })));
    let borrow = [nowhere];
    let created = ObjectDatabase::create(&repository.dir().join("new"), &borrow);
    assert!(matches!(created, Err(DatabaseError::Open { .. })));
    let id = commit(&repository, "1", &[], 1);
    for name in ["refs/heads/../x", "refs/heads/a b", ""] {
        assert!(repository.db.set_ref(name, id).is_err(), "{name}");
    }
    assert!(repository.db.set_head("../../x").is_err());
}
