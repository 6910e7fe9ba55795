//! `list_directory`.

use std::fs;
use std::io;
use std::path::Path;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::workspace::ROOT;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::path::WorktreePath;

pub(crate) struct ListDirectory;

#[derive(Deserialize)]
pub(crate) struct Arguments {
    path: WorktreePath,
    #[serde(default)]
    ignore: Vec<String>,
}

impl catena_sdk::Tool for ListDirectory {
    type Arguments = Arguments;

    const NAME: &'static str = "list_directory";

    const DESCRIPTION: &'static str = "Lists the files and directories directly in a directory, \
                                       directories first.";

    fn parameters() -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": {
                    "type": "string",
                    "description": format!("The directory: absolute below {ROOT}, or relative to it."),
                },
                "ignore": {
                    "type": "array",
                    "items": { "type": "string" },
                    "description": "Glob patterns of names to leave out.",
                },
            },
            "required": ["path"],
        })
    }

    fn call(arguments: Arguments) -> Result<ToolOutput, ToolError> {
        Ok(list(&arguments, &arguments.path.locate()))
    }
}

fn list(arguments: &Arguments, place: &Path) -> ToolOutput {
    let path = &arguments.path;
    match entries(place, &arguments.ignore) {
        Ok(entries) if entries.is_empty() => ToolOutput::success(format!("{path} is empty")),
        Ok(entries) => ToolOutput::success(format!("{path}:\n{}", entries.concat())),
        Err(err) => ToolOutput::failure(format!("cannot list {path}: {err}")),
    }
}

fn entries(place: &Path, ignore: &[String]) -> io::Result<Vec<String>> {
    let (mut directories, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if ignore.iter().any(|glob| fast_glob::glob_match(glob, &name)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            directories.push(format!("[DIR] {name}\n"));
        } else {
            others.push(format!("{name}\n"));
        }
    }
    directories.sort();
    others.sort();
    directories.append(&mut others);
    Ok(directories)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(json: Value, place: &Path) -> ToolOutput {
        list(&serde_json::from_value(json).unwrap(), place)
    }

    #[test]
    fn directories_come_first_and_ignored_names_are_left_out() {
        let place = tempfile::tempdir().unwrap();
        for name in ["b.py", "a.pyc", "a.py"] {
            fs::write(place.path().join(name), "").unwrap();
        }
        fs::create_dir(place.path().join("src")).unwrap();
        let output = listed(json!({"path": ".", "ignore": ["*.pyc"]}), place.path());
        assert_eq!(output.content, "/workspace:\n[DIR] src\na.py\nb.py\n");
    }

    #[test]
    fn empty_and_missing_directories_are_told_apart() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(listed(json!({"path": "x"}), place.path()).content, "/workspace/x is empty");
        let output = listed(json!({"path": "x"}), &place.path().join("x"));
        assert!(output.is_error && output.content.starts_with("cannot list /workspace/x:"));
    }
}
