//! What a journal keeps: rollouts that can't be made again, long ones, journals
//! of an earlier version, and rollouts that wait without a worker.

use serde_json::{Value, json};

use crate::demo_run::{JOURNAL, ROLLOUT, demo};
use crate::environment::TestEnvironment;
use crate::interruption::{children, signal, wait_for};
use crate::journal::{comparable, lines, records, shown};
use crate::model_server::ModelServer;
use crate::small_run::{self, RunFile, first_rollout, logs};

const SMALL: &str = "run/rollouts/notes.1.journal";

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

/// A reply that asks `scaffold-mini`'s shell for something.
pub(crate) fn command(command: &str) -> Value {
    json!({"content": "On with it.", "tool_calls":
        [{"name": "bash", "arguments": {"command": command}}]})
}

pub(crate) fn submit() -> Value {
    command("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT")
}

/// The agent with a shell.
fn agent() -> RunFile {
    RunFile::of("scaffold-mini")
        .key("refinements = 0")
        .scaffold("grant = { model = true }")
        .tool("plugin = \"tool-bash\"\ngrant = { workspace = \"read-write\" }")
}

/// The agent over a server, with further keys of the model.
pub(crate) fn over_http(server: &ModelServer, keys: &str) -> RunFile {
    agent().table(&format!(
        "[model]\nkind = \"openai\"\nbase_url = \"{}\"\nmodel = \"script\"\n\
         price = {{ input = 1, output = 2 }}\n{keys}",
        server.base_url
    ))
}

#[test]
fn call_that_ran_out_of_time_is_taken_as_it_was_recorded() {
    let environment = environment();
    let scribbles = "plugin = \"tool-scribbles\"\ngrant = { workspace = \"read-write\" }\n\
                     limits = { wall = \"300ms\", fuel = 1_000_000_000_000 }";
    let run = RunFile::of("scaffold-calls").key("refinements = 0").tool(scribbles);
    let rollout = run.rollout(&environment);
    assert!(logs(&environment).contains("scribble gave no answer: ToolError::TimedOut("));
    environment
        .catena(&["verify", "run"])
        .succeeds()
        .prints("but for 1 call that ran out of wall-clock time, which was taken as recorded");

    // Wherever the process ends after the call, what it left is not computed again.
    let whole = lines(&environment, SMALL);
    let call = whole.iter().position(|line| line.contains(r#""event":"tool-call""#)).unwrap();
    let tree = records(&environment, SMALL)[call]["tree"].clone();
    for kept in call + 1..whole.len() {
        environment.write(SMALL, whole[..kept].concat());
        environment.catena(&["resume", "run"]).succeeds();
        let resumed = first_rollout(&environment);
        assert_eq!(resumed["stages"][0]["tree"], rollout["stages"][0]["tree"]);
        assert_eq!(records(&environment, SMALL)[call]["tree"], tree);
    }
    // One that did not come to its end is made again, and may come to less.
    environment.write(SMALL, whole[..call].concat());
    environment.catena(&["resume", "run"]).succeeds();
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn session_of_the_shell_goes_on_after_a_resume() {
    let environment = environment();
    let replies = [
        command("mkdir lib; cd lib; X=kept; keep() { echo \"$X $PWD\" > $1; }"),
        command("keep here.txt; cd .."),
        command("keep there.txt; cat lib/here.txt there.txt"),
        submit(),
    ];
    let tool = "plugin = \"tool-bash\"\ngrant = { workspace = \"read-write\" }\n\
                config = { shell = \"session\" }";
    let run = RunFile::of("scaffold-mini")
        .key("refinements = 0")
        .scaffold("grant = { model = true }")
        .tool(tool)
        .model(&environment, &json!(replies));
    let tree = run.rollout(&environment)["stages"][0]["tree"].clone();
    let whole = lines(&environment, SMALL);
    assert!(whole.concat().contains("kept /workspace/lib"), "{}", whole.concat());
    for kept in 1..whole.len() {
        environment.write(SMALL, whole[..kept].concat());
        environment.catena(&["resume", "run"]).succeeds();
        assert_eq!(first_rollout(&environment)["stages"][0]["tree"], tree, "{kept}");
    }
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn round_that_ran_out_of_time_is_taken_as_it_was_recorded() {
    let environment = environment();
    let run = RunFile::of("scaffold-spins").scaffold("limits = { wall = \"200ms\" }");
    run.rollout(&environment);
    let journal = environment.read(SMALL).replace("200ms", "201ms");
    let mended: Vec<String> = journal
        .lines()
        .map(|line| format!("{:08x} {}\n", crc32fast::hash(&line.as_bytes()[9..]), &line[9..]))
        .collect();
    environment.write(SMALL, mended.concat());
    environment.catena(&["verify", "run"]).succeeds().prints("1 call that ran out");
}

#[test]
fn waiting_for_the_model_takes_nothing_of_the_wall_clock_limit() {
    let environment = environment();
    let server = ModelServer::start(vec![command("ls"), submit(), submit()]);
    let run = over_http(&server, "").scaffold("limits = { wall = \"1s\" }");
    environment.write("run.toml", run.text());
    server.hold();
    let mut run = environment.start_catena(&["run", "run.toml", "--dir", "run"]);
    wait_for("the first request", || server.asked().len() == 1);
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    server.release();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(first_rollout(&environment)["end"]["outcome"], "rejected");
}

#[test]
fn what_failed_attempts_cost_is_known_after_a_kill_during_the_wait() {
    let environment = environment();
    let server = ModelServer::start(vec![json!({"cut": true})]);
    let run = over_http(&server, "retry = { first_wait = \"1h\", longest_wait = \"1h\" }");
    environment.write("run.toml", run.text());
    let mut run = environment.start_catena(&["run", "run.toml", "--dir", "run"]);
    let journal = environment.path(SMALL);
    wait_for("the failed attempt", || {
        std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("model-failed"))
    });
    run.kill().unwrap();
    run.wait().unwrap();
    let spent = |rollout: &Value| rollout["usage"]["cost_microusd"].as_u64().unwrap();
    let lost = first_rollout(&environment);
    assert_eq!(lost["failed_attempts"], 1);
    assert!(spent(&lost) > 0);

    server.give(vec![submit()]);
    environment.catena(&["resume", "run"]).succeeds();
    let resumed = first_rollout(&environment);
    assert_eq!((&resumed["failed_attempts"], &resumed["turns"]), (&json!(1), &json!(1)));
    // A thousand tokens in and a hundred out.
    assert_eq!(spent(&resumed), spent(&lost) + 1_000 + 200);
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn rollout_of_more_than_a_hundred_turns_is_reproduced_record_by_record() {
    let environment = environment();
    let write =
        |turn: usize| command(&format!("echo line {turn} >> log.txt; head -c 9000 log.txt"));
    let mut replies: Vec<Value> = (0..118).map(write).collect();
    replies.push(command("yes lorem ipsum | head -n 2000"));
    replies.push(submit());
    let run = agent()
        .scaffold("config = { step_limit = 200, cost_limit = 0 }")
        .model(&environment, &json!(replies));
    let rollout = run.rollout(&environment);
    assert_eq!(rollout["turns"], 120, "{rollout:#}");
    environment.catena(&["verify", "run"]).succeeds().prints("every record reproduced");

    // Long texts lie beside the journal, and are looked at too.
    let blobs = walk(&environment.path("run/rollouts/blobs"));
    assert!(!blobs.is_empty());
    let blob = &blobs[0];
    let mut content = std::fs::read(blob).unwrap();
    content[7] ^= 1;
    std::fs::write(blob, content).unwrap();
    let name = blob.file_name().unwrap().to_str().unwrap();
    environment
        .catena(&["verify", "run"])
        .ends_with(4)
        .says(name)
        .says("is not what its name says");
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn component_in_which_a_byte_is_flipped_is_named() {
    let environment = environment();
    environment.copy_plugin("scaffold-nop", "mine");
    RunFile::of("./mine").rollout(&environment);
    let component = "mine/scaffold_nop.wasm";
    let mut content = std::fs::read(environment.path(component)).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    environment.write(component, content);
    for command in ["verify", "resume"] {
        environment.catena(&[command, "run"]).ends_with(2).says("`scaffold-nop`");
    }
}

/// Puts a journal into the form in which version 1 was written.
fn to_version_1(environment: &TestEnvironment, path: &str) {
    let mut written = Vec::new();
    for mut record in records(environment, path) {
        match record["record"].as_str().unwrap() {
            "continued" | "rewound" | "model-failed" => panic!("version 1 has no {record}"),
            "header" => {
                record["journal"] = json!(1);
                record.as_object_mut().unwrap().remove("engine");
            }
            "event" => drop(record.as_object_mut().unwrap().remove("end")),
            _ => {}
        }
        let json = inlined(environment, record).to_string();
        written.push(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())));
    }
    environment.write(path, written.concat());
    let blobs = environment.path(path).with_file_name("blobs");
    if blobs.exists() {
        std::fs::remove_dir_all(blobs).unwrap();
    }
}

fn inlined(environment: &TestEnvironment, value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            if let Some(digest) = fields.get("$blob").and_then(Value::as_str) {
                let (first, rest) = digest.split_at(2);
                return environment.read(&format!("demo/run/rollouts/blobs/{first}/{rest}")).into();
            }
            let field = |(key, value)| (key, inlined(environment, value));
            Value::Object(fields.into_iter().map(field).collect())
        }
        Value::Array(items) => items.into_iter().map(|item| inlined(environment, item)).collect(),
        other => other,
    }
}

#[test]
fn journal_of_version_1_is_shown_verified_and_gone_on_with() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let told = comparable(shown(&environment, "demo/run"));
    to_version_1(&environment, JOURNAL);
    assert_eq!(comparable(shown(&environment, "demo/run")), told);
    environment.catena(&["verify", "demo/run"]).succeeds();
    let old = lines(&environment, JOURNAL);
    for kept in [1, old.len() / 3, old.len() - 2] {
        environment.write(JOURNAL, old[..kept].concat());
        environment.catena(&["resume", "demo/run"]).succeeds();
        assert_eq!(comparable(shown(&environment, "demo/run")), told);
        environment.catena(&["verify", "demo/run"]).succeeds();
    }
}

#[test]
fn rollout_that_waits_long_gives_its_worker_back_and_comes_to_the_same_end() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let server = ModelServer::of_demo(&environment);
    let text = environment.read("demo/run.toml");
    let (before, rest) = text.split_once("[model]").unwrap();
    let (_, budget) = rest.split_once("[budget]").unwrap();
    let model = format!(
        "[parking]\nafter = \"1ms\"\n\n[model]\nkind = \"openai\"\nbase_url = \"{}\"\n\
         model = \"script\"\nprice = {{ input = 0.6, cached = 0.11, output = 2.2 }}\n\n",
        server.base_url
    );
    environment.write("demo/parked.toml", format!("{before}{model}[budget]{budget}"));
    server.hold();
    let mut run = environment.start_catena(&["run", "demo/parked.toml", "--dir", "demo/parked"]);
    wait_for("the first request", || server.asked().len() == 1);
    wait_for("the worker's end", || children(run.id()).is_empty());
    server.release();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(server.asked().len(), 37);
    let trees = |run: &str| {
        let rollout = shown(&environment, run)["rollouts"][0].take();
        let stages = rollout["stages"].as_array().unwrap().clone();
        let trees: Vec<Value> = stages.iter().map(|stage| stage["tree"].clone()).collect();
        (trees, rollout["turns"].clone(), rollout["tool_calls"].clone())
    };
    assert_eq!(trees("demo/parked"), trees("demo/run"));
    environment.catena(&["verify", "demo/parked"]).succeeds();
    let journal = environment.read(&format!("demo/parked/rollouts/{ROLLOUT}.journal"));
    assert!(!journal.contains("rewound"));
}

#[test]
fn first_interrupt_finishes_the_turn_and_the_second_stops_at_once() {
    let environment = environment();
    let server = ModelServer::start(vec![command("ls"), command("pwd"), submit()]);
    environment.write("run.toml", over_http(&server, "").text());
    server.hold();
    let mut run = environment.start_catena(&["run", "run.toml", "--dir", "run"]);
    wait_for("the first request", || server.asked().len() == 1);
    signal("INT", run.id());
    server.release();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    // The reply that was paid is there with what came of it, and no other was asked for.
    assert_eq!(server.asked().len(), 1);
    let rollout = first_rollout(&environment);
    assert_eq!((&rollout["turns"], &rollout["tool_calls"]), (&json!(1), &json!(1)));
    assert!(rollout["end"].is_null());

    server.hold();
    let mut run = environment.start_catena(&["resume", "run"]);
    wait_for("the second request", || server.asked().len() == 2);
    // Signals that come too fast for the program are one.
    let mut status = None;
    wait_for("the run's end", || {
        signal("INT", run.id());
        status = run.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(130));
    server.release();
    environment.catena(&["resume", "run"]).succeeds();
    assert_eq!(first_rollout(&environment)["turns"], 3);
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn worker_that_died_is_replaced_and_the_rollout_goes_on() {
    let environment = environment();
    let server = ModelServer::start(vec![command("ls"), submit()]);
    environment.write("run.toml", over_http(&server, "").text());
    server.hold();
    let mut run = environment.start_catena(&["run", "run.toml", "--dir", "run"]);
    wait_for("the first request", || server.asked().len() == 1);
    let worker = children(run.id());
    signal("KILL", worker[0]);
    server.release();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(server.asked().len(), 2);
    assert_eq!(first_rollout(&environment)["turns"], 2);
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn skipped_rollouts_are_told_and_fail_the_verification() {
    let environment = environment();
    RunFile::of("scaffold-nop").key("trials = 2").run(&environment).succeeds();
    std::fs::remove_file(environment.path("run/rollouts/notes.2.journal")).unwrap();
    let outcome = environment.catena(&["verify", "run"]);
    outcome.ends_with(4).prints("rollout notes.2: skipped: not begun").prints("not every rollout");
}
