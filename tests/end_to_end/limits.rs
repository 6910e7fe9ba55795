//! Plugins that use more than they may, or fail: what becomes of the rollout,
//! and what is told of it.

use serde_json::{Value, json};

use crate::environment::TestEnvironment;
use crate::small_run::{self, RunFile, first_rollout, logs};

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

/// Expects that the rollout ended because a plugin failed in this way.
#[track_caller]
fn assert_plugin_failed(rollout: &Value, plugin: &str, failure: &str, detail: &str) {
    let end = &rollout["end"];
    assert_eq!(end["outcome"], "plugin-failed", "{end:#}");
    assert_eq!((&end["plugin"], &end["failure"]), (&json!(plugin), &json!(failure)), "{end:#}");
    assert!(end["detail"].to_string().contains(detail), "{end:#}");
}

#[test]
fn scaffold_that_spins_uses_up_its_fuel() {
    let environment = environment();
    let run = RunFile::of("scaffold-spins").scaffold("limits = { fuel = 100_000_000 }");
    let rollout = run.rollout(&environment);
    assert_plugin_failed(&rollout, "scaffold-spins", "out-of-fuel", "100000000");
    assert_eq!(rollout["used"]["scaffold-spins"]["peak_fuel"], 100_000_000);
}

#[test]
fn scaffold_that_spins_runs_out_of_wall_clock_time() {
    let environment = environment();
    let run = RunFile::of("scaffold-spins").scaffold("limits = { wall = \"300ms\" }");
    let rollout = run.rollout(&environment);
    assert_plugin_failed(&rollout, "scaffold-spins", "timed-out", "300ms");
}

#[test]
fn scaffold_that_takes_memory_without_end_runs_out_of_it() {
    let environment = environment();
    let run = RunFile::of("scaffold-grows").scaffold("limits = { memory = \"16MiB\" }");
    let rollout = run.rollout(&environment);
    assert_plugin_failed(&rollout, "scaffold-grows", "out-of-memory", "16MiB");
    let peak = rollout["used"]["scaffold-grows"]["peak_memory"].as_u64().unwrap();
    assert!((8 << 20..=16 << 20).contains(&peak), "{peak}");
}

#[test]
fn guests_of_a_rollout_share_its_memory() {
    let environment = environment();
    let run = RunFile::of("scaffold-grows").table("[budget]\nguest_memory = \"16MiB\"");
    let rollout = run.rollout(&environment);
    assert_plugin_failed(&rollout, "scaffold-grows", "out-of-memory", "");
    let peak = rollout["guest_memory"].as_u64().unwrap();
    assert!((8 << 20..=16 << 20).contains(&peak), "{peak}");
}

#[test]
fn rollout_that_tells_more_than_its_journal_may_have_ends_and_can_be_verified() {
    let environment = environment();
    let run = RunFile::of("scaffold-floods").table("[budget]\njournal = \"32KiB\"");
    let rollout = run.rollout(&environment);
    assert_eq!(rollout["end"], json!({"outcome": "over-budget", "which": "journal"}));
    environment.catena(&["verify", "run"]).succeeds().prints("every record reproduced");
    environment.catena(&["resume", "run"]).succeeds();
}

#[test]
fn stack_of_a_guest_is_bounded_and_measured() {
    let recurses = |limits: &str| {
        let run = RunFile::of("scaffold-recurses").scaffold(limits);
        run.key("refinements = 0").rollout(&environment())
    };
    let rollout = recurses("");
    assert_eq!(rollout["end"]["outcome"], "rejected", "{rollout:#}");
    let peak = rollout["used"]["scaffold-recurses"]["peak_stack"].as_u64().unwrap();
    assert!((512 << 10..8 << 20).contains(&peak), "{peak}");

    let rollout = recurses("limits = { stack = \"256KiB\" }");
    assert_plugin_failed(&rollout, "scaffold-recurses", "trapped", "call stack exhausted");
    let used = &rollout["used"]["scaffold-recurses"];
    assert_eq!(
        (&used["peak_stack"], &used["refused"]["limit:stack"]),
        (&json!(256 << 10), &json!(1))
    );
}

#[test]
fn stack_that_no_guest_can_have_is_refused_with_what_there_is() {
    let environment = environment();
    let run = RunFile::of("scaffold-recurses").scaffold("limits = { stack = \"64MiB\" }");
    environment.write("run.toml", run.text());
    let refused = environment.catena(&["run", "run.toml"]);
    refused
        .ends_with(2)
        .says("`64MiB` is not the size of a stack, which is from `64KiB` to `8MiB`");
}

#[test]
fn bytes_between_guest_and_host_are_bounded_and_counted() {
    let environment = environment();
    let fills = |limits: &str| {
        let grant = "grant = { workspace = \"read-write\" }";
        RunFile::of("scaffold-fills").scaffold(&format!("{grant}\n{limits}")).key("refinements = 0")
    };
    let run = fills("limits = { transfer = \"100KiB\" }");
    let rollout = run.table("[workspace]\nbytes = \"1MiB\"").rollout(&environment);
    assert_plugin_failed(
        &rollout,
        "scaffold-fills",
        "limit-reached",
        "100KiB between guest and host",
    );
    let moved = rollout["used"]["scaffold-fills"]["transferred"].as_u64().unwrap();
    assert!((100 << 10..200 << 10).contains(&moved), "{moved}");
    assert!(rollout["used"]["scaffold-fills"]["peak_handles"].as_u64().unwrap() > 0);
}

#[test]
fn limit_that_ends_a_call_is_told_by_its_key_and_value_and_counted() {
    let ends = |scaffold: &str, limit: &str, failure: &str, told: &str| {
        let run = RunFile::of(scaffold).scaffold("grant = { workspace = \"read-write\" }");
        let run = run.scaffold(&format!("limits = {{ {limit} }}")).key("refinements = 0");
        let rollout = run.rollout(&environment());
        assert_plugin_failed(&rollout, scaffold, failure, told);
        let key = limit.split(' ').next().unwrap();
        let refused = &rollout["used"][scaffold]["refused"][format!("limit:{key}")];
        assert_eq!(*refused, 1, "{rollout:#}");
    };
    ends("scaffold-fills", "handles = 2", "limit-reached", "`handles`: 2 at one time");
    ends("scaffold-floods", "host_call = \"16B\"", "limit-reached", "`host_call`: 16B at once");
    ends("scaffold-fills", "memory = \"64KiB\"", "out-of-memory", "`memory`: 64KiB");
    ends("scaffold-fills", "tables = 1", "limit-reached", "`tables`: 1 elements");
    ends("scaffold-recurses", "stack = \"256KiB\"", "trapped", "`stack`: 256KiB");
}

#[test]
fn run_ends_with_a_line_about_rollouts_that_plugins_failed() {
    let environment = environment();
    let run = RunFile::of("scaffold-spins").scaffold("limits = { fuel = 100_000_000 }");
    run.run(&environment)
        .succeeds()
        .says("warning: 1 of 1 rollouts ended because a plugin failed")
        .says("hint: `catena show run --rollout notes.1` tells how");
    let run = RunFile::of("scaffold-nop").judge("plugin = \"judge-exaggerates\"");
    environment.write("unjudged.toml", run.text());
    environment
        .catena(&["run", "unjudged.toml", "--dir", "unjudged"])
        .succeeds()
        .says("warning: 1 of 1 rollouts ended because there was no verdict");
}

#[test]
fn limit_under_which_nothing_runs_is_refused_before_the_run() {
    let environment = environment();
    let run = RunFile::of("scaffold-spins").scaffold("limits = { fuel = 0 }");
    environment.write("run.toml", run.text());
    let refused = environment.catena(&["run", "run.toml"]);
    refused.ends_with(2).says("`limits.fuel` of `scaffold-spins` is 0; no plugin can run so");
}

#[test]
fn scaffold_that_sleeps_for_days_returns_at_once() {
    let environment = environment();
    let run = RunFile::of("scaffold-sleeps").scaffold("limits = { wall = \"20s\" }");
    let rollout = run.key("refinements = 0").rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "rejected");
    assert!(logs(&environment).contains("scaffold-sleeps info: slept for 10 days"));
}

#[test]
fn flood_of_output_is_cut_with_a_mark_and_counted_whole() {
    let environment = environment();
    let run = RunFile::of("scaffold-floods").scaffold("limits = { output = \"1KiB\" }");
    let rollout = run.key("refinements = 0").rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "rejected");
    let logs = logs(&environment);
    assert!(logs.contains("stdout: line 0 of a flood"), "{logs}");
    assert!(logs.contains("output limit of 1024 bytes reached; 99"), "{logs}");
    assert!(logs.ends_with("stdout: line 9999 of a flood"), "{logs}");
    assert!(logs.len() < 4096, "{logs}");
    let written = rollout["used"]["scaffold-floods"]["output"].as_u64().unwrap();
    assert!(written > 100_000, "{written}");
}

#[test]
fn full_quota_is_an_error_of_the_guest_and_a_figure_of_the_summary() {
    let environment = environment();
    let run = RunFile::of("scaffold-fills").scaffold("grant = { workspace = \"read-write\" }");
    let run = run.key("refinements = 0").table("[workspace]\nbytes = \"64KiB\"");
    let rollout = run.rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "rejected");
    let logs = logs(&environment);
    // The libc of `wasm32-wasip2` tells every failed write of a stream as EIO.
    assert!(logs.contains("wrote 65536 bytes, then: "), "{logs}");
    assert!(logs.contains("could not be made longer: Quota exceeded"), "{logs}");
    assert!(logs.contains("65536 bytes can be read"), "{logs}");
    assert_eq!(rollout["workspace_bytes"], 65536);
    assert_eq!(rollout["workspace_refused"], 2);
    assert!(rollout["cache"]["misses"].as_u64().unwrap() > 0, "trees come over the pipe");
    environment.catena(&["show", "run"]).prints("2 writes refused");
}

#[test]
fn tool_that_traps_is_answered_for_and_the_scaffold_goes_on() {
    let environment = environment();
    let run = RunFile::of("scaffold-calls").tool("plugin = \"tool-traps\"");
    let rollout = run.key("refinements = 0").rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "rejected");
    let logs = logs(&environment);
    assert!(logs.contains("tool-traps stderr: ") && logs.contains("this tool is broken"), "{logs}");
    assert!(logs.contains("trap gave no answer: ToolError::Trapped("), "{logs}");
    assert!(logs.contains("went on to the end"), "{logs}");
}

#[test]
fn tool_that_spins_uses_up_its_own_fuel_and_the_scaffold_goes_on() {
    let environment = environment();
    let run = RunFile::of("scaffold-calls");
    let run = run.tool("plugin = \"tool-spins\"\nlimits = { fuel = 10_000_000 }");
    let rollout = run.key("refinements = 0").rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "rejected");
    let logs = logs(&environment);
    assert!(logs.contains("spin gave no answer: ToolError::LimitReached("), "{logs}");
    assert!(logs.contains("went on to the end"), "{logs}");
}

#[test]
fn judge_that_traps_is_named_and_gives_no_score() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop").judge("plugin = \"judge-traps\"");
    let rollout = run.rollout(&environment);
    assert_plugin_failed(&rollout, "judge-traps", "trapped", "unreachable");
    assert!(rollout["stages"][0]["rounds"][0]["verdict"].is_null());
    environment.catena(&["show", "run"]).prints("plugin failed (`judge-traps` trapped: ");
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn judge_without_a_verdict_is_not_a_score_of_zero() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop").judge("plugin = \"judge-abstains\"");
    let rollout = run.rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "no-verdict");
    assert!(rollout["end"]["reason"].as_str().unwrap().contains("a language it can't read"));
    assert!(rollout["stages"][0]["rounds"][0]["verdict"].is_null());
}

#[test]
fn score_out_of_range_is_no_verdict_and_says_why() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop").judge("plugin = \"judge-exaggerates\"");
    let rollout = run.rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "no-verdict");
    let reason = rollout["end"]["reason"].as_str().unwrap();
    assert_eq!(reason, "the judge gave the score 1.5, which is not between 0 and 1");
    assert!(rollout["stages"][0]["rounds"][0]["verdict"].is_null());
}

/// A reply that asks `scaffold-mini`'s shell for something.
fn command(command: &str) -> Value {
    json!({"tool_calls": [{"name": "bash", "arguments": {"command": command}}]})
}

/// The agent with a shell, over a script of two commands.
fn agent(environment: &TestEnvironment) -> RunFile {
    RunFile::of("scaffold-mini")
        .key("refinements = 0")
        .scaffold("grant = { model = true }")
        .tool("plugin = \"tool-bash\"\ngrant = { workspace = \"read-write\" }")
        .model(environment, &json!([command("ls"), command("cat README.md")]))
}

#[test]
fn exhausted_budget_ends_the_rollout_over_budget() {
    let environment = environment();
    let rollout = agent(&environment).table("[budget]\nturns = 1").rollout(&environment);
    assert_eq!(rollout["end"], json!({"outcome": "over-budget", "which": "turns"}));
    assert_eq!(rollout["turns"], 1);
}

#[test]
fn exhausted_script_is_an_infrastructure_failure_that_can_be_resumed() {
    let environment = environment();
    let run = agent(&environment);
    run.run(&environment).ends_with(3).says("hint: `catena resume run` tries again");
    let rollout = first_rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "infrastructure");
    let reason = rollout["end"]["reason"].as_str().unwrap();
    assert!(reason.contains("has 2 replies and was asked for one more"), "{reason}");

    // With the missing reply there, the two that were paid are not asked for again.
    let submit = command("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT");
    let replies = json!([command("never asked"), command("never asked"), submit]);
    let script = json!({"version": 1, "replies": {"*": replies}});
    environment.write("script.json", script.to_string());
    environment.catena(&["resume", "run"]).succeeds();
    let rollout = first_rollout(&environment);
    assert_eq!(rollout["turns"], 3, "{rollout:#}");
}
