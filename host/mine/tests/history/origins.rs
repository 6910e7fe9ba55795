//! Origins of lines against `git blame`.

use catena_mine::origins::{BEFORE, FileStep, Origins, Readable};
use catena_tree::{ObjectDatabase, RepoPath};

use crate::repository::Clone;

/// The origins at `HEAD` after a pass over its whole history, and what the last
/// commit did.
fn follow(clone: &Clone) -> (Origins, Vec<FileStep>, Vec<String>) {
    let db = ObjectDatabase::open(clone.path()).unwrap();
    let mut line: Vec<_> =
        db.first_parents(db.resolve("HEAD").unwrap()).map(Result::unwrap).collect();
    line.reverse();
    let mut origins = Origins::default();
    let mut from = catena_tree::TreeId::EMPTY;
    let mut last = Vec::new();
    for (step, commit) in (1..).zip(&line) {
        last = origins.advance(&db, from, commit.tree, step).unwrap();
        from = commit.tree;
    }
    let ids = line.iter().map(|commit| commit.id.to_string()).collect();
    (origins, last, ids)
}

fn path(path: &str) -> RepoPath {
    RepoPath::new(path).unwrap()
}

/// The commit of each line as `git blame` says it.
fn blame(clone: &mut Clone, path: &str) -> Vec<String> {
    let told = clone.git(&["blame", "--first-parent", "-w", "--porcelain", "HEAD", "--", path]);
    let is_id = |word: &str| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    told.lines()
        .filter(|line| !line.starts_with('\t'))
        .filter_map(|line| line.split(' ').next().filter(|word| is_id(word)))
        .map(str::to_owned)
        .collect()
}

fn assert_equal_to_blame(clone: &mut Clone, name: &str) {
    let (origins, _, ids) = follow(clone);
    let ours: Vec<String> =
        origins.of(&path(name)).iter().map(|step| ids[*step as usize - 1].clone()).collect();
    assert_eq!(ours, blame(clone, name), "{name}");
}

#[test]
fn lines_have_the_origin_that_blame_gives_them() {
    let mut clone = Clone::new();
    clone.commit("Change one", &[("a.txt", "one\nTWO\nthree\n")]);
    clone.commit("Put some in", &[("a.txt", "zero\none\nTWO\nbetween\nthree\nfour\n")]);
    clone.merge(3, "A merge", "on a branch", &[("a.txt", "zero\none\nTWO\nthree\nfour!\n")]);
    assert_equal_to_blame(&mut clone, "a.txt");
}

#[test]
fn origins_survive_a_rename_with_changes() {
    let mut clone = Clone::new();
    let text = "alpha\nbeta\ngamma\ndelta\nepsilon\nzeta\n";
    clone.commit("Write", &[("a.txt", text)]);
    clone.git(&["mv", "a.txt", "moved.txt"]);
    clone.commit("Move", &[("moved.txt", &text.replace("gamma", "GAMMA"))]);
    clone.commit("Go on", &[("moved.txt", &text.replace("gamma", "GAMMA").replace("zeta", "eta"))]);
    assert_equal_to_blame(&mut clone, "moved.txt");
    let (origins, ..) = follow(&clone);
    assert!(origins.of(&path("a.txt")).is_empty());
}

#[test]
fn files_that_swap_their_names_swap_their_origins() {
    let mut clone = Clone::new();
    let (one, two) = ("first\n".repeat(30), "second\n".repeat(30));
    clone.commit("First", &[("one.txt", &one)]);
    clone.commit("Second", &[("two.txt", &two)]);
    clone.commit("Swap", &[("one.txt", &two), ("two.txt", &one)]);
    // Git sees two rewritten files here, not two renames, and so do we.
    assert_equal_to_blame(&mut clone, "one.txt");
    assert_equal_to_blame(&mut clone, "two.txt");
}

#[test]
fn indenting_a_line_does_not_make_it_anybody_elses() {
    let mut clone = Clone::new();
    clone.commit("Write", &[("a.py", "def f():\n    first()\n    second()\n")]);
    clone
        .commit("Nest", &[("a.py", "def f():\n    if True:\n        first()\n        second()\n")]);
    assert_equal_to_blame(&mut clone, "a.py");
    let (_, last, _) = follow(&clone);
    assert_eq!((last[0].added, last[0].deleted), (1, 0));
    assert!(last[0].touched.is_empty());
}

#[test]
fn lines_that_go_are_counted_for_those_who_wrote_them() {
    let mut clone = Clone::new();
    clone.commit("Second", &[("a.txt", "one\ntwo\nthree\nfour\nfive\n")]);
    clone.commit("Third", &[("a.txt", "one\nthree\nFIVE\n")]);
    let (_, last, _) = follow(&clone);
    let touched: Vec<_> =
        last[0].touched.iter().map(|(step, it)| (*step, it.lines, it.example.as_str())).collect();
    assert_eq!(touched, [(1, 1, "two"), (2, 2, "four")]);
    assert_eq!((last[0].added, last[0].deleted), (1, 3));
}

#[test]
fn blank_lines_and_brackets_are_nobodys() {
    let mut clone = Clone::new();
    clone.commit("Write", &[("a.c", "call();\n}\n\n")]);
    clone.commit("Cut", &[("a.c", "call();\n")]);
    let (_, last, _) = follow(&clone);
    assert_eq!((last[0].deleted, last[0].touched.len()), (0, 0));
}

#[test]
fn what_is_no_text_has_no_origins() {
    let mut clone = Clone::new();
    clone.commit("Text", &[("a.bin", "one\ntwo\n")]);
    clone.commit("Binary", &[("a.bin", "one\0\ntwo\n")]);
    clone.commit("Text again", &[("a.bin", "one\ntwo\nthree\n")]);
    let (origins, last, _) = follow(&clone);
    assert_eq!(last[0].content, Readable::NoText);
    assert!(origins.of(&path("a.bin")).is_empty());
    clone.commit("More text", &[("a.bin", "one\ntwo\nthree\nfour\n")]);
    let (origins, last, _) = follow(&clone);
    assert_eq!(last[0].content, Readable::Lines);
    assert_eq!(origins.of(&path("a.bin")), [BEFORE, BEFORE, BEFORE, 5]);
}
