//! Input that can't be used: what is said, with which exit status, and that
//! nothing is begun.

use serde_json::json;

use crate::environment::{Outcome, TestEnvironment};
use crate::small_run::{self, RunFile};

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

/// Expects that a run is refused as bad input and leaves nothing behind.
#[track_caller]
fn refused(environment: &TestEnvironment, run: &RunFile) -> Outcome {
    let outcome = run.run(environment);
    outcome.ends_with(2);
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.starts_with("error: "), "{outcome}");
    assert!(!environment.path("run").exists(), "nothing was begun");
    outcome
}

/// Replaces a text in a file of the home, which must be there.
#[track_caller]
fn replace(environment: &TestEnvironment, path: &str, old: &str, new: &str) {
    let text = environment.read(path);
    assert!(text.contains(old), "`{old}` is not in {text}");
    environment.write(path, text.replacen(old, new, 1));
}

#[test]
fn unknown_key_of_a_run_file_is_named_with_its_line() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop").key("limit = 0.5");
    refused(&environment, &run)
        .says("error: `run.toml` is not a valid run file")
        .says("line 4")
        .says("unknown field `limit`")
        .says("hint: ");
}

#[test]
fn bad_values_of_a_run_file_are_named_with_what_they_may_be() {
    let environment = environment();
    for (key, said) in [
        ("threshold = 1.5", "`threshold` is 1.5; it must be from 0 to 1"),
        ("trials = 0", "`trials` is 0; it must be at least 1"),
        ("concurrency = 0", "`concurrency` is 0; it must be at least 1"),
        ("mode = \"sideways\"", "`carried`, `oracle`, `isolated`"),
        ("on_conflict = \"ignore\"", "unknown variant `ignore`"),
    ] {
        refused(&environment, &RunFile::of("scaffold-nop").key(key)).says(said);
    }
    let run = RunFile::of("scaffold-nop").scaffold("limits = { memory = \"64 parsecs\" }");
    refused(&environment, &run).says("a size such as `64MiB`");
}

#[test]
fn run_file_that_is_not_there_is_named() {
    let environment = TestEnvironment::new();
    let outcome = environment.catena(&["run", "no.toml"]);
    outcome.ends_with(2).says("error: can't read the run file `no.toml`").says("hint: ");
}

#[test]
fn unknown_chain_in_only_is_named() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop").key("only = [\"poems\"]");
    refused(&environment, &run).says("`only` names chain `poems`").says("hint: `only`");
}

#[test]
fn missing_clone_is_named_with_the_key_it_belongs_under() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop");
    replace(&environment, "chains.json", "ada/notes", "ada/poems");
    let outcome = refused(&environment, &run);
    outcome.says("`[repositories]` has no clone of it").says("hint: add ");
    replace(&environment, "chains.json", "ada/poems", "ada/notes");
    std::fs::remove_dir_all(environment.path("notes")).unwrap();
    refused(&environment, &run).says("notes").says("hint: ");
}

#[test]
fn missing_query_is_named_with_its_stage() {
    let environment = environment();
    replace(&environment, "chains.json", "List the notes.", " ");
    let outcome = refused(&environment, &RunFile::of("scaffold-nop"));
    outcome.says("error: chain `notes`, stage `pr-2` has no query").says("hint: ");
}

#[test]
fn chain_file_with_a_missing_commit_is_named_with_stage_and_commit() {
    let environment = environment();
    let merge = environment.read_json("chains.json")["chains"][0]["stages"][1]["merge"].clone();
    let other = "0123456789abcdef0123456789abcdef01234567";
    replace(&environment, "chains.json", merge.as_str().unwrap(), other);
    refused(&environment, &RunFile::of("scaffold-nop"))
        .says("error: the chains do not fit the clone")
        .says("caused by: ")
        .says("pr-2")
        .says(other)
        .says("hint: fetch the missing commits");
}

#[test]
fn broken_chain_files_are_named_with_the_place() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop");
    replace(&environment, "chains.json", "\"overview\"", "\"overviews\"");
    refused(&environment, &run).says("chains.json:11:").says("did you mean `overview`?");
    environment.write("chains.json", "{");
    refused(&environment, &run).says("chains.json").says("hint: ");
}

#[test]
fn unknown_key_of_a_manifest_is_named_with_its_line() {
    let environment = environment();
    environment.copy_plugin("scaffold-nop", "mine");
    replace(&environment, "mine/plugin.toml", "license =", "author =");
    for outcome in [
        environment.catena(&["plugin", "check", "mine"]),
        refused(&environment, &RunFile::of("mine")),
    ] {
        outcome
            .says("mine/plugin.toml` is not a valid plugin manifest")
            .says("line 9")
            .says("unknown field `author`")
            .says("hint: ");
    }
}

#[test]
fn component_of_the_wrong_world_is_named_with_what_it_exports() {
    let environment = environment();
    environment.copy_plugin("judge-diff", "mine");
    replace(&environment, "mine/plugin.toml", "kind = \"judge\"", "kind = \"scaffold\"");
    for outcome in [
        environment.catena(&["plugin", "check", "mine"]),
        refused(&environment, &RunFile::of("mine")),
    ] {
        outcome
            .says("error: plugin `judge-diff` says it is a scaffold")
            .says("does not export `catena:plugin/scaffold@0.1.0`")
            .says("`catena:plugin/judge@0.1.0`")
            .says("hint: ");
    }
}

#[test]
fn file_that_is_no_component_is_named() {
    let environment = environment();
    environment.copy_plugin("scaffold-nop", "mine");
    let contents = [
        (&b"not wasm at all"[..], "the file does not begin as WebAssembly does"),
        (b"\0asm\x01\0\0\0", "it is a core module"),
        (b"\0asm\x0d\0\x01\0\x0c", "not a valid WebAssembly component: "),
    ];
    for (content, reason) in contents {
        environment.write("mine/scaffold_nop.wasm", content);
        let outcome = environment.catena(&["plugin", "check", "mine"]);
        outcome.ends_with(4).says("scaffold_nop.wasm` can't be compiled").says(reason);
        let outcome = refused(&environment, &RunFile::of("mine"));
        outcome.says("scaffold_nop.wasm` can't be compiled").says(reason).says("hint: ");
    }
}

#[test]
fn plugin_of_the_wrong_kind_for_its_place_is_named() {
    let environment = environment();
    let outcome = refused(&environment, &RunFile::of("judge-diff"));
    outcome.says("plugin `judge-diff` is a judge, but stands in the run file as a scaffold");
    let run = RunFile::of("scaffold-nop").tool("plugin = \"scaffold-nop\"");
    refused(&environment, &run).says("`scaffold-nop` is a scaffold, but").says("as a tool");
}

#[test]
fn plugin_that_is_not_there_is_named_with_where_to_look() {
    let environment = environment();
    let outcome = refused(&environment, &RunFile::of("scaffold-nobody"));
    outcome.says("scaffold-nobody").says("`--plugins DIR`");
}

#[test]
fn broken_script_of_a_model_is_named() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop").model(&environment, &json!([{"contents": "typo"}]));
    refused(&environment, &run).says("script.json` is not a script").says("`contents`");
}

#[test]
fn directory_that_is_in_use_is_not_written_to() {
    let environment = environment();
    environment.write("run/mine.txt", "mine");
    let outcome = RunFile::of("scaffold-nop").run(&environment);
    outcome.ends_with(2).says("error: `run` exists already").says("hint: name another directory");
    assert_eq!(std::fs::read_dir(environment.path("run")).unwrap().count(), 1);
}

#[test]
fn commands_on_a_directory_that_is_no_run_say_so() {
    let environment = environment();
    for command in ["show", "resume", "verify"] {
        let outcome = environment.catena(&[command, "notes"]);
        outcome.ends_with(2).says("error: `notes` is not a run of this program").says("hint: ");
    }
}

#[test]
fn rollout_that_the_run_does_not_have_is_named() {
    let environment = environment();
    RunFile::of("scaffold-nop").run(&environment).succeeds();
    let outcome = environment.catena(&["show", "run", "--rollout", "notes.2"]);
    outcome.ends_with(2).says("error: the run has no rollout `notes.2`").says("hint: `catena show");
}

#[test]
fn file_that_cannot_be_written_is_no_fault_of_the_input() {
    let environment = environment();
    RunFile::of("scaffold-nop").run(&environment).succeeds();
    let export = ["export", "run", "--profile", "openai", "--output", "nowhere/out.jsonl"];
    let outcome = environment.catena(&export);
    outcome.ends_with(1).says("error: can't write `nowhere/out.jsonl`").says("caused by: No such");
}

#[test]
fn errors_are_json_on_request() {
    let environment = TestEnvironment::new();
    let told = environment.catena(&["run", "no.toml", "--json"]).ends_with(2).json();
    assert_eq!(told["error"], "can't read the run file `no.toml`");
    assert!(told["causes"][0].as_str().unwrap().contains("No such file"), "{told}");
    assert!(told["hint"].is_string());
}

#[test]
fn run_whose_plugin_has_changed_is_not_gone_on_with() {
    let environment = environment();
    environment.copy_plugin("scaffold-nop", "mine");
    RunFile::of("mine").run(&environment).succeeds();
    replace(&environment, "mine/plugin.toml", "0.1.0", "0.1.1");
    let outcome = environment.catena(&["resume", "run"]);
    outcome
        .ends_with(2)
        .says("plugin `scaffold-nop` (manifest) has changed since the run")
        .says("hint: ");
}
