//! What the agent wants to remember: a file in its home, which lasts for the
//! rollout and goes with no submission.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const HEADING: &str = "## Memories";

fn file(home: &Path) -> PathBuf {
    home.join(".sii/memory.md")
}

/// All that was remembered; nothing where nothing was.
pub(crate) fn recall(home: &Path) -> String {
    fs::read_to_string(file(home)).map(|text| text.trim_end().to_owned()).unwrap_or_default()
}

/// Adds a fact, on one line.
pub(crate) fn save(home: &Path, fact: &str) -> io::Result<()> {
    let fact = fact.split_whitespace().collect::<Vec<_>>().join(" ");
    let fact = fact.trim_start_matches(['-', ' ']);
    let path = file(home);
    let known = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => format!("{HEADING}\n"),
        Err(err) => return Err(err),
    };
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, format!("{known}- {fact}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_kept_in_order_each_on_one_line() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(recall(home.path()), "");
        save(home.path(), "- tests run with\n  pytest").unwrap();
        save(home.path(), "the API is frozen").unwrap();
        assert_eq!(
            recall(home.path()),
            "## Memories\n- tests run with pytest\n- the API is frozen"
        );
    }
}
