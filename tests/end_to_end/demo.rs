//! `catena demo`, what it leaves behind, and what damage to that comes to.

use insta::assert_snapshot;
use serde_json::Value;

use crate::demo_run::{JOURNAL, ROLLOUT, demo};
use crate::environment::TestEnvironment;
use crate::journal::{comparable, lines, shown};

#[test]
fn demo_prints_a_table_of_its_stages() {
    let environment = TestEnvironment::new();
    let outcome = environment.catena(&["demo", "--dir", "demo"]);
    outcome.succeeds();
    let (stages, _) = outcome.stdout.split_once("\nlimits used\n").unwrap();
    // The wording of prompts may change: tokens and cost are not compared.
    assert_snapshot!(without_tokens(stages), @r"
    repository: demo/gridline.git
    run file:   demo/run.toml

    rollout gridline-alignment.1: accepted, mean score 0.95
    ┌─────────┬────────────────────┬────────┬─────────────┬──────────┬───────┬───────┬─────────┬────────────┐
    │ stage   ┆ carry              ┆ rounds ┆ scores      ┆ outcome  ┆ files ┆ turns ┆ tokens  ┆ tool calls │
    ╞═════════╪════════════════════╪════════╪═════════════╪══════════╪═══════╪═══════╪═════════╪════════════╡
    │ 1 pr-14 ┆ fresh              ┆      1 ┆ 0.92        ┆ accepted ┆     9 ┆    10 ┆  ##,### ┆         10 │
    │ 2 pr-17 ┆ merged             ┆      2 ┆ 0.30 → 0.98 ┆ accepted ┆     9 ┆     9 ┆  ##,### ┆          9 │
    │ 3 pr-21 ┆ conflict in 1 file ┆      1 ┆ 0.92        ┆ accepted ┆     7 ┆    10 ┆ ###,### ┆         10 │
    │ 4 pr-26 ┆ merged             ┆      1 ┆ 0.97        ┆ accepted ┆     8 ┆     8 ┆ ###,### ┆          8 │
    └─────────┴────────────────────┴────────┴─────────────┴──────────┴───────┴───────┴─────────┴────────────┘
    37 turns, 37 tool calls, ###,### tokens (###,### cached), $#.####
    ");
    outcome
        .prints("1 sample with 37 model turns")
        .prints("catena verify demo/run")
        .prints("0 writes refused");
}

#[test]
fn demo_is_one_json_value_on_request() {
    let environment = TestEnvironment::new();
    let outcome = environment.catena(&["demo", "--dir", "demo", "--json"]);
    outcome.succeeds();
    assert_eq!(outcome.stderr, "");
    let told = outcome.json();
    let rollout = &told["rollouts"][0];
    assert_eq!(rollout["end"]["outcome"], "accepted");
    let carried: Vec<&str> = texts(rollout, "/stages", "/carry/carry");
    assert_eq!(carried, ["fresh", "merge", "merge", "merge"]);
    assert_eq!(rollout["stages"][2]["carry"]["conflicts"][0]["path"], "src/gridline/width.py");
    assert_eq!(told["manifest"]["samples"][0]["stages"].as_array().unwrap().len(), 4);
    assert_eq!(environment.catena(&["show", "demo/run", "--json"]).json()["rollouts"][0], *rollout);
}

#[test]
fn demo_does_the_same_in_another_directory() {
    let environment = TestEnvironment::new();
    demo(&environment);
    environment.catena(&["demo", "--dir", "again"]).succeeds();
    // A run's plan names directories; what comes of it does not.
    assert_eq!(
        comparable(shown(&environment, "demo/run")),
        comparable(shown(&environment, "again/run"))
    );
    assert_eq!(environment.read("demo/train.jsonl"), environment.read("again/train.jsonl"));
}

#[test]
fn demo_refuses_a_directory_that_is_there() {
    let environment = TestEnvironment::new();
    environment.write("demo/mine.txt", "mine");
    let outcome = environment.catena(&["demo", "--dir", "demo"]);
    outcome.ends_with(2).says("error: `demo` exists already").says("hint: ");
    assert_eq!(environment.read("demo/mine.txt"), "mine");
}

#[test]
fn repositories_of_the_demo_pass_git_fsck() {
    let environment = TestEnvironment::new();
    demo(&environment);
    for repository in ["demo/gridline.git", "demo/run/objects.git"] {
        environment.git(repository, &["fsck", "--full", "--strict"]);
    }
    let merges = environment.git("demo/gridline.git", &["log", "--oneline", "main"]);
    assert!(merges.lines().count() >= 4, "{merges}");
}

#[test]
fn finished_run_is_verified_and_resuming_it_changes_nothing() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let (journal, told) = (environment.read(JOURNAL), shown(&environment, "demo/run"));
    environment
        .catena(&["verify", "demo/run"])
        .succeeds()
        .prints(&format!("rollout {ROLLOUT}: every record reproduced"));
    environment.catena(&["resume", "demo/run"]).succeeds();
    assert_eq!(environment.read(JOURNAL), journal);
    assert_eq!(shown(&environment, "demo/run"), told);
}

#[test]
fn flipped_byte_in_a_journal_is_noticed_with_its_line() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let mut lines = lines(&environment, JOURNAL);
    let flipped = lines[6].replacen("call", "cell", 1);
    assert_ne!(flipped, lines[6]);
    lines[6] = flipped;
    environment.write(JOURNAL, lines.concat());
    for (command, code) in [("show", 1), ("resume", 1), ("verify", 4)] {
        let outcome = environment.catena(&[command, "demo/run"]);
        outcome.ends_with(code).says(&format!("{ROLLOUT}.journal`, line 7: ")).says("hint: ");
    }
    assert_eq!(environment.read(JOURNAL), lines.concat());
}

#[test]
fn damaged_journal_keeps_nobody_from_the_other_rollouts_of_a_run() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let told = shown(&environment, "demo/run");
    environment.write("demo/run/rollouts/other.1.journal", "00000000 {}\n");
    let shown = environment.catena(&["show", "demo/run", "--json"]);
    let shown = shown.ends_with(1).json();
    assert_eq!(shown["rollouts"], told["rollouts"]);
    assert!(shown["damaged"][0].as_str().unwrap().contains("other.1.journal`, line 1: "));
    let text = environment.catena(&["show", "demo/run"]);
    text.ends_with(1).prints(ROLLOUT).says("other.1.journal`, line 1: ").says("hint: ");
    environment.catena(&["show", "demo/run", "--rollout", ROLLOUT]).succeeds();
}

#[test]
fn altered_answer_with_a_right_checksum_is_found_by_verify() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let mut lines = lines(&environment, JOURNAL);
    let position = lines.iter().position(|line| line.contains(r#""record":"submitted""#)).unwrap();
    let json = lines[position][9..].trim_end().replacen("\"files\":9", "\"files\":8", 1);
    lines[position] = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
    environment.write(JOURNAL, lines.concat());
    let outcome = environment.catena(&["verify", "demo/run"]);
    outcome.ends_with(4).says(&format!("strays at record {}", position + 1));
}

#[test]
fn torn_last_line_is_dropped_and_resume_writes_it_again() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let (journal, told) = (environment.read(JOURNAL), shown(&environment, "demo/run"));
    environment.write(JOURNAL, &journal[..journal.len() - 20]);
    assert!(shown(&environment, "demo/run")["rollouts"][0]["end"].is_null());
    environment.catena(&["resume", "demo/run"]).succeeds();
    let lines = lines(&environment, JOURNAL);
    assert!(lines[lines.len() - 2].contains(r#""record":"continued""#));
    assert!(journal.ends_with(lines.last().unwrap()));
    assert_eq!(comparable(shown(&environment, "demo/run")), comparable(told));
}

/// The texts at `inner` of every element of the list at `list`.
fn texts<'a>(value: &'a Value, list: &str, inner: &str) -> Vec<&'a str> {
    let elements = value.pointer(list).unwrap().as_array().unwrap();
    elements.iter().map(|element| element.pointer(inner).unwrap().as_str().unwrap()).collect()
}

/// Puts `#` for the digits of amounts: numbers with a comma or a dollar sign.
fn without_tokens(text: &str) -> String {
    let words = text.split_inclusive(' ').map(|word| {
        if word.contains(',') || word.starts_with('$') {
            word.replace(|c: char| c.is_ascii_digit(), "#")
        } else {
            word.to_owned()
        }
    });
    words.collect()
}
