//! Looking at plugins, building them outside of this checkout, and the plugins
//! of the tests themselves.

use std::process::Command;

use insta::assert_snapshot;

use crate::environment::{TestEnvironment, checkout, copy_dir, target};
use crate::small_run::{self, RunFile, first_rollout, logs};

#[test]
fn explain_shows_what_is_asked_granted_and_in_effect() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    let run = RunFile::of("scaffold-oracle")
        .scaffold("grant = { workspace = \"read\", model = true, reference = true }")
        .scaffold("limits = { memory = \"64MiB\", wall = \"90s\" }");
    environment.write("run.toml", run.text());
    let explain = ["plugin", "explain", "scaffold-oracle", "--run", "run.toml"];
    let outcome = environment.catena(&explain);
    outcome.succeeds();
    let (head, tail) = outcome.stdout.split_once("component sha256:").unwrap();
    let (digest, tail) = tail.split_once("\nmanifest sha256:").unwrap();
    let (manifest, tail) = tail.split_once('\n').unwrap();
    assert_eq!((digest.len(), manifest.len()), (64, 64));
    let (rights, limits) = tail.split_at(tail.rfind('┌').unwrap());
    assert_snapshot!(format!("{head}{rights}"), @r"
    scaffold-oracle 0.1.0 (scaffold, control: is shown the answer)
    Submits the human answer; a judge must score it 1.
    ┌───────────┬────────────┬─────────┬───────────┐
    │ right     ┆ asked      ┆ granted ┆ effective │
    ╞═══════════╪════════════╪═════════╪═══════════╡
    │ workspace ┆ read-write ┆ read    ┆ read      │
    │ model     ┆ -          ┆ yes     ┆ -         │
    │ reference ┆ yes        ┆ yes     ┆ yes       │
    │ programs  ┆ -          ┆ -       ┆ -         │
    │ http      ┆ -          ┆ -       ┆ -         │
    │ secrets   ┆ -          ┆ -       ┆ -         │
    └───────────┴────────────┴─────────┴───────────┘
    ");
    for row in ["wall 1h - 90s 90s", "memory 512MiB - 64MiB 64MiB", "handles 1,024 - - 1,024"] {
        let words = |line: &str| {
            line.replace(['│', '┆'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(limits.lines().any(|line| words(line) == row), "`{row}` is not in {limits}");
    }

    let told = environment.catena(&[&explain[..], &["--json"]].concat()).succeeds().json();
    assert_eq!(told["component"], digest);
    assert_eq!(told["control"], true);
    assert_eq!(told["asked"]["workspace"], "read-write");
    assert_eq!(told["uses"][0]["granted"]["model"], true);
    assert_eq!(told["uses"][0]["effective"]["workspace"], "read");
    assert_eq!(told["uses"][0]["effective"]["model"], false);
    assert_eq!(told["uses"][0]["effective"]["reference"], true);
    assert_eq!(told["uses"][0]["limits"]["memory"], "64MiB");
    assert_eq!(told["uses"][0]["limit_sides"]["wall"]["default"], "1h");
    assert_eq!(told["uses"][0]["limit_sides"]["wall"]["granted"], "90s");
    assert_eq!(told["uses"][0]["limit_sides"]["fuel"]["asked"], serde_json::Value::Null);
}

#[test]
fn explain_without_a_run_grants_nothing() {
    let environment = TestEnvironment::new();
    let told = environment.catena(&["plugin", "explain", "tool-bash", "--json"]).succeeds().json();
    assert_eq!(told["asked"]["workspace"], "read-write");
    assert_eq!(told["uses"][0]["effective"]["workspace"], "none");
    assert_eq!(told["uses"][0]["effective"]["model"], false);
}

#[test]
fn explain_of_a_plugin_that_the_run_does_not_use_says_so() {
    let environment = TestEnvironment::new();
    environment.write("run.toml", RunFile::of("scaffold-nop").text());
    let outcome = environment.catena(&["plugin", "explain", "tool-bash", "--run", "run.toml"]);
    outcome.ends_with(2).says("error: `run.toml` does not use `tool-bash`").says("hint: ");
}

#[test]
fn texts_of_a_manifest_that_look_like_others_are_shown_escaped() {
    let environment = TestEnvironment::new();
    environment.copy_plugin("tool-looks", "mine");
    let manifest = environment.read("mine/plugin.toml");
    let description = "description = \"\u{202e}Reads\u{2066} no\u{200b}thing\u{e0041}\"";
    let told = "description = \"Tells what it can see of the files.\"";
    assert!(manifest.contains(told));
    let manifest = manifest.replace(told, description);
    environment.write("mine/plugin.toml", &manifest);
    let explain = ["plugin", "explain", "./mine"];
    let outcome = environment.catena(&explain);
    outcome.succeeds().prints(r"\u{202e}Reads\u{2066} no\u{200b}thing\u{e0041}");
    environment.catena(&[&explain[..], &["--json"]].concat()).succeeds().json();

    let unknown = manifest.replace("license", "\"licen\u{202e}se\"");
    environment.write("mine/plugin.toml", unknown);
    let refused = environment.catena(&["plugin", "check", "./mine"]);
    refused.ends_with(2).says(r"licen\u{202e}se");
    assert!(!refused.stderr.contains('\u{202e}'), "{refused}");
    let json = environment.catena(&["plugin", "check", "./mine", "--json"]);
    assert!(json.json().to_string().contains('\u{202e}') && !json.stdout.contains('\u{202e}'));
}

#[test]
fn check_passes_shipped_plugins_and_lists_their_imports() {
    let environment = TestEnvironment::new();
    let outcome = environment.catena(&["plugin", "check", "scaffold-oracle"]);
    outcome
        .succeeds()
        .prints("scaffold-oracle: a scaffold that can run here")
        .prints("catena:plugin/reference@0.1.0");
    let told = environment.catena(&["plugin", "check", "judge-diff", "--json"]).succeeds().json();
    assert_eq!(told["passed"], true);
}

#[test]
fn try_tells_in_words_how_a_call_ended_and_what_the_plugin_wrote() {
    let environment = TestEnvironment::new();
    let traps = ["plugin", "try", "tool-traps", "{}"];
    environment
        .catena(&traps)
        .ends_with(4)
        .says("this tool is broken")
        .says("tool-traps stderr: ")
        .says("the tool gave no answer: trapped");
    let told = environment.catena(&[&traps[..], &["--json"]].concat()).ends_with(4).json();
    assert_eq!(told["outcome"], "trapped");
    assert!(told["said"].to_string().contains("this tool is broken"), "{told}");
    let fails = ["plugin", "try", "tool-bash", r#"{"command": "exit 3"}"#];
    environment.catena(&fails).ends_with(3).says("exit status 3");
}

#[test]
fn scaffold_from_outside_the_workspace_runs() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    build_outside_scaffold(&environment);
    let grant = "grant = { workspace = \"read-write\", model = true }";
    let run = RunFile::of("outside")
        .scaffold(grant)
        .scaffold("config = { file = \"ANSWER.md\" }")
        .key("refinements = 0")
        .model(&environment, &serde_json::json!([{"content": "forty-two"}]));
    run.run(&environment).succeeds();
    assert!(logs(&environment).contains("outside-scaffold info: added a note to ANSWER.md"));
    let rollout = first_rollout(&environment);
    let tree = rollout["stages"][0]["rounds"][0]["submission"]["tree"].as_str().unwrap();
    let answer = environment.git("run/objects.git", &["show", &format!("{tree}:ANSWER.md")]);
    assert_eq!(answer, "forty-two");
}

/// Copies the fixture to where no workspace is above it, and builds it there
/// with what this checkout offers to plugin authors.
fn build_outside_scaffold(environment: &TestEnvironment) {
    let source = environment.path("source");
    copy_dir(&checkout().join("tests/fixtures/outside-scaffold"), &source);
    let sdk = checkout().canonicalize().unwrap().join("sdk/rust");
    let manifest = environment.read("source/Cargo.toml");
    let manifest = manifest.replace("../../../sdk/rust", sdk.to_str().unwrap());
    environment.write("source/Cargo.toml", manifest);
    let xtask = target().join("debug/xtask");
    assert!(xtask.is_file(), "`cargo xtask test` builds `{}`", xtask.display());
    let built = Command::new(xtask)
        .arg("plugin")
        .args([&source, &environment.path("outside")])
        .env("CARGO_TARGET_DIR", target())
        // That of this test; the program knows its own.
        .env_remove("CARGO_MANIFEST_DIR")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

#[test]
fn every_plugin_of_the_tests_has_a_test_that_names_it() {
    let top = checkout();
    let mut sources = String::new();
    read_sources(&top.join("tests/end_to_end"), &mut sources);
    read_sources(&top.join("host"), &mut sources);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(top.join("tests/guests")).unwrap() {
        let entry = entry.unwrap();
        if entry.path().join("plugin.toml").exists() {
            names.push(entry.file_name().into_string().unwrap());
        }
    }
    assert!(names.len() > 10, "{names:?}");
    // At the end of a text (alone, of a path, or of a line of a run file), or the
    // directory of a file.
    let ends =
        |name: &str| [format!("{name}\""), format!("{name}\\\""), format!("plugins-test/{name}/")];
    names.retain(|name| !ends(name).iter().any(|end| sources.contains(end)));
    assert_eq!(names, [""; 0], "no test names them");
}

/// Appends the text of all Rust sources below `dir`.
fn read_sources(dir: &std::path::Path, text: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}
