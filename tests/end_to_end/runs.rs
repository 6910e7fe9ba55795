//! Runs as a whole: forks, what is told while they go on, and what they may take.

use serde_json::Value;

use crate::demo_run::{ROLLOUT, demo};
use crate::environment::TestEnvironment;
use crate::interruption::wait_for;
use crate::journal::{records, shown};
use crate::model_server::ModelServer;
use crate::models::{demo_with, over_http};
use crate::replay::{self, command, submit};
use crate::small_run;

/// The trees that the stages of a run came to.
fn trees(environment: &TestEnvironment, run: &str) -> Vec<Value> {
    let mut shown = shown(environment, run);
    let stages = shown["rollouts"][0]["stages"].take();
    stages.as_array().unwrap().iter().map(|stage| stage["tree"].clone()).collect()
}

/// Turns of the model in a journal before a record of this kind at this stage.
fn turns_before(environment: &TestEnvironment, kind: &str, stage: u32) -> usize {
    let records = records(environment, &format!("demo/http/rollouts/{ROLLOUT}.journal"));
    let at = records.iter().position(|record| record["record"] == kind && record["stage"] == stage);
    records[..at.unwrap()].iter().filter(|record| record["record"] == "exchange").count()
}

#[test]
fn fork_goes_on_from_a_stage_or_a_round_and_leaves_the_run_alone() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let server = ModelServer::of_demo(&environment);
    demo_with(&environment, "http", &over_http(&environment, &server, ""));
    environment.catena(&["run", "demo/http.toml", "--dir", "demo/http"]).succeeds();
    let (before, unbroken) = (shown(&environment, "demo/http"), trees(&environment, "demo/http"));
    for (point, kind, stage, dir) in [
        ("3", "stage-started", 3, "demo/http-fork"),
        ("2:1", "round-started", 2, "demo/http-fork-2"),
    ] {
        let forked = environment.catena(&["fork", "demo/http", "--from", point]);
        forked.succeeds().prints(ROLLOUT).prints(dir).says(&format!("catena resume {dir}"));
        let asked = server.asked().len();
        environment.catena(&["resume", dir]).succeeds();
        assert_eq!(server.asked().len() - asked, 37 - turns_before(&environment, kind, stage));
        assert_eq!(trees(&environment, dir), unbroken);
        environment.catena(&["verify", dir]).succeeds();
    }
    // What the fork wrote is its own.
    assert_eq!(shown(&environment, "demo/http"), before);
    environment.catena(&["verify", "demo/http"]).succeeds();
    environment.git("demo/http-fork/objects.git", &["fsck", "--full", "--strict"]);

    let missing = ["fork", "demo/http", "--from", "9", "--dir", "demo/none"];
    environment.catena(&missing).ends_with(2).says("has come to stage 9").says("hint: ");
    assert!(!environment.path("demo/none").exists());
    let other = ["fork", "demo/http", "--from", "1", "--rollout", "other.1"];
    environment.catena(&other).ends_with(2).says("no rollout `other.1`");
    environment.catena(&["fork", "demo/http", "--from", "0"]).ends_with(2).says("STAGE:ROUND");
}

#[test]
fn run_is_followed_until_nobody_works_on_it() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    let server = ModelServer::start(vec![command("ls"), submit()]);
    environment.write("run.toml", replay::over_http(&server, "").text());
    server.hold();
    let mut run = environment.start_catena(&["run", "run.toml", "--dir", "run"]);
    wait_for("the first request", || server.asked().len() == 1);
    std::thread::scope(|scope| {
        let follow = scope.spawn(|| environment.catena(&["show", "run", "--follow"]));
        assert!(!follow.is_finished());
        server.release();
        let told = follow.join().unwrap();
        told.succeeds()
            .prints("notes.1: stage 1 `pr-1`, carry fresh")
            .prints("notes.1: On with it. → bash (1,100 tokens")
            .prints("notes.1:   bash ok, status 0")
            .prints("notes.1: ended as rejected");
    });
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let lines = environment.catena(&["show", "run", "--follow", "--json"]);
    let records: Vec<Value> =
        lines.succeeds().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records[0]["rollout"], "notes.1");
    assert_eq!(records[0]["record"]["record"], "header");
}

#[test]
fn what_a_run_may_take_is_told_before_anything_is_spent() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let outcome = environment.catena(&["run", "demo/run.toml", "--estimate"]);
    outcome.succeeds().prints("1 rollouts with 4 stages").prints("by rules of thumb");
    assert!(!environment.path("runs").exists());

    let past = ["run", "demo/run.toml", "--estimate", "--past", "demo"];
    environment
        .catena(&past)
        .succeeds()
        .prints("from 4 stages of past runs with this scaffold and model");
    let told = environment.catena(&[&past[..], &["--json"]].concat()).json();
    let rollout = shown(&environment, "demo/run")["rollouts"][0].take();
    let expected = &told["estimate"]["expected"];
    assert_eq!(expected["turns"], rollout["turns"]);
    let cost = |usage: &Value| usage["cost_microusd"].as_u64().unwrap();
    // A mean is rounded, and prices round up for each turn.
    assert!(cost(&expected["usage"]).abs_diff(cost(&rollout["usage"])) < 100, "{told:#}");

    let text = environment
        .read("demo/run.toml")
        .replace("[budget]", "[budget.run]\nusd = 0.01\n\n[budget]");
    environment.write("demo/poor.toml", text);
    let poor = ["run", "demo/poor.toml", "--estimate", "--past", "demo/run", "--json"];
    let told = environment.catena(&poor).succeeds().json();
    assert!(cost(&told["estimate"]["expected"]["usage"]) <= 10_001, "{told:#}");
    assert_eq!(told["estimate"]["most_microusd"], 10_000);
}
