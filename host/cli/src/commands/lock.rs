//! `catena lock`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use catena_rollout::progress::Unwatched;
use catena_rollout::run::{Approval, Approving, Pinned, approve};
use clap::ValueHint;

use crate::failure::{CHECK_FAILED, Failure};
use crate::machine::Machine;
use crate::output::{Format, print_json, say, table};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The run file, beside which `catena.lock` lies
    #[arg(value_name = "RUN.TOML", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Tell what differs from what was approved, and write nothing
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let approving = if arguments.check { Approving::Look } else { Approving::Write };
    let options = machine.run_options(Arc::new(Unwatched));
    let approval = approve(&arguments.file, approving, &options)?;
    match format {
        Format::Json => print_json(&approval)?,
        Format::Text => print(&approval, approving),
    }
    let is_changed = arguments.check && !approval.changes.is_empty();
    Ok(if is_changed { ExitCode::from(CHECK_FAILED) } else { ExitCode::SUCCESS })
}

fn print(approval: &Approval, approving: Approving) {
    let mut plugins = table(&["plugin", "component", "world", "rights"]);
    for (name, pinned) in &approval.approved.plugins {
        let Pinned { component, world, .. } = pinned;
        let short = |digest: String| digest.chars().take(12).collect::<String>();
        let (component, world) = (short(component.to_string()), short(world.to_string()));
        plugins.add_row(vec![name.clone(), component, world, pinned.rights_in_a_line()]);
    }
    say!("{plugins}");
    for change in &approval.changes {
        say!("{change}");
    }
    let lock = approval.lock.display();
    match (approving, approval.changes.is_empty()) {
        (_, true) => say!("all of it is as `{lock}` has it"),
        (Approving::Write, false) => say!("approved in `{lock}`"),
        (Approving::Look, false) => say!("not approved in `{lock}`"),
    }
}
