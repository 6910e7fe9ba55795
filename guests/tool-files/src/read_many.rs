//! `read_many_files`.

use std::fmt::Write as _;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::workspace::{
    self, FileSelection, FileSlice, ROOT, ReadRequest, SnapshotRef, WorkspaceError,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::excerpt::{Excerpt, LINES, is_binary};
use crate::path::{WorktreePath, literal_glob, relative_glob};

/// Files read by one call.
const FILES: u32 = 200;

/// Bytes read of each file.
const FILE_BYTES: u64 = 1024 * 1024;

/// Bytes shown by one call; the files after that are only named.
const SHOWN_BYTES: usize = 512 * 1024;

/// What nobody wants to read, left out unless the model says otherwise.
const DEFAULT_EXCLUDES: [&str; 6] = [
    "**/node_modules/**",
    "**/.git/**",
    "**/__pycache__/**",
    "**/.venv/**",
    "**/*.pyc",
    "**/*.lock",
];

pub(crate) struct ReadManyFiles;

#[derive(Deserialize)]
pub(crate) struct Arguments {
    paths: Vec<String>,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default = "yes")]
    recursive: bool,
    #[serde(default = "yes", rename = "useDefaultExcludes")]
    use_default_excludes: bool,
}

fn yes() -> bool {
    true
}

impl catena_sdk::Tool for ReadManyFiles {
    type Arguments = Arguments;

    const NAME: &'static str = "read_many_files";

    const DESCRIPTION: &'static str = "Reads many text files at once: files, whole directories, or what glob patterns match. \
         Binary files are only named.";

    fn parameters() -> Value {
        let globs = |description: &str| {
            json!({
                "type": "array",
                "items": { "type": "string" },
                "description": description,
            })
        };
        json!({
            "type": "object",
            "properties": {
                "paths": globs("Files, directories or glob patterns, relative to /workspace."),
                "include": globs("Further glob patterns of files to read."),
                "exclude": globs("Glob patterns of files to leave out."),
                "recursive": {
                    "type": "boolean",
                    "description": "Reads directories with what is below them; true by default.",
                },
                "useDefaultExcludes": {
                    "type": "boolean",
                    "description": "Leaves out caches, dependencies and lock files; true by default.",
                },
            },
            "required": ["paths"],
        })
    }

    fn call(arguments: Arguments) -> Result<ToolOutput, ToolError> {
        let selection = selection(&arguments, |path| path.locate().is_dir())?;
        let found = match workspace::glob(&selection, FILES) {
            Ok(found) => found,
            Err(WorkspaceError::InvalidArgument(reason)) => return Ok(ToolOutput::failure(reason)),
            Err(err) => return Err(err.into()),
        };
        if found.paths.is_empty() {
            return Ok(ToolOutput::failure("no file matches"));
        }
        let requests: Vec<_> = found
            .paths
            .iter()
            .map(|path| ReadRequest { path: path.clone(), offset: 0, length: FILE_BYTES })
            .collect();
        let slices = workspace::read_files(&SnapshotRef::Current, &requests);
        let mut message = Message::default();
        for (path, slice) in found.paths.iter().zip(slices) {
            message.add(path, slice);
        }
        Ok(message.finish(found.truncated))
    }
}

fn selection(
    arguments: &Arguments,
    is_directory: impl Fn(&WorktreePath) -> bool,
) -> Result<FileSelection, ToolError> {
    let mut include = Vec::new();
    for written in &arguments.paths {
        let glob = match WorktreePath::try_from(written.clone()) {
            Ok(path) if is_directory(&path) => below(&path, arguments.recursive),
            _ => relative_glob(written)?,
        };
        include.push(glob);
    }
    for glob in &arguments.include {
        include.push(relative_glob(glob)?);
    }
    if include.is_empty() {
        return Err(ToolError::InvalidArguments("`paths` is empty".to_owned()));
    }
    let mut exclude = arguments.exclude.clone();
    if arguments.use_default_excludes {
        exclude.extend(DEFAULT_EXCLUDES.map(str::to_owned));
    }
    Ok(FileSelection { include, exclude, ..FileSelection::default() })
}

/// A glob of the files in a directory.
fn below(directory: &WorktreePath, recursive: bool) -> String {
    let files = if recursive { "**" } else { "*" };
    match directory.as_str() {
        "" => files.to_owned(),
        path => format!("{}/{files}", literal_glob(path)),
    }
}

/// What the model is shown, file by file.
#[derive(Default)]
struct Message {
    text: String,
    passed_over: String,
    omitted_bytes: u64,
}

impl Message {
    fn add(&mut self, path: &str, slice: Result<FileSlice, WorkspaceError>) {
        let name = format!("{ROOT}/{path}");
        let slice = match slice {
            Ok(slice) => slice,
            Err(err) => return self.pass_over(&name, &err.to_string(), 0),
        };
        if is_binary(&slice.bytes) {
            return self.pass_over(&name, "binary", slice.size);
        }
        if self.text.len() >= SHOWN_BYTES {
            return self.pass_over(&name, "too much for one call", slice.size);
        }
        let unread = slice.size.saturating_sub(slice.bytes.len() as u64);
        let excerpt = Excerpt::of(&String::from_utf8_lossy(&slice.bytes), 0, LINES);
        self.omitted_bytes += excerpt.omitted_bytes as u64 + unread;
        let _ = write!(self.text, "--- {name} ---\n{}", excerpt.into_message());
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        if unread > 0 {
            let _ = writeln!(self.text, "[{unread} more bytes were not read]");
        }
    }

    fn pass_over(&mut self, name: &str, reason: &str, size: u64) {
        self.omitted_bytes += size;
        let _ = writeln!(self.passed_over, "{name}: {reason}");
    }

    fn finish(mut self, are_more: bool) -> ToolOutput {
        if !self.passed_over.is_empty() {
            let _ = write!(self.text, "--- not shown ---\n{}", self.passed_over);
        }
        if are_more {
            let _ =
                writeln!(self.text, "--- more than {FILES} files match: narrow the patterns ---");
        }
        ToolOutput { omitted_bytes: self.omitted_bytes, ..ToolOutput::success(self.text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn include(json: Value) -> Result<Vec<String>, ToolError> {
        let arguments: Arguments = serde_json::from_value(json).unwrap();
        let is_directory = |path: &WorktreePath| matches!(path.as_str(), "" | "src" | "a[b]");
        selection(&arguments, is_directory).map(|selection| selection.include)
    }

    fn slice(bytes: &[u8], size: u64) -> FileSlice {
        FileSlice { bytes: bytes.to_vec(), size }
    }

    #[test]
    fn directories_stand_for_the_files_in_them() {
        let globs =
            include(json!({"paths": ["src", "/workspace/a[b]/", "*.md"], "include": ["x.c"]}));
        assert_eq!(globs.unwrap(), ["src/**", r"a\[b\]/**", "*.md", "x.c"]);
        let globs = include(json!({"paths": ["src", "."], "recursive": false}));
        assert_eq!(globs.unwrap(), ["src/*", "*"]);
    }

    #[test]
    fn paths_outside_and_no_paths_are_refused() {
        for paths in [json!(["/etc/passwd"]), json!(["../x"]), json!([])] {
            let result = include(json!({ "paths": paths }));
            assert!(matches!(result, Err(ToolError::InvalidArguments(_))), "{result:?}");
        }
    }

    #[test]
    fn files_follow_each_other_under_their_names() {
        let mut message = Message::default();
        message.add("a", Ok(slice(b"one\n", 4)));
        message.add("b", Ok(slice(b"two", 10)));
        message.add("c", Ok(slice(b"\0", 1)));
        message.add("d", Err(WorkspaceError::MissingObject("d".to_owned())));
        let output = message.finish(true);
        assert!(output.content.starts_with(
            "--- /workspace/a ---\none\n--- /workspace/b ---\ntwo\n[7 more bytes were not read]\n\
             --- not shown ---\n/workspace/c: binary\n/workspace/d: "
        ));
        assert!(output.content.ends_with("narrow the patterns ---\n"), "{}", output.content);
        assert_eq!(output.omitted_bytes, 8);
    }
}
