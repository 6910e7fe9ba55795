//! Journals as files: what a person with an editor sees.

use serde_json::Value;

use crate::environment::TestEnvironment;

/// The lines of a journal, each with its line end.
pub(crate) fn lines(environment: &TestEnvironment, path: &str) -> Vec<String> {
    environment.read(path).split_inclusive('\n').map(str::to_owned).collect()
}

/// The records of a journal, without their checksums.
pub(crate) fn records(environment: &TestEnvironment, path: &str) -> Vec<Value> {
    let json = |line: &String| serde_json::from_str(&line[9..]).unwrap();
    lines(environment, path).iter().map(json).collect()
}

/// The part of a `show --json` that must be the same however often a run was
/// interrupted: everything but wall-clock times and where the run lies.
pub(crate) fn comparable(mut shown: Value) -> Value {
    shown.as_object_mut().unwrap().remove("run");
    for rollout in shown["rollouts"].as_array_mut().unwrap() {
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
