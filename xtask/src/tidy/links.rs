//! What the documents and the program's hints point to must be there.

use std::path::Path;

use super::{SourceFile, Violation};

/// Checks relative links of Markdown files, and the `docs/*.md` that the command
/// line sends people to.
pub(super) fn check(root: &Path, files: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        let is_markdown = Path::new(&file.path).extension().is_some_and(|name| name == "md");
        if !is_markdown && !speaks(&file.path) {
            continue;
        }
        for (line, text) in (1..).zip(file.text.lines()) {
            let targets = if is_markdown { links(text) } else { documents(text) };
            // A link is relative to its file, a hint to the top of the checkout.
            let from = if is_markdown { Path::new(&file.path).parent() } else { None };
            let dir = from.map_or_else(|| root.to_owned(), |from| root.join(from));
            for target in targets.into_iter().filter(|target| !dir.join(target).exists()) {
                let rule = format!("points to `{target}`, which is not there");
                violations.push(Violation { path: file.path.clone(), line, rule });
            }
        }
    }
    violations
}

/// Whether hints stand in this file. The demo speaks of a repository of its own.
fn speaks(path: &str) -> bool {
    path.strip_prefix("host/cli/src/").is_some_and(|rest| !rest.starts_with("demo/"))
}

/// Targets of `[text](target)` inside the checkout, without their anchors.
fn links(line: &str) -> Vec<&str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains([':', '@', ' ']))
        .collect()
}

fn documents(line: &str) -> Vec<&str> {
    line.match_indices("docs/")
        .filter_map(|(start, _)| {
            let rest = line.get(start..)?;
            let end = rest.find(".md")? + ".md".len();
            let name = rest.get(..end)?;
            name.chars().all(|c| c.is_ascii_alphanumeric() || "/-.".contains(c)).then_some(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(root: &Path, path: &str, text: &str) -> usize {
        check(root, &[SourceFile { path: path.to_owned(), text: text.to_owned() }]).len()
    }

    #[test]
    fn links_are_looked_up_from_the_file_that_has_them() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("guide")).unwrap();
        std::fs::write(root.path().join("guide/a.md"), "").unwrap();
        assert_eq!(rules(root.path(), "guide/b.md", "see [a](a.md#top) and [up](../guide)"), 0);
        assert_eq!(rules(root.path(), "b.md", "see [a](a.md)"), 1);
        assert_eq!(rules(root.path(), "b.md", "[x](https://example.org) [y](#here)"), 0);
    }

    #[test]
    fn a_hint_names_only_documents_that_exist() {
        let root = tempfile::tempdir().unwrap();
        let hint = concat!("\"see do", "cs/missing.md for the keys\"");
        assert_eq!(rules(root.path(), "host/cli/src/failure.rs", hint), 1);
        assert_eq!(rules(root.path(), "host/cli/src/failure.rs", "docs/ and a.md"), 0);
    }
}
