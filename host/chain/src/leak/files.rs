//! How files are named in texts: as modules with dots, and as entries of change
//! logs with the number of a pull request.

use std::sync::LazyLock;

use catena_tree::RepoPath;
use regex::Regex;

use super::code::Language;
use super::words;

/// Directories that are no part of a module's name.
const ROOTS: [&str; 5] = ["src", "lib", "python", "source", "crates"];

/// Files that stand for their directory.
const INDEXES: [&str; 4] = ["__init__", "mod", "index", "lib"];

#[expect(clippy::expect_used, reason = "the pattern is a literal and covered by tests")]
static ENTRY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(?:change|news|release|history)[^/]*/(?:.*/)?(?:gh-|pr-|#)?([0-9]{1,9})\.[a-z]",
    )
    .expect("literal pattern")
});

/// The pull request that a file of its own in a change log speaks of.
pub(super) fn entry_of(path: &RepoPath) -> Option<u64> {
    ENTRY.captures(path.as_str()?)?.get(1)?.as_str().parse().ok()
}

/// The parts of the name of the module that a file of a program is, from the root of
/// the repository.
fn module(path: &RepoPath) -> Vec<&str> {
    let Some(text) = path.as_str().filter(|path| Language::of(path).is_program()) else {
        return Vec::new();
    };
    let stem = text.rsplit_once('.').map_or(text, |(stem, _)| stem);
    let mut parts: Vec<&str> = stem.split('/').collect();
    if parts.last().is_some_and(|last| INDEXES.contains(last)) {
        parts.pop();
    }
    parts
}

/// The last two parts of the name of a file's module.
pub(super) fn module_end(path: &RepoPath) -> Option<String> {
    let module = module(path);
    let start = module.len().checked_sub(2)?;
    Some(module.get(start..)?.join("."))
}

/// A file's module as programs name it: by the whole of its path, by what is below
/// the directory of sources, and by all ends of two parts and more unless another
/// module ends so too.
pub(super) fn dotted(path: &RepoPath, is_known: bool) -> Vec<String> {
    let module = module(path);
    let root = module.iter().rposition(|part| ROOTS.contains(part)).map_or(0, |at| at + 1);
    let starts = 0..module.len().saturating_sub(1);
    let starts = starts.filter(|start| !is_known || *start == 0 || *start == root);
    // Without a name in it, it may be `e.g` or a version.
    let has_name = |end: &&[&str]| end.iter().any(|part| words::as_name(part.as_bytes()).is_some());
    let ends = starts.filter_map(|start| module.get(start..)).filter(has_name);
    ends.flat_map(|end| [end.join("."), end.join("::")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text).unwrap()
    }

    #[test]
    fn modules_are_named_as_programs_name_them() {
        let names = |text, is_known| {
            let all = dotted(&path(text), is_known).into_iter();
            all.filter(|name| !name.contains(':')).collect::<Vec<_>>()
        };
        let all = ["lib.pkg.sub.render", "pkg.sub.render", "sub.render"];
        assert_eq!(names("lib/pkg/sub/render.py", false), all);
        assert_eq!(names("lib/pkg/sub/render.py", true), ["lib.pkg.sub.render", "pkg.sub.render"]);
        assert_eq!(names("pkg/table/__init__.py", false), ["pkg.table"]);
        assert_eq!(names("docs/guide.md", false), [""; 0]);
        let all = ["db.versions.2022_08_06_ab", "versions.2022_08_06_ab"];
        assert_eq!(names("src/db/versions/2022_08_06_ab.py", false)[1..], all);
        let all = ["tests.my-project.flows.hello", "my-project.flows.hello", "flows.hello"];
        assert_eq!(names("tests/my-project/flows/hello.py", false), all);
        assert_eq!(names("io/e/g.py", false), [""; 0]);
        assert_eq!(names("render.py", false), [""; 0]);
        assert!(dotted(&path("src/sub/render.rs"), false).contains(&"sub::render".to_owned()));
    }

    #[test]
    fn entries_of_change_logs_have_a_number() {
        assert_eq!(entry_of(&path("doc/release/upcoming_changes/123.feature.rst")), Some(123));
        assert_eq!(entry_of(&path("changelog.d/gh-7.md")), Some(7));
        assert_eq!(entry_of(&path("news/2.0-notes.rst")), None);
        assert_eq!(entry_of(&path("src/12.py")), None);
    }
}
