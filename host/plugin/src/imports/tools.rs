//! `catena:plugin/tools`: the tools of the run, each call in a store of its own.

use catena_model::ToolCall;

use crate::bindings::control::catena::plugin::tools::Host;
use crate::bindings::control::catena::plugin::types as wit;
use crate::call::call_tool;
use crate::state::State;

impl Host for State {
    fn available(&mut self) -> wasmtime::Result<Vec<wit::ToolDefinition>> {
        let offered = self.session.tools.offered().iter().map(|(tool, _)| wit::ToolDefinition {
            name: tool.name.clone(),
            description: tool.description.clone(),
            parameters: tool.parameters.clone(),
        });
        Ok(offered.collect())
    }

    fn call(
        &mut self,
        call: wit::ToolCall,
    ) -> wasmtime::Result<Result<wit::ToolOutput, wit::ToolError>> {
        if self.time_left().is_zero() {
            return Err(wasmtime::Trap::Interrupt.into());
        }
        let call = ToolCall { id: call.id, name: call.name, arguments: call.arguments };
        let session = self.session.clone();
        call_tool(&session, &call)
    }
}
