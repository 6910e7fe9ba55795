//! Works on files in loops with `std::fs`, for `host/plugin/examples/file_costs.rs`,
//! which runs the same loops outside the sandbox as well.

mod loops;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::workspace::{self, FileSelection, GrepQuery};
use catena_sdk::{Tool, export_tool};
use serde::Deserialize;
use serde_json::{Value, json};

use loops::Work;

/// What the tool is called with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    work: Task,
    /// How often it is done.
    times: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Task {
    /// With files.
    Files(Work),
    /// Looks for a pattern in all files of the worktree.
    Grep(String),
}

struct Costs;

impl Tool for Costs {
    type Arguments = Arguments;

    const NAME: &'static str = "costs";

    const DESCRIPTION: &'static str = "Works on files in loops.";

    fn parameters() -> Value {
        json!({
            "type": "object",
            "properties": {"work": {"type": "object"}, "times": {"type": "integer"}},
            "required": ["work", "times"],
        })
    }

    fn call(arguments: Arguments) -> Result<ToolOutput, ToolError> {
        let other = |err: String| ToolError::Other(err);
        let done = match arguments.work {
            Task::Files(work) => {
                loops::run(&work, arguments.times).map_err(|err| other(err.to_string()))?
            }
            Task::Grep(pattern) => grep(&pattern, arguments.times).map_err(other)?,
        };
        Ok(ToolOutput::success(done.to_string()))
    }
}

/// The number of lines found the last time.
fn grep(pattern: &str, times: u32) -> Result<u64, String> {
    let mut found = 0;
    for _ in 0..times {
        let selection = FileSelection { respect_ignore: false, ..FileSelection::default() };
        let query = GrepQuery {
            pattern: pattern.to_owned(),
            ignore_case: false,
            selection,
            limit: u32::MAX,
        };
        let answer = workspace::grep(&query).map_err(|err| format!("{err:?}"))?;
        found = answer.matches.len() as u64;
    }
    Ok(found)
}

export_tool!(Costs);
