//! Offers one tool, `bash`: a real shell over the worktree with the usual
//! commands, wholly inside the sandbox and without processes.
//!
//! The interpreter and its commands are those of the crate `bashkit`. [`shell`]
//! runs one command in it, [`filesystem`] is what it sees. Commands of ours are
//! [`git`], [`diff`], [`ls`], [`shred`], those without a network ([`no_network`]) and those that read large files in pieces, [`streams`];
//! [`program`] starts those of the host, [`time_limit`] bounds both. [`session`] keeps a
//! shell from one command to the next. [`options`], [`places`] and [`calendar`] serve
//! several commands; [`arguments`], [`config`] and [`output`] are the tool's edges.

mod arguments;
mod calendar;
mod config;
mod diff;
mod filesystem;
mod git;
mod ls;
mod no_network;
mod options;
mod output;
mod places;
mod program;
#[cfg(missing_pthread)]
mod pthread;
mod session;
mod shell;
mod shred;
mod streams;
mod time_limit;

use std::io;
use std::path::Path;

use catena_sdk::tool_provider::parse_arguments;
use catena_sdk::tools::{ToolCall, ToolDefinition, ToolError, ToolOutput};
use catena_sdk::workspace;

use crate::arguments::Arguments;
use crate::config::{Config, Shell};
use crate::session::Session;
use crate::shell::{Mount, Surroundings};

struct BashTool;

impl catena_sdk::ToolProvider for BashTool {
    fn definitions() -> Result<Vec<ToolDefinition>, ToolError> {
        Ok(vec![arguments::definition(&catena_sdk::config::read()?)])
    }

    fn call(call: ToolCall) -> Result<ToolOutput, ToolError> {
        if call.name != arguments::NAME {
            return Err(ToolError::UnknownTool(call.name));
        }
        let config: Config = catena_sdk::config::read()?;
        let arguments: Arguments = parse_arguments(&call.arguments)?;
        let timeout =
            config.timeout(arguments.timeout_seconds.map(|seconds| u64::from(seconds.get())));
        let session =
            (config.shell == Shell::Session).then(|| Session::below(Path::new(workspace::HOME)));
        if let Some(session) = session.as_ref().filter(|_| arguments.restart) {
            session.forget();
        }
        let surroundings = Surroundings { mounts: mounts(), programs: program::names(), session };
        shell::run(&arguments.command, timeout, &config, surroundings)
    }
}

catena_sdk::export_tool_provider!(BashTool);

/// Where the host mounts what the shell shows under the same paths.
fn mounts() -> Vec<Mount> {
    let mount =
        |path: &'static str, set_executable| Mount { path, directory: path.into(), set_executable };
    vec![
        mount(workspace::ROOT, set_executable_in_worktree),
        mount(workspace::SCRATCH, |_, _| Ok(())),
        mount(workspace::HOME, |_, _| Ok(())),
    ]
}

fn set_executable_in_worktree(path: &str, executable: bool) -> io::Result<()> {
    workspace::set_executable(path, executable).map_err(io::Error::other)
}
