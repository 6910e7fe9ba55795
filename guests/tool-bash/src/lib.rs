//! Offers one tool, `bash`: a real shell over the worktree with the usual
//! commands, wholly inside the sandbox and without processes.
//!
//! The interpreter and its commands are those of the crate `bashkit`. [`shell`]
//! runs one command in it, [`filesystem`] is what it sees, [`git`] the one
//! command that is ours, [`program`] starts those of the host; [`arguments`], [`config`] and [`output`] are the
//! tool's edges.

mod arguments;
mod calendar;
mod config;
mod filesystem;
mod git;
mod ls;
mod output;
mod program;
#[cfg(missing_pthread)]
mod pthread;
mod shell;

use std::io;

use catena_sdk::tool_provider::parse_arguments;
use catena_sdk::tools::{ToolCall, ToolDefinition, ToolError, ToolOutput};
use catena_sdk::workspace;

use crate::arguments::Arguments;
use crate::config::Config;
use crate::shell::Mount;

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
        shell::run(&arguments.command, timeout, &config, mounts(), &program::names())
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
