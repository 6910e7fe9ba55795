//! A plugin written in Python, built by componentize-py against the same WIT.

use crate::checkout::{Checkout, run as run_command};
use crate::guests;
use crate::phase::Phases;

pub(super) fn run(checkout: &Checkout, phases: &mut Phases) -> anyhow::Result<()> {
    let plugin = checkout.target.join("plugins/scaffold-python");
    phases.begin("build `scaffold-python` with componentize-py");
    guests::build_python_guest(&checkout.root, &plugin)?;
    phases.begin("check it against the host");
    run_command(
        checkout.cargo().args(["run", "--package", "catena", "--", "plugin", "check"]).arg(&plugin),
        "the message above says which part of the plugin contract it does not keep",
    )
}
