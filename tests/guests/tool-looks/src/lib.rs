//! Tells what it can see of the files, by every way there is.

use std::{env, fs};

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::workspace::{self, FileSelection};
use catena_sdk::{Tool, export_tool, serde, serde_json};

#[derive(serde::Deserialize)]
#[serde(crate = "catena_sdk::serde")]
struct Arguments {}

struct Look;

impl Tool for Look {
    type Arguments = Arguments;

    const NAME: &'static str = "look";

    const DESCRIPTION: &'static str = "Tells what can be seen.";

    fn parameters() -> serde_json::Value {
        serde_json::json!({"type": "object", "properties": {}})
    }

    fn call(_arguments: Arguments) -> Result<ToolOutput, ToolError> {
        let opens = |path: &str| if fs::metadata(path).is_ok() { "there" } else { "not there" };
        let globbed = match workspace::glob(&FileSelection::default(), 100) {
            Ok(list) => format!("{} files", list.paths.len()),
            Err(err) => format!("{err:?}"),
        };
        let written = match fs::write(workspace::file("made.txt"), "made") {
            Ok(()) => "let",
            Err(_) => "refused",
        };
        Ok(ToolOutput::success(format!(
            "README.md {}, / {}, /etc/passwd {}, glob {globbed}, writing {written}, {} variables",
            opens("/workspace/README.md"),
            opens("/"),
            opens("/etc/passwd"),
            env::vars().count(),
        )))
    }
}

export_tool!(Look);
