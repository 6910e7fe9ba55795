//! Queries by writer plugins.

use serde_json::{Value, json};

use crate::environment::{Outcome, TestEnvironment};
use crate::model_server::ModelServer;
use crate::replay::over_http;
use crate::small_run::{self, RunFile};

const WRITER: &str = "[writer]\nplugin = \"writer-llm\"\ngrant = { model = true }";

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

/// A reply of the form that `writer-llm` asks for.
fn reply(overview: &str, queries: &[&str]) -> Value {
    let stage = |query: &&str| json!({"intent": "i", "locus": "l", "plan": "p", "query": query});
    let stages: Vec<Value> = queries.iter().map(stage).collect();
    json!({"content": json!({"overview": overview, "stages": stages}).to_string()})
}

/// Has `writer-llm` write with a model that plays a script for each chain.
fn write(environment: &TestEnvironment, replies: &Value, more: &[&str]) -> Outcome {
    environment.write("script.json", json!({"version": 1, "replies": replies}).to_string());
    let model = "[model]\nkind = \"scripted\"\nscript = \"script.json\"";
    let file = RunFile::of("scaffold-nop").table(WRITER).table(model);
    environment.write("run.toml", file.text());
    let arguments = ["chain", "write", "run.toml", "--output", "written.json"];
    environment.catena(&[&arguments[..], more].concat())
}

fn stage(environment: &TestEnvironment, place: usize) -> Value {
    environment.read_json("written.json")["chains"][0]["stages"][place].take()
}

#[test]
fn writer_is_told_what_it_gave_away_and_tries_again() {
    let environment = environment();
    let leaking = reply("Tables.", &["Count in count.py.", "Print all notes."]);
    let clean = reply("Notes get counted and shown.", &["Say how many there are.", "Print all."]);
    let told = write(&environment, &json!({"notes": [leaking, clean]}), &["--json"]);
    let told = told.succeeds().json();
    assert_eq!((&told["chains_written"], &told["tries"]), (&json!(1), &json!(2)));
    assert_eq!((&told["stages_marked"], &told["overviews_marked"]), (&json!(0), &json!(0)));
    let chain = &environment.read_json("written.json")["chains"][0];
    assert_eq!(chain["overview"], "Notes get counted and shown.");
    assert_eq!(stage(&environment, 0)["query"], "Say how many there are.");
    assert_eq!(stage(&environment, 1)["query"], "Print all.");
    assert!(!environment.path("written.json.part").exists());
    // The file serves runs as any other does.
    let file = RunFile::of("scaffold-nop").text().replace("chains.json", "written.json");
    environment.write("other.toml", file);
    environment.catena(&["run", "other.toml", "--dir", "run"]).succeeds();
}

#[test]
fn least_leaking_texts_are_taken_and_marked_after_the_last_try() {
    let environment = environment();
    let two = reply("Notes.", &["Count in count.py, see #1.", "Print all."]);
    let one = reply("Notes.", &["Count in count.py.", "Print all."]);
    write(&environment, &json!({"notes": [two, one]}), &["--tries", "2"])
        .succeeds()
        .prints("1 of 2 queries still give something away");
    let leaks = stage(&environment, 0)["leaks"].take();
    assert_eq!(leaks, json!([{"kind": "file-name", "excerpt": "count.py"}]));
    assert!(stage(&environment, 1)["leaks"].is_null());
    environment
        .catena(&["chain", "lint", "written.json", "--clone", "notes"])
        .ends_with(4)
        .prints("pr-1: file-name: count.py");
}

#[test]
fn reply_of_another_form_is_asked_for_again() {
    let environment = environment();
    let short = reply("Notes.", &["Only one."]);
    let good = reply("Notes.", &["Say how many.", "Print all."]);
    let replies = json!({"notes": [{"content": "Sure!"}, short, good]});
    write(&environment, &replies, &[]).succeeds();
    assert_eq!(stage(&environment, 1)["query"], "Print all.");
}

#[test]
fn chains_that_are_written_are_not_paid_for_again() {
    let environment = environment();
    let lists = json!({"repository": "ada/notes", "chains": [
        {"id": "a", "stages": [1]}, {"id": "b", "stages": [2]}
    ]});
    environment.write("lists.json", lists.to_string());
    let resolve = ["chain", "resolve", "--clone", "notes", "--chains", "lists.json"];
    environment.catena(&[&resolve[..], &["--output", "chains.json"]].concat()).succeeds();
    let good = |query: &str| json!([reply("Notes.", &[query])]);
    let bad = json!([{"content": "No."}, {"content": "No."}, {"content": "No."}]);
    write(&environment, &json!({"a": good("Say how many."), "b": bad}), &[])
        .ends_with(3)
        .prints("b: the writer wrote nothing: none of 3 replies was of the right form");
    assert!(!environment.path("written.json").exists());
    let part = std::fs::read_to_string(environment.path("written.json.part")).unwrap();
    let paid: Vec<Value> = part.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let in_vain = paid.iter().find(|done| done["chain"].is_null()).unwrap();
    assert!(in_vain["usage"].is_object(), "{in_vain}");
    assert_eq!(paid.len(), 2);
    // The script has nothing for the chain that is written.
    write(&environment, &json!({"b": good("Print all.")}), &[]).succeeds();
    let written = environment.read_json("written.json");
    let query = |place: usize| written["chains"][place]["stages"][0]["query"].clone();
    assert_eq!((query(0), query(1)), (json!("Say how many."), json!("Print all.")));
}

#[test]
fn writer_has_to_be_named_and_granted_the_model() {
    let environment = environment();
    environment.write("run.toml", RunFile::of("scaffold-nop").text());
    let arguments = ["chain", "write", "run.toml", "--output", "written.json"];
    environment.catena(&arguments).ends_with(2).says("has no `[writer]`");
    let ungranted = RunFile::of("scaffold-nop").table("[writer]\nplugin = \"writer-llm\"");
    environment.write("run.toml", ungranted.text());
    environment
        .catena(&arguments)
        .ends_with(2)
        .says("needs a model")
        .says("grant = { model = true }");
}

#[test]
fn writer_sees_labels_and_issues_and_what_it_gave_away() {
    let environment = environment();
    let mut chains = environment.read_json("chains.json");
    let known = &mut chains["chains"][0]["stages"][0]["pull_request"];
    known["labels"] = json!(["module: notes"]);
    known["closes"] = json!([{"number": 9, "title": "Too many notes", "body": "Who counts?"}]);
    environment.write("chains.json", chains.to_string());
    let server = ModelServer::start(vec![reply("Notes.", &["Count in count.py.", "Print all."])]);
    let file = over_http(&server, "").table(WRITER);
    environment.write("run.toml", file.text());
    let arguments = ["chain", "write", "run.toml", "--output", "written.json", "--tries", "2"];
    environment.catena(&arguments).succeeds();
    let prompts: Vec<String> =
        server.asked().iter().map(|request| request["messages"].to_string()).collect();
    assert_eq!(prompts.len(), 2);
    let told = "pull request 1, file-name: count.py";
    assert_eq!((prompts[0].contains(told), prompts[1].contains(told)), (false, true));
    for known in ["Labels: module: notes", "Too many notes", "Who counts?"] {
        assert!(prompts[0].contains(known), "{known}");
    }
}

#[test]
fn line_that_was_cut_off_costs_its_own_chain_alone() {
    let environment = environment();
    let good = reply("Notes.", &["Say how many.", "Print all."]);
    environment.write("written.json.part", "{\"usage\": {\"input");
    write(&environment, &json!({"notes": [good]}), &[]).succeeds();
    assert_eq!(stage(&environment, 0)["query"], "Say how many.");
}
