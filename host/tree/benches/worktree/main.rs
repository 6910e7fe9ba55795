//! What trees, worktrees, patches and merges cost beside git, in one run.
//!
//! `cargo bench -p catena-tree --bench worktree`
//!
//! Works on two generated repositories, or on the one that the environment
//! variable `CATENA_BENCH_REPOSITORY` names. Each group has our way and git's;
//! the ratio of their medians is what counts. `cargo test` runs each once.

#![allow(clippy::expect_used, reason = "a benchmark that cannot run has no result")]
#![allow(clippy::indexing_slicing, reason = "the fixture has ten files")]
#![allow(clippy::wildcard_imports, reason = "each group of benchmarks is a module")]

use divan::Bencher;
use divan::counter::ItemsCount;

mod fixture;

use std::hint::black_box;
use std::sync::Arc;

use catena_tree::diff::DiffOptions;
use catena_tree::merge::{ConflictPolicy, Labels, MergeRequest, merge};
use catena_tree::worktree::WorktreeOptions;
use catena_tree::{MemoryObjects, Objects, RepoPath, Worktree, patch};
use fixture::{Fixture, SIZES, Size, fixture, git};

fn main() {
    divan::main();
}

fn open(objects: &Arc<dyn Objects>, fixture: &Fixture) -> Worktree {
    Worktree::new(objects.clone(), fixture.tree, WorktreeOptions::default())
}

fn edit(worktree: &mut Worktree, files: &[RepoPath], text: &str) {
    for path in files {
        if let Ok(Some(entry)) = worktree.entry(path) {
            worktree.append(entry.node, text.as_bytes()).expect("a file can be written");
        }
    }
}

mod stage {
    use super::*;

    /// A new worktree and the first file read in it.
    #[divan::bench(args = SIZES)]
    fn overlay(bencher: Bencher<'_, '_>, size: Size) {
        let fixture = fixture(size);
        let objects: Arc<dyn Objects> = Arc::new(fixture.db.clone());
        bencher.bench_local(|| {
            let mut worktree = open(&objects, fixture);
            black_box(worktree.read_file(&fixture.edited[0]).expect("a file can be read"));
        });
    }

    #[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
    fn git_worktree_add(bencher: Bencher<'_, '_>, size: Size) {
        let fixture = fixture(size);
        let dir = tempfile::tempdir().expect("a directory");
        let mut number = 0;
        bencher
            .with_inputs(|| {
                number += 1;
                dir.path().join(number.to_string()).display().to_string()
            })
            .bench_local_values(|path| {
                git(fixture, &["worktree", "add", "--quiet", "--detach", &path, &fixture.commit]);
            });
        drop(dir);
        git(fixture, &["worktree", "prune"]);
    }
}

mod ten_edits {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn edit_and_snapshot(bencher: Bencher<'_, '_>, size: Size) {
        let fixture = fixture(size);
        let layer = Arc::new(MemoryObjects::new(fixture.db.clone()));
        let objects: Arc<dyn Objects> = layer.clone();
        let mut number = 0;
        bencher.counter(ItemsCount::new(10_usize)).bench_local(|| {
            number += 1;
            let mut worktree = open(&objects, fixture);
            edit(&mut worktree, &fixture.edited, &format!("edit {number}\n"));
            black_box(worktree.snapshot(&mut &*layer).expect("a snapshot"));
        });
    }

    #[divan::bench(args = SIZES)]
    fn snapshot(bencher: Bencher<'_, '_>, size: Size) {
        let fixture = fixture(size);
        let layer = Arc::new(MemoryObjects::new(fixture.db.clone()));
        let objects: Arc<dyn Objects> = layer.clone();
        let mut number = 0;
        bencher
            .with_inputs(|| {
                number += 1;
                let mut worktree = open(&objects, fixture);
                edit(&mut worktree, &fixture.edited, &format!("edit {number}\n"));
                worktree
            })
            .bench_local_refs(|worktree| worktree.snapshot(&mut &*layer).expect("a snapshot"));
    }

    #[divan::bench(args = SIZES)]
    fn patch_of_them(bencher: Bencher<'_, '_>, size: Size) {
        let fixture = fixture(size);
        bencher.bench_local(|| {
            let options = DiffOptions::default();
            patch::write(&fixture.db, fixture.tree, fixture.edited_tree, &options).expect("a patch")
        });
    }

    #[divan::bench(args = SIZES, sample_count = 20, sample_size = 1)]
    fn git_diff(bencher: Bencher<'_, '_>, size: Size) {
        let fixture = fixture(size);
        let trees = [fixture.tree.to_string(), fixture.edited_tree.to_string()];
        bencher.bench_local(|| {
            git(fixture, &["diff", "--binary", "--full-index", "-M", &trees[0], &trees[1]]);
        });
    }
}

mod merge_of_both_sides {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn in_process(bencher: Bencher<'_, '_>, size: Size) {
        let fixture = fixture(size);
        let request = MergeRequest {
            base: fixture.tree,
            ours: fixture.edited_tree,
            theirs: fixture.upstream,
            policy: ConflictPolicy::Markers,
            labels: Labels::default(),
            union: Vec::new(),
        };
        bencher.bench_local(|| merge(&fixture.db, &request).expect("a merge"));
    }

    #[divan::bench(args = SIZES, sample_count = 20, sample_size = 1)]
    fn git_merge_tree(bencher: Bencher<'_, '_>, size: Size) {
        let fixture = fixture(size);
        let base = format!("--merge-base={}", fixture.tree);
        let sides = [fixture.edited_tree.to_string(), fixture.upstream.to_string()];
        bencher.bench_local(|| {
            git(fixture, &["merge-tree", "--write-tree", &base, &sides[0], &sides[1]]);
        });
    }
}
