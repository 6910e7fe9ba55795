//! What must not be written, and where.

use std::path::Path;

use super::{SourceFile, Violation};
use crate::checkout::Checkout;

/// What only the command line may do, with the words that give it away.
const CLI_ONLY: [(&str, &[&str]); 3] = [
    ("only host/cli prints", &["println!(", "print!(", "dbg!(", "io::stdout(", "io::stderr("]),
    (
        "only host/cli reads the environment",
        &["std::env::", "env::var", "env::args", "env::current_"],
    ),
    ("only host/cli exits", &["process::exit(", "process::abort("]),
];

/// Directories below `/home` that guests see; every other absolute path of a
/// person's home belongs to one machine.
const GUEST_HOMES: [&str; 1] = ["agent"];

/// Where people's files are on machines. Split, so that this file passes.
const HOMES: [&str; 3] = [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/")];

pub(super) fn check(checkout: &Checkout, files: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        violations.extend(rust_rules(file));
        violations.extend(machine_paths(&checkout.root, file));
    }
    violations
}

fn rust_rules(file: &SourceFile) -> Vec<Violation> {
    let is_rust = Path::new(&file.path).extension().is_some_and(|extension| extension == "rs");
    if !is_rust {
        return Vec::new();
    }
    let mut violations = Vec::new();
    if file.path.ends_with("/mod.rs") {
        let rule = "write `name.rs` beside `name/` instead of `mod.rs`".to_owned();
        violations.push(Violation { path: file.path.clone(), line: 0, rule });
    }
    let mut in_tests = is_test_file(&file.path);
    for (number, line) in (1..).zip(file.text.lines()) {
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        in_tests |= code.starts_with("#[cfg(test)]");
        if code.starts_with(concat!("#[", "ignore")) {
            violations.push(at(file, number, "no test is ignored: mend it or remove it"));
        }
        if !in_tests && is_silent(&file.path) {
            violations.extend(cli_only(code).map(|rule| at(file, number, rule)));
        }
    }
    violations
}

/// Whether the rules for all host crates but the command line hold here.
fn is_silent(path: &str) -> bool {
    path.starts_with("host/") && !path.starts_with("host/cli/") && path.contains("/src/")
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn cli_only(code: &str) -> Option<&'static str> {
    let (rule, _) =
        CLI_ONLY.iter().find(|(_, words)| words.iter().any(|word| code.contains(word)))?;
    Some(rule)
}

/// Paths of the machine somebody worked on: this checkout's own, and homes.
fn machine_paths(root: &Path, file: &SourceFile) -> Vec<Violation> {
    // A checkout at `/catena` would forbid a word that others may need.
    let own = root.to_str().filter(|root| root.matches('/').count() > 1);
    let mut violations = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let names_checkout = own.is_some_and(|own| line.contains(own));
        if names_checkout || HOMES.iter().any(|home| names_home(line, home)) {
            violations.push(at(file, number, "a path of one machine does not belong here"));
        }
    }
    violations
}

fn names_home(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line.get(start + home.len()..).unwrap_or_default();
        let user: String = after.chars().take_while(|c| c.is_alphanumeric()).collect();
        // Inside a longer path or an address it is another directory's name.
        let starts_path = before.is_none_or(|c| !c.is_alphanumeric() && !"._-/}>".contains(c));
        starts_path && !user.is_empty() && !GUEST_HOMES.contains(&user.as_str())
    })
}

fn at(file: &SourceFile, line: usize, rule: &str) -> Violation {
    Violation { path: file.path.clone(), line, rule: rule.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn host_crates_are_silent_outside_their_tests() {
        let text =
            "fn f() { println!(\"x\") }\n#[cfg(test)]\nmod tests { fn g() { println!() } }\n";
        let found = rust_rules(&file("host/tree/src/lib.rs", text));
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), [1]);
        assert!(rust_rules(&file("host/cli/src/main.rs", text)).is_empty());
    }

    #[test]
    fn the_environment_belongs_to_the_command_line() {
        let text = "let home = std::env::var(\"HOME\");\n// std::env::var is not for us\n";
        assert_eq!(rust_rules(&file("host/worker/src/lib.rs", text)).len(), 1);
    }

    #[test]
    fn ignored_tests_and_mod_files_are_reported() {
        let text = concat!("#[", "ignore]\nfn f() {}\n");
        assert_eq!(rust_rules(&file("tests/src/suite/mod.rs", text)).len(), 2);
    }

    #[test]
    fn homes_of_people_are_reported_and_those_of_guests_are_not() {
        let root = Path::new("/x");
        let seen = |text: &str| machine_paths(root, &file("README.md", text)).len();
        assert_eq!(seen(concat!("see /ho", "me/ada/notes")), 1);
        assert_eq!(seen(concat!("cd \"/ro", "ot/x\"")), 1);
        assert_eq!(seen(concat!("$HOME is /ho", "me/agent in a guest")), 0);
        assert_eq!(seen(concat!("https://example.org/ho", "me/ada")), 0);
    }

    #[test]
    fn the_path_of_the_checkout_itself_is_reported() {
        let text = "data lies in /srv/checkouts/catena/data";
        let found = machine_paths(Path::new("/srv/checkouts/catena"), &file("a.md", text));
        assert_eq!(found.len(), 1);
    }
}
