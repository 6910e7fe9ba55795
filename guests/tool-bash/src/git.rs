//! `git` for an agent that wants to see its own changes.
//!
//! There is no repository in the sandbox: what the stage began with takes the
//! place of `HEAD`, and nothing is ever staged. `status`, `diff` and `add` are
//! answered through the `workspace` import; everything else says that it is not
//! there. New files count as part of a `diff`, so that none is overlooked.

mod arguments;
mod diffstat;
mod status;

use bashkit::{Builtin, BuiltinContext, ExecResult, async_trait};
use catena_sdk::workspace::{self, Change, DiffOptions, SnapshotRef, WorkspaceError};

use self::arguments::{DiffFormat, Invocation, Refusal};

/// The command.
pub(crate) struct Git;

#[async_trait]
impl Builtin for Git {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        Ok(match Invocation::parse(ctx.args, ctx.cwd) {
            Ok(invocation) => match answer(invocation) {
                Ok(output) => ExecResult::ok_bytes(output),
                Err(err) => ExecResult::err(format!("fatal: {err}\n"), 128),
            },
            Err(Refusal { message, status }) => ExecResult::err(format!("{message}\n"), status),
        })
    }
}

fn answer(invocation: Invocation) -> Result<Vec<u8>, WorkspaceError> {
    match invocation {
        Invocation::Add => Ok(Vec::new()),
        Invocation::Status { format, paths } => {
            let changes = changes_below(&paths)?;
            Ok(status::render(&changes, format).into_bytes())
        }
        Invocation::Diff { format, context_lines, paths } => diff(format, context_lines, paths),
    }
}

fn diff(
    format: DiffFormat,
    context_lines: u32,
    paths: Vec<String>,
) -> Result<Vec<u8>, WorkspaceError> {
    match format {
        DiffFormat::Names => Ok(status::names(&changes_below(&paths)?).into_bytes()),
        DiffFormat::NamesAndKinds => {
            Ok(status::names_and_kinds(&changes_below(&paths)?).into_bytes())
        }
        DiffFormat::Patch | DiffFormat::Stat => {
            let options = DiffOptions { paths, context_lines, ..DiffOptions::default() };
            let patch = workspace::diff(&SnapshotRef::Start, &SnapshotRef::Current, &options)?;
            Ok(if format == DiffFormat::Stat { diffstat::render(&patch) } else { patch })
        }
    }
}

fn changes_below(paths: &[String]) -> Result<Vec<Change>, WorkspaceError> {
    let mut changes = workspace::changes(&SnapshotRef::Start, &SnapshotRef::Current)?;
    changes.retain(|change| {
        let previous = change.previous_path.as_deref();
        paths.is_empty()
            || paths.iter().any(|path| {
                is_at_or_below(&change.path, path)
                    || previous.is_some_and(|previous| is_at_or_below(previous, path))
            })
    });
    Ok(changes)
}

fn is_at_or_below(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
