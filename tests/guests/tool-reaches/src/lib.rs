//! Reaches for what it was not granted: twice for a program, for git's directory, for
//! what is above the worktree, for more than fits, and in the end for the network.

use std::fs;
use std::net::TcpStream;

use catena_sdk::process::{self, Command};
use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::workspace;
use catena_sdk::{Tool, export_tool, serde, serde_json};

#[derive(serde::Deserialize)]
#[serde(crate = "catena_sdk::serde")]
struct Arguments {}

struct Reach;

impl Tool for Reach {
    type Arguments = Arguments;

    const NAME: &'static str = "reach";

    const DESCRIPTION: &'static str = "Reaches too far.";

    fn parameters() -> serde_json::Value {
        serde_json::json!({"type": "object", "properties": {}})
    }

    fn call(_arguments: Arguments) -> Result<ToolOutput, ToolError> {
        let _ = process::run(&Command::new("curl"));
        let _ = process::run(&Command::new("curl"));
        let _ = fs::create_dir(workspace::file(".git"));
        let _ = fs::read(workspace::file("../secret"));
        let _ = fs::write(workspace::file("large"), vec![0; 1 << 20]);
        // Ends the call.
        let reached = TcpStream::connect(("192.0.2.1", 443)).is_ok();
        Ok(ToolOutput::success(format!("reached: {reached}")))
    }
}

export_tool!(Reach);
