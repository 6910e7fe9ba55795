//! Patterns as in `.gitignore`, relative to the root.

use fast_glob::glob_match;

/// A list of patterns, of which the last that matches counts.
pub(crate) struct Patterns(Vec<String>);

impl Patterns {
    pub(crate) fn new(patterns: Vec<String>) -> Self {
        Self(patterns)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they match a path or a directory it is in. What the path is does not
    /// matter: a symlink in the place of a directory is as bad as what it leads to.
    pub(crate) fn is_match(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        let prefixes: Vec<&str> = ends.filter_map(|end| path.get(..end)).collect();
        // What is said of a directory holds for what is in it.
        prefixes.into_iter().rev().find_map(|prefix| self.says(prefix)).unwrap_or_default()
    }

    fn says(&self, path: &str) -> Option<bool> {
        self.0.iter().rev().find_map(|pattern| {
            let (pattern, matches) = match pattern.strip_prefix('!') {
                Some(pattern) => (pattern, false),
                None => (pattern.as_str(), true),
            };
            let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
            let found = if pattern.contains('/') {
                glob_match(pattern.strip_prefix('/').unwrap_or(pattern), path)
            } else {
                glob_match(pattern, path.rsplit('/').next().unwrap_or(path))
            };
            found.then_some(matches)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_gitignore() {
        let patterns = ["tests/", "test_*.py", "/conf/*.toml", "*.egg-info/", "!tests/data/"];
        let patterns = Patterns::new(patterns.map(str::to_owned).to_vec());
        for path in [
            "tests",
            "tests/deep/a.txt",
            "src/tests/a.py",
            "src/test_a.py",
            "conf/a.toml",
            "x.egg-info/entry_points.txt",
        ] {
            assert!(patterns.is_match(path), "{path}");
        }
        for path in ["tests/data/a.txt", "src/a_test.py", "src/conf/a.toml", "latests/a.py"] {
            assert!(!patterns.is_match(path), "{path}");
        }
    }
}
