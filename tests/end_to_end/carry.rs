//! What goes from stage to stage, with agents whose work is known: controls over
//! the demo's chain, each carry held against git's own merge.

use serde_json::Value;

use crate::demo_run::{chain, demo, run};
use crate::environment::TestEnvironment;
use crate::journal::shown;

/// Controls that are shown the answer, and what they are granted.
const SHOWN: &str = "\ngrant = { reference = true, workspace = \"read-write\" }";

const GO_ON: &str = "refinements = 0\non_reject = \"continue-agent\"";

/// Carries a scaffold through the demo's chain and returns its stages.
fn stages(environment: &TestEnvironment, name: &str, keys: &str) -> Vec<Value> {
    let grant = if name == "scaffold-nop" { "" } else { SHOWN };
    run(environment, name, keys, &format!("plugin = \"{name}\"{grant}")).succeeds();
    let mut told = shown(environment, &format!("demo/{name}"));
    told["rollouts"][0]["stages"].as_array_mut().unwrap().drain(..).collect()
}

fn score(stage: &Value) -> f64 {
    stage["rounds"][0]["verdict"]["score"].as_f64().unwrap()
}

fn carries(stages: &[Value]) -> Vec<&str> {
    stages.iter().map(|stage| stage["carry"]["carry"].as_str().unwrap()).collect()
}

/// Holds every merge of a rollout against `git merge-tree`; returns how many
/// conflicted.
fn compare_with_git(environment: &TestEnvironment, name: &str, stages: &[Value]) -> usize {
    let repository = format!("demo/{name}/objects.git");
    let mut conflicted = 0;
    for stage in &stages[1..] {
        let carry = &stage["carry"];
        let tree = |key: &str| carry[key].as_str().unwrap();
        let base = format!("--merge-base={}", tree("base"));
        let options = ["merge-tree", "--write-tree", "--name-only", "--no-messages"];
        let arguments = [&options[..], &[&base, tree("ours"), tree("theirs")]].concat();
        let conflicts: Vec<&str> = carry["conflicts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|conflict| conflict["path"].as_str().unwrap())
            .collect();
        let git = environment.git_outcome(&repository, &arguments);
        git.ends_with(i32::from(!conflicts.is_empty()));
        let (merged, paths) = git.stdout.split_once('\n').unwrap();
        assert_eq!(paths.lines().collect::<Vec<_>>(), conflicts, "{name}: {carry}");
        if conflicts.is_empty() {
            assert_eq!(merged, tree("tree"), "{name}: {carry}");
        } else {
            conflicted += 1;
        }
    }
    conflicted
}

#[test]
fn oracle_scores_one_and_is_carried_to_the_human_trees() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let stages = stages(&environment, "scaffold-oracle", "");
    let chain = chain(&environment);
    assert_eq!(stages.len(), 4);
    for (stage, given) in stages.iter().zip(chain["stages"].as_array().unwrap()) {
        assert_eq!(stage["rounds"][0]["verdict"]["score"], 1.0);
        assert_eq!(stage["carry"]["tree"], given["base"]["tree"], "S_init is B_t");
        assert_eq!(stage["tree"], given["human"]);
    }
    assert_eq!(compare_with_git(&environment, "scaffold-oracle", &stages), 0);
    assert_eq!(shown(&environment, "demo/scaffold-oracle")["rollouts"][0]["control"], true);
}

#[test]
fn nop_scores_zero_and_is_carried_as_git_would() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let stages = stages(&environment, "scaffold-nop", GO_ON);
    assert_eq!(stages.len(), 4);
    for stage in &stages {
        assert_eq!(stage["rounds"][0]["verdict"]["score"], 0.0);
        assert_eq!(stage["tree"], stage["carry"]["tree"], "it changes nothing");
    }
    assert_eq!(compare_with_git(&environment, "scaffold-nop", &stages), 1);
}

#[test]
fn half_of_the_answer_scores_between_and_is_carried_as_git_would() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let stages = stages(&environment, "scaffold-half", GO_ON);
    assert_eq!(stages.len(), 4);
    assert!(stages.iter().all(|stage| (0.2..0.8).contains(&score(stage))), "{stages:#?}");
    compare_with_git(&environment, "scaffold-half", &stages);
}

#[test]
fn wrong_answer_scores_below_the_right_one_and_is_carried_as_git_would() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let stages = stages(&environment, "scaffold-wrong", GO_ON);
    assert_eq!(stages.len(), 4);
    assert!(stages.iter().all(|stage| score(stage) < 0.99), "{stages:#?}");
    assert_eq!(compare_with_git(&environment, "scaffold-wrong", &stages), 2);
}

#[test]
fn conflict_leaves_markers_in_the_file_and_upstream_is_named_as_a_leak() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let stages = stages(&environment, "scaffold-wrong", GO_ON);
    let carry = &stages[3]["carry"];
    assert_eq!(carry["conflicts"][0]["path"], "CHANGELOG.md");
    let file = format!("{}:CHANGELOG.md", carry["tree"].as_str().unwrap());
    let text = environment.git("demo/scaffold-wrong/objects.git", &["show", &file]);
    assert!(text.contains("<<<<<<< yours\n") && text.contains(">>>>>>> upstream\n"), "{text}");
    assert_eq!(carry["carry_leaks_reference"][0], "CHANGELOG.md");
}

#[test]
fn policy_upstream_takes_their_side_of_a_conflict() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let keys = format!("{GO_ON}\non_conflict = \"upstream\"");
    let stages = stages(&environment, "scaffold-wrong", &keys);
    let carry = &stages[2]["carry"];
    let path = carry["conflicts"][0]["path"].as_str().unwrap();
    assert_eq!(carry["carry_leaks_reference"][0], path);
    let content = |tree: &str| {
        let file = format!("{}:{path}", carry[tree].as_str().unwrap());
        environment.git("demo/scaffold-wrong/objects.git", &["rev-parse", &file])
    };
    assert_eq!(content("tree"), content("theirs"));
    assert_ne!(content("tree"), content("ours"));
}

#[test]
fn policy_stop_ends_the_rollout_at_the_conflict() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let keys = format!("{GO_ON}\nthreshold = 0.0\non_conflict = \"stop\"");
    let stages = stages(&environment, "scaffold-nop", &keys);
    assert_eq!(stages.len(), 3);
    assert_eq!(stages[2]["outcome"]["outcome"], "conflict");
    assert_eq!(stages[2]["rounds"].as_array().unwrap().len(), 0);
    let told = shown(&environment, "demo/scaffold-nop");
    assert_eq!(told["rollouts"][0]["end"]["outcome"], "conflict");
}

#[test]
fn modes_oracle_and_isolated_begin_every_stage_at_its_base() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let chain = chain(&environment);
    for (mode, conversations) in [("oracle", [0, 0, 0, 0]), ("isolated", [0, 1, 2, 3])] {
        let keys = format!("{GO_ON}\nmode = \"{mode}\"");
        let stages = stages(&environment, "scaffold-nop", &keys);
        assert_eq!(carries(&stages), ["fresh"; 4]);
        for (stage, given) in stages.iter().zip(chain["stages"].as_array().unwrap()) {
            assert_eq!(stage["carry"]["tree"], given["base"]["tree"]);
        }
        let ids: Vec<_> = stages.iter().map(|stage| stage["conversation"].as_u64()).collect();
        assert_eq!(ids, conversations.map(Some), "{mode}");
        std::fs::remove_dir_all(environment.path("demo/scaffold-nop")).unwrap();
    }
}

#[test]
fn rejected_stage_stops_the_chain_or_is_gone_on_from_as_the_run_says() {
    let environment = TestEnvironment::new();
    demo(&environment);
    for (on_reject, expected) in [
        ("stop", &["fresh"][..]),
        ("continue-agent", &["fresh", "merge", "merge", "merge"]),
        ("continue-oracle", &["fresh"; 4]),
    ] {
        let keys = format!("refinements = 0\non_reject = \"{on_reject}\"");
        let stages = stages(&environment, "scaffold-nop", &keys);
        assert_eq!(carries(&stages), expected, "{on_reject}");
        let told = shown(&environment, "demo/scaffold-nop");
        assert_eq!(told["rollouts"][0]["end"]["outcome"], "rejected");
        std::fs::remove_dir_all(environment.path("demo/scaffold-nop")).unwrap();
    }
}

#[test]
fn rejected_submission_gets_every_refinement_that_the_run_allows() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let stages = stages(&environment, "scaffold-nop", "refinements = 2");
    assert_eq!(stages[0]["rounds"].as_array().unwrap().len(), 3);
    assert_eq!(stages[0]["outcome"]["score"], 0.0);
}
