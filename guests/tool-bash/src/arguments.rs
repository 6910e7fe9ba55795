//! The tool as a model is told of it, and the arguments it sends.

use std::num::NonZeroU32;

use catena_sdk::tools::ToolDefinition;
use serde::Deserialize;

use crate::config::Config;

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
}

/// The tool's definition under a configuration.
pub(crate) fn definition(config: &Config) -> ToolDefinition {
    let default = config.timeout_seconds;
    let most = config.max_timeout_seconds;
    let parameters = serde_json::json!({
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
    ToolDefinition {
        name: NAME.to_owned(),
        description: "Runs a bash command in /workspace, in a new shell each time, and returns \
                      its output and exit status. The usual text and file commands, patch, tar \
                      and jq are there, and git for the changes made here. There is no network."
            .to_owned(),
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
        assert_eq!(arguments, Arguments { command: "ls".to_owned(), timeout_seconds: None });
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
}
