//! The tools a scaffold may use: those of every tool plugin of the run.
//!
//! To offer tools, see [`tool_provider`](crate::tool_provider).

pub use crate::bindings::imports::catena::plugin::tools::{available, call};
pub use crate::bindings::imports::catena::plugin::types::{
    ToolCall, ToolDefinition, ToolError, ToolOutput,
};
