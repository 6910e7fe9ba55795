//! Computes without end in each call.

use std::hint::black_box;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::{Tool, export_tool, serde, serde_json};

#[derive(serde::Deserialize)]
#[serde(crate = "catena_sdk::serde")]
struct Arguments {}

struct Spin;

impl Tool for Spin {
    type Arguments = Arguments;

    const NAME: &'static str = "spin";

    const DESCRIPTION: &'static str = "Computes without end.";

    fn parameters() -> serde_json::Value {
        serde_json::json!({"type": "object", "properties": {}})
    }

    fn call(_arguments: Arguments) -> Result<ToolOutput, ToolError> {
        let mut number = 0_u64;
        loop {
            number = black_box(number.wrapping_add(1));
        }
    }
}

export_tool!(Spin);
