//! Panics in each call.

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::{Tool, export_tool, serde, serde_json};

#[derive(serde::Deserialize)]
#[serde(crate = "catena_sdk::serde")]
struct Arguments {}

struct Trap;

impl Tool for Trap {
    type Arguments = Arguments;

    const NAME: &'static str = "trap";

    const DESCRIPTION: &'static str = "Panics.";

    fn parameters() -> serde_json::Value {
        serde_json::json!({"type": "object", "properties": {}})
    }

    fn call(_arguments: Arguments) -> Result<ToolOutput, ToolError> {
        panic!("this tool is broken");
    }
}

export_tool!(Trap);
