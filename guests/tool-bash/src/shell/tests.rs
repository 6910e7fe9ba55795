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

    fn surroundings(&self) -> Surroundings {
        Surroundings { mounts: self.mounts(), programs: Vec::new(), session: None }
    }

    /// A command in the session whose file is in scratch.
    fn in_session(&self, command: &str) -> Result<ToolOutput, ToolError> {
        let session = Some(Session::below(self.scratch.path()));
        let surroundings = Surroundings { session, ..self.surroundings() };
        run(command, Duration::from_secs(2), &shipped(), surroundings)
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
        run(command, Duration::from_secs(20), &shipped(), self.surroundings())
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
        let ended = run(command, Duration::from_secs(1), &shipped(), sandbox.surroundings());
        assert_eq!(ended, Err(ToolError::TimedOut("begun\n".to_owned())), "{command}");
    }
}

#[test]
fn endless_loop_ends_without_a_clock() {
    let sandbox = Sandbox::new();
    let config = Config { command_limit: 10_000, ..shipped() };
    let timeout = Duration::from_mins(10);
    let output =
        run("echo begun; while :; do :; done", timeout, &config, sandbox.surroundings()).unwrap();
    assert_eq!(output.exit_status, Some(1));
    assert!(output.content.starts_with("begun\nbash: resource limit"), "{}", output.content);
}

#[test]
fn long_output_loses_its_middle() {
    let sandbox = Sandbox::new();
    let config = Config { output_limit: 100, ..shipped() };
    let output =
        run("seq 1 1000", Duration::from_secs(20), &config, sandbox.surroundings()).unwrap();
    assert!(output.content.starts_with("1\n2\n"), "{}", output.content);
    assert!(output.content.ends_with("999\n1000\n"), "{}", output.content);
    assert_eq!(output.omitted_bytes, 3793);
}

#[test]
fn session_keeps_directory_variables_and_functions() {
    let sandbox = Sandbox::new();
    let said = |command: &str| sandbox.in_session(command).unwrap().content;
    said("cd src; X='a b'; export Y=2; f() { echo \"f $1 $X\"; }; list=(1 2 3)");
    assert_eq!(
        said("pwd; f y; env | grep ^Y; echo ${list[2]} $OLDPWD"),
        "/workspace/src\nf y a b\nY=2\n3 /workspace\n"
    );
    said("f() { echo other; }; exit 3");
    assert_eq!(said("f; echo $X"), "other\na b\n");
}

#[test]
fn session_outlives_its_time_limit_as_it_was_before() {
    let sandbox = Sandbox::new();
    sandbox.in_session("X=1; cd src").unwrap();
    let ended = sandbox.in_session("X=2; cd /; echo begun; sleep 100");
    assert_eq!(ended, Err(ToolError::TimedOut("begun\n".to_owned())));
    assert_eq!(sandbox.in_session("echo $X; pwd").unwrap().content, "1\n/workspace/src\n");
}

#[test]
fn session_that_is_broken_or_forgotten_begins_anew() {
    let sandbox = Sandbox::new();
    sandbox.in_session("X=1; mkdir gone; cd gone").unwrap();
    sandbox.output("rmdir gone");
    assert_eq!(
        sandbox.in_session("echo $X; pwd").unwrap().content,
        "bash: /workspace/gone is gone, going on in /workspace\n1\n/workspace\n"
    );
    fs::write(sandbox.scratch.path().join(".bash_session"), "no state").unwrap();
    assert_eq!(
        sandbox.in_session("echo [$X]").unwrap().content,
        "bash: the session is lost, starting anew\n[]\n"
    );
    sandbox.in_session("X=1").unwrap();
    Session::below(sandbox.scratch.path()).forget();
    assert_eq!(sandbox.in_session("echo [$X]").unwrap().content, "[]\n");
}

#[test]
fn large_files_are_read_in_pieces() {
    let sandbox = Sandbox::new();
    let lines: Vec<String> =
        (0..200_000).map(|number| format!("line {number} of many\n")).collect();
    let lines = lines.concat();
    sandbox.file("large.log", &lines);
    let config = Config { file_limit: 1_000_000, ..shipped() };
    let said = |command: &str| {
        let surroundings = sandbox.surroundings();
        run(command, Duration::from_mins(1), &config, surroundings).unwrap().content
    };
    for (command, expected) in [
        ("head -n 2 large.log", "line 0 of many\nline 1 of many\n"),
        ("tail -n 1 large.log", "line 199999 of many\n"),
        ("tail -n +200000 large.log", "line 199999 of many\n"),
        ("wc -l large.log", "200000 large.log\n"),
        ("head -c 3000000 /dev/zero | wc -c", "3000000\n"),
        ("grep -n -m1 777 large.log", "778:line 777 of many\n"),
        ("grep -c 99999 large.log", "2\n"),
        ("cat large.log | head -n 1", "line 0 of many\n"),
        ("cat large.log | grep -m 1 12345", "line 12345 of many\n"),
        ("cp large.log copy; wc -c copy", "4177780 copy\n"),
        ("sed -n 1p large.log", "sed: can't read large.log: file too large\n"),
    ] {
        let expected = expected.replace("4177780", &lines.len().to_string());
        assert_eq!(said(command), expected, "{command}");
    }
}

#[test]
fn grep_goes_through_directories_as_gnu_does() {
    let sandbox = Sandbox::new();
    sandbox.file("src/b.txt", "items\0binary\n");
    sandbox.file(".hidden/c.py", "items\n");
    for (command, expected) in [
        (
            "grep -rn items src",
            "src/list.py:1:def head(items):\nsrc/list.py:2:    return items[0]\n",
        ),
        ("grep -rl items --include='*.py'", ".hidden/c.py\nsrc/list.py\n"),
        ("grep -rl items --exclude-dir=.hidden . | sort", "./src/b.txt\n./src/list.py\n"),
        ("grep -rIc items src", "src/b.txt:0\nsrc/list.py:2\n"),
        ("grep -A1 def src/*.py", "def head(items):\n    return items[0]\n"),
        ("grep -oE '[a-z]+\\(' src/list.py", "head(\n"),
        ("echo 'aXb' | grep -oP 'a\\KX(?=b)'", "X\n"),
    ] {
        let found = sandbox.call(command).unwrap().content;
        let found = found.replace("grep: src/b.txt: binary file matches\n", "");
        assert_eq!(found, expected, "{command}");
    }
    assert_eq!(sandbox.call("grep x nowhere").unwrap().exit_status, Some(2));
}

#[test]
fn directories_are_compared_as_gnu_does() {
    let sandbox = Sandbox::new();
    sandbox.output("cp -r src lib; sed -i s/head/first/ lib/list.py; echo x > lib/new");
    let compared = sandbox.call("diff -r src lib").unwrap();
    assert_eq!(compared.exit_status, Some(1));
    assert_eq!(
        compared.content,
        "diff -r src/list.py lib/list.py\n1c1\n< def head(items):\n---\n> def first(items):\n\
         Only in lib: new\n"
    );
    assert_eq!(sandbox.output("sed 's/ /  /g' README | diff -w README - && echo alike"), "alike\n");
}
