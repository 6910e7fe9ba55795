//! Programs: what a user adds, a run grants and a shell starts.

use serde_json::{Value, json};

use crate::environment::{TestEnvironment, test_plugins};
use crate::small_run::{self, RunFile};

/// Has the shell run a command line over two files, with `probe` granted.
fn shell(environment: &TestEnvironment, arguments: &Value) -> Value {
    let arguments = arguments.to_string();
    let granted = ["plugin", "try", "tool-bash", "--dir", "files", "--program", "program-probe"];
    let outcome = environment.catena(&[&granted[..], &["--json", &arguments]].concat());
    outcome.json()
}

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.write("files/README", "a library\n");
    environment.write("files/src/list.py", "def head(items):\n");
    let probe = test_plugins().join("program-probe");
    environment.catena(&["program", "add", probe.to_str().unwrap()]).succeeds();
    environment
}

/// What a command line prints.
fn output(environment: &TestEnvironment, command: &str) -> String {
    let answer = shell(environment, &json!({"command": command}));
    answer["content"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn program_is_listed_until_it_is_removed() {
    let environment = environment();
    environment.catena(&["program", "list"]).succeeds().prints("probe, examine");
    environment.catena(&["program", "remove", "program-probe"]).succeeds();
    let listed = environment.catena(&["--json", "program", "list"]);
    assert_eq!(listed.succeeds().json(), json!([]));
    environment
        .catena(&["program", "remove", "program-probe"])
        .ends_with(2)
        .says("no program `program-probe` has been added");
}

#[test]
fn file_that_is_no_command_is_not_added() {
    let environment = environment();
    environment.write("notes.wasm", "these are notes");
    environment.catena(&["program", "add", "notes.wasm"]).ends_with(2).says("hint: a WASI command");
    let library = test_plugins().join("tool-looks/tool_looks.wasm");
    environment
        .catena(&["program", "add", library.to_str().unwrap(), "--name", "looks"])
        .ends_with(2)
        .says("does not export `wasi:cli/run@0.2`");
    let listed = environment.catena(&["--json", "program", "list"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[test]
fn program_is_a_command_of_the_shell() {
    let environment = environment();
    for (command, expected) in [
        ("probe arguments a 'b c' ''", "probe|arguments|a|b c|\n"),
        ("echo hello | probe upper | rev", "OLLEH\n"),
        ("export X=1; probe variable X; probe variable PROBE", "1\nits own\n"),
        ("cd src; probe variable PWD; probe read list.py", "/workspace/src\ndef head(items):\n"),
        ("probe read /workspace/README", "a library\n"),
        ("probe write made yes; cat made; echo no > made; probe read made", "yesno\n"),
        ("cd /tmp; echo kept > note; probe read note", "kept\n"),
        (
            "probe exit 1; echo $?; probe read nothing || echo missing",
            "leaving\n1\nnothing: entity not found\nmissing\n",
        ),
        ("echo src/list.py | xargs examine arguments", "examine|arguments|src/list.py\n"),
        ("probe fill 2097152 | wc -c", "2097152\n"),
        ("printf 'a\\nb\\n' | while read l; do echo $l | probe upper; done", "A\nB\n"),
        (
            "probe read ../README; [ $? -ne 0 ] && echo refused",
            "../README: permission denied\nrefused\n",
        ),
    ] {
        assert_eq!(output(&environment, command), expected, "{command}");
    }
}

#[test]
fn status_of_a_module_of_preview_1_is_kept() {
    let environment = environment();
    environment.write("seven.wasm", exits_with_seven());
    environment.catena(&["program", "add", "seven.wasm"]).succeeds();
    let granted = ["plugin", "try", "tool-bash", "--program", "seven", "--json"];
    let outcome = environment.catena(&[&granted[..], &[r#"{"command": "seven"}"#]].concat());
    outcome.ends_with(7);
    assert_eq!(outcome.json()["exit_status"], 7);
}

/// `(func (export "_start") i32.const 7 call $proc_exit)`
fn exits_with_seven() -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let section = |id: u8, content: Vec<u8>| {
        [&[id, u8::try_from(content.len()).unwrap()], &content[..]].concat()
    };
    let import = [&[1][..], &text("wasi_snapshot_preview1"), &text("proc_exit"), &[0, 0]].concat();
    let exports = [&[2][..], &text("memory"), &[2, 0], &text("_start"), &[0, 1]].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, vec![2, 0x60, 1, 0x7f, 0, 0x60, 0, 0]),
        section(2, import),
        section(3, vec![1, 1]),
        section(5, vec![1, 0, 1]),
        section(7, exports),
        section(10, vec![1, 6, 0, 0x41, 7, 0x10, 0, 0x0b]),
    ]
    .concat()
}

#[test]
fn program_that_is_not_granted_is_not_there() {
    let environment = environment();
    let call = [r#"{"command": "probe arguments"}"#];
    let outcome = environment.catena(&[&["plugin", "try", "tool-bash"][..], &call].concat());
    outcome.ends_with(127).prints("probe: command not found");
}

#[test]
fn program_ends_within_its_callers_limits() {
    let environment = environment();
    assert_eq!(
        output(&environment, "probe hoard; echo $?"),
        "probe: a limit is reached: memory\n126\n"
    );
    let overdue = shell(
        &environment,
        &json!({"command": "echo begun; probe spin; echo on", "timeout_seconds": 1}),
    );
    assert_eq!(overdue["outcome"], "timed-out", "{overdue}");
    assert_eq!(overdue["content"], "begun\nspinning\non\n");
    assert!(output(&environment, "probe abort; echo $?").ends_with("134\n"));
    // `timeout` ends a program, and the command line goes on.
    for command in ["timeout 0.5 probe spin; echo $?", "timeout 0.5 bash -c 'probe spin'; echo $?"]
    {
        assert_eq!(output(&environment, command), "spinning\n124\n", "{command}");
    }
    assert_eq!(
        output(&environment, "timeout 9 probe variable _TIMEOUT_MILLISECONDS; echo $?"),
        "-\n0\n"
    );
}

#[test]
fn programs_start_programs_to_a_bounded_depth() {
    let environment = environment();
    assert_eq!(output(&environment, "probe nest 3"), "at the bottom\n");
    assert_eq!(
        output(&environment, "probe nest 4"),
        "refused: programs start programs to a depth of 4 at most\n"
    );
}

#[test]
fn programs_that_a_call_starts_are_counted_with_those_that_they_start() {
    let environment = environment();
    small_run::grow(&environment);
    let command =
        |line: &str| json!({"tool_calls": [{"name": "bash", "arguments": {"command": line}}]});
    let submit = command("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT");
    let line = "probe nest 2; for i in 1 2 3; do probe exit 0 || echo refused >> made.txt; done";
    let rollout = RunFile::of("scaffold-mini")
        .key("refinements = 0")
        .key("on_reject = \"stop\"")
        .scaffold("grant = { model = true }")
        .tool(
            "plugin = \"tool-bash\"\nlimits = { processes = 4 }\n\
             grant = { workspace = \"read-write\", programs = [\"program-probe\"] }",
        )
        .model(&environment, &json!([command(line), submit]))
        .rollout(&environment);
    let used = &rollout["used"]["tool-bash"];
    assert_eq!(used["processes"], 4, "{rollout:#}");
    assert_eq!(used["refused"]["limit:processes"], 2, "{rollout:#}");
    assert_eq!(rollout["stages"][0]["rounds"][0]["submission"]["files"], 1, "{rollout:#}");
}

#[test]
fn run_records_what_it_started_and_can_be_verified() {
    let environment = environment();
    small_run::grow(&environment);
    let command =
        |line: &str| json!({"tool_calls": [{"name": "bash", "arguments": {"command": line}}]});
    let submit = command("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT");
    let replies = json!([command("probe write made.txt yes; echo $?"), submit]);
    let run = RunFile::of("scaffold-mini")
        .key("refinements = 0")
        .key("on_reject = \"stop\"")
        .scaffold("grant = { model = true }")
        .tool(
            "plugin = \"tool-bash\"\n\
             grant = { workspace = \"read-write\", programs = [\"program-probe\"] }",
        )
        .table("[programs.program-probe]\nlimits = { memory = \"64MiB\" }")
        .model(&environment, &replies);
    let rollout = run.rollout(&environment);
    assert_eq!(rollout["programs"], 1, "{rollout:#}");
    assert!(rollout["used"]["program-probe"]["fuel"].as_u64().unwrap() > 0, "{rollout:#}");
    assert_eq!(rollout["stages"][0]["rounds"][0]["submission"]["files"], 1, "{rollout:#}");
    environment.catena(&["verify", "run"]).succeeds();
}
