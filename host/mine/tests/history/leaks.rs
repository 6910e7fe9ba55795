//! What queries and the code before a stage give away.

use catena_chain::leak::{Beside, SuspicionKind, Vocabulary};
use catena_chain::{Chain, ChainFile, LeakKind};
use catena_tree::ObjectDatabase;

use crate::repository::Clone;

const SOURCE: &str = "def old_name():\n    return 'an old text here'\n";
const NEW_SOURCE: &str = "def old_name():\n    return 'an old text here'\n\n\
    def spread_columns(width):\n    raise ValueError('no room for columns')\n\n\
    def _hidden_helper():\n    return spread_columns(12)\n";
const TEST: &str = "from pkg import spread_columns\n\ndef test_spread():\n    spread_columns(3)\n";

/// Two pull requests, the first of which brings names, a text and files.
fn clone() -> Clone {
    let mut clone = Clone::new();
    clone.commit("Add a package", &[("pkg/table.py", SOURCE)]);
    clone.merge(
        41,
        "Spread the columns",
        "Spread",
        &[
            ("pkg/table.py", NEW_SOURCE),
            ("pkg/room.py", "ROOM_LEFT = 1\n"),
            ("tests/test_table.py", TEST),
        ],
    );
    clone.merge(42, "Say b", "b", &[("b.txt", "bb\n")]);
    clone
}

fn resolved(clone: &Clone, lists: &str) -> ChainFile {
    clone.resolve_lists(&crate::resolve::lists(lists)).file
}

fn with_query(query: &str) -> String {
    serde_json::json!({"chains": [[
        {"number": 41, "query": query},
        {"number": 42, "query": "Say it twice."}
    ]]})
    .to_string()
}

fn marked(query: &str) -> Vec<(LeakKind, String)> {
    let clone = clone();
    let file = resolved(&clone, &with_query(query));
    let leaks = &file.chains[0].stages[0].leaks;
    leaks.iter().map(|leak| (leak.kind, leak.excerpt.clone())).collect()
}

#[test]
fn names_texts_and_files_that_only_the_patch_has_are_marked() {
    let found = marked(
        "Beside old_name and 'an old text here' in table.py there is _hidden_helper, \
         ROOM_LEFT in room.py, and 'no room for columns'. See #41 and #7.",
    );
    let expected = [
        (LeakKind::Identifier, "ROOM_LEFT"),
        (LeakKind::Identifier, "_hidden_helper"),
        (LeakKind::StringLiteral, "no room for columns"),
        (LeakKind::FileName, "room.py"),
        (LeakKind::PullRequestNumber, "#41"),
        (LeakKind::PullRequestNumber, "#7"),
    ];
    assert_eq!(found, expected.map(|(kind, excerpt)| (kind, excerpt.to_owned())));
}

#[test]
fn names_that_the_tests_call_are_declared_and_pass() {
    let clone = clone();
    let file = resolved(&clone, &with_query("Write `spread_columns`, which takes a width."));
    let stage = &file.chains[0].stages[0];
    assert_eq!(stage.interface, ["spread_columns"]);
    assert_eq!(stage.leaks, []);
}

#[test]
fn words_that_tests_merely_have_are_no_interface() {
    let mut clone = Clone::new();
    clone.commit("Add a package", &[("pkg/table.py", SOURCE)]);
    let source = format!("{SOURCE}\ndef narrow_rows(limit_of_rows):\n    return limit_of_rows\n");
    let test = "from pkg import table\n\n# unlike narrow_rows_before\n\
        def test_rows():\n    '''Has limit_of_rows.'''\n    table.narrow_rows(3)\n";
    clone.merge(41, "Narrow", "n", &[("pkg/table.py", &source), ("tests/test_rows.py", test)]);
    let file =
        resolved(&clone, r#"{"chains": [[{"number": 41, "query": "Mind limit_of_rows."}]]}"#);
    let stage = &file.chains[0].stages[0];
    assert_eq!(stage.interface, ["narrow_rows"]);
    let leaks: Vec<_> = stage.leaks.iter().map(|leak| leak.excerpt.as_str()).collect();
    assert_eq!(leaks, ["limit_of_rows"]);
}

#[test]
fn what_stands_elsewhere_in_the_code_before_gives_nothing_away() {
    let mut clone = Clone::new();
    let row = "every row of the table gets as much room as it needs";
    let known = format!("@cached\ndef f():\n    raise E('no room at all')\n# {row}\n");
    clone.commit("Add a package", &[("pkg/table.py", SOURCE), ("pkg/other.py", &known)]);
    let source = format!("{SOURCE}\nraise E('no room at all')\nraise E('room at last')\n# {row}\n");
    clone.merge(41, "Say it", "n", &[("pkg/table.py", &source)]);
    let query = format!("@cached says 'no room at all', as {row}, and 'room at last'. Ask @ann.");
    let lists = serde_json::json!({"chains": [[{"number": 41, "query": query}]]}).to_string();
    let leaks = resolved(&clone, &lists).chains[0].stages[0].leaks.clone();
    let leaks: Vec<_> = leaks.iter().map(|leak| leak.excerpt.as_str()).collect();
    assert_eq!(leaks, ["room at last", "@ann", "Ann"]);
}

#[test]
fn plain_query_is_tried_again_without_what_it_gave_away() {
    let mut clone = clone();
    clone.merge(
        43,
        "Add `trim_cells` to tables",
        "Cells are cut.\n\nThis adds trim_cells. Nothing else changes.",
        &[("pkg/cells.py", "def trim_cells():\n    pass\n")],
    );
    let file = resolved(&clone, r#"{"chains": [[41, 43]]}"#);
    let stage = &file.chains[0].stages[1];
    assert!(!stage.query.contains("trim_cells"), "{}", stage.query);
    assert!(stage.query.contains("to tables"), "{}", stage.query);
    assert_eq!((&stage.leaks, &file.chains[0].leaks), (&vec![], &vec![]));
    assert!(!file.chains[0].overview.contains("trim_cells"));
}

#[test]
fn overview_is_checked_against_every_stage() {
    let clone = clone();
    let lists =
        r#"{"chains": [{"overview": "First _hidden_helper, then more.", "stages": [41, 42]}]}"#;
    let chain = &resolved(&clone, lists).chains[0];
    assert_eq!(chain.leaks.len(), 1);
    assert_eq!(chain.leaks[0].excerpt, "_hidden_helper");
}

#[test]
fn author_is_told_from_a_word_of_the_code() {
    let marked = |known: &str| {
        let mut clone = Clone::new();
        clone.commit("Add a package", &[("pkg/table.py", SOURCE), ("pkg/other.py", known)]);
        clone.merge(41, "Spread", "x", &[("pkg/table.py", NEW_SOURCE)]);
        let stage = r#"{"number": 41, "author": "gabb", "query": "Do as gabb does."}"#;
        let lists = format!(r#"{{"chains": [[{stage}]]}}"#);
        resolved(&clone, &lists).chains[0].stages[0].leaks.len()
    };
    assert_eq!(marked("# TODO(gabb): more\nx = 'gabb'\n"), 1);
    assert_eq!(marked("gabb = 1\n"), 0);
}

#[test]
fn newer_copy_among_the_files_of_a_program_is_suspicious() {
    let mut clone = Clone::new();
    clone.commit("Add a package", &[("pkg/table.py", SOURCE)]);
    clone.merge(41, "Spread", "x", &[("pkg/table.py", NEW_SOURCE)]);
    let packages = clone.commit(
        "Packages",
        &[
            ("opt/lib/pkg/table.py", NEW_SOURCE),
            ("opt/lib/other/code.py", "def _hidden_helper():\n    pass\n"),
        ],
    );
    let chain: Chain = resolved(&clone, r#"{"chains": [[41]]}"#).chains.remove(0);
    let database = ObjectDatabase::open(clone.path()).unwrap();
    let tree = database.commit(packages.parse().unwrap()).unwrap().tree;
    let look = |beside: &[Beside<'_>]| {
        let mut found = chain.look_through(&database, &mut Vocabulary::default(), beside).unwrap();
        let found = found.stages.remove(0).suspicions.into_iter();
        found
            .map(|found| format!("{} {} {}", found.kind, found.excerpt, found.path))
            .collect::<Vec<_>>()
    };
    assert_eq!(look(&[]), [""; 0]);
    let beside = Beside { place: "program `python`: /", objects: &database, tree };
    let place = "program `python`: /opt/lib/pkg/table.py";
    assert_eq!(
        look(&[beside]),
        ["ValueError", "_hidden_helper", "spread_columns"]
            .map(|name| format!("newer-copy {name} {place}"))
    );
}

#[test]
fn newer_copies_and_entries_of_the_future_in_the_base_are_suspicious() {
    let mut clone = Clone::new();
    clone.commit(
        "Vendor ourselves",
        &[
            ("pkg/table.py", SOURCE),
            ("vendor/pkg/table.py", NEW_SOURCE),
            ("vendor/other/code.py", "raise ValueError(_hidden_helper)\n"),
            ("CHANGES.md", "- Columns are spread (gh-41)\n- Words are said (#12)\n"),
        ],
    );
    clone.merge(41, "Spread", "x", &[("pkg/table.py", NEW_SOURCE)]);
    let chain: Chain = resolved(&clone, r#"{"chains": [[41]]}"#).chains.remove(0);
    let database = ObjectDatabase::open(clone.path()).unwrap();
    let mut found = chain.look_through(&database, &mut Vocabulary::default(), &[]).unwrap();
    let found = found.stages.remove(0).suspicions;
    let found: Vec<_> = found
        .iter()
        .map(|found| (found.kind, found.path.as_str(), found.excerpt.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (SuspicionKind::NewerCopy, "vendor/pkg/table.py", "ValueError"),
            (SuspicionKind::NewerCopy, "vendor/pkg/table.py", "_hidden_helper"),
            (SuspicionKind::NewerCopy, "vendor/pkg/table.py", "spread_columns"),
            (SuspicionKind::FutureReference, "CHANGES.md", "#41"),
        ]
    );
}
