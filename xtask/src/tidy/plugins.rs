//! What every plugin directory must have.

use super::{SourceFile, Violation};

/// Where plugins are: those that are shipped, and those that only tests use.
const WORKSPACES: [&str; 2] = ["guests/", "tests/guests/"];

/// A plugin's directory is named after what the plugin is.
const KINDS: [&str; 5] = ["scaffold-", "tool-", "judge-", "writer-", "program-"];

pub(super) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let exists = |path: &str| files.iter().any(|file| file.path == path);
    files
        .iter()
        .filter_map(|file| {
            let dir = file.path.strip_suffix("/Cargo.toml")?;
            let name = WORKSPACES.iter().find_map(|workspace| dir.strip_prefix(workspace))?;
            let is_plugin = KINDS.iter().any(|kind| name.starts_with(kind));
            if !is_plugin || exists(&format!("{dir}/plugin.toml")) {
                return None;
            }
            let rule = "a plugin needs a `plugin.toml` beside its `Cargo.toml`".to_owned();
            Some(Violation { path: file.path.clone(), line: 0, rule })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: String::new() }
    }

    #[test]
    fn a_plugin_without_a_manifest_is_reported() {
        assert_eq!(check(&[file("guests/tool-bash/Cargo.toml")]).len(), 1);
        assert_eq!(check(&[file("tests/guests/tool-traps/Cargo.toml")]).len(), 1);
    }

    #[test]
    fn libraries_of_the_guests_need_no_manifest() {
        let whole = [file("guests/tool-files/Cargo.toml"), file("guests/tool-files/plugin.toml")];
        assert!(check(&whole).is_empty());
        assert!(check(&[file("guests/shell/Cargo.toml")]).is_empty());
    }
}
