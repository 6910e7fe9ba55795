//! Guests are functions of what they are given: each that is shipped runs twice on the
//! same, and all calls of the host that it makes are compared, with their arguments, their
//! results, and the fuel of every instance to the unit. Bytes of streams, files and random
//! numbers are compared by a digest, as `tracing` is told no more of them.
//!
//! `scaffold-python` is among them where it was built: its compiler comes from a package
//! index, which tests don't ask. `cargo xtask compat python-guest` builds it and runs this.
//!
//! [`trace`] listens, [`world`] is what there is outside the sandbox, [`scenario`] says
//! what each plugin has to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says how much it compared"
)]

mod scenario;
mod trace;
mod world;

use trace::Trace;

/// Runs a plugin twice and compares the traces. Returns how many calls of imports there were.
#[track_caller]
fn assert_same_twice(plugin: &str) -> usize {
    let run = || scenario::run(plugin);
    let (first, second) = (run(), run());
    if let Some((number, (one, other))) = first.first_difference(&second) {
        panic!("`{plugin}` differs at line {number} of its trace:\n  {one}\n  {other}");
    }
    first.calls()
}

#[test]
fn every_shipped_plugin_has_the_same_trace_twice() {
    let plugins = scenario::shipped();
    assert!(plugins.len() >= 13, "{plugins:?}");
    for plugin in plugins {
        let calls = assert_same_twice(&plugin);
        let asks_for_nothing =
            ["scaffold-nop", "judge-diff", "judge-redteam"].contains(&plugin.as_str());
        assert!(asks_for_nothing || calls > 2, "`{plugin}` made {calls} calls only");
    }
}

#[test]
fn guest_that_is_given_another_seed_has_another_trace() {
    let with = |seed| scenario::run_with_seed("tool-bash", seed);
    let (one, other): (Trace, Trace) = (with(1), with(2));
    assert!(one.first_difference(&other).is_some());
}

#[test]
fn trace_has_a_digest_of_the_bytes_that_guests_read_and_write() {
    let trace = scenario::run("tool-bash");
    assert!(trace.digests() > 5, "{} digests", trace.digests());
}
