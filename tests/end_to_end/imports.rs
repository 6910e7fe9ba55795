//! Trajectories of other programs: looked at, judged, and selected by what judges said.

use serde_json::{Value, json};

use crate::environment::{Outcome, TestEnvironment};
use crate::judging::speaker;
use crate::small_run::{self, RunFile};

/// A repository with its chain, and what to call the patches of its pull requests.
fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

/// The human patch of the first pull request.
fn human(environment: &TestEnvironment) -> String {
    environment.git("notes", &["diff", "HEAD~3", "HEAD~2"])
}

/// A trajectory as mini-swe-agent writes it.
fn mini_swe_agent(instance: &str, status: &str, submission: &str) -> Value {
    let said = format!("I hand in {} lines.", submission.lines().count());
    json!({
        "instance_id": instance,
        "info": {
            "exit_status": status, "submission": submission, "mini_version": "2.0.0",
            "config": {"agent": {}, "model": {"model_name": "m"}},
        },
        "messages": [
            {"role": "system", "content": "You work in a shell."},
            {"role": "user", "content": "Count the notes."},
            {"role": "assistant", "content": said, "tool_calls": [
                {"id": "a", "type": "function",
                 "function": {"name": "bash", "arguments": "{\"command\": \"cat > count.py\"}"}}],
             "extra": {"response": {"choices": [{"finish_reason": "tool_calls"}],
                "usage": {"prompt_tokens": 1200, "completion_tokens": 34}}, "cost": 0.01}},
            {"role": "exit", "content": submission, "extra": {"exit_status": status}},
        ],
        "trajectory_format": "mini-swe-agent-1.1",
    })
}

/// Imports trajectories into `imported.jsonl`.
fn import(environment: &TestEnvironment, trajectories: &[Value]) -> Outcome {
    let files: Vec<String> =
        (0..trajectories.len()).map(|number| format!("{number}.traj.json")).collect();
    for (file, trajectory) in files.iter().zip(trajectories) {
        environment.write(file, trajectory.to_string());
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    environment.catena(&[&["import"], &files[..], &["--output", "imported.jsonl"]].concat())
}

fn judge(environment: &TestEnvironment, more: &[&str]) -> Outcome {
    let command = ["judge", "imported.jsonl", "--with", "judge-diff"];
    let place = ["--chains", "chains.json", "--clone", "notes"];
    environment.catena(&[&command, &place, more].concat())
}

fn export(environment: &TestEnvironment, more: &[&str]) -> Value {
    let command = ["export", "--profile", "openai", "--output", "out.jsonl", "--json"];
    environment.catena(&[&command, more].concat()).succeeds().json()["manifest"].take()
}

#[test]
fn patches_of_another_program_are_judged_and_selected_by_their_verdicts() {
    let environment = environment();
    let human = human(&environment);
    let other = "diff --git a/x.py b/x.py\nnew file mode 100644\n--- /dev/null\n+++ b/x.py\n\
                 @@ -0,0 +1 @@\n+X = 1\n";
    let trajectories = [
        mini_swe_agent("ada__notes-1", "Submitted", human.trim_end()),
        mini_swe_agent("ada__notes-1", "Submitted", other),
        mini_swe_agent("ada__notes-2", "LimitsExceeded", ""),
    ];
    import(&environment, &trajectories)
        .succeeds()
        .prints("1 of 3 have no patch")
        .prints("3 of 3 have no verdict");
    let before = environment.read("imported.jsonl");
    let told = judge(&environment, &["--json"]).succeeds().json();
    let judged = |trial: u32, score: f64| {
        json!({
            "rollout": {"chain": "ada__notes-1", "trial": trial}, "chain": "notes", "stage": "pr-1",
            "score": score, "accepted": score > 0.5, "reason": null,
        })
    };
    assert_eq!(told["judged"], json!([judged(1, 1.0), judged(2, 0.0)]));
    let reason = told["not_judged"][0]["reason"].as_str().unwrap();
    assert_eq!(reason, "it has no patch (its exit status is `LimitsExceeded`)");
    assert_eq!(environment.read("imported.jsonl"), before, "imports stay as they are");
    // The same command judges nothing again, and says the same.
    assert_eq!(judge(&environment, &["--json"]).succeeds().json(), told);
    judge(&environment, &[])
        .succeeds()
        .prints("1 of 2 accepted")
        .prints("not judged: rollout ada__notes-2.1");

    environment
        .catena(&["verify", "imported.jsonl.judgements/judge-diff"])
        .succeeds()
        .prints("rollout ada__notes-1.2: every record reproduced");

    let unselected = export(&environment, &["imported.jsonl"]);
    assert_eq!(unselected["funnel"][1], json!({"reason": "not-judged", "out": 3, "left": 0}));
    let selected = export(&environment, &["imported.jsonl", "--judgements", "judge-diff"]);
    let rows = selected["samples"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["rollout"], json!({"chain": "ada__notes-1", "trial": 1}));
    assert_eq!((&rows[0]["scores"], &rows[0]["complete"]), (&json!([1.0]), &json!(true)));
    assert_eq!(selected["selection"]["judgements"], "judge-diff");
    assert_eq!(selected["repositories"], json!({"ada/notes": "MIT"}));
    let reasons: Vec<&Value> =
        selected["dropped"].as_array().unwrap().iter().map(|it| &it["reason"]).collect();
    assert_eq!(reasons, ["nothing-accepted", "not-judged"]);
    // A good and a bad try at one task are a pair.
    let pairs =
        ["export", "imported.jsonl", "--judgements", "judge-diff", "--profile", "preference"];
    let pairs = environment.catena(&[&pairs[..], &["--output", "pairs.jsonl"]].concat());
    pairs.succeeds().prints("1 pair");
}

#[test]
fn import_without_a_patch_says_so_and_takes_one_that_is_given_beside_it() {
    let environment = environment();
    import(&environment, &[mini_swe_agent("ada__notes-1", "Submitted", "done, see count.py")])
        .succeeds();
    judge(&environment, &[])
        .ends_with(2)
        .says("no patch can be judged")
        .says("what it handed in is no patch: `done, see count.py`");
    assert!(!environment.path("imported.jsonl.judgements").exists());
    let human = human(&environment);
    environment.write("given.diff", &human);
    let score = |told: &Outcome| told.succeeds().json()["judged"][0]["score"].clone();
    let given = judge(&environment, &["--patch", "given.diff", "--json"]);
    assert_eq!(score(&given), 1.0);
    let predictions = json!({"ada__notes-1": {"model_name_or_path": "m", "model_patch": human}});
    environment.write("preds.json", predictions.to_string());
    let given = judge(&environment, &["--patch", "preds.json", "--name", "b", "--json"]);
    assert_eq!(score(&given), 1.0);
    let line = json!({"instance_id": "ada__notes-2", "model_patch": human});
    environment.write("preds.jsonl", format!("{line}\n{line}\n"));
    judge(&environment, &["--patch", "preds.jsonl", "--name", "c"])
        .ends_with(2)
        .says("the predictions have none of it");
    environment.write("no.diff", "nothing");
    judge(&environment, &["--patch", "no.diff"])
        .ends_with(2)
        .says("neither a patch nor predictions");
}

#[test]
fn patch_in_what_atif_leaves_to_programs_is_judged() {
    let environment = environment();
    let document = json!({
        "schema_version": "ATIF-v1.6", "session_id": "s",
        "agent": {"name": "terminus", "version": "2"},
        "steps": [{"step_id": 1, "source": "agent", "message": "done"}],
        "final_metrics": {"total_steps": 1, "extra": {"model_patch": human(&environment)}},
    });
    import(&environment, &[document])
        .succeeds()
        .prints("1 of 1 have no repository and pull request");
    judge(&environment, &[])
        .ends_with(2)
        .says("its name `s` tells no pull request")
        .says("--stage");
    judge(&environment, &["--stage", "notes/pr-7"]).ends_with(2).says("no stage `notes/pr-7`");
    let told = judge(&environment, &["--stage", "notes/pr-1", "--json"]).succeeds().json();
    assert_eq!(told["judged"][0]["score"], 1.0);
}

#[test]
fn patch_that_fits_no_stage_is_told_with_its_reason() {
    let environment = environment();
    let human = human(&environment);
    let torn = "diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n\
                @@ -1 +1 @@\n-# Another title\n+# Title\n";
    let trajectories = [
        mini_swe_agent("ada__notes-1", "Submitted", torn),
        mini_swe_agent("ada__notes-9", "Submitted", &human),
        mini_swe_agent("bea__poems-1", "Submitted", &human),
    ];
    import(&environment, &trajectories).succeeds();
    judge(&environment, &[])
        .ends_with(2)
        .says("rollout ada__notes-9.1: the chain file has no stage of `ada/notes#9`")
        .says("rollout bea__poems-1.1: it is of `bea/poems`, and the chain file of `ada/notes`")
        .says("rollout ada__notes-1.1: the patch does not apply to the stage's base");
}

#[test]
fn verdicts_are_not_put_to_another_patch_under_the_same_name() {
    let environment = environment();
    let human = human(&environment);
    import(&environment, &[mini_swe_agent("ada__notes-1", "Submitted", &human)]).succeeds();
    judge(&environment, &[]).succeeds();
    import(
        &environment,
        &[mini_swe_agent("ada__notes-1", "Submitted", &human.replace("len", "sum"))],
    )
    .succeeds();
    let manifest = export(&environment, &["imported.jsonl", "--judgements", "judge-diff"]);
    assert_eq!(manifest["dropped"][0]["reason"], "unreadable");
    let detail = manifest["dropped"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("it is not what was judged"), "{detail}");
    judge(&environment, &[]).ends_with(2).says("of other submissions").says("another `--name`");
}

#[test]
fn judges_of_a_run_file_judge_imports_over_its_chains() {
    let environment = environment();
    let judge = speaker(&environment, "generous", "0.7", "");
    let run = RunFile::of("scaffold-nop").key("threshold = 0.6").judge(&judge);
    environment.write("run.toml", run.text());
    let human = human(&environment);
    import(&environment, &[mini_swe_agent("ada__notes-1", "Submitted", &human)]).succeeds();
    let command = ["judge", "imported.jsonl", "--with", "run.toml", "--json"];
    let told = environment.catena(&command).succeeds().json();
    assert_eq!((&told["threshold"], &told["judged"][0]["score"]), (&json!(0.6), &json!(0.7)));
    let command = ["judge", "imported.jsonl", "--with", "judge-diff"];
    environment.catena(&command).ends_with(2).says("nothing names the chain file").says("--chains");
    RunFile::of("scaffold-nop").run(&environment).succeeds();
    let command = ["judge", "run", "--with", "judge-diff", "--chains", "chains.json"];
    environment.catena(&command).ends_with(2).says("are for imports");
}

#[test]
fn rollouts_are_selected_by_the_verdicts_of_judges_that_came_later() {
    let environment = environment();
    let judge = speaker(&environment, "generous", "0.9", "");
    RunFile::of("scaffold-nop").judge(&judge).run(&environment).succeeds();
    environment.catena(&["judge", "run", "--with", "judge-diff"]).succeeds();
    let reason = |manifest: &Value| manifest["dropped"][0]["reason"].clone();
    assert_eq!(reason(&export(&environment, &["run"])), "no-model-turns");
    let manifest = export(&environment, &["run", "--judgements", "judge-diff"]);
    assert_eq!(reason(&manifest), "nothing-accepted");
    let stats = ["stats", "run", "--judgements", "judge-diff", "--json"];
    let stats = environment.catena(&stats).succeeds().json();
    assert_eq!((&stats["stages_accepted"], &stats["mean_score"]), (&json!(0), &json!(0.0)));
    let stages = stats["funnel"]["stages"].as_array().unwrap();
    let steps: Vec<(&Value, &Value)> =
        stages.iter().map(|it| (&it["reason"], &it["out"])).collect();
    assert_eq!(
        steps,
        [
            (&Value::Null, &json!(0)),
            (&json!("nothing-accepted"), &json!(1)),
            (&json!("follows"), &json!(1)),
        ]
    );
    let other =
        ["export", "run", "--judgements", "none", "--profile", "openai", "--output", "x.jsonl"];
    environment.catena(&other).ends_with(2).says("is not a run");
}

#[test]
fn trajectories_of_another_program_are_shown_turn_by_turn() {
    let environment = environment();
    import(&environment, &[mini_swe_agent("ada__notes-1", "Submitted", "")]).succeeds();
    // The file itself will do as well.
    for file in ["imported.jsonl", "0.traj.json"] {
        let shown = environment.catena(&["show", file]);
        shown
            .succeeds()
            .prints("rollout ada__notes-1.1: not judged")
            .prints("mini-swe-agent 2.0.0 with `m`, from mini-swe-agent")
            .prints("ada/notes #1; 1 turns, 1 tool calls, 1,234 tokens (0 cached), $0.0100")
            .prints("handed in: it has no patch (its exit status is `Submitted`)")
            .prints("has no patch, no verdict");
        let whole = ["show", file, "--rollout", "ada__notes-1.1", "--trajectory"];
        environment
            .catena(&whole)
            .succeeds()
            .prints("[system]\nYou work in a shell.")
            .prints("[turn 1 of the model: 1,200 tokens in, 0 cached, 34 out]\nI hand in 0 lines.")
            .prints("→ bash {\"command\": \"cat > count.py\"} (ok, status 0)");
    }
    let told = environment.catena(&["show", "0.traj.json", "--json"]).succeeds().json();
    assert_eq!(told["rollouts"][0]["lacks"], json!(["patch", "verdict"]));
    let told =
        environment.catena(&["show", "0.traj.json", "--trajectory", "--json"]).succeeds().json();
    assert_eq!(told["trajectories"][0]["messages"].as_array().unwrap().len(), 3);
    environment.catena(&["show", "imported.jsonl", "--rollout", "b.1"]).ends_with(2).says("`b.1`");
}
