//! Tool plugins: they offer tools to scaffolds.
//!
//! A plugin with a fixed set of tools implements [`Tool`] for each and lists them
//! in [`export_tool!`](crate::export_tool). One whose tools depend on its
//! configuration implements [`ToolProvider`] itself.

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use crate::tools::{ToolCall, ToolDefinition, ToolError, ToolOutput};
use crate::{
    bindings::tool_plugin::exports::catena::plugin::tool_provider::Guest, config::ConfigError,
    process::ProcessError, workspace::WorkspaceError,
};

/// One tool, with its arguments as a type.
pub trait Tool {
    /// What the model's arguments are parsed into.
    type Arguments: DeserializeOwned;

    /// Name by which the model calls it; unique among the tools of a rollout.
    const NAME: &'static str;

    /// What it does, for the model.
    const DESCRIPTION: &'static str;

    /// JSON schema of the arguments; an object schema.
    fn parameters() -> Value;

    /// Runs one call. Every call gets a fresh instance: what shall last must be
    /// in the worktree or in the scratch directories.
    fn call(arguments: Self::Arguments) -> Result<ToolOutput, ToolError>;

    /// What the model is told.
    fn definition() -> ToolDefinition {
        ToolDefinition {
            name: Self::NAME.into(),
            description: Self::DESCRIPTION.into(),
            parameters: Self::parameters().to_string(),
        }
    }
}

/// A set of tools that is known only when it is asked for.
/// [`export_tool_provider!`](crate::export_tool_provider) makes a type with this
/// trait the one the host calls.
pub trait ToolProvider {
    /// The tools offered under the plugin's configuration. Asked once per
    /// rollout, with no worktree mounted.
    fn definitions() -> Result<Vec<ToolDefinition>, ToolError>;

    /// Runs one call, in a fresh instance.
    fn call(call: ToolCall) -> Result<ToolOutput, ToolError>;
}

impl<T: ToolProvider> Guest for T {
    fn definitions() -> Result<Vec<ToolDefinition>, ToolError> {
        T::definitions()
    }

    fn call(call: ToolCall) -> Result<ToolOutput, ToolError> {
        T::call(call)
    }
}

/// Parses the arguments of a call and runs the tool. Empty arguments, which some
/// models write for tools without parameters, count as an empty object.
pub fn dispatch<T: Tool>(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    T::call(parse_arguments(&call.arguments)?)
}

/// Parses the arguments of a call.
pub fn parse_arguments<A: DeserializeOwned>(json: &str) -> Result<A, ToolError> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    serde_json::from_str(json).map_err(|err| ToolError::InvalidArguments(err.to_string()))
}

/// Makes one or more types with [`Tool`](crate::Tool) the plugin's tools.
#[macro_export]
macro_rules! export_tool {
    ($($tool:ident),+ $(,)?) => {
        const _: () = {
            struct Tools;

            impl $crate::ToolProvider for Tools {
                fn definitions() -> ::std::result::Result<
                    ::std::vec::Vec<$crate::tools::ToolDefinition>,
                    $crate::tools::ToolError,
                > {
                    ::std::result::Result::Ok(::std::vec![
                        $(<$tool as $crate::Tool>::definition()),+
                    ])
                }

                fn call(
                    call: $crate::tools::ToolCall,
                ) -> ::std::result::Result<$crate::tools::ToolOutput, $crate::tools::ToolError> {
                    match call.name.as_str() {
                        $(<$tool as $crate::Tool>::NAME => {
                            $crate::tool_provider::dispatch::<$tool>(&call)
                        })+
                        _ => ::std::result::Result::Err(
                            $crate::tools::ToolError::UnknownTool(call.name),
                        ),
                    }
                }
            }

            $crate::export_tool_provider!(Tools);
        };
    };
}

/// Makes a type with [`ToolProvider`](crate::ToolProvider) the plugin's tools.
#[macro_export]
macro_rules! export_tool_provider {
    ($provider:ident) => {
        $crate::bindings::tool_plugin::export_tool_plugin!(
            $provider with_types_in $crate::bindings::tool_plugin
        );
    };
}

impl ToolOutput {
    /// Text for the model from a call that did what it was asked.
    pub fn success(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: false, exit_status: None, omitted_bytes: 0 }
    }

    /// Text for the model from a call that could not do what it was asked.
    pub fn failure(content: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::success(content) }
    }
}

impl From<ConfigError> for ToolError {
    fn from(err: ConfigError) -> Self {
        Self::Other(err.to_string())
    }
}

impl From<WorkspaceError> for ToolError {
    fn from(err: WorkspaceError) -> Self {
        Self::Other(err.to_string())
    }
}

impl From<ProcessError> for ToolError {
    fn from(err: ProcessError) -> Self {
        Self::Other(err.to_string())
    }
}

impl From<std::io::Error> for ToolError {
    fn from(err: std::io::Error) -> Self {
        Self::Other(err.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct NoArguments {}

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only parsed")]
    struct Named {
        path: String,
    }

    #[test]
    fn empty_arguments_count_as_an_empty_object() {
        assert!(parse_arguments::<NoArguments>("").is_ok());
    }

    #[test]
    fn missing_argument_is_named() {
        let err = parse_arguments::<Named>("{}").unwrap_err();
        assert!(matches!(err, ToolError::InvalidArguments(text) if text.contains("`path`")));
    }
}
