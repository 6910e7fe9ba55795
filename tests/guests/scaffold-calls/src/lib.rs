//! Calls every tool of the run once, without arguments, and logs what comes back.

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::tools::{self, ToolCall};
use catena_sdk::{Scaffold, export_scaffold, log};

struct Calls;

impl Scaffold for Calls {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        for tool in tools::available() {
            log::info!("calling {}", tool.name);
            let call =
                ToolCall { id: "only".into(), name: tool.name.clone(), arguments: "{}".into() };
            match tools::call(&call) {
                Ok(output) => log::info!("{} answered: {}", tool.name, output.content),
                Err(err) => log::info!("{} gave no answer: {err:?}", tool.name),
            }
        }
        log::info!("went on to the end");
        Ok(Ending::Submitted)
    }
}

export_scaffold!(Calls);
