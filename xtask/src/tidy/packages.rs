//! Who may depend on whom.

use anyhow::Context as _;
use toml::{Table, Value};

use super::{SourceFile, Violation};

/// The host crates in the order in which they may depend on each other: a crate
/// may name those before it. It is the list of DESIGN.md; a new crate gets its
/// place here.
const LAYERS: [&str; 15] = [
    "tree", "model", "chain", "mine", "plugin", "groups", "native", "network", "worker", "rollout",
    "dataset", "bench", "cluster", "view", "cli",
];

/// Libraries that only some packages may name, by prefix.
const OWNED: [(&str, &[&str]); 6] = [
    ("gix", &["host/tree"]),
    ("cap-std", &["host/tree"]),
    ("cap-fs-ext", &["host/tree"]),
    ("wasmtime", &["host/plugin", "host/worker"]),
    ("hyper", &["host/model", "host/mine", "host/network"]),
    ("octocrab", &["host/mine"]),
];

pub(super) fn check(files: &[SourceFile]) -> anyhow::Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for file in files {
        let Some(package) = file.path.strip_suffix("/Cargo.toml") else { continue };
        let manifest: Table = toml::from_str(&file.text)
            .with_context(|| format!("`{}` is not valid TOML", file.path))?;
        for dependency in dependencies(&manifest) {
            let broken =
                owner_rule(package, &dependency).or_else(|| layer_rule(package, &dependency));
            if let Some(rule) = broken {
                violations.push(Violation { path: file.path.clone(), line: 0, rule });
            }
        }
        if let Some(name) = package.strip_prefix("host/")
            && !LAYERS.contains(&name)
        {
            let rule = format!("host crate `{name}` has no place in the list of layers");
            violations.push(Violation { path: file.path.clone(), line: 0, rule });
        }
    }
    Ok(violations)
}

/// Names of all packages a manifest depends on, for whatever purpose and target.
fn dependencies(manifest: &Table) -> Vec<String> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut names = Vec::new();
    for table in std::iter::once(manifest).chain(tables) {
        for dependencies in KINDS.iter().filter_map(|kind| table.get(*kind)?.as_table()) {
            for (key, value) in dependencies {
                let renamed = value.get("package").and_then(Value::as_str);
                names.push(renamed.unwrap_or(key).to_owned());
            }
        }
    }
    names
}

fn owner_rule(package: &str, dependency: &str) -> Option<String> {
    let (library, owners) = OWNED.iter().find(|(library, _)| {
        dependency
            .strip_prefix(library)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })?;
    if owners.contains(&package) {
        return None;
    }
    Some(format!("names `{dependency}`, but only {} may name {library}", owners.join(" and ")))
}

fn layer_rule(package: &str, dependency: &str) -> Option<String> {
    let place = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let theirs = match dependency {
        "catena" => place("cli"),
        other => other.strip_prefix("catena-").and_then(place),
    }?;
    match package.strip_prefix("host/") {
        Some(name) if place(name)? > theirs => None,
        Some(name) => {
            Some(format!("`{name}` may not depend on `{dependency}`, which lies above it"))
        }
        // Its targets drive host crates, and nothing depends on it.
        None if package == "fuzz" => None,
        None => Some(format!("depends on `{dependency}`, but host crates are not for `{package}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<String> {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
        check(&[file]).unwrap().into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn a_crate_may_use_those_below_it_only() {
        let below = "[dependencies]\ncatena-tree.workspace = true\n";
        assert!(rules("host/rollout/Cargo.toml", below).is_empty());
        let above = "[dev-dependencies]\ncatena-rollout.workspace = true\n";
        assert_eq!(rules("host/tree/Cargo.toml", above).len(), 1);
    }

    #[test]
    fn owned_libraries_are_found_under_any_target_and_name() {
        let text = "[target.'cfg(unix)'.dependencies]\nruntime = { package = \"wasmtime-wasi\" }\n";
        assert_eq!(rules("host/model/Cargo.toml", text).len(), 1);
        assert!(rules("host/plugin/Cargo.toml", text).is_empty());
        assert!(rules("host/model/Cargo.toml", "[dependencies]\ngixen = \"1\"\n").is_empty());
    }

    #[test]
    fn guests_and_the_sdk_do_not_reach_into_the_host() {
        let text = "[dependencies]\ncatena-plugin = \"0.1\"\ncatena-sdk = \"0.1\"\n";
        assert_eq!(rules("guests/tool-bash/Cargo.toml", text).len(), 1);
    }

    #[test]
    fn an_unlisted_host_crate_is_reported() {
        assert_eq!(rules("host/helpers/Cargo.toml", "").len(), 1);
    }
}
