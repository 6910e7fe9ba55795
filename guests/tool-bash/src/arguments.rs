//! The tool as a model is told of it, and the arguments it sends.

use std::num::NonZeroU32;

use catena_sdk::tools::ToolDefinition;
use serde::Deserialize;

use crate::config::{Config, Shell};

/// Name by which the model calls the tool.
pub(crate) const NAME: &str = "bash";

/// One command. What a model adds beside the schema is passed over.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Arguments {
    /// A bash script.
    pub(crate) command: String,
    /// Seconds after which it is ended.
    #[serde(default)]
    pub(crate) timeout_seconds: Option<NonZeroU32>,
    /// Whether a session begins anew with this command.
    #[serde(default)]
    pub(crate) restart: bool,
}

/// The tool's definition under a configuration.
pub(crate) fn definition(config: &Config) -> ToolDefinition {
    let default = config.timeout_seconds;
    let most = config.max_timeout_seconds;
    let mut parameters = serde_json::json!({
        "type": "object",
        "properties": {
            "command": {
                "type": "string",
                "description": "The bash command to run.",
            },
            "timeout_seconds": {
                "type": "integer",
                "minimum": 1,
                "maximum": most,
                "description": format!("Seconds after which it is ended; {default} by default."),
            },
        },
        "required": ["command"],
    });
    let manner = match config.shell {
        Shell::PerCommand => "in /workspace, in a new shell each time,",
        Shell::Session => {
            if let Some(properties) = parameters.pointer_mut("/properties") {
                properties["restart"] = serde_json::json!({
                    "type": "boolean",
                    "description": "Start the shell anew before the command.",
                });
            }
            "in a shell that keeps its directory, variables and functions, begun in /workspace,"
        }
    };
    ToolDefinition {
        name: NAME.to_owned(),
        description: format!(
            "Runs a bash command {manner} and returns its output and exit status. The usual text \
             and file commands, patch, tar and jq are there, and git for the changes made here. \
             There is no network."
        ),
        parameters: parameters.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use catena_sdk::tool_provider::parse_arguments;
    use catena_sdk::tools::ToolError;

    use super::*;

    #[test]
    fn command_alone_is_enough() {
        let arguments: Arguments =
            parse_arguments(r#"{"command": "ls", "description": "look"}"#).unwrap();
        assert_eq!(
            arguments,
            Arguments { command: "ls".to_owned(), timeout_seconds: None, restart: false }
        );
    }

    #[test]
    fn missing_or_wrong_arguments_are_named() {
        for (json, word) in [
            ("{}", "command"),
            (r#"{"command": 3}"#, "string"),
            (r#"{"command": "ls", "timeout_seconds": 0}"#, "nonzero"),
            (r#"{"command": "ls", "timeout_seconds": -1}"#, "-1"),
            ("ls", "expected"),
        ] {
            match parse_arguments::<Arguments>(json) {
                Err(ToolError::InvalidArguments(reason)) => {
                    assert!(reason.contains(word), "{json}: {reason}");
                }
                other => panic!("{json}: {other:?}"),
            }
        }
    }

    #[test]
    fn schema_names_the_arguments_that_are_parsed() {
        let definition = definition(&crate::config::shipped());
        let schema: serde_json::Value = serde_json::from_str(&definition.parameters).unwrap();
        let names: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["command", "timeout_seconds"]);
        assert_eq!(schema["required"], serde_json::json!(["command"]));
    }

    #[test]
    fn session_can_be_begun_anew() {
        let config = Config { shell: Shell::Session, ..crate::config::shipped() };
        let definition = definition(&config);
        assert!(definition.parameters.contains("restart"), "{}", definition.parameters);
        assert!(definition.description.contains("keeps its directory"));
    }
}
