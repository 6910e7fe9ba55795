//! Reaches for paths that a run protects, by files and by coarse calls, and logs
//! how each attempt went. `README.md` is read-only there, `notes.py` hidden.

use std::fs::{self, OpenOptions};
use std::io;

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::workspace::{self, FileSelection, GrepQuery, ReadRequest, SnapshotRef};
use catena_sdk::{Scaffold, export_scaffold, log};

const PATCH: &str = "diff --git a/README.md b/README.md
old mode 100644
new mode 100755
";

const HIDDEN: &str = "diff --git a/notes.py b/notes.py
new file mode 100644
--- /dev/null
+++ b/notes.py
@@ -0,0 +1 @@
+mine
";

struct Meddles;

impl Scaffold for Meddles {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let (fixed, secret) = (workspace::file("README.md"), workspace::file("notes.py"));
        tell("read fixed", fs::read_to_string(&fixed).map(|text| text.len()));
        tell("open fixed to write", OpenOptions::new().write(true).open(&fixed));
        tell("truncate fixed", fs::write(&fixed, ""));
        tell("remove fixed", fs::remove_file(&fixed));
        tell("rename fixed", fs::rename(&fixed, workspace::file("moved")));
        fs::write(workspace::file("own"), "own\n")?;
        tell("rename over fixed", fs::rename(workspace::file("own"), &fixed));
        told("patch fixed", workspace::apply_patch(PATCH.as_bytes()));
        told("mode of fixed", workspace::set_executable("README.md", true));
        tell("read secret", fs::read(&secret));
        tell("create secret", fs::write(&secret, "mine"));
        tell("remove secret", fs::remove_file(&secret));
        tell("list", names());
        told("patch secret", workspace::apply_patch(HIDDEN.as_bytes()));
        told("glob", workspace::glob(&FileSelection::default(), 100).map(|found| found.paths));
        told("grep", workspace::grep(&query()).map(|found| found.matches.len()));
        let request = ReadRequest { path: "notes.py".to_owned(), offset: 0, length: 10 };
        for at in [SnapshotRef::Current, SnapshotRef::Start] {
            told(
                "read-files",
                workspace::read_files(&at, std::slice::from_ref(&request)).remove(0),
            );
        }
        Ok(Ending::Submitted)
    }
}

fn query() -> GrepQuery {
    let selection = FileSelection::default();
    GrepQuery { pattern: "NOTES".to_owned(), ignore_case: false, selection, limit: 100 }
}

fn names() -> io::Result<Vec<String>> {
    let entries = fs::read_dir(workspace::ROOT)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn tell<T: std::fmt::Debug>(what: &str, result: io::Result<T>) {
    match result {
        Ok(value) => log::info!("{what}: {value:?}"),
        Err(err) => log::info!("{what}: {:?}", err.kind()),
    }
}

fn told<T: std::fmt::Debug, E: std::fmt::Debug>(what: &str, result: Result<T, E>) {
    match result {
        Ok(value) => log::info!("{what}: {value:?}"),
        Err(err) => log::info!("{what}: {err:?}"),
    }
}

export_scaffold!(Meddles);
