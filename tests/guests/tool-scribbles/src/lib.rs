//! Writes to a file without end in each call, and says so in its log now and then.

use std::fs::File;
use std::io::Write as _;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::{Tool, export_tool, log, serde, serde_json};

#[derive(serde::Deserialize)]
#[serde(crate = "catena_sdk::serde")]
struct Arguments {}

struct Scribble;

impl Tool for Scribble {
    type Arguments = Arguments;

    const NAME: &'static str = "scribble";

    const DESCRIPTION: &'static str = "Writes to a file without end.";

    fn parameters() -> serde_json::Value {
        serde_json::json!({"type": "object", "properties": {}})
    }

    fn call(_arguments: Arguments) -> Result<ToolOutput, ToolError> {
        let failed = |err: std::io::Error| ToolError::Other(err.to_string());
        let mut number = 0_u64;
        loop {
            // In place, so that no quota ends it.
            let mut file = File::create("/workspace/scribble").map_err(failed)?;
            writeln!(file, "{number}").map_err(failed)?;
            number += 1;
            if number.is_multiple_of(1_000) {
                log::info!("scribbled {number} times");
            }
        }
    }
}

export_tool!(Scribble);
