//! Makes the tool call that its configuration says so many times, to be measured.

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::tools::{self, ToolCall};
use catena_sdk::{Scaffold, config, export_scaffold, serde};

#[derive(serde::Deserialize)]
#[serde(crate = "catena_sdk::serde")]
struct Config {
    tool: String,
    arguments: String,
    times: u32,
}

struct Repeats;

impl Scaffold for Repeats {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let Config { tool, arguments, times } = config::read()?;
        let call = ToolCall { id: "same".into(), name: tool, arguments };
        for _ in 0..times {
            tools::call(&call).map_err(|err| ScaffoldError::Other(format!("{err:?}")))?;
        }
        Ok(Ending::Submitted)
    }
}

export_scaffold!(Repeats);
