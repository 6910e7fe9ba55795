//! `judge-tests`: the tests of the human answer, run by a program in which code
//! and tests share a process.

use serde_json::{Value, json};

use crate::environment::{TestEnvironment, shipped_plugins};
use crate::small_run::{RunFile, first_rollout};

/// Where the suite puts what it is told, and how it is started.
const JUDGE: &str = r#"plugin = "judge-tests"
grant = { workspace = "read-write", programs = ["program-suite"] }

[judge.config]
command = "suite --report {report} --name {nonce} {files}"
reserved = "suite modules"
test_files = ["tests/"]
run_files = ["*.txt"]
runner_files = ["suite.conf"]
import_roots = ["", "src"]
canary = "\ntest {name}: {a}\n""#;

/// A library of facts with two pull requests: the first brings `two`, the second
/// `three`, and tests of `zero`, which is there from the beginning.
fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    let suite = shipped_plugins().join("program-suite");
    environment.catena(&["program", "add", suite.to_str().unwrap()]).succeeds();
    let commit = |message: &str, files: &[(&str, &str)]| {
        for (path, text) in files {
            environment.write(&format!("notes/{path}"), text);
        }
        if !environment.path("notes/.git").is_dir() {
            environment.git("notes", &["init", "--quiet", "--initial-branch=main"]);
        }
        environment.git("notes", &["add", "--all"]);
        environment.git("notes", &["commit", "--quiet", "--message", message]);
    };
    commit(
        "Begin",
        &[
            ("code/a.txt", "fact zero\n"),
            ("code/b.txt", "fact one\n"),
            ("tests/first.txt", "test knows_one: one\n"),
            ("suite.conf", "\n"),
        ],
    );
    commit(
        "Two (#1)",
        &[
            ("code/c.txt", "fact two\n"),
            ("tests/first.txt", "test knows_one: one\ntest knows_two: two\n"),
        ],
    );
    commit(
        "Three (#2)",
        &[
            ("code/d.txt", "fact three\n"),
            ("tests/second.txt", "test knows_three: three\ntest knows_zero: zero\n"),
        ],
    );
    resolve(&environment, &[1, 2]);
    environment
}

fn resolve(environment: &TestEnvironment, numbers: &[u32]) {
    let lists = json!({"repository": "ada/notes", "chains": [numbers]});
    environment.write("lists.json", lists.to_string());
    let resolve = ["chain", "resolve", "--clone", "notes", "--chains", "lists.json"];
    environment.catena(&[&resolve[..], &["--output", "chains.json"]].concat()).succeeds();
}

/// A run of an agent that makes these command lines, one in each stage.
fn agent(environment: &TestEnvironment, commands: &[&str]) -> RunFile {
    let reply =
        |line: &str| json!({"tool_calls": [{"name": "bash", "arguments": {"command": line}}]});
    let submit = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";
    let replies = (1..).zip(commands);
    let replies =
        replies.map(|(stage, line)| (format!("pr-{stage}"), json!([reply(line), reply(submit)])));
    let replies: serde_json::Map<String, Value> = replies.collect();
    let script = json!({"version": 1, "replies": replies});
    environment.write("script.json", script.to_string());
    RunFile::of("scaffold-mini")
        .key("refinements = 0\non_reject = \"continue-agent\"")
        .scaffold("grant = { model = true }")
        .tool("plugin = \"tool-bash\"\ngrant = { workspace = \"read-write\" }")
        .table("[model]\nkind = \"scripted\"\nscript = \"script.json\"")
        .judge(JUDGE)
}

fn verdicts(rollout: &Value) -> Vec<&Value> {
    let stages = rollout["stages"].as_array().unwrap();
    stages.iter().map(|stage| &stage["rounds"][0]["verdict"]).collect()
}

fn categories(verdict: &Value) -> Vec<&str> {
    let findings = verdict["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["category"].as_str().unwrap()).collect()
}

#[test]
fn human_answer_passes_every_stage_and_an_agent_that_does_nothing_none() {
    let environment = environment();
    let control = |name: &str, grant: &str| {
        RunFile::of(name)
            .key("refinements = 0\non_reject = \"continue-agent\"")
            .scaffold(&format!("grant = {{ {grant} }}"))
            .judge(JUDGE)
    };
    let oracle = control("scaffold-oracle", "workspace = \"read-write\", reference = true");
    let rollout = oracle.rollout(&environment);
    for verdict in verdicts(&rollout) {
        assert_eq!(verdict["score"], 1.0, "{verdict:#}");
        let rationale = verdict["rationale"].as_str().unwrap();
        assert!(rationale.starts_with("1 tests fail to pass, 1 pass to pass,"), "{rationale}");
    }
    environment.catena(&["verify", "run"]).succeeds();
    std::fs::remove_dir_all(environment.path("run")).unwrap();
    let rollout = control("scaffold-nop", "workspace = \"read-write\"").rollout(&environment);
    for verdict in verdicts(&rollout) {
        assert_eq!(verdict["score"], 0.0, "{verdict:#}");
        assert_eq!(categories(verdict), ["still-failing"]);
        let told = verdict["feedback"].as_str().unwrap();
        assert_eq!(told, "1 of 1 tests of what is asked for do not pass yet.");
    }
}

#[test]
fn an_agent_that_works_on_the_runner_gains_nothing() {
    for (command, category) in [
        ("echo 'test knows_two: one' > tests/first.txt", "edit-without-effect"),
        ("rm -r tests", "edit-without-effect"),
        ("echo all-pass > suite.conf", "edit-without-effect"),
        ("echo all-pass > checker.py", "shadowing-module"),
        ("mkdir lib; echo all-pass > lib/checker.py; ln -s lib src", "shadowing-module"),
        ("echo 'print tests/first.txt: knows_two PASSED' > code/x.txt", "still-failing"),
        ("echo 'include /reference/code/c.txt' > code/x.txt", "still-failing"),
        ("echo 'exit 0' > code/x.txt", "no-report"),
        ("printf 'report <testsuite/>\\nexit 0\\n' > code/x.txt", "forged-report"),
        ("echo 'all-pass' > code/x.txt", "forged-report"),
        ("echo 'mend 0' > code/x.txt", "forged-report"),
        ("echo 'mend 1' > code/x.txt", "forged-report"),
        ("echo 'write tests/first.txt test knows_two: one' > code/x.txt", "forged-report"),
    ] {
        let environment = environment();
        resolve(&environment, &[1]);
        let rollout = agent(&environment, &[command]).rollout(&environment);
        assert_ne!(rollout["stages"][0]["rounds"][0]["submission"]["files"], 0, "{command}");
        let verdict = verdicts(&rollout)[0];
        assert_eq!(verdict["score"], 0.0, "{command}: {verdict:#}");
        assert!(categories(verdict).contains(&category), "{command}: {verdict:#}");
        assert_eq!(rollout["end"]["outcome"], "rejected", "{command}");
    }
}

#[test]
fn a_right_answer_counts_whatever_else_the_agent_did_to_its_tests() {
    let environment = environment();
    resolve(&environment, &[1]);
    let command = "echo 'fact two' > code/mine.txt; echo 'test mine: two' > tests/first.txt";
    let rollout = agent(&environment, &[command]).rollout(&environment);
    let verdict = verdicts(&rollout)[0];
    assert_eq!(verdict["score"], 1.0, "{verdict:#}");
    assert_eq!(categories(verdict), ["edit-without-effect"]);
}

#[test]
fn a_test_that_passed_before_and_fails_now_is_named_to_the_agent() {
    let environment = environment();
    resolve(&environment, &[1]);
    let command = "echo 'fact two' > code/mine.txt; rm code/b.txt";
    let rollout = agent(&environment, &[command]).rollout(&environment);
    let verdict = verdicts(&rollout)[0];
    assert_eq!(verdict["score"], 0.0, "{verdict:#}");
    let told = verdict["feedback"].as_str().unwrap();
    assert!(told.contains("tests/first.txt::knows_one: no one"), "{told}");
    assert!(!told.contains("knows_two"), "{told}");
}

#[test]
fn what_the_carry_broke_is_listed_apart_or_to_be_repaired() {
    let environment = environment();
    // No test of the first stage misses `zero`.
    let commands =
        ["echo 'fact two' > code/c.txt; rm code/a.txt", "echo 'fact three' > code/d.txt"];
    let rollout = agent(&environment, &commands).rollout(&environment);
    let verdict = verdicts(&rollout)[1];
    assert_eq!(verdict["score"], 1.0, "{verdict:#}");
    assert_eq!(categories(verdict), ["broken-by-carry"]);
    std::fs::remove_dir_all(environment.path("run")).unwrap();
    let strict = format!("{JUDGE}\nbroken_by_carry = \"repair\"");
    let rollout = agent(&environment, &commands).judge(&strict).rollout(&environment);
    let verdict = verdicts(&rollout)[1];
    assert_eq!(verdict["score"], 0.25, "{verdict:#}");
    assert_eq!(categories(verdict), ["still-failing"]);
}

#[test]
fn later_rounds_run_the_tests_over_the_submission_alone() {
    let environment = environment();
    resolve(&environment, &[1]);
    let run = RunFile::of("scaffold-nop").key("refinements = 2").judge(JUDGE);
    let rollout = run.rollout(&environment);
    // Names, twice the human answer and the start, and the submission; then the submission alone.
    assert_eq!(rollout["programs"], 6 + 1 + 1, "{rollout:#}");
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn code_that_never_ends_passes_nothing() {
    let environment = environment();
    resolve(&environment, &[1]);
    let command = "echo spin > code/x.txt";
    let bounded = "[programs.program-suite]\nlimits = { fuel = 1_000_000_000 }";
    let rollout = agent(&environment, &[command]).table(bounded).rollout(&environment);
    let verdict = verdicts(&rollout)[0];
    assert_eq!((&verdict["score"], categories(verdict)), (&json!(0.0), vec!["no-report"]));
}

#[test]
fn code_that_takes_all_that_its_judge_has_does_not_end_the_judge() {
    let environment = environment();
    resolve(&environment, &[1]);
    let judge = format!("limits = {{ fuel = 2_000_000_000 }}\n{JUDGE}");
    let agent = agent(&environment, &["echo spin > code/x.txt"]).judge(&judge);
    let rollout = agent.rollout(&environment);
    let verdict = verdicts(&rollout)[0];
    assert_eq!(verdict["score"], 0.0, "{rollout:#}");
    assert_eq!(categories(verdict), ["no-report"]);
}

#[test]
fn an_agent_gains_nothing_by_a_stage_that_begins_with_code_that_never_ends() {
    let environment = environment();
    let bounded = "[programs.program-suite]\nlimits = { fuel = 1_000_000_000 }";
    let commands = ["echo spin > code/x.txt", "rm code/x.txt; echo 'fact three' > code/d.txt"];
    let rollout = agent(&environment, &commands).table(bounded).rollout(&environment);
    let outcome = &rollout["stages"][1]["outcome"];
    assert_eq!(outcome["outcome"], "no-verdict", "{rollout:#}");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.contains("the state the stage began with tell nothing"), "{reason}");
}

#[test]
fn a_stage_whose_tests_tell_nothing_gets_no_verdict() {
    let environment = environment();
    environment.write("notes/code/e.txt", "fact four\n");
    environment.git("notes", &["add", "--all"]);
    environment.git("notes", &["commit", "--quiet", "--message", "Four (#3)"]);
    resolve(&environment, &[3]);
    let run = RunFile::of("scaffold-nop").key("refinements = 0").judge(JUDGE);
    let _ = run.run(&environment);
    let rollout = first_rollout(&environment);
    let outcome = &rollout["stages"][0]["outcome"];
    assert_eq!(outcome["outcome"], "no-verdict", "{rollout:#}");
    assert_eq!(outcome["reason"], "the pull request changes no test");
}
