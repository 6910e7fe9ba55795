//! `glob` and `search_file_content`.

use std::fmt::Write as _;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::workspace::{
    self, FileList, FileSelection, GrepMatches, GrepQuery, ROOT, WorkspaceError,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::path::{WorktreePath, literal_glob, relative_glob};

/// Paths shown by one call of `glob`.
const PATHS: u32 = 2_000;

/// Matching lines shown by one call of `search_file_content`.
const MATCHES: u32 = 1_000;

/// Characters shown of a matching line.
const COLUMNS: usize = 500;

pub(crate) struct Glob;

#[derive(Deserialize)]
pub(crate) struct GlobArguments {
    pattern: String,
    #[serde(default = "WorktreePath::root")]
    path: WorktreePath,
    #[serde(default)]
    case_sensitive: bool,
    #[serde(default = "yes")]
    respect_git_ignore: bool,
}

fn yes() -> bool {
    true
}

impl catena_sdk::Tool for Glob {
    type Arguments = GlobArguments;

    const NAME: &'static str = "glob";

    const DESCRIPTION: &'static str =
        "Finds files by a glob pattern such as `src/**/*.py` or `*.md`; `**` crosses directories.";

    fn parameters() -> Value {
        json!({
            "type": "object",
            "properties": {
                "pattern": { "type": "string", "description": "The glob pattern." },
                "path": directory_schema(),
                "case_sensitive": { "type": "boolean", "description": "False by default." },
                "respect_git_ignore": {
                    "type": "boolean",
                    "description": "Leaves out files that .gitignore names; true by default.",
                },
            },
            "required": ["pattern"],
        })
    }

    fn call(arguments: GlobArguments) -> Result<ToolOutput, ToolError> {
        let pattern = match arguments.path.as_str() {
            "" => relative_glob(&arguments.pattern)?,
            _ => arguments.pattern.clone(),
        };
        let pattern = if arguments.case_sensitive { pattern } else { ignoring_case(&pattern) };
        let selection = FileSelection {
            below: arguments.path.as_str().to_owned(),
            include: vec![pattern],
            exclude: Vec::new(),
            respect_ignore: arguments.respect_git_ignore,
        };
        match workspace::glob(&selection, PATHS) {
            Ok(found) => Ok(ToolOutput::success(show_paths(&arguments, &found))),
            Err(err) => refused(err, &arguments.path),
        }
    }
}

pub(crate) struct SearchFileContent;

#[derive(Deserialize)]
pub(crate) struct SearchArguments {
    pattern: String,
    #[serde(default = "WorktreePath::root")]
    path: WorktreePath,
    #[serde(default)]
    include: Option<String>,
}

impl catena_sdk::Tool for SearchFileContent {
    type Arguments = SearchArguments;

    const NAME: &'static str = "search_file_content";

    const DESCRIPTION: &'static str = "Searches the content of files for a regular expression, whatever the case, and returns \
         the lines that match with their files and line numbers.";

    fn parameters() -> Value {
        json!({
            "type": "object",
            "properties": {
                "pattern": { "type": "string", "description": "The regular expression." },
                "path": directory_schema(),
                "include": {
                    "type": "string",
                    "description": "Glob pattern of the files to search, such as `*.py`.",
                },
            },
            "required": ["pattern"],
        })
    }

    fn call(arguments: SearchArguments) -> Result<ToolOutput, ToolError> {
        let selection = selection(&arguments, arguments.path.locate().is_file());
        let query = GrepQuery {
            pattern: arguments.pattern.clone(),
            ignore_case: true,
            selection,
            limit: MATCHES,
        };
        match workspace::grep(&query) {
            Ok(found) => Ok(ToolOutput::success(show_matches(&arguments, &found))),
            Err(err) => refused(err, &arguments.path),
        }
    }
}

/// The files to search: one file, or all below a directory that fit `include`.
fn selection(arguments: &SearchArguments, is_file: bool) -> FileSelection {
    let (below, include) = if is_file {
        let (below, name) = arguments.path.split();
        (below, Some(literal_glob(name)))
    } else {
        (arguments.path.as_str(), arguments.include.as_deref().map(at_any_depth))
    };
    FileSelection {
        below: below.to_owned(),
        include: include.into_iter().collect(),
        ..FileSelection::default()
    }
}

/// A pattern without a directory means files of that name anywhere, as in git.
fn at_any_depth(glob: &str) -> String {
    if glob.contains('/') { glob.to_owned() } else { format!("**/{glob}") }
}

/// A glob that matches letters in either case.
fn ignoring_case(glob: &str) -> String {
    let mut result = String::new();
    let (mut in_class, mut escaped) = (false, false);
    for character in glob.chars() {
        let is_plain = !in_class && !escaped;
        in_class = match character {
            '[' if is_plain => true,
            ']' if !escaped => false,
            _ => in_class,
        };
        escaped = character == '\\' && !escaped;
        if is_plain && character.is_ascii_alphabetic() {
            let (lower, upper) = (character.to_ascii_lowercase(), character.to_ascii_uppercase());
            result.extend(['[', lower, upper, ']']);
        } else {
            result.push(character);
        }
    }
    result
}

fn show_paths(arguments: &GlobArguments, found: &FileList) -> String {
    let GlobArguments { pattern, path, .. } = arguments;
    if found.paths.is_empty() {
        return format!("no file matches `{pattern}` in {path}");
    }
    let matching = match found.paths.len() {
        1 => "1 file matches".to_owned(),
        number => format!("{number} files match"),
    };
    let mut text = format!("{matching} `{pattern}` in {path}");
    text.push_str(if found.truncated { " (there are more):\n" } else { ":\n" });
    for path in &found.paths {
        let _ = writeln!(text, "{ROOT}/{path}");
    }
    text
}

fn show_matches(arguments: &SearchArguments, found: &GrepMatches) -> String {
    let SearchArguments { pattern, path, .. } = arguments;
    if found.matches.is_empty() {
        return format!("nothing matches `{pattern}` in {path}");
    }
    let lines = match found.matches.len() {
        1 => "1 line matches".to_owned(),
        number => format!("{number} lines match"),
    };
    let mut text = format!("{lines} `{pattern}` in {path}");
    text.push_str(if found.truncated { " (there are more):\n" } else { ":\n" });
    let mut file = None;
    for hit in &found.matches {
        if file != Some(&hit.path) {
            file = Some(&hit.path);
            let _ = writeln!(text, "---\nFile: {}", hit.path);
        }
        let shown: String = hit.line.trim_end().chars().take(COLUMNS).collect();
        let _ = writeln!(text, "L{}: {shown}", hit.line_number);
    }
    text
}

/// A pattern the host can't use and a place that is not there are answers.
fn refused(err: WorkspaceError, path: &WorktreePath) -> Result<ToolOutput, ToolError> {
    match err {
        WorkspaceError::InvalidArgument(reason) => Ok(ToolOutput::failure(reason)),
        WorkspaceError::NoEntry(_) => Ok(ToolOutput::failure(format!("there is no {path}"))),
        err => Err(err.into()),
    }
}

fn directory_schema() -> Value {
    json!({
        "type": "string",
        "description": format!("Where to look: absolute below {ROOT}, or relative to it; all of it by default."),
    })
}

#[cfg(test)]
mod tests {
    use catena_sdk::workspace::GrepMatch;

    use super::*;

    fn search(json: Value) -> SearchArguments {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn pattern_matches_letters_in_either_case() {
        assert_eq!(ignoring_case("a/*.Py"), "[aA]/*.[pP][yY]");
        assert_eq!(ignoring_case(r"[a-c]x\[b"), r"[a-c][xX]\[[bB]");
        assert!(fast_glob::glob_match(ignoring_case("src/**/READ*.md"), "SRC/a/readme.MD"));
    }

    #[test]
    fn include_without_a_directory_means_any_depth() {
        let arguments = search(json!({"pattern": "x", "path": "src", "include": "*.py"}));
        let selection = selection(&arguments, false);
        assert_eq!(
            (selection.below.as_str(), selection.include),
            ("src", vec!["**/*.py".to_owned()])
        );
    }

    #[test]
    fn single_file_is_searched_by_its_name() {
        let arguments = search(json!({"pattern": "x", "path": "/workspace/src/a[1].py"}));
        let selection = selection(&arguments, true);
        assert_eq!(
            (selection.below.as_str(), selection.include),
            ("src", vec![r"a\[1\].py".to_owned()])
        );
    }

    #[test]
    fn matches_are_grouped_by_file() {
        let hit = |path: &str, line_number, line: &str| GrepMatch {
            path: path.to_owned(),
            line_number,
            line: line.to_owned(),
        };
        let matches = vec![
            hit("src/a.py", 1, "def a():"),
            hit("src/a.py", 9, "a() "),
            hit("src/b.py", 2, "a"),
        ];
        let found = GrepMatches { matches, truncated: true };
        let arguments = search(json!({"pattern": "a", "path": "src"}));
        assert_eq!(
            show_matches(&arguments, &found),
            "3 lines match `a` in /workspace/src (there are more):\n---\nFile: src/a.py\n\
             L1: def a():\nL9: a()\n---\nFile: src/b.py\nL2: a\n"
        );
        let nothing = GrepMatches { matches: Vec::new(), truncated: false };
        assert_eq!(show_matches(&arguments, &nothing), "nothing matches `a` in /workspace/src");
    }

    #[test]
    fn found_paths_are_absolute() {
        let arguments: GlobArguments = serde_json::from_value(json!({"pattern": "*.py"})).unwrap();
        let found = FileList { paths: vec!["a.py".to_owned()], truncated: false };
        assert_eq!(
            show_paths(&arguments, &found),
            "1 file matches `*.py` in /workspace:\n/workspace/a.py\n"
        );
    }
}
