//! Commands as agents type them, over a real directory.

use std::fs;

use super::*;
use crate::config::shipped;

/// A worktree and the shell over it.
struct Sandbox {
    worktree: tempfile::TempDir,
    scratch: tempfile::TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox =
            Self { worktree: tempfile::tempdir().unwrap(), scratch: tempfile::tempdir().unwrap() };
        sandbox.file("src/list.py", "def head(items):\n    return items[0]\n");
        sandbox.file("README", "a library\n");
        sandbox
    }

    fn file(&self, path: &str, content: &str) {
        let place = self.worktree.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.worktree.path().join(path)).unwrap()
    }

    fn mounts(&self) -> Vec<Mount> {
        let mount = |path, directory: &tempfile::TempDir| Mount {
            path,
            directory: directory.path().to_owned(),
            set_executable: |_, _| Ok(()),
        };
        vec![mount("/workspace", &self.worktree), mount("/tmp", &self.scratch)]
    }

    fn call(&self, command: &str) -> Result<ToolOutput, ToolError> {
        run(command, Duration::from_secs(20), &shipped(), self.mounts(), &[])
    }

    /// The output of a command that must succeed.
    fn output(&self, command: &str) -> String {
        let output = self.call(command).unwrap();
        assert_eq!(output.exit_status, Some(0), "{command}: {}", output.content);
        output.content
    }
}

#[test]
fn commands_start_in_the_worktree_with_a_fresh_shell() {
    let sandbox = Sandbox::new();
    assert_eq!(
        sandbox.output("cd src; X=1; pwd; echo ~ $USER"),
        "/workspace/src\n/home/agent agent\n"
    );
    assert_eq!(sandbox.output("pwd; echo [$X]"), "/workspace\n[]\n");
}

#[test]
fn output_and_errors_keep_their_order() {
    let sandbox = Sandbox::new();
    let output = sandbox
        .call("echo one; ls nowhere; for i in 2 3; do echo $i; echo e$i >&2; done; exit 7")
        .unwrap();
    assert_eq!(
        output.content,
        "one\nls: cannot access 'nowhere': No such file or directory\n2\ne2\n3\ne3\n"
    );
    assert_eq!((output.exit_status, output.is_error), (Some(7), true));
}

#[test]
fn streams_that_the_script_joins_lose_nothing() {
    let content = Sandbox::new().output("exec 2>&1; (echo a; echo b >&2); echo c");
    for line in ["a\n", "b\n", "c\n"] {
        assert!(content.contains(line), "{content}");
    }
}

#[test]
fn everyday_commands_work_over_the_worktree() {
    let sandbox = Sandbox::new();
    for (command, expected) in [
        ("ls", "README\nsrc\n"),
        ("grep -rn return .", "./src/list.py:2:    return items[0]\n"),
        ("find . -name '*.py' -type f", "./src/list.py\n"),
        ("find . -name '*.py' | xargs wc -l | awk '{print $1}'", "2\n"),
        ("head -n 1 src/list.py; tail -n 1 README", "def head(items):\na library\n"),
        ("sed -n '2p' src/list.py", "    return items[0]\n"),
        ("cat <<'EOF' | tr a-z A-Z\nx $HOME\nEOF", "X $HOME\n"),
        ("[ -d src ] && test -f README && echo yes", "yes\n"),
        ("echo '{\"a\": [1, 2]}' | jq -c .a", "[1,2]\n"),
        ("echo $(( $(cat README | wc -w) + 40 ))", "42\n"),
    ] {
        assert_eq!(sandbox.output(command), expected, "{command}");
    }
}

#[test]
fn long_listing_is_as_gnu_has_it() {
    let sandbox = Sandbox::new();
    let listing =
        sandbox.output("ls -la | sed -E 's/[A-Z][a-z]{2} [ 0-9]{2} +[0-9:]{4,5} /DATE /'");
    assert_eq!(
        listing,
        "total 16\ndrwxr-xr-x 3 agent agent 4096 DATE .\ndrwxr-xr-x 3 agent agent 4096 DATE ..\n\
         -rw-r--r-- 1 agent agent   10 DATE README\ndrwxr-xr-x 2 agent agent 4096 DATE src\n"
    );
    assert_eq!(
        sandbox.output("ls -r; ls -p; ls -S src README"),
        "src\nREADME\nREADME\nsrc/\nREADME\n\nsrc:\nlist.py\n"
    );
    assert_eq!(sandbox.output("ls -R"), ".:\nREADME\nsrc\n\n./src:\nlist.py\n");
    assert_eq!(sandbox.output("ls -d */ ; ls -lh README | cut -d' ' -f5"), "src/\n10\n");
}

#[test]
fn edits_reach_the_files() {
    let sandbox = Sandbox::new();
    sandbox.output("sed -i 's/items\\[0\\]/items[:1]/' src/list.py");
    assert_eq!(sandbox.read("src/list.py"), "def head(items):\n    return items[:1]\n");
    sandbox
        .output("mkdir -p a/b && cat > a/b/c.py <<'EOF'\nx = \"$1\"\nEOF\necho more >> a/b/c.py");
    assert_eq!(sandbox.read("a/b/c.py"), "x = \"$1\"\nmore\n");
    sandbox.output("mv a/b/c.py d.py && cp d.py e.py && rm -r a README");
    assert_eq!(sandbox.output("ls"), "d.py\ne.py\nsrc\n");
}

#[test]
fn directories_move_between_the_worktree_and_scratch() {
    let sandbox = Sandbox::new();
    sandbox.output("ln -s list.py src/link; mv src /tmp/kept && cp -r /tmp/kept copy");
    assert_eq!(sandbox.output("ls; ls /tmp/kept"), "README\ncopy\nlink\nlist.py\n");
    sandbox.output("mv /tmp/kept src && rm -r copy");
    assert_eq!(sandbox.output("ls; readlink src/link; ls /tmp"), "README\nsrc\nlist.py\n");
}

#[test]
fn patch_of_diff_brings_the_change_over() {
    let sandbox = Sandbox::new();
    sandbox.output("cp -r src /tmp/old; sed -i s/head/first/ src/list.py");
    let status = sandbox.call("diff -u /tmp/old/list.py src/list.py > /tmp/p").unwrap().exit_status;
    assert_eq!(status, Some(1));
    sandbox.output("cp /tmp/old/list.py src/ && patch src/list.py < /tmp/p");
    assert!(sandbox.read("src/list.py").starts_with("def first("));
}

#[test]
fn scratch_lasts_from_command_to_command() {
    let sandbox = Sandbox::new();
    sandbox.output("echo kept > /tmp/note");
    assert_eq!(sandbox.output("cat /tmp/note"), "kept\n");
}

#[test]
fn script_made_executable_runs() {
    let sandbox = Sandbox::new();
    sandbox.file("run.sh", "#!/bin/bash\necho ran $1\n");
    assert_eq!(sandbox.output("chmod +x run.sh && ./run.sh fast"), "ran fast\n");
}

#[test]
fn links_are_followed() {
    let sandbox = Sandbox::new();
    assert_eq!(
        sandbox.output("ln -s README link && cat link && readlink link"),
        "a library\nREADME\n"
    );
}

#[test]
fn missing_program_exits_127() {
    let output = Sandbox::new().call("python -c 'print(1)'").unwrap();
    assert_eq!(output.exit_status, Some(127));
    assert!(output.content.contains("python: command not found"), "{}", output.content);
}

#[test]
fn syntax_error_is_the_scripts_own() {
    let output = Sandbox::new().call("if; then").unwrap();
    assert_eq!(output.exit_status, Some(2));
    assert!(output.content.contains("syntax error"), "{}", output.content);
}

#[test]
fn command_past_its_time_returns_what_it_wrote() {
    let sandbox = Sandbox::new();
    for command in ["echo begun; sleep 100; echo done", "echo begun; while :; do :; done"] {
        let ended = run(command, Duration::from_secs(1), &shipped(), sandbox.mounts(), &[]);
        assert_eq!(ended, Err(ToolError::TimedOut("begun\n".to_owned())), "{command}");
    }
}

#[test]
fn endless_loop_ends_without_a_clock() {
    let sandbox = Sandbox::new();
    let config = Config { command_limit: 10_000, ..shipped() };
    let timeout = Duration::from_mins(10);
    let output =
        run("echo begun; while :; do :; done", timeout, &config, sandbox.mounts(), &[]).unwrap();
    assert_eq!(output.exit_status, Some(1));
    assert!(output.content.starts_with("begun\nbash: resource limit"), "{}", output.content);
}

#[test]
fn long_output_loses_its_middle() {
    let sandbox = Sandbox::new();
    let config = Config { output_limit: 100, ..shipped() };
    let output =
        run("seq 1 1000", Duration::from_secs(20), &config, sandbox.mounts(), &[]).unwrap();
    assert!(output.content.starts_with("1\n2\n"), "{}", output.content);
    assert!(output.content.ends_with("999\n1000\n"), "{}", output.content);
    assert_eq!(output.omitted_bytes, 3793);
}
