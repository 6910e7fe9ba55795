//! What a plugin may do: what its manifest asks for and the run file grants, and
//! nothing else.

use serde_json::Value;

use crate::environment::TestEnvironment;
use crate::small_run::{self, RunFile, logs};

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

/// Has `tool-looks` tell what it sees under a grant.
fn look(environment: &TestEnvironment, grant: &str) -> (Value, String) {
    let run = RunFile::of("scaffold-calls").key("refinements = 0");
    let rollout = run.tool(&format!("plugin = \"tool-looks\"\n{grant}")).rollout(environment);
    (rollout, logs(environment))
}

#[test]
fn tool_without_grant_sees_no_file_and_is_counted_as_refused() {
    let environment = environment();
    let (rollout, logs) = look(&environment, "");
    let seen = "README.md not there, / not there, /etc/passwd not there, \
                glob WorkspaceError::NotGranted, writing refused, 0 variables";
    assert!(logs.contains(seen), "{logs}");
    assert_eq!(rollout["refused"]["tool-looks/workspace"], 1);
    assert_eq!(rollout["used"]["tool-looks"]["refused"], 1);
}

#[test]
fn tool_granted_reading_cannot_write() {
    let environment = environment();
    let (rollout, logs) = look(&environment, "grant = { workspace = \"read\" }");
    assert!(logs.contains("README.md there, "), "{logs}");
    assert!(logs.contains("glob 2 files, writing refused"), "{logs}");
    let submitted = &rollout["stages"][0]["rounds"][0]["submission"];
    assert_eq!(submitted["files"], 0);
}

#[test]
fn tool_granted_writing_reaches_the_worktree_and_nothing_else() {
    let environment = environment();
    let (rollout, logs) = look(&environment, "grant = { workspace = \"read-write\" }");
    assert!(logs.contains("/etc/passwd not there, glob 2 files, writing let"), "{logs}");
    let submitted = &rollout["stages"][0]["rounds"][0]["submission"];
    assert_eq!(submitted["files"], 1);
    assert_eq!(rollout["refused"], serde_json::json!({}));
    assert!(!environment.path("notes/made.txt").exists());
}

#[test]
fn grant_of_what_the_manifest_does_not_ask_for_gives_nothing() {
    let environment = environment();
    // The manifest of `scaffold-calls` asks for reading alone.
    let run = RunFile::of("scaffold-calls").scaffold("grant = { workspace = \"read-write\" }");
    environment.write("run.toml", run.text());
    let explained =
        environment.catena(&["plugin", "explain", "scaffold-calls", "--run", "run.toml", "--json"]);
    assert_eq!(explained.succeeds().json()["effective"]["workspace"], "read");
}

#[test]
fn reference_import_without_the_control_mark_is_refused() {
    let environment = environment();
    environment
        .catena(&["plugin", "check", "scaffold-peeks"])
        .ends_with(4)
        .says("error: plugin `scaffold-peeks` imports `catena:plugin/reference@0.1.0`")
        .says("does not say `control = true`")
        .says("hint: ");
    let outcome = RunFile::of("scaffold-peeks").run(&environment);
    outcome
        .ends_with(2)
        .says("error: plugin `scaffold-peeks` imports `catena:plugin/reference@0.1.0`");
    assert!(!environment.path("run").exists());
}

#[test]
fn reference_granted_to_a_plugin_that_is_no_control_is_refused() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop").scaffold("grant = { reference = true }");
    let outcome = run.run(&environment);
    outcome
        .ends_with(2)
        .says("error: `scaffold-nop` is granted `reference`")
        .says("hint: take `reference`");
}

#[test]
fn control_without_the_grant_is_not_shown_the_answer() {
    let environment = environment();
    let run = RunFile::of("scaffold-oracle").scaffold("grant = { workspace = \"read-write\" }");
    let rollout = run.rollout(&environment);
    assert_eq!(rollout["refused"]["scaffold-oracle/reference"], 1, "{rollout:#}");
    assert_eq!(rollout["control"], true);
}
