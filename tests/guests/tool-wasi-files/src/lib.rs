//! Carries out lists of file operations with `std::fs`, or of calls of
//! `wasi:filesystem` itself, and tells how each one ended. What the same comes to
//! on this machine's own file system, the test in `host/plugin` finds out.

mod calls;
mod operations;
mod perform;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::{Tool, export_tool};
use serde::Deserialize;
use serde_json::{Value, json};

use calls::Call;
use operations::{Operation, run_all};
use perform::perform_all;

/// What the tool is called with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The preopened directory, or what else relative paths are relative to.
    root: String,
    #[serde(default)]
    operations: Vec<Operation>,
    /// Carried out after the operations.
    #[serde(default)]
    calls: Vec<Call>,
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
                "calls": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["root"],
        })
    }

    fn call(arguments: Arguments) -> Result<ToolOutput, ToolError> {
        let mut outcomes = run_all(arguments.root.as_ref(), &arguments.operations);
        outcomes.extend(perform_all(&arguments.root, &arguments.calls));
        let text = serde_json::to_string(&outcomes);
        Ok(ToolOutput::success(text.map_err(|err| ToolError::Other(err.to_string()))?))
    }
}

export_tool!(Files);
