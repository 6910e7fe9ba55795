//! JSON whose faults are named by file, line and key, with the nearest known
//! key where one was mistyped.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a JSON file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not JSON.
    #[error("{at}: not valid JSON: {reason}")]
    Syntax {
        /// Where.
        at: Position,
        /// What the parser says.
        reason: String,
    },
    /// A key that does not exist there.
    #[error("{at}: unknown key `{key}` in `{parent}`; {suggestion}")]
    UnknownKey {
        /// Where.
        at: Position,
        /// The object it stands in, such as `chains[0].stages[2]`.
        parent: String,
        /// The key.
        key: String,
        /// Names the known key most like it, or all if none is alike.
        suggestion: String,
    },
    /// A key is missing or holds something wrong.
    #[error("{at}: `{key}`: {reason}")]
    Value {
        /// Where.
        at: Position,
        /// The key, such as `chains[0].stages[2].merge`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A place in a text file; lines and columns are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub path: PathBuf,
    /// The line.
    pub line: usize,
    /// The column in bytes.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// Reads the JSON file `path` as a `T`.
pub fn json_file<T: DeserializeOwned>(path: &Path) -> Result<T, ReadError> {
    let bytes =
        std::fs::read(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    json(&bytes, path)
}

/// Reads `bytes` as a `T`. `path` is only used in errors.
pub fn json<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T, ReadError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|err| {
        let key = err.path().to_string();
        explain(err.inner(), &key, path)
    })?;
    deserializer.end().map_err(|err| explain(&err, ".", path))?;
    Ok(value)
}

fn explain(err: &serde_json::Error, key: &str, path: &Path) -> ReadError {
    let at = Position { path: path.to_owned(), line: err.line(), column: err.column() };
    let text = err.to_string();
    // The position is told by `at` already.
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    if !err.is_data() {
        return ReadError::Syntax { at, reason: reason.to_owned() };
    }
    // serde tells of unknown fields and variants in this fixed form only.
    if reason.starts_with("unknown field `") {
        let mut quoted = reason.split('`').skip(1).step_by(2).map(str::to_owned);
        let name = quoted.next().unwrap_or_default();
        let known: Vec<String> = quoted.collect();
        let suggestion = suggestion(&name, &known);
        let parent = parent_of(key, &name);
        return ReadError::UnknownKey { at, parent, key: name, suggestion };
    }
    let key = if key == "." { "the file".to_owned() } else { key.to_owned() };
    ReadError::Value { at, key, reason: reason.to_owned() }
}

fn parent_of(path: &str, key: &str) -> String {
    let parent = path.strip_suffix(key).unwrap_or(path).trim_end_matches('.');
    if parent.is_empty() { "the file".to_owned() } else { parent.to_owned() }
}

fn suggestion(key: &str, known: &[String]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(key, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None => format!("known are `{}`", known.join("`, `")),
    }
}
