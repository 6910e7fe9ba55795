//! Values that are well formed and far too large, or that are slow to understand.

use catena_sdk::log;
use catena_sdk::workspace::{self, FileSelection, GrepQuery, ReadRequest, SnapshotRef};

use crate::Outcome;

/// Hands over a string longer than a host call may take in.
pub(crate) fn long_strings() -> Outcome {
    let text = "x".repeat(128 << 20);
    log::write(log::Level::Info, &text);
    Outcome::Reached("a string of 128 MiB was taken in".to_owned())
}

/// Patterns that explode in engines of another kind.
pub(crate) fn hostile_patterns() -> Outcome {
    let _ = std::fs::write(workspace::file("a.txt"), "a".repeat(1 << 20));
    let regular = [
        "(a*)*b".to_owned(),
        "(a|a)*b".to_owned(),
        "a{1000}{1000}{1000}".to_owned(),
        "(".repeat(100_000),
        format!("{}b", "a?".repeat(5_000)),
        r"(\p{L}{1,500}){1,500}".to_owned(),
    ];
    let mut refused = 0;
    for pattern in &regular {
        let selection = FileSelection::default();
        let query = GrepQuery { pattern: pattern.clone(), ignore_case: true, selection, limit: 10 };
        refused += u32::from(workspace::grep(&query).is_err());
    }
    for pattern in ["{".repeat(50_000), "**/".repeat(20_000), "{a,b}".repeat(30), "[".repeat(9_000)]
    {
        let selection = FileSelection { include: vec![pattern], ..FileSelection::default() };
        refused += u32::from(workspace::glob(&selection, 10).is_err());
    }
    let requests =
        vec![ReadRequest { path: "a.txt".to_owned(), offset: u64::MAX, length: u64::MAX }; 100_000];
    let read = workspace::read_files(&SnapshotRef::Current, &requests).len();
    Outcome::Harmless(format!("{refused} of 10 patterns refused, {read} reads answered"))
}

/// Patches that claim, nest or repeat too much.
pub(crate) fn hostile_patches() -> Outcome {
    let head = "diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n";
    let patches = [
        format!("{head}@@ -1,4294967295 +1,18446744073709551615 @@\n"),
        format!("{head}@@ -{} +1 @@\n-x\n+y\n", "9".repeat(10_000)),
        head.repeat(200_000),
        format!("{head}{}", "@@ -1 +1 @@\n-x\n+y\n".repeat(200_000)),
        "diff --git a/../../x b/../../x\nnew file mode 100644\n--- /dev/null\n+++ b/../../x\n\
         @@ -0,0 +1 @@\n+x\n"
            .to_owned(),
        "diff --git a/y b/y\nnew file mode 100644\nindex 0000000..1\nGIT binary patch\n\
         literal 18446744073709551615\nzcmV\n\n"
            .to_owned(),
        "\0".repeat(1 << 20),
    ];
    let refused = patches.iter().filter(|text| workspace::apply_patch(text.as_bytes()).is_err());
    let refused = refused.count();
    let changes = workspace::changes(&SnapshotRef::Start, &SnapshotRef::Current);
    match changes {
        Ok(changes) if changes.is_empty() => Outcome::Harmless(format!(
            "{refused} of {} refused, none changed a file",
            patches.len()
        )),
        changes => Outcome::Reached(format!("{changes:?}")),
    }
}
