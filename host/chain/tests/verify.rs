//! Chains checked against a repository that git made.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use std::path::Path;
use std::process::Command;

use catena_chain::verify::{StageFault, reference_patch};
use catena_chain::{Base, Chain, ChainId, PatchDigest, PatchError, ReferencePatch, Stage, StageId};
use catena_tree::{CommitId, ObjectDatabase, TreeId};

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.org")])
        .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@example.org")])
        .envs([("GIT_AUTHOR_DATE", "1700000000 +0000"), ("GIT_COMMITTER_DATE", "1700000000 +0000")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Three commits and the chain of the last two.
struct Fixture {
    dir: tempfile::TempDir,
    db: ObjectDatabase,
    chain: Chain,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q", "-b", "main"]);
        for (index, content) in ["one\n", "one\ntwo\n", "one\ntwo\nthree\n"].iter().enumerate() {
            std::fs::write(dir.path().join("a.txt"), content).unwrap();
            git(dir.path(), &["add", "-A"]);
            git(dir.path(), &["commit", "-q", "-m", &format!("commit {index}")]);
        }
        let db = ObjectDatabase::open(dir.path()).unwrap();
        let stages = vec![stage(&db, "first", "HEAD~1"), stage(&db, "second", "HEAD")];
        let id = ChainId::new("chain").unwrap();
        let chain =
            Chain { id, overview: String::new(), stages, edges: Vec::new(), leaks: Vec::new() };
        Self { dir, db, chain }
    }

    /// What is found after `change` was made to the second stage.
    fn fault(&self, change: impl FnOnce(&mut Stage)) -> (StageFault, String) {
        let mut chain = self.chain.clone();
        change(&mut chain.stages[1]);
        let err = chain.verify(&self.db).unwrap_err();
        let told = err.to_string();
        assert!(told.starts_with("stage `second` of chain `chain` does not fit"), "{told}");
        (*err.fault, told)
    }
}

fn stage(db: &ObjectDatabase, id: &str, revision: &str) -> Stage {
    let merge = db.commit(db.resolve(revision).unwrap()).unwrap();
    let base = db.commit(merge.parents[0]).unwrap();
    let patch = reference_patch(db, base.tree, merge.tree).unwrap();
    Stage {
        id: StageId::new(id).unwrap(),
        pull_request: None,
        merge: merge.id,
        base: Base { commit: base.id, tree: base.tree, commits: 1 },
        human: merge.tree,
        time: merge.time,
        reference_patch: ReferencePatch::Available {
            sha256: PatchDigest::of(&patch),
            bytes: patch.len() as u64,
            files: 1,
            added: 1,
            deleted: 0,
        },
        query: String::new(),
        interface: Vec::new(),
        leaks: Vec::new(),
    }
}

#[test]
fn chain_of_the_repository_fits_it() {
    let fixture = Fixture::new();
    fixture.chain.verify(&fixture.db).unwrap();
}

#[test]
fn missing_commit_is_told_with_what_to_do() {
    let absent: CommitId = "1111111111111111111111111111111111111111".parse().unwrap();
    let (fault, told) = Fixture::new().fault(|stage| stage.merge = absent);
    assert!(matches!(fault, StageFault::Commit { commit, .. } if commit == absent));
    insta::assert_snapshot!(
        told,
        @"stage `second` of chain `chain` does not fit the repository: commit `1111111111111111111111111111111111111111`, its merge commit, is not in the repository; fetch the branch the chains were resolved on, or resolve them again in this clone"
    );
}

#[test]
fn base_tree_and_time_must_be_those_of_the_commits() {
    let fixture = Fixture::new();
    let first = fixture.chain.stages[0].clone();
    let (fault, _) = fixture.fault(|stage| stage.base.commit = first.base.commit);
    assert!(matches!(fault, StageFault::NotFirstParent { .. }));
    let (fault, _) = fixture.fault(|stage| stage.base.tree = TreeId::EMPTY);
    assert!(matches!(fault, StageFault::OtherTree { written: TreeId::EMPTY, .. }));
    let (fault, _) = fixture.fault(|stage| stage.human = first.human);
    assert!(matches!(fault, StageFault::OtherTree { .. }));
    let (fault, _) = fixture.fault(|stage| stage.time += 1);
    assert!(matches!(fault, StageFault::OtherTime { .. }));
}

#[test]
fn stage_must_be_built_on_the_one_before() {
    let mut fixture = Fixture::new();
    fixture.chain.stages.swap(0, 1);
    let err = fixture.chain.verify(&fixture.db).unwrap_err();
    assert!(matches!(*err.fault, StageFault::NotContained { .. }), "{err}");
}

#[test]
fn reference_patch_is_recomputed_and_compared() {
    let mut fixture = Fixture::new();
    let stage = &mut fixture.chain.stages[1];
    let patch = String::from_utf8(stage.reference_patch(&fixture.db).unwrap()).unwrap();
    assert!(patch.starts_with("diff --git a/a.txt b/a.txt\n"), "{patch}");
    assert!(patch.ends_with("+three\n"), "{patch}");

    let ReferencePatch::Available { sha256, .. } = &mut stage.reference_patch else {
        panic!("it is available");
    };
    *sha256 = PatchDigest::of(b"another patch");
    let err = stage.reference_patch(&fixture.db).unwrap_err();
    assert!(matches!(err, PatchError::OtherPatch { .. }), "{err}");
}

#[test]
fn reference_patch_without_its_blobs_names_them() {
    let fixture = Fixture::new();
    let blob = git(fixture.dir.path(), &["rev-parse", "HEAD:a.txt"]);
    let (dir, file) = blob.split_at(2);
    let objects = fixture.dir.path().join(".git/objects");
    std::fs::remove_file(objects.join(dir).join(file)).unwrap();
    let db = ObjectDatabase::open(fixture.dir.path()).unwrap();
    let err = fixture.chain.stages[1].reference_patch(&db).unwrap_err();
    let PatchError::MissingObjects { objects, .. } = &err else { panic!("{err}") };
    assert_eq!(*objects, [blob]);
    fixture.chain.verify(&db).unwrap();
}
