//! `write_file` and `replace`.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::workspace::ROOT;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::path::WorktreePath;

pub(crate) struct WriteFile;

#[derive(Deserialize)]
pub(crate) struct WriteArguments {
    file_path: WorktreePath,
    content: String,
}

impl catena_sdk::Tool for WriteFile {
    type Arguments = WriteArguments;

    const NAME: &'static str = "write_file";

    const DESCRIPTION: &'static str = "Writes a whole file, and the directories it lies in. What \
                                       was there before is replaced.";

    fn parameters() -> Value {
        json!({
            "type": "object",
            "properties": {
                "file_path": file_path_schema(),
                "content": { "type": "string", "description": "The new content." },
            },
            "required": ["file_path", "content"],
        })
    }

    fn call(arguments: WriteArguments) -> Result<ToolOutput, ToolError> {
        Ok(write(&arguments, &arguments.file_path.locate()))
    }
}

pub(crate) struct Replace;

#[derive(Deserialize)]
pub(crate) struct ReplaceArguments {
    file_path: WorktreePath,
    old_string: String,
    new_string: String,
    #[serde(default = "once")]
    expected_replacements: usize,
}

fn once() -> usize {
    1
}

impl catena_sdk::Tool for Replace {
    type Arguments = ReplaceArguments;

    const NAME: &'static str = "replace";

    const DESCRIPTION: &'static str = "Replaces text in a file. `old_string` must be the exact text, indentation included, with \
         enough lines around it to occur only once, unless `expected_replacements` says how often \
         it occurs; else nothing is changed. An empty `old_string` makes a new file.";

    fn parameters() -> Value {
        json!({
            "type": "object",
            "properties": {
                "file_path": file_path_schema(),
                "old_string": { "type": "string", "description": "The exact text to replace." },
                "new_string": { "type": "string", "description": "The exact text in its place." },
                "expected_replacements": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "How often the text occurs; 1 by default. All are replaced.",
                },
            },
            "required": ["file_path", "old_string", "new_string"],
        })
    }

    fn call(arguments: ReplaceArguments) -> Result<ToolOutput, ToolError> {
        Ok(replace(&arguments, &arguments.file_path.locate()))
    }
}

/// Why text was not replaced. Nothing was changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum ReplaceError {
    #[error("`old_string` and `new_string` are the same")]
    NoChange,
    #[error("`old_string` is empty, which makes a new file, but the file exists")]
    FileExists,
    #[error("`old_string` was not found; it must match exactly, white space included{0}")]
    NotFound(&'static str),
    #[error(
        "`old_string` was found {found} times, not {expected}; add lines around it, or say `expected_replacements`"
    )]
    OtherCount { found: usize, expected: usize },
}

fn write(arguments: &WriteArguments, place: &Path) -> ToolOutput {
    let path = &arguments.file_path;
    let is_new = fs::symlink_metadata(place).is_err();
    match write_with_parents(place, &arguments.content) {
        Ok(()) if is_new => ToolOutput::success(format!("created {path}")),
        Ok(()) => ToolOutput::success(format!("replaced the content of {path}")),
        Err(err) => ToolOutput::failure(format!("cannot write {path}: {err}")),
    }
}

fn replace(arguments: &ReplaceArguments, place: &Path) -> ToolOutput {
    let path = &arguments.file_path;
    let before = match fs::read(place) {
        Ok(bytes) => Some(bytes),
        Err(err) if err.kind() == ErrorKind::NotFound && arguments.old_string.is_empty() => None,
        Err(err) => return ToolOutput::failure(format!("cannot read {path}: {err}")),
    };
    let Ok(before) = before.map(String::from_utf8).transpose() else {
        return ToolOutput::failure(format!("{path} is not UTF-8 text"));
    };
    match replaced(before.as_deref(), arguments) {
        Err(err) => ToolOutput::failure(format!("{path} was not changed: {err}")),
        Ok(after) => match write_with_parents(place, &after) {
            Err(err) => ToolOutput::failure(format!("cannot write {path}: {err}")),
            Ok(()) if before.is_none() => ToolOutput::success(format!("created {path}")),
            Ok(()) => ToolOutput::success(format!(
                "{path}: replaced the text {}",
                times(arguments.expected_replacements)
            )),
        },
    }
}

/// The text after the replacement; `before` is absent for a file that is not there.
fn replaced(before: Option<&str>, arguments: &ReplaceArguments) -> Result<String, ReplaceError> {
    let (old, new) = (arguments.old_string.as_str(), arguments.new_string.as_str());
    let Some(before) = before else { return Ok(new.to_owned()) };
    if old.is_empty() {
        return Err(ReplaceError::FileExists);
    }
    if old == new {
        return Err(ReplaceError::NoChange);
    }
    // Models write `\n` also where the file has Windows line endings.
    if !before.contains(old) && before.contains("\r\n") && !old.contains('\r') {
        let (old, new) = (old.replace('\n', "\r\n"), new.replace('\n', "\r\n"));
        return replace_counted(before, &old, &new, arguments.expected_replacements);
    }
    replace_counted(before, old, new, arguments.expected_replacements)
}

fn replace_counted(
    before: &str,
    old: &str,
    new: &str,
    expected: usize,
) -> Result<String, ReplaceError> {
    match before.matches(old).count() {
        0 => Err(ReplaceError::NotFound(hint(before, old))),
        found if found == expected => Ok(before.replace(old, new)),
        found => Err(ReplaceError::OtherCount { found, expected }),
    }
}

/// What would have matched.
fn hint(before: &str, old: &str) -> &'static str {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let sought = words(old);
    if !sought.is_empty() && words(before).contains(&sought) {
        "; text that differs only in white space is there"
    } else {
        "; read the file again"
    }
}

fn times(number: usize) -> String {
    match number {
        1 => "once".to_owned(),
        number => format!("{number} times"),
    }
}

fn write_with_parents(place: &Path, content: &str) -> io::Result<()> {
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(place, content)
}

fn file_path_schema() -> Value {
    json!({
        "type": "string",
        "description": format!("The file: absolute below {ROOT}, or relative to it."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(
        before: Option<&str>,
        old: &str,
        new: &str,
        times: usize,
    ) -> Result<String, ReplaceError> {
        let arguments = ReplaceArguments {
            file_path: WorktreePath::root(),
            old_string: old.to_owned(),
            new_string: new.to_owned(),
            expected_replacements: times,
        };
        replaced(before, &arguments)
    }

    #[test]
    fn text_that_occurs_once_is_replaced() {
        assert_eq!(edit(Some("a b c"), "b", "x$1", 1), Ok("a x$1 c".to_owned()));
    }

    #[test]
    fn number_of_occurrences_must_be_as_expected() {
        assert_eq!(edit(Some("b b"), "b", "x", 2), Ok("x x".to_owned()));
        let err = edit(Some("b b"), "b", "x", 1).unwrap_err();
        assert_eq!(err, ReplaceError::OtherCount { found: 2, expected: 1 });
        assert!(err.to_string().contains("found 2 times"), "{err}");
    }

    #[test]
    fn missing_text_says_when_only_white_space_differs() {
        let err = edit(Some("if x:\n        go()\n"), "if x:\n    go()", "y", 1).unwrap_err();
        assert!(err.to_string().contains("only in white space"), "{err}");
        let err = edit(Some("a"), "b", "y", 1).unwrap_err();
        assert!(err.to_string().contains("read the file again"), "{err}");
    }

    #[test]
    fn windows_line_endings_are_kept() {
        assert_eq!(
            edit(Some("a\r\nb\r\nc\r\n"), "a\nb\n", "x\ny\n", 1),
            Ok("x\r\ny\r\nc\r\n".into())
        );
    }

    #[test]
    fn nothing_is_replaced_by_itself_or_in_place_of_nothing() {
        assert_eq!(edit(Some("a"), "a", "a", 1), Err(ReplaceError::NoChange));
        assert_eq!(edit(Some("a"), "", "b", 1), Err(ReplaceError::FileExists));
        assert_eq!(edit(None, "", "b", 1), Ok("b".to_owned()));
    }

    #[test]
    fn files_are_written_with_their_directories() {
        let root = tempfile::tempdir().unwrap();
        let parse = |json| serde_json::from_value::<WriteArguments>(json).unwrap();
        let arguments = parse(json!({"file_path": "/workspace/a/b.py", "content": "x\n"}));
        let place = arguments.file_path.locate_below(root.path());
        assert_eq!(write(&arguments, &place).content, "created /workspace/a/b.py");
        assert_eq!(fs::read_to_string(&place).unwrap(), "x\n");
        assert_eq!(write(&arguments, &place).content, "replaced the content of /workspace/a/b.py");
        assert!(write(&arguments, root.path()).is_error);
    }

    #[test]
    fn refused_replacement_leaves_the_file_alone() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("a");
        fs::write(&place, "b b").unwrap();
        let arguments =
            serde_json::from_value(json!({"file_path": "a", "old_string": "b", "new_string": "c"}))
                .unwrap();
        let output = replace(&arguments, &place);
        assert!(output.is_error, "{}", output.content);
        assert_eq!(fs::read_to_string(&place).unwrap(), "b b");
        let missing = replace(&arguments, &root.path().join("none"));
        assert!(missing.content.starts_with("cannot read /workspace/a:"), "{}", missing.content);
    }
}
