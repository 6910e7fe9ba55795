//! What becomes training data, and what is left out with its reason.

use serde_json::Value;

use crate::demo_run::{JOURNAL, ROLLOUT, demo, run};
use crate::environment::TestEnvironment;
use crate::journal::records;
use crate::small_run::{self, RunFile};

/// The lines of an export.
fn samples(environment: &TestEnvironment, path: &str) -> Vec<Value> {
    environment.read(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_assistant_turn_of_an_export_is_a_turn_of_the_model() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let replies: Vec<Value> = records(&environment, JOURNAL)
        .iter()
        .filter(|record| record["record"] == "exchange")
        .map(|record| record["answer"]["reply"]["message"].clone())
        .collect();
    let samples = samples(&environment, "demo/train.jsonl");
    assert_eq!(samples.len(), 1);
    let messages = samples[0]["messages"].as_array().unwrap();
    let turns: Vec<&Value> =
        messages.iter().filter(|message| message["role"] == "assistant").collect();
    assert_eq!(turns.len(), replies.len());
    for (turn, reply) in turns.iter().zip(&replies) {
        assert_eq!(turn["content"], reply["content"]);
        assert_eq!(turn["weight"], Value::Null, "it is learned");
        for (call, said) in calls(turn).iter().zip(calls(reply)) {
            assert_eq!(call["id"], said["id"]);
            assert_eq!(call["function"]["name"], said["name"]);
            assert_eq!(call["function"]["arguments"], said["arguments"]);
        }
    }
}

fn calls(message: &Value) -> &[Value] {
    message["tool_calls"].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_tool_call_of_an_export_is_answered_and_its_tool_declared() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let sample = samples(&environment, "demo/train.jsonl").remove(0);
    let declared: Vec<&Value> =
        sample["tools"].as_array().unwrap().iter().map(|tool| &tool["function"]["name"]).collect();
    let messages = sample["messages"].as_array().unwrap();
    for call in messages.iter().flat_map(calls) {
        assert!(declared.contains(&&call["function"]["name"]), "{call}");
        let answers =
            messages.iter().filter(|message| message["tool_call_id"] == call["id"]).count();
        assert_eq!(answers, 1, "{call}");
    }
}

#[test]
fn manifest_counts_what_the_export_has() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let sample = samples(&environment, "demo/train.jsonl").remove(0);
    let messages = sample["messages"].as_array().unwrap();
    let manifest = environment.read_json("demo/train.jsonl.manifest.json");
    let entry = &manifest["samples"][0];
    assert_eq!(entry["messages"], messages.len());
    let turns = messages.iter().filter(|message| message["role"] == "assistant").count();
    assert_eq!(entry["assistant_turns"], turns);
    assert_eq!(entry["model_turns"], turns);
    assert_eq!(entry["tool_calls"], messages.iter().flat_map(calls).count());
    for position in entry["trained"].as_array().unwrap() {
        let position = usize::try_from(position.as_u64().unwrap()).unwrap();
        assert_eq!(messages[position]["role"], "assistant");
    }
    assert_eq!(manifest["repositories"]["gridline/gridline"], "MIT");
    assert_eq!(manifest["dropped"], serde_json::json!([]));
}

#[test]
fn rollouts_of_controls_are_left_out_with_the_reason() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let scaffold = "plugin = \"scaffold-oracle\"\n\
                    grant = { reference = true, workspace = \"read-write\" }";
    run(&environment, "control", "", scaffold).succeeds();
    let export = ["export", "demo/control", "--profile", "openai", "--output", "out.jsonl"];
    let outcome = environment.catena(&export);
    outcome.succeeds().prints(&format!("left out: rollout {ROLLOUT} (control)"));
    assert_eq!(environment.read("out.jsonl"), "");
    let manifest = environment.read_json("out.jsonl.manifest.json");
    assert_eq!(manifest["samples"], serde_json::json!([]));
    assert_eq!(manifest["dropped"][0]["reason"], "control");
}

#[test]
fn rollouts_with_nothing_accepted_are_left_out_with_the_reason() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    RunFile::of("scaffold-nop").run(&environment).succeeds();
    let export = ["export", "run", "--profile", "openai", "--output", "out.jsonl", "--json"];
    let told = environment.catena(&export).succeeds().json();
    assert_eq!(told["manifest"]["dropped"][0]["reason"], "nothing-accepted");
}

#[test]
fn export_of_an_interrupted_run_has_its_accepted_beginning() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let journal = environment.read(JOURNAL);
    let third = journal.find("{\"record\":\"stage-started\",\"stage\":3").unwrap();
    environment.write(JOURNAL, &journal[..third - 9]);
    let export = ["export", "demo/run", "--profile", "openai", "--output", "out.jsonl"];
    environment.catena(&export).succeeds();
    let manifest = environment.read_json("out.jsonl.manifest.json");
    let entry = &manifest["samples"][0];
    assert_eq!(entry["stages"], serde_json::json!(["pr-14", "pr-17"]));
    assert_eq!(entry["complete"], false);
}

/// The bytes of an export of `sources` in a form.
fn exported(environment: &TestEnvironment, sources: &[&str], profile: &str) -> String {
    let options = ["--profile", profile, "--output", "form.jsonl"];
    environment.catena(&[&["export"], sources, &options[..]].concat()).succeeds();
    environment.read("form.jsonl")
}

#[test]
fn canonical_form_of_a_run_has_all_that_other_forms_need() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let canonical = exported(&environment, &["demo/run"], "canonical");
    environment.write("all.jsonl", &canonical);
    for profile in ["canonical", "openai", "slime", "trl", "sharegpt", "atif", "preference"] {
        let of_run = exported(&environment, &["demo/run"], profile);
        assert_eq!(exported(&environment, &["all.jsonl"], profile), of_run, "{profile}");
        assert!(!of_run.is_empty(), "{profile}");
    }
    let rollout: Value = serde_json::from_str(&canonical).unwrap();
    let second = &rollout["stages"][1];
    assert_eq!(second["rounds"].as_array().unwrap().len(), 2);
    for round in second["rounds"].as_array().unwrap() {
        assert!(round["verdict"]["score"].is_f64());
        assert!(round["submission"]["tree"].is_string());
        assert!(!round["judges"].as_array().unwrap().is_empty());
    }
    assert_eq!(second["carry"]["carry"], "merge");
    assert!(rollout["turns"][0]["calls"][0]["tree"].is_string());
    assert_eq!(rollout["chain"].as_array().unwrap().len(), 4);
    let calls = rollout["messages"].as_array().unwrap().iter().flat_map(calls);
    assert!(calls.map(|call| &call["arguments"]).all(Value::is_object));
}

#[test]
fn damaged_journal_is_listed_and_keeps_no_other_from_being_exported() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let journal = environment.read(JOURNAL);
    let damaged = journal.replacen("stage-started", "stage-stopped", 1);
    environment.write("demo/run/rollouts/damaged.7.journal", damaged);
    let export = ["export", "demo/run", "--profile", "openai", "--output", "out.jsonl"];
    let outcome = environment.catena(&export);
    outcome.succeeds().prints("1 sample with").prints("left out: rollout damaged.7 (unreadable): ");
    let manifest = environment.read_json("out.jsonl.manifest.json");
    assert_eq!(manifest["counts"]["rollouts"], 2);
    let detail = manifest["dropped"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("the checksum does not match"), "{detail}");
}

#[test]
fn what_is_no_run_is_refused_with_a_hint() {
    let environment = TestEnvironment::new();
    let export = ["export", "nothing", "--profile", "openai", "--output", "out.jsonl"];
    environment.catena(&export).ends_with(2).says("can't read `nothing`").says("hint: name");
    let left = std::fs::read_dir(environment.path(".")).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
}

#[test]
fn trajectories_of_other_programs_are_imported_and_exported() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let export = ["export", "demo/run", "--profile", "mini-swe-agent", "--output", "trajectories"];
    environment.catena(&export).succeeds();
    let file = format!("trajectories/{ROLLOUT}/{ROLLOUT}.traj.json");
    let import = ["import", &file, "--output", "imported.jsonl"];
    environment.catena(&import).succeeds().prints("1 trajectory with 37 model turns");
    let options = ["--profile", "openai", "--unjudged", "--output", "out.jsonl"];
    environment.catena(&[&["export", "imported.jsonl"], &options[..]].concat()).succeeds();
    let imported = samples(&environment, "out.jsonl").remove(0);
    let direct = samples(&environment, "demo/train.jsonl").remove(0);
    let turns = |sample: &Value| -> Vec<Value> {
        let messages = sample["messages"].as_array().unwrap().iter();
        messages.filter(|message| message["role"] == "assistant").cloned().collect()
    };
    assert_eq!(turns(&imported), turns(&direct));
    environment.write("other.json", "{\"rows\": []}");
    let import = ["import", "other.json", "--output", "other.jsonl"];
    environment.catena(&import).ends_with(2).says("it is of no form that is known");
}

#[test]
fn figures_of_a_run_are_printed_and_drawn() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let stats = ["stats", "demo/run", "--svg", "scores.svg"];
    let outcome = environment.catena(&stats);
    outcome.succeeds().prints("1 rollouts, 4 stages begun, 4 accepted, 1 samples");
    outcome.prints("0.9–1.0 ████████████████████████████████████████ 4");
    assert!(environment.read("scores.svg").starts_with("<svg "));
    let told = environment.catena(&["stats", "demo/run", "--json"]).succeeds().json();
    assert_eq!(told["repositories"]["gridline/gridline"]["pull_requests"], 4);
    assert_eq!(told["turns"]["sum"], 37);
    assert_eq!(told["scores"].as_array().unwrap().len(), 10);
}
