//! Runs that are killed, at any record and in any process, and gone on with.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::demo_run::{JOURNAL, demo};
use crate::environment::TestEnvironment;
use crate::journal::{comparable, lines, records, shown};
use crate::small_run::{self, RunFile};

/// How long a program under test may take to get somewhere.
const PATIENCE: Duration = Duration::from_mins(1);

/// The journal of the copy `demo/cut` of the demo's run.
const CUT_JOURNAL: &str = "demo/cut/rollouts/gridline-alignment.1.journal";

#[test]
fn resume_from_any_kind_of_record_comes_to_the_same_end() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let unbroken = comparable(shown(&environment, "demo/run"));
    let lines = lines(&environment, JOURNAL);
    let places = places_to_cut(&records(&environment, JOURNAL));
    assert!(places.len() > 20, "{places:?}");
    for kept in places {
        environment.copy("demo/run", "demo/cut");
        environment.write(CUT_JOURNAL, lines[..kept].concat());
        environment.catena(&["resume", "demo/cut"]).succeeds();
        let what = format!("after record {kept}: {}", lines[kept - 1]);
        assert_eq!(comparable(shown(&environment, "demo/cut")), unbroken, "{what}");
        let resumed = environment.read(CUT_JOURNAL);
        assert!(resumed.starts_with(&lines[..kept].concat()), "{what}");
        std::fs::remove_dir_all(environment.path("demo/cut")).unwrap();
    }
}

/// Numbers of records after which to cut: every pair of neighbouring kinds
/// once in a first round, once in a later one, and once at a stage that begins
/// with a conflict. The tenth tool call is no other place than the ninth.
fn places_to_cut(records: &[Value]) -> Vec<usize> {
    let mut seen = Vec::new();
    let (mut round, mut conflicted) = (Value::Null, false);
    let mut places = Vec::new();
    for (index, pair) in records.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        match before["record"].as_str() {
            Some("stage-started") => conflicted = before["carry"]["conflicts"][0].is_object(),
            Some("round-started") => round = before["round"].clone(),
            _ => {}
        }
        let place = (round.clone(), conflicted, &before["record"], &after["record"]);
        if !seen.contains(&place) {
            seen.push(place);
            places.push(index + 1);
        }
    }
    places
}

#[test]
fn run_killed_at_any_instant_is_resumed_to_the_same_end() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let unbroken = comparable(shown(&environment, "demo/run"));
    for reached in [3, 30, 60, 90] {
        let mut run = environment.start_catena(&["run", "demo/run.toml", "--dir", "demo/cut"]);
        wait_for("records", || count_lines(&environment.path(CUT_JOURNAL)) >= reached);
        // A run that was faster than the signal has ended, which is as well.
        run.kill().unwrap();
        run.wait().unwrap();
        environment.catena(&["resume", "demo/cut"]).succeeds();
        assert_eq!(comparable(shown(&environment, "demo/cut")), unbroken);
        std::fs::remove_dir_all(environment.path("demo/cut")).unwrap();
    }
}

/// A run of some rollouts that each compute for a while in a tool call.
fn busy_run(environment: &TestEnvironment) -> Child {
    small_run::grow(environment);
    let file = RunFile::of("scaffold-calls")
        .key("trials = 3\nconcurrency = 2\nrefinements = 0")
        .tool("plugin = \"tool-spins\"\nlimits = { fuel = 2_000_000_000 }");
    environment.write("run.toml", file.text());
    let run = environment.start_catena(&["run", "run.toml", "--dir", "run"]);
    wait_for("two tool calls", || {
        [1, 2].iter().all(|trial| {
            let journal = environment.path(&format!("run/rollouts/notes.{trial}.journal"));
            std::fs::read_to_string(journal).is_ok_and(|text| text.contains("calling spin"))
        })
    });
    run
}

#[test]
fn killed_worker_ends_its_rollout_alone_and_resume_completes_it() {
    let environment = TestEnvironment::new();
    let mut run = busy_run(&environment);
    let workers = children(run.id());
    kill(*workers.first().unwrap());
    assert_eq!(run.wait().unwrap().code(), Some(3));

    let told = shown(&environment, "run");
    let ends = |outcome: &str| {
        let rollouts = told["rollouts"].as_array().unwrap().iter();
        rollouts.filter(|rollout| rollout["end"]["outcome"] == outcome).collect::<Vec<_>>()
    };
    let killed = ends("infrastructure");
    assert_eq!(killed.len(), 1, "{told:#}");
    let reason = killed[0]["end"]["reason"].as_str().unwrap();
    assert!(reason.contains("the worker process died") && reason.contains('9'), "{reason}");
    assert_eq!(ends("rejected").len(), 2);

    environment.catena(&["resume", "run"]).succeeds();
    let resumed = shown(&environment, "run");
    for (before, after) in
        told["rollouts"].as_array().unwrap().iter().zip(resumed["rollouts"].as_array().unwrap())
    {
        assert_eq!(after["end"]["outcome"], "rejected");
        assert!(before["end"]["outcome"] == "infrastructure" || before == after);
    }
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn run_that_is_worked_on_is_not_taken_over() {
    let environment = TestEnvironment::new();
    let mut run = busy_run(&environment);
    let outcome = environment.catena(&["resume", "run"]);
    outcome
        .ends_with(2)
        .says("error: another process is working on the run `run`")
        .says("hint: wait");
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn workers_end_with_the_run_that_was_killed() {
    let environment = TestEnvironment::new();
    let mut run = busy_run(&environment);
    let workers = children(run.id());
    assert!(!workers.is_empty());
    run.kill().unwrap();
    run.wait().unwrap();
    wait_for("the workers' end", || !workers.iter().any(|worker| is_alive(*worker)));
}

fn count_lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.matches('\n').count())
}

fn wait_for(what: &str, reached: impl Fn() -> bool) {
    let begin = Instant::now();
    while !reached() {
        assert!(begin.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The processes that `parent` started.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap();
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let state = after_name(*id);
        let words: Vec<&str> = state.split_whitespace().collect();
        words.get(1) == Some(&parent.to_string().as_str())
    })
    .collect()
}

/// What the kernel tells of a process after its name: its state, its parent, and
/// more. Nothing if there is no such process.
fn after_name(process: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}

/// Whether a process runs; one that ended and was not waited for does not.
fn is_alive(process: u32) -> bool {
    let state = after_name(process);
    !state.is_empty() && !state.starts_with('Z')
}

fn kill(process: u32) {
    let command = format!("kill -9 {process}");
    let killed = std::process::Command::new("sh").args(["-c", &command]).status();
    assert!(killed.unwrap().success());
}
