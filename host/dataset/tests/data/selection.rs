//! What becomes data, and the account of what does not.

use catena_dataset::select::{FunnelStep, Reason};
use catena_dataset::stats::Gather;
use catena_dataset::{
    Criteria, ExportError, Instances, Order, Profile, Rollouts, Split, Take, export, manifest_path,
};
use serde_json::json;

use crate::rollouts::{Growing, export_to, exported, lines, typical, write};

fn accepted(chain: &str, score: f64) -> catena_dataset::Rollout {
    let rollout = Growing::new(chain, 1).begin_round().user(chain);
    rollout.turn("done", None, &[]).judged(score).rollout
}

fn reasons(criteria: &Criteria, rollouts: &[catena_dataset::Rollout]) -> Vec<&'static str> {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.jsonl");
    let manifest = export_to(dir.path(), rollouts, Profile::Openai, &output, criteria);
    manifest.dropped.iter().map(|dropped| dropped.reason.word()).collect()
}

#[test]
fn every_rollout_is_in_the_funnel_or_in_the_data() {
    let mut control = accepted("a", 1.0);
    control.control = true;
    let rollouts = [control, accepted("b", 0.2), accepted("c", 0.85), accepted("d", 1.0)];
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.jsonl");
    let criteria = Criteria { threshold: Some(0.9), ..Criteria::default() };
    let manifest = export_to(dir.path(), &rollouts, Profile::Openai, &output, &criteria);
    assert_eq!(manifest.counts.rollouts, 4);
    assert_eq!(manifest.counts.rollouts_used, 1);
    let funnel: Vec<_> = manifest
        .funnel
        .iter()
        .map(|step| {
            (step.reason.map_or("", catena_dataset::select::Reason::word), step.out, step.left)
        })
        .collect();
    assert_eq!(
        funnel,
        [("", 0, 4), ("control", 1, 3), ("nothing-accepted", 1, 2), ("below-threshold", 1, 1)]
    );
}

#[test]
fn damaged_line_is_listed_and_keeps_no_other_from_being_exported() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), &[accepted("a", 1.0), accepted("b", 1.0)]);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{{\"catena_trajectory\": 1\n{text}")).unwrap();
    let read: Vec<_> = Rollouts::open(&path).unwrap().collect();
    assert_eq!(read.len(), 3);
    let unreadable = read[0].as_ref().unwrap_err();
    assert!(unreadable.place.ends_with("line 1"), "{unreadable:?}");
    assert!(read[1].is_ok() && read[2].is_ok());
}

#[test]
fn stages_with_many_rounds_can_be_left_out() {
    let criteria = Criteria { max_rounds: Some(1), ..Criteria::default() };
    assert_eq!(reasons(&criteria, &[typical(), accepted("b", 1.0)]), ["too-many-rounds"]);
}

#[test]
fn chains_that_were_not_finished_are_beginnings() {
    let mut begun = accepted("a", 1.0);
    begun.chain.push(begun.chain[0].clone());
    let criteria = Criteria { take: Take::CompleteChains, ..Criteria::default() };
    assert_eq!(reasons(&criteria, std::slice::from_ref(&begun)), ["incomplete"]);
    assert_eq!(reasons(&Criteria::default(), &[begun]), Vec::<&str>::new());
}

#[test]
fn instances_of_a_benchmark_are_left_out() {
    let mut exclude = Instances::default();
    assert!(exclude.add("ada__notes-1"));
    let criteria = Criteria { exclude, ..Criteria::default() };
    assert_eq!(reasons(&criteria, &[accepted("a", 1.0)]), ["contaminated"]);
    let mut exclude = Instances::default();
    assert!(exclude.add(&"0".repeat(40)));
    let criteria = Criteria { exclude, ..Criteria::default() };
    assert_eq!(reasons(&criteria, &[accepted("a", 1.0)]), ["contaminated"]);
}

#[test]
fn samples_that_say_the_same_are_kept_once() {
    let mut same = accepted("a", 1.0);
    same.rollout.trial = 2;
    let criteria = Criteria { dedupe: true, ..Criteria::default() };
    let rollouts = [accepted("a", 1.0), same, accepted("b", 1.0)];
    // Both the sample and the rollout that gives nothing else.
    assert_eq!(reasons(&criteria, &rollouts), ["duplicate", "duplicate"]);
}

#[test]
fn rollouts_of_one_name_from_two_runs_have_files_and_rows_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("trajectories");
    let source = write(dir.path(), &[accepted("a", 1.0)]);
    let (sources, criteria) = ([source.clone(), source], Criteria::default());
    let manifest = export(&Order::of(&sources, Profile::MiniSweAgent, &output, &criteria)).unwrap();
    let files: Vec<&str> = manifest.files.iter().map(|file| file.file.as_str()).collect();
    assert_eq!(files, ["a.1/a.1.traj.json", "a.1-2/a.1-2.traj.json"]);
    let text = std::fs::read(output.join("a.1-2/a.1-2.traj.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(file["instance_id"], "a.1-2");
    let text = std::fs::read(manifest_path(&output)).unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(rows["samples"][1]["source"], 1);
    assert_eq!(rows["samples"][1]["files"], json!(["a.1-2/a.1-2.traj.json"]));
}

#[test]
fn conditions_that_a_form_has_no_place_for_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.jsonl");
    let sources = [write(dir.path(), &[accepted("a", 1.0)])];
    let dedupe = Criteria { dedupe: true, ..Criteria::default() };
    let threshold = Criteria { threshold: Some(0.9), ..Criteria::default() };
    for (profile, criteria) in [
        (Profile::Canonical, &dedupe),
        (Profile::Preference, &dedupe),
        (Profile::Preference, &threshold),
    ] {
        let err = export(&Order::of(&sources, profile, &output, criteria)).unwrap_err();
        assert!(matches!(err, ExportError::Unfit { .. }), "{err}");
        assert!(!output.exists());
    }
    assert!(export(&Order::of(&sources, Profile::Atif, &output, &threshold)).is_ok());
}

#[test]
fn parts_of_a_split_share_no_repository() {
    let dir = tempfile::tempdir().unwrap();
    let mut rollouts = Vec::new();
    for number in 0..40 {
        let mut rollout = accepted(&format!("chain-{number}"), 1.0);
        rollout.repository = Some(format!("owner/name-{}", number / 2));
        rollouts.push(rollout);
    }
    let sources = [write(dir.path(), &rollouts)];
    let output = dir.path().join("out.jsonl.gz");
    let split = Split::parse("train=0.5,val=0.5,Owner/name-0=test,owner/none=test").unwrap();
    let criteria = Criteria::default();
    let order = Order::of(&sources, Profile::Canonical, &output, &criteria);
    let manifest = export(&Order { split: Some(&split), ..order }).unwrap();
    assert_eq!(manifest.unmatched, ["owner/none"]);
    let files: Vec<&str> = manifest.files.iter().map(|file| file.file.as_str()).collect();
    assert_eq!(files, ["out.train.jsonl.gz", "out.val.jsonl.gz", "out.test.jsonl.gz"]);
    let mut seen = std::collections::BTreeMap::new();
    for file in files {
        for rollout in Rollouts::open(&dir.path().join(file)).unwrap() {
            let repository = rollout.unwrap().repository.unwrap();
            assert_eq!(*seen.entry(repository).or_insert(file), file);
        }
    }
    assert_eq!(seen["owner/name-0"], "out.test.jsonl.gz");
    assert_eq!(seen.len(), 20);
}

#[test]
fn figures_are_of_the_samples_that_are_taken_and_cost_is_of_everything() {
    let mut control = accepted("a", 1.0);
    control.control = true;
    let mut first = accepted("b", 0.9);
    first.stages[0].judging_usage.output_tokens = 7;
    let mut again = first.clone();
    again.rollout.trial = 2;
    let criteria = Criteria { dedupe: true, ..Criteria::default() };
    let mut gather = Gather::new(None);
    for rollout in [&control, &first, &again] {
        gather.add(rollout, &criteria);
    }
    let stats = gather.finish();
    assert_eq!((stats.rollouts, stats.stages, stats.samples), (3, 2, 1));
    assert_eq!(stats.scores.iter().sum::<u64>(), 2, "the control is not among them");
    assert_eq!(stats.usage.output_tokens, 30);
    assert_eq!(stats.judging_usage.output_tokens, 14);
    let step = |reason, out, left| FunnelStep { reason, out, left };
    let (control, duplicate) = (Some(Reason::Control), Some(Reason::Duplicate));
    let rollouts = [step(None, 0, 3), step(control, 1, 2), step(duplicate, 1, 1)];
    assert_eq!(stats.funnel.rollouts, rollouts);
    assert_eq!(stats.funnel.samples, [step(None, 0, 2), step(duplicate, 1, 1)]);
}

#[test]
fn compressed_files_hold_the_same_in_one_frame() {
    let dir = tempfile::tempdir().unwrap();
    let rollouts: Vec<_> = (0..50).map(|number| accepted(&format!("c{number}"), 1.0)).collect();
    let criteria = Criteria::default();
    let plain = dir.path().join("out.jsonl");
    export_to(dir.path(), &rollouts, Profile::Canonical, &plain, &criteria);
    let wanted: Vec<_> = Rollouts::open(&plain).unwrap().collect();
    for name in ["out.jsonl.gz", "out.jsonl.zst"] {
        let output = dir.path().join(name);
        let manifest = export_to(dir.path(), &rollouts, Profile::Canonical, &output, &criteria);
        assert!(manifest.files[0].size < manifest.files[0].bytes / 4, "{name}");
        let read: Vec<_> = Rollouts::open(&output).unwrap().collect();
        assert_eq!(read, wanted, "{name}");
    }
}

#[test]
fn manifest_sums_up_what_its_entries_say() {
    let (_, manifest) = exported(&[typical(), accepted("b", 1.0)], Profile::Slime);
    let entries = manifest["samples"].as_array().unwrap();
    let sum = |key: &str| -> u64 { entries.iter().map(|entry| entry[key].as_u64().unwrap()).sum() };
    assert_eq!(manifest["counts"]["messages"], sum("messages"));
    assert_eq!(manifest["counts"]["trained_turns"], sum("model_turns"));
    assert_eq!(manifest["counts"]["tool_calls"], sum("tool_calls"));
    assert_eq!(manifest["repositories"], json!({"ada/notes": "MIT"}));
    assert_eq!(lines(&[typical()], Profile::Slime).len(), 1);
}
