//! Random edits on both sides, with syncs between them.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Bench, on_disk};
use crate::materialise::SyncReport;
use crate::worktree::WriteKind;
use crate::worktree::tests::path;

const PATHS: [&str; 12] = [
    "a",
    "a/x",
    "a/b",
    "a/b/c",
    "a/b/c/d",
    "b",
    "b/x",
    "B",
    "b-",
    "with blank/\u{e4}",
    "c",
    "c/.gitignore",
];

/// One thing that happens on one side.
#[derive(Debug, Clone)]
enum Edit {
    Write(&'static str, Vec<u8>, bool),
    Symlink(&'static str, &'static str),
    Directory(&'static str),
    Remove(&'static str),
    Rename(&'static str, &'static str),
}

#[derive(Debug, Clone)]
enum Step {
    InDirectory(Vec<Edit>),
    InWorktree(Vec<Edit>),
    Push,
    Pull,
    /// The process ends and another one begins.
    Reopen,
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = || select(&PATHS[..]);
    let content = select(&["", "1", "2", "longer\n"][..]).prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![
        4 => (at(), content, any::<bool>()).prop_map(|(at, content, x)| Edit::Write(at, content, x)),
        1 => (at(), select(&["a", "/etc", "../x", "b/x"][..])).prop_map(|(at, to)| Edit::Symlink(at, to)),
        1 => at().prop_map(Edit::Directory),
        2 => at().prop_map(Edit::Remove),
        1 => (at(), at()).prop_map(|(from, to)| Edit::Rename(from, to)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => vec(edit(), 1..6).prop_map(Step::InDirectory),
        3 => vec(edit(), 1..6).prop_map(Step::InWorktree),
        2 => Just(Step::Push),
        2 => Just(Step::Pull),
        1 => Just(Step::Reopen),
    ];
    vec(step, 1..12)
}

/// Edits real files; what cannot be done is not done.
fn in_directory(dir: &Path, edit: &Edit) {
    let clear = |at: &str| {
        let at = dir.join(at);
        if at.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            std::fs::remove_dir_all(at)
        } else {
            std::fs::remove_file(at)
        }
    };
    let is_real =
        |at: &str| Path::new(at).ancestors().skip(1).all(|above| !dir.join(above).is_symlink());
    match edit {
        Edit::Write(at, content, executable) if is_real(at) => {
            let at = dir.join(at);
            if !at.is_symlink()
                && std::fs::create_dir_all(at.parent().unwrap()).is_ok()
                && std::fs::write(&at, content).is_ok()
            {
                let mode = if *executable { 0o755 } else { 0o644 };
                std::fs::set_permissions(at, PermissionsExt::from_mode(mode)).unwrap();
            }
        }
        Edit::Symlink(at, to) if is_real(at) => {
            let _ = clear(at);
            let _ = symlink(to, dir.join(at));
        }
        Edit::Directory(at) if is_real(at) => drop(std::fs::create_dir_all(dir.join(at))),
        Edit::Remove(at) if is_real(at) => drop(clear(at)),
        Edit::Rename(from, to) if is_real(from) && is_real(to) => {
            let _ = std::fs::rename(dir.join(from), dir.join(to));
        }
        _ => {}
    }
}

fn in_worktree(bench: &mut Bench, edit: &Edit) {
    let worktree = &mut bench.worktree;
    let _ = match edit {
        Edit::Write(at, content, executable) => {
            let kind = if *executable { WriteKind::Executable } else { WriteKind::Regular };
            worktree.write_file(&path(at), content, kind)
        }
        Edit::Symlink(at, to) => worktree.write_file(&path(at), to.as_bytes(), WriteKind::Symlink),
        Edit::Directory(at) => worktree.create_dirs(&path(at)).map(drop),
        Edit::Remove(at) => worktree.remove(&path(at)),
        Edit::Rename(from, to) => {
            let root = worktree.root();
            worktree.rename_at(root, (*from).into(), root, (*to).into())
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_are_equal_after_a_pull_and_a_push(steps in steps()) {
        let mut bench = Bench::new();
        let (mut place, _) = bench.create(bench.worktree.base());
        for step in &steps {
            match step {
                Step::InDirectory(edits) => {
                    for edit in edits {
 in_directory(&bench.dir(), edit);
}
                }
                Step::InWorktree(edits) => {
                    for edit in edits {
 in_worktree(&mut bench, edit);
}
                }
                Step::Push => {
                    let tree = bench.snapshot();
                    place.push(tree).unwrap();
                }
                Step::Pull => {
                    let report = place.pull(&mut bench.worktree).unwrap();
                    prop_assert_eq!(report.refused, vec![]);
                }
                Step::Reopen => {
                    drop(place);
                    place = bench.open().0;
                }
            }
        }
        let before = on_disk(&bench.dir());
        let pulled = place.pull(&mut bench.worktree).unwrap();
        prop_assert_eq!(pulled.refused, vec![]);
        prop_assert_eq!(&on_disk(&bench.dir()), &before, "a pull writes nothing");
        let taken = bench.files();
        for path in &pulled.changed {
            let path = path.as_bstr().to_vec();
            prop_assert_eq!(taken.get(&path), before.get(&path));
        }
        for path in &pulled.removed {
            let path = path.as_bstr().to_vec();
            prop_assert!(!before.contains_key(&path) && !taken.contains_key(&path));
        }
        let tree = bench.snapshot();
        let pushed = place.push(tree).unwrap();
        prop_assert_eq!(pushed.refused, vec![]);
        prop_assert_eq!(on_disk(&bench.dir()), bench.files());
        prop_assert_eq!(place.tree(), Some(tree));
        prop_assert_eq!(place.pull(&mut bench.worktree).unwrap(), SyncReport::default());
        prop_assert_eq!(place.push(tree).unwrap(), SyncReport::default());
    }
}
