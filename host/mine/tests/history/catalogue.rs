//! Catalogues mined from repositories that git made.

use catena_mine::catalogue::{Catalogue, MineOptions, MinedPullRequest};
use catena_mine::clone::LandingKind;
use catena_mine::{CatalogueError, MineError};
use catena_tree::ObjectDatabase;

use crate::repository::Clone;

pub(crate) fn mine(clone: &Clone, options: &MineOptions) -> Catalogue {
    let db = ObjectDatabase::open(clone.path()).unwrap();
    let name = "owner/name".parse().unwrap();
    Catalogue::mine(&db, name, "main", options, &mut |_| {}).unwrap()
}

fn numbers(catalogue: &Catalogue) -> Vec<u64> {
    catalogue.pull_requests.iter().map(|pull_request| pull_request.number).collect()
}

fn touches(pull_request: &MinedPullRequest) -> Vec<(u64, &str, u32)> {
    let touches = pull_request.touches.iter();
    touches.map(|touch| (touch.number, touch.path.as_str(), touch.lines)).collect()
}

/// Three pull requests and a direct commit, each on the lines of those before.
fn small() -> Clone {
    let mut clone = Clone::new();
    clone.merge(7, "Say four", "Add four", &[("a.txt", "one\ntwo\nthree\nfour\n")]);
    clone.commit("Directly", &[("b.txt", "b\ndirect\n")]);
    clone.commit("Say five (#5)\n\nAfter #7.", &[("a.txt", "one\ntwo\nthree\nFOUR\nfive\n")]);
    clone.merge(9, "Undo", "x", &[("a.txt", "one\ntwo\n"), ("b.txt", "b\n")]);
    clone
}

#[test]
fn pull_requests_are_found_with_what_they_changed() {
    let catalogue = mine(&small(), &MineOptions::default());
    assert_eq!(numbers(&catalogue), [7, 5, 9]);
    let [four, five, undo] = &catalogue.pull_requests[..] else { panic!("three") };
    assert_eq!((four.kind, four.title.as_str()), (LandingKind::Merge, "Say four"));
    assert_eq!(four.author, "Ann");
    assert_eq!(four.commits.len(), 1);
    assert_eq!(touches(four), []);
    assert_eq!((five.kind, five.body.as_str()), (LandingKind::Squash, "After #7."));
    assert_eq!(touches(five), [(7, "a.txt", 1)]);
    // The line of the direct commit is nobody's, and #7 has none left.
    assert_eq!(touches(undo), [(5, "a.txt", 2)]);
    assert_eq!(undo.deleted_lines(), 4);
}

#[test]
fn catalogue_comes_back_from_its_file_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mined.db");
    let mut clone = small();
    clone.git(&["switch", "-q", "-c", "maintenance/1.x"]);
    clone.merge(12, "Backport", "two", &[("b.txt", "y\n")]);
    let catalogue = mine(&clone, &MineOptions::default());
    assert_eq!(catalogue.elsewhere.get(&12).map(String::as_str), Some("maintenance/1.x"));
    catalogue.save(&path).unwrap();
    assert_eq!(Catalogue::load(&path).unwrap(), catalogue);
    catalogue.save(&path).unwrap();
    assert_eq!(Catalogue::load(&path).unwrap(), catalogue);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing lies beside it: {left:?}");
}

#[test]
fn other_files_are_no_catalogues() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mined.db");
    let refused = |path: &std::path::Path| match Catalogue::load(path) {
        Err(CatalogueError::NotOne { .. }) => {}
        other => panic!("{other:?}"),
    };
    refused(&path);
    std::fs::write(&path, "{}").unwrap();
    refused(&path);
    std::fs::write(&path, "").unwrap();
    refused(&path);
}

#[test]
fn only_the_newest_are_mined_where_that_is_asked() {
    let clone = small();
    let limited = mine(&clone, &MineOptions { limit: Some(2), since: None });
    assert_eq!(numbers(&limited), [5, 9]);
    let whole = mine(&clone, &MineOptions::default());
    let since = Some(whole.pull_requests[2].time);
    assert_eq!(numbers(&mine(&clone, &MineOptions { limit: None, since })), [9]);
    // What lies before the first of them has no origin.
    assert_eq!(touches(&limited.pull_requests[0]), []);
    assert_eq!(touches(&limited.pull_requests[1]), [(5, "a.txt", 2)]);
    let none = mine(&clone, &MineOptions { limit: Some(0), since: None });
    assert_eq!(numbers(&none), [0; 0]);
}

#[test]
fn numbers_of_the_time_before_pull_requests_are_not_taken_for_some() {
    let mut clone = Clone::new();
    clone.set_time(1_200_000_000);
    clone.commit("Close a ticket (#5)", &[("a.txt", "x\n")]);
    assert_eq!(numbers(&mine(&clone, &MineOptions::default())), [0; 0]);
}

#[test]
fn branch_that_is_not_there_is_named() {
    let clone = Clone::new();
    let db = ObjectDatabase::open(clone.path()).unwrap();
    let name = "owner/name".parse().unwrap();
    let options = MineOptions::default();
    let Err(MineError::Index(err)) = Catalogue::mine(&db, name, "gone", &options, &mut |_| {})
    else {
        panic!("mined");
    };
    assert!(err.to_string().contains("`gone`"), "{err}");
}
