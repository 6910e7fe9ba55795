//! The demo's repository and chain, and run files over them.

use serde_json::Value;

use crate::environment::{Outcome, TestEnvironment};

/// The demo's only rollout.
pub(crate) const ROLLOUT: &str = "gridline-alignment.1";

/// The journal of the demo's only rollout.
pub(crate) const JOURNAL: &str = "demo/run/rollouts/gridline-alignment.1.journal";

/// Runs `catena demo` in the directory `demo`.
pub(crate) fn demo(environment: &TestEnvironment) {
    environment.catena(&["demo", "--dir", "demo"]).succeeds();
}

/// The chain of the demo, as its chain file has it.
pub(crate) fn chain(environment: &TestEnvironment) -> Value {
    environment.read_json("demo/chains.json")["chains"][0].take()
}

/// Carries out a run over the demo's chain in `demo/NAME`: the keys before the
/// tables, and the keys of the scaffold's table.
pub(crate) fn run(
    environment: &TestEnvironment,
    name: &str,
    keys: &str,
    scaffold: &str,
) -> Outcome {
    let text = format!(
        "version = 1\nname = \"{name}\"\nchains = \"chains.json\"\n{keys}\n\
         [repositories]\n\"gridline/gridline\" = \"gridline.git\"\n\n\
         [scaffold]\n{scaffold}\n\n[judge]\nplugin = \"judge-diff\"\n",
    );
    environment.write(&format!("demo/{name}.toml"), text);
    environment.catena(&["run", &format!("demo/{name}.toml"), "--dir", &format!("demo/{name}")])
}
