//! What a run file's `[workspace]` says: how much of what an agent writes stays in
//! memory, and which paths are protected from it.

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::json;

use crate::environment::TestEnvironment;
use crate::interruption::children;
use crate::journal::records;
use crate::small_run::{self, RunFile, first_rollout, logs};

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

fn hoard(mebibytes: u64) -> RunFile {
    let grant = "grant = { workspace = \"read-write\" }";
    RunFile::of("scaffold-hoards")
        .scaffold(grant)
        .scaffold(&format!("config = {{ mebibytes = {mebibytes} }}"))
        .key("refinements = 0\nexclude = [\"hoard\"]")
        .table("[workspace]\nbytes = \"8GiB\"\nmemory = \"16MiB\"")
}

/// The most memory in MiB that a program and its workers took, sampled until it
/// ends, which must be well.
fn peaks(mut program: Child) -> (u64, u64) {
    let mut peaks = BTreeMap::new();
    let id = program.id();
    let (ended, is_ended) = channel();
    let waiting = std::thread::spawn(move || {
        let status = program.wait().unwrap();
        ended.send(()).unwrap();
        status
    });
    while is_ended.recv_timeout(Duration::from_millis(10)) == Err(RecvTimeoutError::Timeout) {
        for process in children(id).into_iter().chain([id]) {
            let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) else {
                continue;
            };
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let peak = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok());
            let highest = peaks.entry(process).or_insert(0);
            *highest = peak.map_or(0, |peak| peak >> 10).max(*highest);
        }
    }
    assert!(waiting.join().unwrap().success());
    let host = peaks.remove(&id).unwrap();
    (host, peaks.into_values().max().unwrap())
}

#[test]
fn agent_that_writes_more_than_memory_holds_is_given_the_disk() {
    let environment = environment();
    // Compiles the plugins, which takes memory of its own.
    hoard(1).rollout(&environment);
    std::fs::remove_dir_all(environment.path("run")).unwrap();

    // Set by who wants to see the figures for more than a test should take.
    let mebibytes: u64 =
        std::env::var("HOARD_MEBIBYTES").map_or(96, |number| number.parse().unwrap());
    environment.write("run.toml", hoard(mebibytes).text());
    environment.catena(&["lock", "run.toml"]).succeeds();
    let (host, worker) = peaks(environment.start_catena(&["run", "run.toml", "--dir", "run"]));
    eprintln!("{mebibytes} MiB twice: host {host} MiB, worker {worker} MiB");
    let bound = 90;
    assert!(host < bound && worker < bound, "host {host} MiB, worker {worker} MiB");

    let logs = logs(&environment);
    assert!(logs.contains(&format!("/workspace/hoard: 1 of {mebibytes} pieces differ")), "{logs}");
    assert!(logs.contains(&format!("/tmp/hoard: 0 of {mebibytes} pieces differ")), "{logs}");
    let rollout = first_rollout(&environment);
    let mib = |figure: &str| rollout[figure].as_u64().unwrap() >> 20;
    assert_eq!(mib("workspace_bytes"), mebibytes);
    assert!(mib("workspace_memory") <= 16, "{rollout:#}");
    assert!((2 * mebibytes - 32..=2 * mebibytes + 1).contains(&mib("workspace_spilled")));
    assert_eq!(std::fs::read_dir(environment.path("run")).unwrap().count(), 6, "no spill file");

    // The worktree with its change, the scratch and the snapshot before the change.
    let records = records(&environment, "run/rollouts/notes.1.journal");
    let session =
        &records.iter().find(|record| record["record"] == "attempt-ended").unwrap()["session"];
    for (tree, path) in [("worktree", "hoard"), ("scratch", "tmp/hoard")] {
        let object = format!("{}:{path}", session[tree].as_str().unwrap());
        let size = environment.git("run/objects.git", &["cat-file", "-s", &object]);
        assert_eq!(size, (mebibytes << 20).to_string());
    }
    environment.git("run/objects.git", &["fsck", "--no-dangling", "--no-reflogs"]);
}

#[test]
fn protected_paths_can_not_be_changed_and_hidden_ones_are_not_there() {
    let environment = environment();
    let run = RunFile::of("scaffold-meddles")
        .scaffold("grant = { workspace = \"read-write\" }")
        .key("refinements = 0")
        .table("[workspace]\nread_only = [\"/README.md\"]\nhidden = [\"notes.py\"]");
    let rollout = run.rollout(&environment);
    let logs = logs(&environment);
    for line in [
        "read fixed: Ok",
        "open fixed to write: ReadOnlyFilesystem",
        "truncate fixed: ReadOnlyFilesystem",
        "remove fixed: ReadOnlyFilesystem",
        "rename fixed: ReadOnlyFilesystem",
        "rename over fixed: ReadOnlyFilesystem",
        "read secret: NotFound",
        "create secret: PermissionDenied",
        "remove secret: NotFound",
        "list: [\"README.md\", \"own\"]",
        "glob: [\"README.md\", \"own\"]",
        "grep: 0",
    ] {
        let line = line.replace(": Ok", ": ");
        assert!(logs.contains(&line), "`{line}` is not in {logs}");
    }
    assert_eq!(logs.matches("protected by the run's policy").count(), 3, "{logs}");
    assert_eq!(
        logs.matches("read-files: WorkspaceError::NoEntry(\"notes.py\")").count(),
        2,
        "{logs}"
    );
    assert_eq!(rollout["workspace_protected"], 9, "{logs}");
    let refused = json!({"scaffold-meddles": {"hidden-path": 4, "protected-path": 9}});
    assert_eq!(rollout["refused"], refused, "{logs}");

    let tree = rollout["stages"][0]["rounds"][0]["submission"]["tree"].as_str().unwrap().to_owned();
    let listed = environment.git("run/objects.git", &["ls-tree", "--name-only", &tree]);
    assert_eq!(listed, "README.md\nnotes.py\nown", "the judge still has what is hidden");
}

#[test]
fn pattern_that_protects_nothing_is_named_with_its_line() {
    let environment = environment();
    for (line, said) in [
        ("hidden = [\"./tests\"]", "`./tests` is not an ignore pattern"),
        ("read_only = [\"a\", \"#b\"]", "`#b` is not an ignore pattern"),
    ] {
        let run = RunFile::of("scaffold-nop").table(&format!("[workspace]\n{line}"));
        run.run(&environment).ends_with(2).says(said).says(line);
    }
}
