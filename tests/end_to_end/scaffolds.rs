//! The shipped agents over a script: what they do to their conversations, and
//! what becomes of that in exports.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::environment::TestEnvironment;
use crate::journal::records;
use crate::small_run::{self, CHAIN, RunFile, first_rollout};

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

/// A reply that calls one tool.
fn calls(tool: &str, arguments: &Value) -> Value {
    json!({"tool_calls": [{"name": tool, "arguments": arguments}]})
}

fn command(command: &str) -> Value {
    calls("bash", &json!({"command": command}))
}

const SUBMIT: &str = "printf 'COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\\nall of it\\n'";

/// `scaffold-mini` with a shell over these replies, every submission accepted.
fn mini(environment: &TestEnvironment, config: &str, replies: &Value) -> RunFile {
    RunFile::of("scaffold-mini")
        .key("threshold = 0.0\nrefinements = 0")
        .scaffold(&format!("grant = {{ model = true }}\nconfig = {{ {config} }}"))
        .tool("plugin = \"tool-bash\"\ngrant = { workspace = \"read-write\" }")
        .model(environment, replies)
}

/// `scaffold-sii` with all its tools over these replies.
fn sii(environment: &TestEnvironment, config: &str, window: u64, replies: &Value) -> RunFile {
    let script = json!({"version": 1, "replies": {"*": replies}});
    environment.write("script.json", script.to_string());
    RunFile::of("scaffold-sii")
        .key("threshold = 0.0\nrefinements = 0")
        .scaffold("grant = { model = true, workspace = \"read\" }")
        .scaffold(&format!("config = {{ {config} }}"))
        .tool("plugin = \"tool-files\"\ngrant = { workspace = \"read-write\" }")
        .tool("plugin = \"tool-bash\"\ngrant = { workspace = \"read-write\" }")
        .table(&format!(
            "[model]\nkind = \"scripted\"\nscript = \"script.json\"\ncontext_window = {window}"
        ))
}

fn export(environment: &TestEnvironment) -> (Vec<Value>, Value) {
    let export = ["export", "run", "--profile", "openai", "--output", "out.jsonl"];
    environment.catena(&export).succeeds();
    let lines = environment.read("out.jsonl");
    let samples = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (samples, environment.read_json("out.jsonl.manifest.json"))
}

/// The trajectory of the only rollout in mini-swe-agent's form.
fn trajectory(environment: &TestEnvironment) -> Value {
    let export = ["export", "run", "--profile", "mini-swe-agent", "--output", "trajectories"];
    environment.catena(&export).succeeds().prints("1 trajectory: trajectories");
    environment.read_json(&format!("trajectories/{CHAIN}.1/{CHAIN}.1.traj.json"))
}

fn roles(messages: &Value) -> Vec<&str> {
    let messages = messages.as_array().unwrap();
    messages.iter().map(|message| message["role"].as_str().unwrap()).collect()
}

/// How often each reply of the journal is to be learned, over all samples.
fn learned(environment: &TestEnvironment) -> BTreeMap<String, usize> {
    let journal = format!("run/rollouts/{CHAIN}.1.journal");
    let replies = records(environment, &journal).into_iter().filter_map(|record| {
        let message = record["answer"]["reply"]["message"].clone();
        (record["record"] == "exchange").then(|| text_of(&message["content"], &message))
    });
    let mut learned: BTreeMap<String, usize> = replies.map(|reply| (reply, 0)).collect();
    let (samples, manifest) = export(environment);
    for (sample, entry) in samples.iter().zip(manifest["samples"].as_array().unwrap()) {
        for (position, message) in sample["messages"].as_array().unwrap().iter().enumerate() {
            let is_trained = entry["trained"].as_array().unwrap().contains(&json!(position));
            assert_eq!(message["role"] == "assistant" && message["weight"] != 0, is_trained);
            if is_trained {
                *learned.get_mut(&text_of(&message["content"], message)).unwrap() += 1;
            }
        }
    }
    learned
}

fn text_of(content: &Value, message: &Value) -> String {
    let empty = Vec::new();
    let calls = message["tool_calls"].as_array().unwrap_or(&empty);
    let ids: Vec<&str> = calls.iter().map(|call| call["id"].as_str().unwrap()).collect();
    format!("{} {}", content.as_str().unwrap(), ids.join(" "))
}

#[test]
fn trajectory_of_mini_has_the_shape_of_version_2() {
    let environment = environment();
    let both = json!({"content": "THOUGHT: look", "tool_calls": [
        {"name": "bash", "arguments": {"command": "cat README.md"}},
        {"name": "bash", "arguments": {"command": "exit 3"}},
    ]});
    let replies = json!([{"content": "no call"}, both, command(SUBMIT)]);
    mini(&environment, "", &replies).key("only = []").run(&environment).succeeds();
    let trajectory = trajectory(&environment);
    assert_eq!(trajectory["trajectory_format"], "mini-swe-agent-1.1");
    let info = &trajectory["info"];
    assert_eq!(info["exit_status"], "Submitted");
    assert_eq!(info["submission"], "all of it\n");
    assert_eq!(info["model_stats"]["api_calls"], 6, "two stages, one conversation");
    assert_eq!(info["config"]["agent"]["max_consecutive_format_errors"], 3);
    let messages = &trajectory["messages"];
    let stage = ["user", "assistant", "tool", "tool", "assistant"];
    let expected = [&["system", "user"], &stage[..], &["tool", "user"], &stage, &["exit"]].concat();
    assert_eq!(roles(messages), expected);
    let format_error = &messages[2]["extra"];
    assert_eq!(format_error["interrupt_type"], "FormatError");
    let taken_back = &format_error["response"]["choices"][0];
    assert_eq!(taken_back["message"]["content"], "no call");
    let actions = json!([
        {"command": "cat README.md", "tool_call_id": "call-pr-1-1-0"},
        {"command": "exit 3", "tool_call_id": "call-pr-1-1-1"},
    ]);
    assert_eq!(messages[3]["extra"]["actions"], actions);
    assert_eq!(messages[4]["extra"]["returncode"], 0);
    let readme = "# Notes\n\nWrites notes down.\n";
    assert_eq!(messages[4]["extra"]["raw_output"], readme);
    assert_eq!(messages[5]["extra"]["returncode"], 3);
    assert_eq!(messages[5]["tool_call_id"], "call-pr-1-1-1");
}

#[test]
fn malformed_replies_are_taken_back_and_not_learned() {
    let environment = environment();
    let replies =
        json!([{"content": "first"}, command("ls"), {"content": "second"}, command(SUBMIT)]);
    let rollout = mini(&environment, "", &replies).rollout(&environment);
    assert_eq!(rollout["replacements"], 4, "two in each of two stages");
    let (samples, manifest) = export(&environment);
    assert_eq!(samples.len(), 1);
    assert_eq!(manifest["taken_back"], 4);
    assert!(!environment.read("out.jsonl").contains("first"));
    for (reply, times) in learned(&environment) {
        let is_malformed = reply.starts_with("first") || reply.starts_with("second");
        assert_eq!(times, usize::from(!is_malformed), "{reply}");
    }
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn trajectory_of_a_failure_says_how_it_ended() {
    let cases = [
        ("", json!([{"content": "a"}, {"content": "b"}, {"content": "c"}]), "RepeatedFormatError"),
        ("step_limit = 1", json!([command("ls")]), "LimitsExceeded"),
        ("wall_time_limit_seconds = 5", json!([command("sleep 6")]), "TimeExceeded"),
    ];
    for (config, replies, status) in cases {
        let environment = environment();
        mini(&environment, config, &replies).run(&environment).succeeds();
        let trajectory = trajectory(&environment);
        assert_eq!(trajectory["info"]["exit_status"], status);
        let last = trajectory["messages"].as_array().unwrap().last().unwrap();
        let expected = json!({"role": "exit", "content": status,
            "extra": {"exit_status": status, "submission": ""}});
        assert_eq!(*last, expected);
    }
}

#[test]
fn text_mode_of_version_1_has_the_trajectory_of_version_1() {
    let environment = environment();
    let say = |command: &str| json!({"content": format!("THOUGHT: x\n```bash\n{command}\n```")});
    let replies = json!([{"content": "no command"}, say("echo a >&2; exit 2"), say(SUBMIT)]);
    mini(&environment, "mode = \"text-v1\"", &replies).run(&environment).succeeds();
    let trajectory = trajectory(&environment);
    assert_eq!(trajectory["trajectory_format"], "mini-swe-agent-1");
    let messages = &trajectory["messages"];
    let stage = ["assistant", "user", "assistant", "user", "assistant", "user"];
    assert_eq!(roles(messages), [&["system", "user"], &stage[..], &stage].concat());
    assert_eq!(messages[3].as_object().unwrap().len(), 2);
    let observation = messages[5]["content"].as_str().unwrap();
    assert!(observation.contains("<returncode>2</returncode>\n<output>\na\n"), "{observation}");
}

/// Looks at files until 70 % of a small window are full, then is asked for a
/// snapshot, sends a sub-agent, and ends.
fn long_work() -> Value {
    let count = |to: u32| calls("run_shell_command", &json!({"command": format!("seq 1 {to}")}));
    json!([
        count(1_200),
        count(900),
        count(600),
        {"content": "<state_snapshot>counting</state_snapshot>"},
        calls("agent_tool", &json!({"prompt": "look at the README"})),
        calls("read_file", &json!({"absolute_path": "/workspace/README.md"})),
        {"content": "it is about notes"},
        {"content": "all done"},
    ])
}

#[test]
fn compression_and_sub_agents_are_samples_of_their_own_and_each_turn_is_learned_once() {
    let environment = environment();
    let run = sii(&environment, "", 4_000, &long_work()).key("conversation = \"stage\"");
    let rollout = run.rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "accepted", "{rollout:#}");
    // Two stages: a fork for the snapshot, whose history is shortened, and one for
    // the sub-agent; and the main conversation's own shorter history.
    assert_eq!((&rollout["forks"], &rollout["replacements"]), (&json!(4), &json!(4)));
    environment.catena(&["show", "run"]).prints("conversations: 4 forked, 4 times");
    for (reply, times) in learned(&environment) {
        // Snapshot and report are in words that both stages share.
        assert_eq!(times, if reply.contains("call-") { 1 } else { 2 }, "{reply}");
    }
    let (samples, manifest) = export(&environment);
    assert_eq!(samples.len(), 8);
    let entries = manifest["samples"].as_array().unwrap();
    let of_first = |entry: &&Value| entry["stages"] == json!(["pr-1"]);
    let first: Vec<(Value, bool, Value)> = entries
        .iter()
        .filter(of_first)
        .map(|entry| {
            let is_fork = !entry["forked_from"].is_null();
            (entry["history"].clone(), is_fork, entry["model_turns"].clone())
        })
        .collect();
    let expected = [(1, false, 3), (2, false, 2), (2, true, 1), (1, true, 2)];
    assert_eq!(first, expected.map(|(history, fork, turns)| (json!(history), fork, json!(turns))));
    let compressed = samples[1]["messages"].as_array().unwrap();
    assert!(compressed[1]["content"].as_str().unwrap().contains("<state_snapshot>counting"));
    assert!(compressed.len() < samples[0]["messages"].as_array().unwrap().len());
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn compressed_rollout_is_resumed_to_the_same_end() {
    let environment = environment();
    let replies = long_work();
    let short = Value::Array(replies.as_array().unwrap()[..5].to_vec());
    sii(&environment, "", 4_000, &short).run(&environment).ends_with(3);
    let script = json!({"version": 1, "replies": {"*": replies}});
    environment.write("script.json", script.to_string());
    environment.catena(&["resume", "run"]).succeeds();
    let rollout = first_rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "accepted", "{rollout:#}");
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn staged_session_is_one_conversation_and_memory_bridges_several() {
    let replies = json!([
        calls("save_memory", &json!({"fact": "notes are strings"})),
        calls("write_file", &json!({"file_path": "/workspace/a.py", "content": "A = 1\n"})),
        {"content": "done"},
    ]);
    for (scope, samples_expected) in [("chain", 1), ("stage", 2)] {
        let environment = environment();
        let key = format!("conversation = \"{scope}\"");
        let rollout = sii(&environment, "", 0, &replies).key(&key).rollout(&environment);
        assert_eq!(rollout["end"]["outcome"], "accepted", "{rollout:#}");
        let (samples, manifest) = export(&environment);
        assert_eq!(samples.len(), samples_expected);
        let last = samples.last().unwrap();
        let tools: Vec<&str> = last["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["function"]["name"].as_str().unwrap())
            .collect();
        assert_eq!(tools, TEN_TOOLS);
        let system = last["messages"][0]["content"].as_str().unwrap();
        assert_eq!(system.contains("- notes are strings"), scope == "stage", "{system}");
        let stages = &manifest["samples"][samples_expected - 1]["stages"];
        assert_eq!(stages.as_array().unwrap().len(), 3 - samples_expected);
        // The reply to the greeting is nobody's.
        assert_eq!(last["messages"][2]["weight"], 0);
    }
}

const TEN_TOOLS: [&str; 10] = [
    "list_directory",
    "read_file",
    "search_file_content",
    "glob",
    "replace",
    "write_file",
    "read_many_files",
    "run_shell_command",
    "save_memory",
    "agent_tool",
];

#[test]
fn agent_that_repeats_itself_or_never_ends_submits_nothing() {
    let look = || calls("glob", &json!({"pattern": "*"}));
    let same: Vec<Value> = (0..5).map(|_| look()).collect();
    let environment = environment();
    let rollout = sii(&environment, "", 0, &json!(same)).rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "rejected");
    assert_eq!(rollout["end"]["reason"], "gave up: loop-detected");
    assert_eq!(rollout["tool_calls"], 4);

    let environment = self::environment();
    let rollout = sii(&environment, "turn_limit = 3", 0, &json!(same)).rollout(&environment);
    assert_eq!(rollout["end"], json!({"outcome": "over-budget", "which": "turns"}));
}
