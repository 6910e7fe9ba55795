//! The same guest over a directory that wasmtime's WASI has preopened and over
//! a worktree, held against each other call by call.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use crate::calls::Call;
use crate::differences;
use crate::operations::Outcome;
use crate::preopen::Preopened;
use crate::{example, guest};

/// Both must answer alike and leave the same files behind, but for the known
/// [`differences`].
#[track_caller]
pub(crate) fn same_as_preopened(calls: &[Call]) {
    if let Err(what) = compare(calls) {
        panic!("{what}");
    }
}

/// Says where the two differ and should not.
pub(crate) fn compare(calls: &[Call]) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    example::write(&root);
    let theirs = perform_over(&root, calls);
    let (ours, files) = guest::perform(calls);
    let mut so_far = String::new();
    for (call, (ours, theirs)) in calls.iter().zip(ours.iter().zip(&theirs)) {
        writeln!(so_far, "{call:?}\n    {ours:?}").unwrap();
        if ours == theirs {
            continue;
        }
        let Some(known) = differences::find(call, ours, theirs) else {
            return Err(format!("{so_far}    {theirs:?} over a preopened directory"));
        };
        writeln!(so_far, "    {theirs:?} over a preopened directory, as {}", known.why).unwrap();
        if leads_apart(call, ours, theirs) {
            return Ok(());
        }
    }
    let expected = example::read(&root);
    if files == expected {
        return Ok(());
    }
    Err(format!("{so_far}left {files:#?}\nand over a preopened directory {expected:#?}"))
}

/// What follows can't be compared once only one of both has changed something.
fn leads_apart(call: &Call, ours: &Outcome, theirs: &Outcome) -> bool {
    let one_failed = matches!(ours, Outcome::Failed(_)) != matches!(theirs, Outcome::Failed(_));
    let only_looks = matches!(
        call,
        Call::Read { .. }
            | Call::GetFlags { .. }
            | Call::StatAt { .. }
            | Call::ReadlinkAt { .. }
            | Call::SameHash { .. }
            | Call::Advise { .. }
    );
    one_failed && !only_looks
}

fn perform_over(root: &Path, calls: &[Call]) -> Vec<Outcome> {
    static LOADED: OnceLock<Preopened> = OnceLock::new();
    let plugin = LOADED.get_or_init(|| Preopened::load(&guest::component()));
    let arguments = serde_json::json!({"root": "/workspace", "calls": calls});
    let answer = plugin.call("files", &arguments.to_string(), root, "/workspace");
    serde_json::from_str(&answer).unwrap()
}
