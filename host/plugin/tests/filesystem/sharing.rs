//! Several instances over one worktree.

use std::thread;

use catena_plugin::WorkspaceAccess::ReadWrite;

use crate::operations::How::{Append, Create};
use crate::operations::Operation;
use crate::requests::*;
use crate::{done, guest};

const LINES: usize = 300;

/// Appends lines to one file, some through a handle that stays open, and works
/// on files of its own in between.
fn busy(name: &str) -> Vec<Operation> {
    let mut operations = vec![open("log", "log", &[Append, Create])];
    for number in 0..LINES {
        operations.push(write("log", &format!("{name} {number}\n")));
        operations.push(write_file(&format!("{name}{}", number % 7), &number.to_string()));
        operations.push(rename(&format!("{name}{}", number % 7), &format!("src/{name}")));
    }
    operations
}

#[test]
fn instances_at_the_same_time_lose_none_of_their_updates() {
    let session = guest::session(ReadWrite);
    thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let session = &session;
            scope.spawn(move || {
                let outcomes = guest::call(session, "/workspace", &busy(name));
                assert!(outcomes.iter().all(|outcome| *outcome == done("")), "{outcomes:?}");
            });
        }
    });
    let found = guest::call(&session, "/workspace", &[read_file("log"), read_dir("src")]);
    let [crate::operations::Outcome::Done(log), listed] = &found[..] else { panic!("{found:?}") };
    for name in ["a", "b", "c"] {
        let lines: Vec<_> = log.lines().filter(|line| line.starts_with(name)).collect();
        let expected: Vec<_> = (0..LINES).map(|number| format!("{name} {number}")).collect();
        assert_eq!(lines, expected);
    }
    assert_eq!(log.lines().count(), 3 * LINES);
    assert_eq!(*listed, done("a\nb\nc\nlib.py\nx\n"));
}

#[test]
fn what_one_call_wrote_the_next_one_reads() {
    let session = guest::session(ReadWrite);
    for number in 0..5 {
        let found = guest::call(
            &session,
            "/workspace",
            &[
                open("log", "log", &[Append, Create]),
                write("log", &number.to_string()),
                read_file("log"),
            ],
        );
        let expected: String = (0..=number).map(|number| number.to_string()).collect();
        assert_eq!(found[2], done(&expected));
    }
}
