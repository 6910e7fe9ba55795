//! `read_file`.

use std::fs;
use std::path::Path;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::workspace::ROOT;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::excerpt::{COLUMNS, Excerpt, LINES, is_binary};
use crate::path::WorktreePath;

pub(crate) struct ReadFile;

#[derive(Deserialize)]
pub(crate) struct Arguments {
    absolute_path: WorktreePath,
    #[serde(default)]
    offset: usize,
    #[serde(default)]
    limit: Option<usize>,
}

impl catena_sdk::Tool for ReadFile {
    type Arguments = Arguments;

    const NAME: &'static str = "read_file";

    const DESCRIPTION: &'static str = "Reads a text file, or a range of its lines. Says when \
                                       there is more and how to see it.";

    fn parameters() -> Value {
        json!({
            "type": "object",
            "properties": {
                "absolute_path": {
                    "type": "string",
                    "description": format!("The file: absolute below {ROOT}, or relative to it."),
                },
                "offset": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Lines to skip; 0 by default.",
                },
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "description": format!(
                        "Lines to read; at most {LINES}, each cut at {COLUMNS} characters."
                    ),
                },
            },
            "required": ["absolute_path"],
        })
    }

    fn call(arguments: Arguments) -> Result<ToolOutput, ToolError> {
        Ok(read(&arguments, &arguments.absolute_path.locate()))
    }
}

fn read(arguments: &Arguments, place: &Path) -> ToolOutput {
    let path = &arguments.absolute_path;
    match fs::read(place) {
        Err(err) => ToolOutput::failure(format!("cannot read {path}: {err}")),
        Ok(bytes) if is_binary(&bytes) => {
            ToolOutput::failure(format!("{path} is a binary file of {} bytes", bytes.len()))
        }
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let limit = arguments.limit.unwrap_or(LINES);
            let excerpt = Excerpt::of(&text, arguments.offset, limit);
            let omitted_bytes = excerpt.omitted_bytes as u64;
            ToolOutput { omitted_bytes, ..ToolOutput::success(excerpt.into_message()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(content: &[u8], json: Value) -> ToolOutput {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        read(&serde_json::from_value(json).unwrap(), file.path())
    }

    #[test]
    fn lines_asked_for_are_read() {
        let output =
            read_back(b"a\nb\nc\n", json!({"absolute_path": "x", "offset": 1, "limit": 1}));
        assert_eq!(output.content, "[lines 2 to 2 of 3; go on with `offset` 2]\nb\n");
        assert_eq!(output.omitted_bytes, 4);
        assert!(!output.is_error);
    }

    #[test]
    fn binary_file_is_named_not_shown() {
        let output = read_back(b"\x7fELF\0", json!({"absolute_path": "x"}));
        assert_eq!(output, ToolOutput::failure("/workspace/x is a binary file of 5 bytes"));
    }

    #[test]
    fn missing_file_is_an_answer() {
        let arguments = serde_json::from_value(json!({"absolute_path": "x"})).unwrap();
        let output = read(&arguments, Path::new("/nowhere/at/all"));
        assert!(output.is_error && output.content.starts_with("cannot read /workspace/x:"));
    }
}
