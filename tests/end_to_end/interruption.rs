//! Runs that are killed, at any record and in any process, and gone on with.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::demo_run::{ROLLOUT, demo};
use crate::environment::TestEnvironment;
use crate::journal::{comparable, lines, shown};
use crate::model_server::ModelServer;
use crate::models::{answered, demo_with, over_http};
use crate::small_run::{self, RunFile};

/// How long a program under test may take to get somewhere.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn resume_after_any_record_comes_to_the_same_end_and_asks_for_no_reply_again() {
    let environment = TestEnvironment::new();
    demo(&environment);
    // Two at a time, as there is nothing but waiting in this thread.
    std::thread::scope(|scope| {
        for half in 0..2 {
            let environment = &environment;
            scope.spawn(move || resume_after_every_second_record(environment, half));
        }
    });
}

/// Runs the demo over a model server of its own, and resumes copies of the run
/// with the beginnings of its journal.
fn resume_after_every_second_record(environment: &TestEnvironment, half: usize) {
    let server = ModelServer::of_demo(environment);
    let name = format!("http-{half}");
    demo_with(environment, &name, &over_http(environment, &server, ""));
    let run = format!("demo/{name}");
    environment.catena(&["run", &format!("{run}.toml"), "--dir", &run]).succeeds();
    let unbroken = comparable(shown(environment, &run));
    let asked = server.asked();
    let lines = lines(environment, &format!("{run}/rollouts/{ROLLOUT}.journal"));
    assert!(lines.len() > 100);
    for kept in (1..lines.len()).filter(|kept| kept % 2 == half) {
        let cut = format!("demo/cut-{half}");
        let journal = format!("{cut}/rollouts/{ROLLOUT}.journal");
        environment.copy(&run, &cut);
        environment.write(&journal, lines[..kept].concat());
        let (before, answers) = (server.asked().len(), answered(environment, &cut));
        let told = environment.catena(&["resume", &cut, "--json"]).succeeds().json();
        let what = format!("after record {kept}: {}", lines[kept - 1]);
        assert_eq!(comparable(told), unbroken, "{what}");
        assert!(environment.read(&journal).starts_with(&lines[..kept].concat()), "{what}");
        assert_eq!(server.asked()[before..], asked[answers..], "{what}");
        std::fs::remove_dir_all(environment.path(&cut)).unwrap();
    }
}

#[test]
fn run_killed_after_every_record_asks_for_no_journaled_reply_and_comes_to_the_same_end() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let server = ModelServer::of_demo(&environment);
    for name in ["unbroken", "killed"] {
        demo_with(&environment, name, &over_http(&environment, &server, ""));
    }
    environment.catena(&["run", "demo/unbroken.toml", "--dir", "demo/unbroken"]).succeeds();
    let unbroken = comparable(shown(&environment, "demo/unbroken"));
    let asked = turns(&server.asked());

    let journal = environment.path(&format!("demo/killed/rollouts/{ROLLOUT}.journal"));
    let mut arguments = vec!["run", "demo/killed.toml", "--dir", "demo/killed"];
    let (mut kills, mut answers) = (0, 0);
    loop {
        let (before, reached) = (server.asked().len(), count_records(&journal));
        let mut run = environment.start_catena(&arguments);
        let mut status = None;
        while status.is_none() && count_records(&journal) <= reached {
            status = run.try_wait().unwrap();
        }
        run.kill().unwrap();
        run.wait().unwrap();
        // What was sent is what had no reply in the journal, in order. The server may
        // count the one request that was under way at a kill only after it.
        let mut sent = turns(&server.asked()[before..]);
        let times = sent.iter().filter(|turn| **turn == answers).count();
        assert!(times <= if kills == 0 { 1 } else { 2 }, "kill {kills}: {sent:?}");
        sent.dedup();
        assert_eq!(sent, asked[answers..][..sent.len()], "kill {kills}");
        if status.is_some_and(|status| status.success()) {
            break;
        }
        kills += 1;
        answers = answered(&environment, "demo/killed");
        arguments = vec!["resume", "demo/killed"];
    }
    // The signal may come late, but not so late that few instants are tried.
    assert!(kills > asked.len(), "{kills}");
    assert_eq!(comparable(shown(&environment, "demo/killed")), unbroken);
    environment.catena(&["verify", "demo/killed"]).succeeds();
}

/// A run of some rollouts that each compute for a while in a tool call.
fn busy_run(environment: &TestEnvironment) -> Child {
    small_run::grow(environment);
    let file = RunFile::of("scaffold-calls")
        .key("trials = 3\nconcurrency = 2\nrefinements = 0\nretries = 0")
        .tool("plugin = \"tool-spins\"\nlimits = { fuel = 8_000_000_000 }");
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
    signal("KILL", *workers.first().unwrap());
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
    let verified = environment.catena(&["verify", "run"]);
    verified
        .ends_with(4)
        .prints("skipped: ended as infrastructure")
        .prints("every record reproduced");

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

/// Whether a process is behind its filter of system calls and has computed for a while.
fn computes(process: u32) -> bool {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{process}/{name}"));
    let is_walled = read("status").is_ok_and(|text| text.contains("Seccomp:\t2"));
    // The 14th field is the time in user mode, in hundredths of a second.
    let ticks = read("stat").ok().and_then(|text| text.split(' ').nth(13)?.parse::<u64>().ok());
    is_walled && ticks.is_some_and(|ticks| ticks > 30)
}

#[test]
fn rollout_whose_worker_is_lost_each_time_is_a_failure_of_its_plugin() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    let file = RunFile::of("scaffold-calls")
        .key("refinements = 0\nretries = 2")
        .tool("plugin = \"tool-spins\"\nlimits = { fuel = 40_000_000_000 }");
    environment.write("run.toml", file.text());
    let mut run = environment.start_catena(&["run", "run.toml", "--dir", "run"]);
    // What a guest can do to its worker, it does each time.
    let mut ended = Vec::new();
    for _ in 0..3 {
        let at_work = || {
            let workers = children(run.id()).into_iter().filter(|worker| !ended.contains(worker));
            workers.into_iter().find(|worker| computes(*worker))
        };
        wait_for("a guest that computes", || at_work().is_some());
        let worker = at_work().unwrap();
        signal("ABRT", worker);
        ended.push(worker);
    }
    run.wait().unwrap();
    let end = &shown(&environment, "run")["rollouts"][0]["end"];
    assert_eq!(
        (&end["outcome"], &end["plugin"]),
        (&"plugin-failed".into(), &"scaffold-calls".into())
    );
    assert!(end["detail"].to_string().contains("lost its worker each time"), "{end:#}");
    environment.catena(&["verify", "run"]).succeeds();
    environment.catena(&["resume", "run"]).succeeds();
    assert_eq!(&shown(&environment, "run")["rollouts"][0]["end"], end, "it is the end");
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

#[test]
fn workers_are_in_the_control_groups_that_the_record_tells_of() {
    let environment = TestEnvironment::new();
    let mut run = busy_run(&environment);
    let groups = |process: u32| {
        let text = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
        text.lines().filter(|line| line.contains("/catena-")).count()
    };
    let grouped = children(run.id()).into_iter().map(groups).collect::<Vec<_>>();
    let journal = environment.path("run/rollouts/notes.1.journal");
    let told = std::fs::read_to_string(journal).unwrap().contains("\"control_group\":true");
    assert!(!grouped.is_empty() && grouped.iter().all(|count| (*count > 0) == told), "{grouped:?}");
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn interrupt_from_the_keyboard_stops_the_run_and_says_how_to_go_on() {
    let environment = TestEnvironment::new();
    let mut run = busy_run(&environment);
    signal("INT", run.id());
    assert_eq!(run.wait().unwrap().code(), Some(130));
    environment.catena(&["resume", "run"]).succeeds();
    let told = shown(&environment, "run");
    for rollout in told["rollouts"].as_array().unwrap() {
        assert_eq!(rollout["end"]["outcome"], "rejected");
    }
}

/// The turn that each request asks for, from 0.
fn turns(requests: &[Value]) -> Vec<usize> {
    let replies = |request: &Value| {
        let messages = request["messages"].as_array().unwrap().iter();
        messages.filter(|message| message["role"] == "assistant").count()
    };
    requests.iter().map(replies).collect()
}

/// The whole records of a journal, but for those that only say that it is gone on with.
pub(crate) fn count_records(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.filter(|line| !line.contains(r#""record":"continued""#)).count()
}

pub(crate) fn wait_for(what: &str, mut reached: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !reached() {
        assert!(begin.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The processes that `parent` started.
pub(crate) fn children(parent: u32) -> Vec<u32> {
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

pub(crate) fn signal(name: &str, process: u32) {
    let command = format!("kill -{name} {process}");
    let sent = std::process::Command::new("sh").args(["-c", &command]).status();
    assert!(sent.unwrap().success());
}
