//! `catena redteam`: every attack it knows, on the machine that runs the tests.

use serde_json::Value;

use crate::environment::TestEnvironment;

/// Makes attacks, all of which must be contained.
#[track_caller]
fn assert_contained(arguments: &[&str]) -> Vec<Value> {
    let environment = TestEnvironment::new();
    let outcome = environment.catena(&[&["--json", "redteam"], arguments].concat());
    let card = outcome.json();
    let attacks = card["attacks"].as_array().unwrap().clone();
    let failed: Vec<&Value> = attacks.iter().filter(|row| row["contained"] != true).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    outcome.succeeds();
    attacks
}

#[test]
fn scaffolds_that_attack_are_contained() {
    let attacks = assert_contained(&["--by", "scaffold"]);
    assert!(attacks.len() > 25);
}

#[test]
fn programs_that_attack_are_contained() {
    let attacks = assert_contained(&["--by", "program"]);
    assert!(attacks.len() > 20);
}

#[test]
fn components_that_attack_who_takes_them_in_are_contained() {
    assert_contained(&["--by", "component", "--by", "cache"]);
}

#[test]
fn agents_that_want_the_reward_without_the_work_are_contained() {
    assert_contained(&["--by", "agent"]);
}

#[test]
fn lies_to_judges_are_worth_nothing() {
    let attacks = assert_contained(&["--by", "deceiver"]);
    assert!(attacks.len() > 25);
}

#[test]
fn tools_and_judges_that_attack_are_contained() {
    assert_contained(&["--by", "tool", "--by", "judge"]);
}

#[test]
fn attack_that_is_not_known_is_refused_and_known_ones_are_listed() {
    let environment = TestEnvironment::new();
    environment
        .catena(&["redteam", "--only", "praying"])
        .ends_with(2)
        .says("error: there is no attack `praying`")
        .says("hint: `catena redteam --list`");
    environment.catena(&["redteam", "--list"]).succeeds().prints("start-spin");
}

#[test]
fn choice_that_no_attack_fits_is_refused_and_not_passed() {
    let environment = TestEnvironment::new();
    environment
        .catena(&["redteam", "--only", "spin", "--by", "cache"])
        .ends_with(2)
        .says("error: no attack is both: named `spin`, and by `cache`")
        .says("hint: `catena redteam --list`");
}
