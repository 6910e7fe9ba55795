//! Carries out lists of file operations with `std::fs` and tells how each one
//! ended. What it is told on this machine's own file system, the test in
//! `host/plugin` finds out with the same code.

mod operations;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::{Tool, export_tool};
use serde::Deserialize;
use serde_json::{Value, json};

use operations::{Operation, run_all};

/// What the tool is called with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// What relative paths are relative to.
    root: String,
    operations: Vec<Operation>,
    /// How often the list is carried out; only the last answers are told.
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

struct Files;

impl Tool for Files {
    type Arguments = Arguments;

    const NAME: &'static str = "files";

    const DESCRIPTION: &'static str = "Carries out file operations.";

    fn parameters() -> Value {
        json!({
            "type": "object",
            "properties": {
                "root": {"type": "string"},
                "operations": {"type": "array", "items": {"type": "object"}},
                "times": {"type": "integer"},
            },
            "required": ["root", "operations"],
        })
    }

    fn call(arguments: Arguments) -> Result<ToolOutput, ToolError> {
        let mut outcomes = Vec::new();
        for _ in 0..arguments.times {
            outcomes = run_all(arguments.root.as_ref(), &arguments.operations);
        }
        let text = serde_json::to_string(&outcomes);
        Ok(ToolOutput::success(text.map_err(|err| ToolError::Other(err.to_string()))?))
    }
}

export_tool!(Files);
