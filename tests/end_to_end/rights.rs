//! What a plugin may do: what its manifest asks for and the run file grants, and
//! nothing else.

use serde_json::{Value, json};

use crate::environment::TestEnvironment;
use crate::small_run::{self, RunFile, first_rollout, logs};

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
    assert_eq!(rollout["refused"], json!({"tool-looks": {"workspace-read": 1}}));
    assert_eq!(rollout["used"]["tool-looks"]["refused"], json!({"workspace-read": 1}));
}

#[test]
fn tool_granted_reading_cannot_write() {
    let environment = environment();
    let (rollout, logs) = look(&environment, "grant = { workspace = \"read\" }");
    assert!(logs.contains("README.md there, "), "{logs}");
    assert!(logs.contains("glob 2 files, writing refused"), "{logs}");
    assert_eq!(rollout["refused"], json!({"tool-looks": {"workspace-write": 1}}));
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
    assert_eq!(rollout["refused"], json!({}));
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
    assert_eq!(explained.succeeds().json()["uses"][0]["effective"]["workspace"], "read");
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
    assert_eq!(rollout["refused"]["scaffold-oracle"]["reference"], 1, "{rollout:#}");
    assert_eq!(rollout["control"], true);
}

#[test]
fn what_was_refused_is_told_by_plugin_and_kind_with_the_rate_of_attempts() {
    let environment = environment();
    let run = RunFile::of("scaffold-calls").key("refinements = 0");
    let run = run.tool("plugin = \"tool-reaches\"\ngrant = { workspace = \"read-write\" }");
    let rollout = run.table("[workspace]\nbytes = \"64KiB\"").rollout(&environment);
    let kinds = json!({
        "git-directory": 1,
        "path-escape": 1,
        "process:curl": 2,
        "quota": 1,
        "socket": 1,
    });
    assert_eq!(rollout["refused"], json!({"tool-reaches": kinds}), "{rollout:#}");
    let rate = "attempts at what is not granted: 5, in 1 of 1 rollouts, 5000.0 in 1,000 tool calls";
    environment.catena(&["show", "run"]).succeeds().prints("process:curl").prints(rate);
    environment.catena(&["stats", "run"]).succeeds().prints("git-directory").prints(rate);
    let told = environment.catena(&["stats", "run", "--json"]).succeeds().json();
    assert_eq!(told["refused"]["plugins"]["tool-reaches"], kinds);
    assert_eq!(told["refused"]["attempts"], 5);
    environment.catena(&["verify", "run"]).succeeds();
    // What takes the calls over from the journal counts the same.
    let journal = "run/rollouts/notes.1.journal";
    let text = environment.read(journal);
    let cut: Vec<&str> = text.lines().take_while(|line| !line.contains("attempt-ended")).collect();
    environment.write(journal, cut.join("\n") + "\n");
    environment.catena(&["resume", "run"]).succeeds();
    assert_eq!(first_rollout(&environment)["refused"], json!({"tool-reaches": kinds}));
}
