#![doc = include_str!("../README.md")]

#[doc(hidden)]
pub mod bindings;
pub mod config;
pub mod judge;
pub mod judging;
pub mod log;
pub mod model;
pub mod process;
pub mod reference;
pub mod scaffold;
pub mod tool_provider;
pub mod tools;
pub mod workspace;
pub mod writer;

pub use judge::Judge;
pub use scaffold::Scaffold;
pub use tool_provider::{Tool, ToolProvider};
pub use writer::Writer;

// A plugin that parses its configuration or arguments needs no other dependency.
pub use {serde, serde_json};
