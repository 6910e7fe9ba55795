//! What judges say, what it comes to, and what the agent is told of it.

use serde_json::{Value, json};

use crate::environment::TestEnvironment;
use crate::small_run::{self, RunFile, logs};

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

/// A judge of this name that says what it is told to: the keys of its table.
pub(crate) fn speaker(
    environment: &TestEnvironment,
    name: &str,
    score: &str,
    feedback: &str,
) -> String {
    let dir = format!("plugins/{name}");
    environment.copy_plugin("judge-says", &dir);
    let manifest = environment.read(&format!("{dir}/plugin.toml"));
    let manifest = manifest.replace("name = \"judge-says\"", &format!("name = \"{name}\""));
    environment.write(&format!("{dir}/plugin.toml"), manifest);
    let feedback = Value::from(feedback);
    format!("plugin = \"{dir}\"\nconfig = {{ score = \"{score}\", feedback = {feedback} }}")
}

/// A run of an agent that does nothing, once, before judges `a`, `b`... that give
/// these scores.
fn panel(environment: &TestEnvironment, combine: &str, scores: &[&str]) -> RunFile {
    let names = ["a", "b", "c"].iter();
    let judges = names.zip(scores).map(|(name, score)| speaker(environment, name, score, name));
    RunFile::of("scaffold-nop")
        .key("refinements = 0")
        .judges(&judges.collect::<Vec<_>>())
        .table(&format!("[judging]\ncombine = \"{combine}\""))
}

/// The first round at the first stage.
fn first_round(rollout: &Value) -> &Value {
    &rollout["stages"][0]["rounds"][0]
}

#[test]
fn lowest_score_counts_where_all_judges_have_to_accept() {
    let environment = environment();
    let rollout = panel(&environment, "all", &["0.9", "0.25"]).rollout(&environment);
    assert_eq!(rollout["end"], json!({"outcome": "rejected", "score": 0.25, "reason": null}));
    let round = first_round(&rollout);
    assert_eq!((&round["combine"], &round["verdict"]["score"]), (&json!("all"), &json!(0.25)));
    let judge = |place: usize| &round["judges"][place];
    assert_eq!((&judge(0)["judge"], &judge(1)["judge"]), (&json!("a"), &json!("b")));
    assert_eq!(judge(0)["verdict"]["score"], 0.9);
    assert_eq!(judge(1)["verdict"]["rationale"], "because");
    assert_eq!(round["verdict"]["rationale"], "a (0.90): because\n\nb (0.25): because");
    environment.catena(&["verify", "run"]).succeeds();
    let shown = environment.catena(&["show", "run", "--rollout", "notes.1"]);
    shown.prints("stage 1 round 1: 0.25 by `all`: a 0.90, b 0.25");
}

#[test]
fn weights_say_how_much_each_score_counts() {
    let environment = environment();
    let weighted = |scores: [&str; 2], weight: &str| {
        let [a, b] = [("a", scores[0]), ("b", scores[1])]
            .map(|(name, score)| speaker(&environment, name, score, ""));
        RunFile::of("scaffold-nop")
            .key("refinements = 0")
            .judges(&[format!("{a}\nweight = {weight}"), b])
            .table("[judging]\ncombine = \"weighted\"")
    };
    let rollout = weighted(["1", "0.5"], "3.0").rollout(&environment);
    assert_eq!(first_round(&rollout)["verdict"]["score"], 0.875);
    assert_eq!(rollout["end"]["outcome"], "accepted");
    let none = weighted(["1", "0.5"], "0").text();
    environment.write("none.toml", none);
    environment.catena(&["run", "none.toml"]).ends_with(2).says("`judges.weight` is 0");
}

#[test]
fn first_judge_that_comes_to_a_verdict_decides_and_no_other_is_heard() {
    let environment = environment();
    let rollout = panel(&environment, "first", &["none", "0.9", "0.1"]).rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "accepted");
    let judges = first_round(&rollout)["judges"].as_array().unwrap();
    assert_eq!(judges.len(), 2);
    assert_eq!(judges[0]["no-verdict"], "told to say nothing");
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn without_a_verdict_of_each_judge_there_is_none_and_no_zero() {
    for (rule, scores) in [("all", ["0.1", "nan"]), ("weighted", ["0.9", "none"])] {
        let environment = environment();
        let rollout = panel(&environment, rule, &scores).rollout(&environment);
        assert_eq!(rollout["end"]["outcome"], "no-verdict", "{rule}");
        let reason = rollout["end"]["reason"].as_str().unwrap();
        assert!(reason.starts_with("`b`: "), "{reason}");
        assert!(first_round(&rollout)["verdict"].is_null());
        // What the other one said is kept.
        assert_eq!(first_round(&rollout)["judges"][0]["judge"], "a");
        environment.catena(&["verify", "run"]).succeeds();
    }
}

#[test]
fn later_judges_know_what_earlier_ones_said_and_told_of_tests() {
    let environment = environment();
    let first = speaker(&environment, "a", "0.9", "").replace(" }", ", tests = [\"test_count\"] }");
    let run = RunFile::of("scaffold-nop").key("refinements = 0");
    let second = speaker(&environment, "b", "0.5", "");
    let rollout = run.judges(&[first, second]).rollout(&environment);
    let logs = logs(&environment);
    assert!(logs.contains("b info: heard a Some(0.9) because"), "{logs}");
    assert!(logs.contains("b info: test test_count TestOutcome::Failed"), "{logs}");
    assert!(!logs.contains("a info: heard"), "{logs}");
    let tests = &first_round(&rollout)["judges"][0]["tests"];
    let expected = json!([{
        "name": "test_count", "base": "missing", "candidate": "failed", "reference": "passed",
    }]);
    assert_eq!(tests, &expected);
}

#[test]
fn one_plugin_is_two_judges_under_two_names() {
    let environment = environment();
    let judge = |name: &str, score: &str| {
        format!("plugin = \"judge-says\"\n{name}\nconfig = {{ score = \"{score}\" }}")
    };
    let judges = [judge("name = \"strict\"", "0.2"), judge("name = \"kind\"", "0.9")];
    let rollout =
        RunFile::of("scaffold-nop").key("refinements = 0").judges(&judges).rollout(&environment);
    let heard = first_round(&rollout)["judges"].as_array().unwrap();
    let heard: Vec<_> = heard.iter().map(|judge| judge["judge"].as_str().unwrap()).collect();
    assert_eq!(heard, ["strict", "kind"]);
    assert_eq!(first_round(&rollout)["verdict"]["score"], 0.2);
    environment.catena(&["verify", "run"]).succeeds();
    let twice = RunFile::of("scaffold-nop").judges(&[judge("", "0.2"), judge("", "0.9")]);
    environment.write("twice.toml", twice.text());
    environment.catena(&["run", "twice.toml"]).ends_with(2).says("judges names of their own");
    let named = RunFile::of("scaffold-nop").scaffold("name = \"other\"");
    environment.write("named.toml", named.text());
    environment.catena(&["run", "named.toml"]).ends_with(2).says("only judges have one");
}

#[test]
fn run_needs_judges_in_one_of_two_places() {
    let environment = environment();
    let text = RunFile::of("scaffold-nop").text();
    let both = format!("{text}\n[[judges]]\nplugin = \"judge-abstains\"\n");
    environment.write("both.toml", both);
    environment.catena(&["run", "both.toml"]).ends_with(2).says("`judge` is there beside");
    let neither = text.replace("[judge]\nplugin = \"judge-diff\"", "");
    environment.write("neither.toml", neither);
    environment.catena(&["run", "neither.toml"]).ends_with(2).says("a run needs a judge");
}

/// Runs two rounds with this feedback and returns the first.
fn told(environment: &TestEnvironment, feedback: &str, judging: &str) -> Value {
    let judge = speaker(environment, "a", "0.1", feedback);
    let run = RunFile::of("scaffold-nop").key("refinements = 1").judge(&judge).table(judging);
    let rollout = run.rollout(environment);
    environment.catena(&["verify", "run"]).succeeds();
    first_round(&rollout).clone()
}

#[test]
fn agent_is_told_nothing_that_only_the_reference_has() {
    let environment = environment();
    let feedback =
        "NOTES is not counted. Put `return len(NOTES)` into count.py. See #1.\nTry again.";
    let round = told(&environment, feedback, "");
    let expected = "NOTES is not counted. [cut] See [cut].\nTry again.";
    assert_eq!(round["verdict"]["feedback"], expected);
    let cut = round["cut"].as_array().unwrap();
    let mut kinds: Vec<&str> = cut.iter().map(|cut| cut["kind"].as_str().unwrap()).collect();
    kinds.dedup();
    assert_eq!(kinds, ["identifier", "file-name", "pull-request-number", "patch-text"]);
    // What the judge said is kept for people.
    assert_eq!(round["judges"][0]["verdict"]["feedback"], feedback);
    let shown = environment.catena(&["show", "run", "--rollout", "notes.1"]);
    shown.prints("5 things that only the reference has were cut from the feedback");
}

#[test]
fn feedback_is_told_as_it_is_where_the_run_file_says_so() {
    let environment = environment();
    let round = told(&environment, "Put it into count.py.", "[judging]\nfeedback = \"open\"");
    assert_eq!(round["verdict"]["feedback"], "Put it into count.py.");
    assert_eq!(round["cut"], json!([]));
}

/// The first two rounds of an agent that appends a line to its file in each, and the
/// trees it handed in.
fn appended(refine: &str) -> (TestEnvironment, Vec<String>) {
    let environment = environment();
    let command =
        |text: &str| json!({"tool_calls": [{"name": "bash", "arguments": {"command": text}}]});
    let submit = command("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT");
    let append = command("echo more >> log.txt; echo kept > /tmp/note; cat /tmp/note");
    let replies = json!([append, submit, append, submit]);
    let judge = speaker(&environment, "a", "0.1", "Try again.");
    let run = RunFile::of("scaffold-mini")
        .key(&format!("refinements = 1\n{refine}"))
        .scaffold("grant = { model = true }")
        .tool("plugin = \"tool-bash\"\ngrant = { workspace = \"read-write\" }")
        .judge(&judge)
        .model(&environment, &replies);
    let rollout = run.rollout(&environment);
    environment.catena(&["verify", "run"]).succeeds();
    let rounds = rollout["stages"][0]["rounds"].as_array().unwrap().iter();
    let trees: Vec<String> =
        rounds.map(|round| round["submission"]["tree"].as_str().unwrap().to_owned()).collect();
    assert_eq!(trees.len(), 2);
    (environment, trees)
}

#[test]
fn round_after_a_rejected_one_goes_on_with_its_tree() {
    let (environment, trees) = appended("");
    let lines =
        |tree: &str| environment.git("run/objects.git", &["show", &format!("{tree}:log.txt")]);
    assert_eq!((lines(&trees[0]), lines(&trees[1])), ("more".into(), "more\nmore".into()));
}

#[test]
fn round_after_a_rejected_one_begins_anew_where_the_run_file_says_so() {
    let (environment, trees) = appended("refine = \"reset\"");
    let journal = environment.read("run/rollouts/notes.1.journal");
    assert!(journal.contains("Your changes were taken back"), "{journal}");
    let line = environment.git("run/objects.git", &["show", &format!("{}:log.txt", trees[1])]);
    assert_eq!((line, &trees[0]), ("more".into(), &trees[1]));
}
