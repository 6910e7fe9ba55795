//! Any bytes as `.gitignore` files at two levels, and any path asked for.
//!
//! What is below an ignored directory is ignored, and a pattern that is accepted
//! as an exclusion does not fail later.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use catena_tree::gitignore::{Ignore, PathKind, check_pattern};
use catena_tree::patch::{Edit, FileKind, edit_tree};
use catena_tree::{RepoPath, TreeId};

use crate::fixture;

#[derive(Arbitrary)]
struct Case<'a> {
    pattern: &'a str,
    paths: [&'a [u8]; 3],
    below: &'a [u8],
    top: &'a [u8],
}

/// Runs the target.
pub fn check(data: &[u8]) {
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let (objects, _) = fixture::tree();
    let rules = |path: &[u8], content: &[u8]| Edit::Write {
        path: RepoPath::new(path).expect("a path"),
        content: Bytes::copy_from_slice(content),
        kind: FileKind::Regular,
    };
    let edits = [rules(b".gitignore", case.top), rules(b"dir/.gitignore", case.below)];
    let tree = edit_tree(&objects, &mut &*objects, TreeId::EMPTY, &edits).expect("a tree");
    let mut ignore = Ignore::from_tree(&objects, tree);
    if check_pattern(case.pattern).is_ok() {
        ignore = ignore.with_exclude(&[case.pattern.to_owned()]);
    }
    for path in case.paths {
        let Ok(path) = RepoPath::new(path) else { continue };
        if path.is_root() {
            continue;
        }
        let whole = ignore.matches(&path, PathKind::Directory).expect("every object is held");
        ignore.matches(&path, PathKind::File).expect("every object is held");
        if let Ok(below) = path.join("x".into()) {
            let part = ignore.matches(&below, PathKind::File).expect("every object is held");
            assert!(part || !whole, "{path} is ignored, what is in it is not");
        }
    }
}
