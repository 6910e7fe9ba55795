//! Journals as files: what a person with an editor sees.

use serde_json::Value;

use crate::environment::TestEnvironment;

/// The lines of a journal, each with its line end.
pub(crate) fn lines(environment: &TestEnvironment, path: &str) -> Vec<String> {
    environment.read(path).split_inclusive('\n').map(str::to_owned).collect()
}

/// The records of a journal, without their checksums. A process that was killed
/// may leave the beginning of another one.
pub(crate) fn records(environment: &TestEnvironment, path: &str) -> Vec<Value> {
    let whole = lines(environment, path).into_iter().filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(&line[9..]).unwrap()).collect()
}

/// The part of a `show --json` that must be the same however often a run was
/// interrupted: everything but wall-clock times, what was in memory, and where
/// the run lies.
pub(crate) fn comparable(mut shown: Value) -> Value {
    shown.as_object_mut().unwrap().remove("run");
    for rollout in shown["rollouts"].as_array_mut().unwrap() {
        for figure in ["cache", "guest_memory", "workspace_memory", "workspace_spilled"] {
            rollout.as_object_mut().unwrap().remove(figure).unwrap();
        }
        for stage in rollout["stages"].as_array_mut().unwrap() {
            stage.as_object_mut().unwrap().remove("wall_ms").unwrap();
        }
        for used in rollout["used"].as_object_mut().unwrap().values_mut() {
            used.as_object_mut().unwrap().remove("wall_us");
        }
    }
    shown
}

/// What `catena show --json` says of a run.
pub(crate) fn shown(environment: &TestEnvironment, run: &str) -> Value {
    environment.catena(&["show", run, "--json"]).succeeds().json()
}
