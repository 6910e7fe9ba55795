//! Judges over submissions that are there, and over patches of known worth.

use serde_json::{Value, json};

use crate::environment::{Outcome, TestEnvironment};
use crate::journal::lines;
use crate::judging::speaker;
use crate::small_run::{self, RunFile};

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

/// One whose chain is long enough for calibrations to count.
fn long_environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow_long(&environment);
    environment
}

/// A run whose agent does nothing and whose judge accepts that with 0.9.
fn accepted_nothing(environment: &TestEnvironment) {
    let judge = speaker(environment, "generous", "0.9", "");
    RunFile::of("scaffold-nop").judge(&judge).run(environment).succeeds();
}

fn judge(environment: &TestEnvironment, other: &str, more: &[&str]) -> Outcome {
    environment.catena(&[&["judge", "run", "--with", other][..], more].concat())
}

#[test]
fn stored_submissions_are_judged_again_without_a_rollout() {
    let environment = environment();
    accepted_nothing(&environment);
    let before = environment.read("run/rollouts/notes.1.journal");
    let told = judge(&environment, "judge-diff", &["--json"]).succeeds().json();
    let pair = |stage: u32| {
        json!({
            "rollout": {"chain": "notes", "trial": 1}, "stage": stage, "round": 1,
            "old": 0.9, "new": 0.0, "reason": null,
        })
    };
    assert_eq!(told["submissions"], json!([pair(1), pair(2)]));
    // By hand: observed 0.81 (or 1) over expected 8/12 of it.
    let is = |key: &str, expected: f64| (told[key].as_f64().unwrap() - expected).abs() < 1e-9;
    assert!(is("alpha_scores", -0.5) && is("alpha_accepted", -0.5), "{told}");
    assert_eq!(environment.read("run/rollouts/notes.1.journal"), before);
    judge(&environment, "judge-diff", &[]).succeeds().prints("0.90").prints("yes → no");
    environment.catena(&["show", "run/judgements/judge-diff"]).succeeds();
}

#[test]
fn judgements_are_verified_with_their_run_and_alone() {
    let environment = environment();
    accepted_nothing(&environment);
    judge(&environment, "judge-diff", &[]).succeeds();
    for dir in ["run", "run/judgements/judge-diff"] {
        environment
            .catena(&["verify", dir])
            .succeeds()
            .prints("judgements `judge-diff`, rollout notes.1: every record reproduced");
    }
    let journal = "run/judgements/judge-diff/rollouts/notes.1.journal";
    let mut altered = lines(&environment, journal);
    let judged = altered.iter_mut().find(|line| line.contains("\"record\":\"judged\"")).unwrap();
    let json = judged[9..].trim_end().replacen("\"score\":0.0", "\"score\":1.0", 1);
    assert!(json.contains("\"score\":1.0"), "{json}");
    *judged = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
    environment.write(journal, altered.concat());
    let told = environment.catena(&["verify", "run", "--json"]).ends_with(4).json();
    assert_eq!(told["judgements"]["judge-diff"][0]["reproduced"], false);
    assert_eq!(told["rollouts"][0]["reproduced"], true);
}

#[test]
fn judging_again_goes_on_after_any_record() {
    let environment = environment();
    accepted_nothing(&environment);
    let whole = judge(&environment, "judge-diff", &["--json"]).succeeds().json();
    let journal = "run/judgements/judge-diff/rollouts/notes.1.journal";
    let text = environment.read(journal);
    for lines in 0..text.lines().count() {
        let cut: String = text.split_inclusive('\n').take(lines).collect();
        environment.write(journal, cut);
        let again = judge(&environment, "judge-diff", &["--json"]).succeeds().json();
        assert_eq!(again, whole, "after {lines} records");
    }
}

#[test]
fn judge_without_a_verdict_leaves_a_gap_and_no_zero() {
    let environment = environment();
    accepted_nothing(&environment);
    let told = judge(&environment, "judge-abstains", &["--json"]).succeeds().json();
    let first = &told["submissions"][0];
    assert!(first["new"].is_null());
    assert!(first["reason"].as_str().unwrap().contains("a language it can't read"));
    assert!(told["alpha_scores"].is_null());
}

#[test]
fn judges_of_a_run_file_judge_by_their_own_rule() {
    let environment = environment();
    accepted_nothing(&environment);
    let judges = ["a", "b"].map(|name| speaker(&environment, name, "0.5", ""));
    let panel = RunFile::of("scaffold-nop").judges(&judges);
    environment.write("panel.toml", panel.text());
    let told = judge(&environment, "panel.toml", &["--json"]).succeeds().json();
    assert_eq!(told["submissions"][0]["new"], 0.5);
    assert!(told["judgements"].as_str().unwrap().ends_with("judgements/panel"));
}

#[test]
fn judgements_of_other_judges_need_another_name() {
    let environment = environment();
    accepted_nothing(&environment);
    judge(&environment, "judge-diff", &["--name", "second"]).succeeds();
    judge(&environment, "judge-abstains", &["--name", "second"])
        .ends_with(2)
        .says("was made by other judges")
        .says("another `--name`");
    judge(&environment, "judge-diff", &["--name", "../x"]).ends_with(2).says("is no name");
    judge(&environment, "no-such-judge", &[]).ends_with(2);
    judge(&environment, "judge-llm", &[])
        .ends_with(2)
        .says("judge `judge-llm` asks for rights")
        .says("name a run file");
}

/// Tries the judge with these keys.
fn calibrate(environment: &TestEnvironment, keys: &str, more: &[&str]) -> Outcome {
    environment.write("run.toml", RunFile::of("scaffold-nop").judge(keys).text());
    environment.catena(&[&["judge", "calibrate", "run.toml"][..], more].concat())
}

fn row<'a>(calibration: &'a Value, kind: &str) -> &'a Value {
    let rows = calibration["rows"].as_array().unwrap();
    rows.iter().find(|row| row["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {rows:?}"))
}

#[test]
fn judge_by_differences_tells_good_patches_from_bad_ones() {
    let environment = long_environment();
    let keys = "plugin = \"judge-diff\"";
    let told = calibrate(&environment, keys, &["--json"]).succeeds().json();
    assert_eq!((&told["stages"], &told["failures"]), (&json!(5), &json!([])));
    for kind in ["human", "spaced"] {
        assert_eq!(row(&told, kind)["accepted"], 5, "{kind}");
    }
    for kind in [
        "empty",
        "padded",
        "same-size",
        "reverted",
        "truncated",
        "unrelated",
        "injected-comment",
        "injected-file-name",
        "injected-text",
    ] {
        assert_eq!(row(&told, kind)["rejected"], 5, "{kind}");
    }
    // What was tried is not tried again, and says the same.
    assert_eq!(calibrate(&environment, keys, &["--json"]).succeeds().json(), told);
    calibrate(&environment, keys, &[]).succeeds().prints("`judge-diff` can tell them apart");
    // What judges do not depend on matters to no calibration.
    let other = RunFile::of("scaffold-oracle").key("trials = 2").judge(keys);
    environment.write("other.toml", other.text());
    let calibrate = ["judge", "calibrate", "other.toml", "--json"];
    assert_eq!(environment.catena(&calibrate).succeeds().json(), told);
}

#[test]
fn judge_that_always_accepts_is_found_out() {
    let environment = environment();
    let told = calibrate(&environment, "plugin = \"judge-says\"", &["--json"]);
    let failures = told.ends_with(4).json()["failures"].to_string();
    assert!(failures.contains("2 of 2 patches of the kind `empty` were accepted"), "{failures}");
}

#[test]
fn judge_that_never_accepts_is_found_out() {
    let environment = environment();
    calibrate(&environment, "plugin = \"judge-abstains\"", &[])
        .ends_with(4)
        .prints("only 0 of 2 patches of the kind `human` were accepted")
        .prints("no verdict: the submission is written in a language it can't read");
}

#[test]
fn judge_that_does_what_patches_say_is_found_out() {
    let environment = environment();
    let told = calibrate(&environment, "plugin = \"judge-obeys\"", &["--json"]).ends_with(4).json();
    // It is right about all patches that do not talk to it.
    for kind in ["empty", "reverted", "truncated", "unrelated"] {
        assert_eq!(row(&told, kind)["accepted"], 0, "{kind}");
    }
    assert_eq!(row(&told, "human")["accepted"], 2);
    for kind in ["injected-comment", "injected-file-name", "injected-text"] {
        assert_eq!(row(&told, kind)["accepted"], 2, "{kind}");
    }
}

#[test]
fn judge_that_guesses_is_found_out() {
    let environment = environment();
    calibrate(&environment, "plugin = \"judge-guesses\"", &[])
        .ends_with(4)
        .prints("`judge-guesses` can't tell them apart");
}

#[test]
fn calibration_on_few_stages_is_told_and_is_not_enough_for_a_run() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop").table("[judging]\ncalibration = \"required\"");
    environment.write("run.toml", run.text());
    let calibrate = ["judge", "calibrate", "run.toml"];
    environment
        .catena(&calibrate)
        .ends_with(4)
        .prints("on patches of 2 stages; 5 are needed for a run to rely on that");
    run.run(&environment)
        .ends_with(2)
        .says("the judges tell good patches from bad ones of 2 stages; 5 are needed")
        .says("--force");
    let forced = ["run", "run.toml", "--dir", "run", "--force"];
    environment.catena(&forced).succeeds().prints("were tried on too few stages");
    let note = &environment.read_json("run/plan.json")["calibration"];
    assert_eq!((&note["state"], &note["forced"]), (&json!("too-few"), &json!(true)));
}

#[test]
fn run_that_needs_calibrated_judges_is_refused_without_and_begins_with_them() {
    let environment = long_environment();
    let run = RunFile::of("scaffold-nop").table("[judging]\ncalibration = \"required\"");
    run.run(&environment)
        .ends_with(2)
        .says("it is not known whether the judges can tell good patches from bad ones")
        .says("catena judge calibrate");
    assert!(!environment.path("run").exists());
    environment.catena(&["judge", "calibrate", "run.toml"]).succeeds();
    run.run(&environment).succeeds();
    assert_eq!(environment.read_json("run/plan.json")["calibration"]["state"], "passed");
    environment.catena(&["verify", "run"]).succeeds();
    // Another threshold is another judge.
    let other = run.key("threshold = 0.7");
    environment.write("other.toml", other.text());
    environment.catena(&["run", "other.toml"]).ends_with(2).says("it is not known");
}

#[test]
fn run_with_judges_that_failed_begins_by_force_alone_and_says_so() {
    let environment = environment();
    let run = RunFile::of("scaffold-nop")
        .judge("plugin = \"judge-says\"")
        .table("[judging]\ncalibration = \"required\"");
    environment.write("run.toml", run.text());
    environment.catena(&["judge", "calibrate", "run.toml"]).ends_with(4);
    run.run(&environment).ends_with(2).says("the judges can't tell good patches from bad ones");
    let forced = ["run", "run.toml", "--dir", "run", "--force"];
    environment.catena(&forced).succeeds().prints("begun by `--force`");
    let note = &environment.read_json("run/plan.json")["calibration"];
    assert_eq!((&note["state"], &note["forced"]), (&json!("failed"), &json!(true)));
    environment.catena(&["resume", "run"]).succeeds();
}

#[test]
fn walls_that_are_asked_for_stand_wherever_judges_run_or_nothing_begins() {
    let environment = long_environment();
    accepted_nothing(&environment);
    let doctor = environment.catena(&["doctor", "--json"]).json();
    let checks = doctor["checks"].as_array().unwrap();
    let stand = checks.iter().any(|check| check["name"] == "walls" && check["status"] == "ok");
    let calibrate = RunFile::of("scaffold-nop").text();
    environment.write("calibrate.toml", calibrate);
    for command in [
        &["judge", "run", "--with", "judge-diff", "--require-walls"][..],
        &["judge", "calibrate", "calibrate.toml", "--require-walls"],
        &["resume", "run", "--require-walls"],
    ] {
        let outcome = environment.catena(command);
        if stand {
            outcome.succeeds();
        } else {
            outcome.ends_with(1).says("without `--require-walls` it runs all the same");
        }
    }
}
