//! Commands outside the sandbox: a C project built and tested by an agent, and
//! what its commands can't reach.
//!
//! Where a machine can't confine commands, or has no compiler, these tests say so
//! and test nothing. That it can't is found out without the program under test, and in CI,
//! which installs all of it, what is missing is a failure.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::environment::{Outcome, TestEnvironment, run};
use crate::interruption::wait_for;
use crate::journal::{lines, records};
use crate::small_run::{CHAIN, RunFile};

const JOURNAL: &str = "run/rollouts/notes.1.journal";

const MAKEFILE: &str = "\
CFLAGS = -Wall
test: build/test build/reach
\t./build/test
build/test: build/sum.o build/test.o
\t$(CC) -o $@ $^
build/reach: reach.c
\t@mkdir -p build
\t$(CC) $(CFLAGS) -o $@ $<
build/%.o: %.c
\t@mkdir -p build
\t$(CC) $(CFLAGS) -c -o $@ $<
";

const TEST: &str = r#"
#include <stdio.h>
int sum(int a, int b);
int main(void) {
    printf("sum(2, 3) is %d\n", sum(2, 3));
    return sum(2, 3) != 5;
}
"#;

/// Tries to read files, to list directories and to connect to a port of loopback.
const REACH: &str = r#"
#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
int main(int count, char **arguments) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    int refused = connect(s, (struct sockaddr *)&address, sizeof address);
    printf("%s the network\n", refused ? "not" : "REACHED");
    for (int i = 2; i < count; i++) {
        FILE *file = fopen(arguments[i], "r");
        DIR *dir = opendir(arguments[i]);
        printf("%s %s\n", file || dir ? "REACHED" : "not", arguments[i]);
    }
    return 0;
}
"#;

/// Takes memory that is no process's own.
const HOLD: &str = r#"
#include <string.h>
#include <unistd.h>
int memfd_create(const char *name, unsigned flags);
int main(void) {
    static char block[1 << 20];
    memset(block, 1, sizeof block);
    for (int i = 0; i < 400; i++)
        write(memfd_create("held", 0), block, sizeof block);
    sleep(100);
    return 0;
}
"#;

/// Why nothing can be tested here.
fn lacking(environment: &TestEnvironment) -> Option<String> {
    for program in ["/usr/bin/cc", "/usr/bin/make", "/usr/bin/bwrap"] {
        if !Path::new(program).exists() {
            assert!(std::env::var_os("CI").is_none(), "`{program}` is missing");
            return Some(format!("`{program}` is missing"));
        }
    }
    let arguments = ["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev"];
    let confined = Command::new("/usr/bin/bwrap").args(arguments).arg("true").output().unwrap();
    if !confined.status.success() {
        let why = String::from_utf8_lossy(&confined.stderr).into_owned();
        return Some(format!("bubblewrap itself can't confine a command here: {why}"));
    }
    let checks = environment.catena(&["doctor", "--json"]).json();
    let found = checks["checks"].as_array().unwrap().iter();
    let native = found.clone().find(|check| check["name"] == "native commands").unwrap();
    assert_eq!(native["status"], "ok", "bubblewrap works, but native commands don't: {native}");
    None
}

/// An environment with the project, or nothing where nothing can be tested.
fn environment() -> Option<TestEnvironment> {
    let environment = TestEnvironment::new();
    if let Some(why) = lacking(&environment) {
        eprintln!("SKIPPED: {why}");
        return None;
    }
    environment.write("notes/Makefile", MAKEFILE);
    environment.write("notes/test.c", TEST);
    environment.write("notes/reach.c", REACH);
    environment.write("notes/hold.c", HOLD);
    environment.write("notes/.gitignore", "build/\n");
    environment.write("notes/sum.c", "int sum(int a, int b) {\n    return a - b;\n}\n");
    environment.git("notes", &["init", "--quiet", "--initial-branch=main"]);
    commit(&environment, "Begin");
    environment.write("notes/sum.c", "int sum(int a, int b) {\n    return a + b;\n}\n");
    commit(&environment, "Add up (#1)");
    let lists = json!({
        "repository": "ada/notes",
        "license": "MIT",
        "chains": [{
            "id": CHAIN,
            "overview": "Sums.",
            "stages": [{"number": 1, "query": "Have `sum` add up; `make test` tests it."}],
        }],
    });
    environment.write("lists.json", lists.to_string());
    let resolve = ["chain", "resolve", "--clone", "notes", "--chains", "lists.json"];
    environment.catena(&[&resolve[..], &["--output", "chains.json"]].concat()).succeeds();
    Some(environment)
}

fn commit(environment: &TestEnvironment, message: &str) {
    environment.git("notes", &["add", "--all"]);
    environment.git("notes", &["commit", "--quiet", "--message", message]);
}

/// A run of an agent with these command lines, one a turn, who then submits.
fn run_of(environment: &TestEnvironment, commands: &[&str]) -> RunFile {
    limited_run_of(environment, commands, "memory = \"512MiB\"")
}

fn limited_run_of(environment: &TestEnvironment, commands: &[&str], limits: &str) -> RunFile {
    let call =
        |line: &str| json!({"tool_calls": [{"name": "bash", "arguments": {"command": line}}]});
    let mut replies: Vec<Value> = commands.iter().map(|line| call(line)).collect();
    replies.push(call("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"));
    RunFile::of("scaffold-mini")
        .key("refinements = 0")
        .scaffold("grant = { model = true }")
        .tool(
            "plugin = \"tool-bash\"\n\
             grant = { workspace = \"read-write\", programs = [\"native\"] }",
        )
        .table(&format!("[native.native]\ncommands = [\"make\", \"cc\"]\nlimits = {{ {limits} }}"))
        .table("[recipes.\"ada/notes\"]\ntest = \"make test\"")
        .model(environment, &json!(replies))
}

/// What the tool answered, call by call.
fn answers(environment: &TestEnvironment) -> Vec<String> {
    let calls = records(environment, JOURNAL).into_iter();
    let calls = calls.filter(|record| record["event"] == "tool-call");
    let content = |record: Value| {
        let answer = &record["end"]["answer"];
        let content = answer["output"]["content"].as_str().or(answer["timed-out"].as_str());
        content.unwrap_or_else(|| panic!("{record:#}")).to_owned()
    };
    calls.map(content).collect()
}

#[test]
fn agent_builds_and_tests_a_c_project_outside_the_sandbox() {
    let Some(environment) = environment() else { return };
    let run = run_of(
        &environment,
        &[
            "make test; echo status $?",
            "sed -i 's/a - b/a + b/' sum.c && make test && ls build",
            "cd build && cc -o ../build/again sum.o test.o && native ./again | tr 5 V",
        ],
    );
    let rollout = run.rollout(&environment);
    assert_eq!(rollout["end"]["outcome"], "accepted", "{rollout:#}");
    assert!(environment.read(JOURNAL).contains("Its tests are run by `make test`."));
    let answers = answers(&environment);
    assert!(answers[0].contains("sum(2, 3) is -1"), "{}", answers[0]);
    assert!(answers[0].contains("status 2"), "{}", answers[0]);
    assert!(answers[1].contains("sum(2, 3) is 5"), "{}", answers[1]);
    assert!(answers[1].contains("reach\nsum.o\ntest\ntest.o"), "{}", answers[1]);
    // Only what the sandbox changed is older than what is made of it.
    assert!(answers[1].contains("-o build/sum.o"), "{}", answers[1]);
    assert!(!answers[1].contains("-o build/test.o"), "{}", answers[1]);
    assert!(answers[2].contains("sum(2, 3) is V"), "{}", answers[2]);
    assert_eq!(rollout["native"], 4, "{rollout:#}");
    assert_eq!(rollout["stages"][0]["rounds"][0]["submission"]["files"], 1, "{rollout:#}");
    environment
        .catena(&["verify", "run"])
        .succeeds()
        .prints("but for 4 commands outside the sandbox, which were taken as recorded");
    assert!(!environment.path("run/native/notes.1").exists());
}

#[test]
fn command_outside_the_sandbox_reaches_neither_the_network_nor_files_of_the_host() {
    let Some(environment) = environment() else { return };
    environment.write("secret", "not for agents");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let home = std::env::var("HOME").unwrap_or_else(|_| "/var/log".to_owned());
    let secret = environment.path("secret");
    let (secret, objects) = (secret.display(), environment.path("run/objects.git"));
    let objects = objects.display();
    let state = environment.path("run/native/notes.1");
    let reach = format!(
        "make build/reach; native ./build/reach {port} {secret} {objects} {} /etc/shadow {home} \
         /workspace",
        state.display()
    );
    let commands = [
        reach.as_str(),
        "native sh -c 'env | sort; id -u; hostname; ls /; echo no > /usr/made; ls /proc | grep -c ^[0-9]'",
        "native sh -c 'ln -s /etc link; ln -s / tmp-link; echo made > link/made'; ls -l link",
        "native unshare -Ur true; echo nested $?",
        "native sh -c 'echo no > /made; echo no > /dev/made; echo no > /etc/made; \
         test -w /proc/sys/kernel/core_pattern || echo kernel is safe; echo yes > /dev/shm/made'; \
         native sh -c 'ls /dev/shm | wc -l'; native echo \"$(head -c 200000 /dev/zero | tr '\\0' a)\" \
         | wc -c; echo went on",
    ];
    run_of(&environment, &commands).rollout(&environment);
    let answers = answers(&environment);
    let reached: Vec<&str> = answers[0].lines().filter(|line| line.contains("REACHED")).collect();
    assert_eq!(reached, ["REACHED /workspace"], "{}", answers[0]);
    assert!(answers[0].contains("not the network"), "{}", answers[0]);
    for told in ["HOME=/home/agent", "1000", "catena", "Read-only file system"] {
        assert!(answers[1].contains(told), "`{told}` in {}", answers[1]);
    }
    assert!(!answers[1].contains("CATENA") && !answers[1].contains("root"), "{}", answers[1]);
    assert!(answers[2].contains("link -> /etc"), "{}", answers[2]);
    assert!(!Path::new("/etc/made").exists());
    assert!(!answers[3].contains("nested 0"), "{}", answers[3]);
    assert_eq!(answers[4].matches("Read-only file system").count(), 3, "{}", answers[4]);
    for told in ["kernel is safe\n", "\n0\n", "went on"] {
        assert!(answers[4].contains(told), "`{told}` in {}", answers[4]);
    }
}

#[test]
fn files_go_both_ways_and_nothing_lives_on_after_a_command() {
    let Some(environment) = environment() else { return };
    let commands = [
        "mkdir -p out/deep; echo in > /tmp/note; native sh -c 'ls -d out/deep; cat /tmp/note; \
         rm sum.c; chmod +x test.c; mkdir -p made/empty; echo home > ~/kept; echo new > new.txt'; \
         ls sum.c; ls -d made/empty; native test -x test.c && echo executable; cat /home/agent/kept new.txt",
        "rmdir made/empty; native sh -c 'ls -d made/empty; (sleep 1000; echo late > late) & \
         echo left'; native sh -c 'ps -e 2>/dev/null | grep -c sleep; exit 7'; echo status $?",
        "native sh -c 'echo begun; sleep 100'; echo on",
    ];
    limited_run_of(&environment, &commands, "wall = \"3s\"").rollout(&environment);
    let answers = answers(&environment);
    for told in ["out/deep\nin\n", "made/empty\nexecutable\nhome\nnew\n"] {
        assert!(answers[0].contains(told), "`{told}` in {}", answers[0]);
    }
    assert!(answers[0].contains("sum.c"), "{}", answers[0]);
    for told in ["left\n", "cannot access 'made/empty'", "\n0\nstatus 7\n"] {
        assert!(answers[1].contains(told), "`{told}` in {}", answers[1]);
    }
    let ended = records(&environment, JOURNAL);
    let native: Vec<&Value> = ended.iter().filter(|record| record["record"] == "native").collect();
    assert_eq!(native.last().unwrap()["end"]["outcome"], "timed-out");
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn finished_command_outside_the_sandbox_is_not_run_again() {
    let Some(environment) = environment() else { return };
    let random = "native sh -c 'od -An -N8 -tx1 /dev/urandom | tee -a drawn'";
    let both = format!("{random}; echo between; {random}; cat drawn");
    run_of(&environment, &[&both, "make test; cat drawn"]).rollout(&environment);
    let (whole, drawn) = (lines(&environment, JOURNAL), answers(&environment));
    let is_native = |line: &String| line.contains(r#""record":"native""#);
    let natives: Vec<usize> = (0..whole.len()).filter(|at| is_native(&whole[*at])).collect();
    assert_eq!(natives.len(), 3);
    for native in natives {
        let kept = whole[..=native].iter().filter(|line| is_native(line)).count();
        environment.write(JOURNAL, whole[..=native].concat());
        environment.catena(&["resume", "run"]).succeeds();
        let again = answers(&environment);
        assert_eq!(again.len(), drawn.len());
        if kept >= 2 {
            assert_eq!(again[0], drawn[0]);
        }
        let first = drawn[0].lines().next().unwrap();
        assert!(again[0].starts_with(first), "{} was drawn again: {}", first, again[0]);
        environment.catena(&["verify", "run"]).succeeds();
    }
}

#[test]
fn command_that_takes_too_much_is_ended() {
    let Some(environment) = environment() else { return };
    let commands = [
        "native sh -c 'yes | head -c 300000000 > big; ls -l big'; ls big; echo on",
        "native tail -c 600000000 /dev/zero | wc -c; echo on",
        "native sh -c 'i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i + 1)); done; wait'; \
         echo status $?",
        "rm big; native sh -c 'echo no > Makefile; mkdir .git; echo own > mine'; head -n 1 Makefile; \
         cat mine; native cat Makefile | head -n 1",
        "native sh -c 'echo first; seq 100000; echo last' > told; head -n 1 told; tail -n 1 told; \
         grep 'left out' told",
        "native sh -c 'echo begun; yes | head -n 1; sleep 100'; echo on",
        "native sh -c 'cc -w -o /tmp/hold hold.c && /tmp/hold'; echo on",
    ];
    let limits = "memory = \"256MiB\", wall = \"5s\", output = \"64KiB\", processes = 20";
    let run = limited_run_of(&environment, &commands, limits)
        .table("[workspace]\nbytes = \"1MiB\"\nread_only = [\"Makefile\"]");
    run.rollout(&environment);
    let answers = answers(&environment);
    assert!(answers[0].contains("on"), "{}", answers[0]);
    assert!(!answers[0].contains("300000000"), "{}", answers[0]);
    assert!(!answers[1].contains("600000000"), "{}", answers[1]);
    assert!(answers[2].contains("a limit is reached: processes"), "{}", answers[2]);
    for told in [
        "`Makefile` was not taken: the worktree does not take it: read-only",
        "CFLAGS = -Wall\nown\nCFLAGS = -Wall",
    ] {
        assert!(answers[3].contains(told), "`{told}` in {}", answers[3]);
    }
    assert!(answers[4].contains("first\nlast\n["), "{}", answers[4]);
    assert!(answers[5].contains("begun\ny\n"), "{}", answers[5]);
    assert!(answers[6].contains("a limit is reached: memory"), "{}", answers[6]);
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn repository_is_set_up_before_the_agent_begins() {
    let Some(environment) = environment() else { return };
    let set_up =
        "test = \"make test\"\nset_up = [\"make build/reach\", \"echo here > /tmp/ready\"]";
    let run = run_of(&environment, &["ls build; cat /tmp/ready"]);
    let text = run.text().replace("test = \"make test\"", set_up);
    environment.write("run.toml", &text);
    environment.catena(&["run", "run.toml", "--dir", "run"]).succeeds();
    let answers = answers(&environment);
    assert!(answers[2].contains("reach\nhere\n"), "{answers:?}");
    environment.catena(&["verify", "run"]).succeeds();
    environment.write("run.toml", text.replace("echo here", "echo no way; false"));
    environment.catena(&["lock", "run.toml"]).succeeds();
    environment
        .catena(&["run", "run.toml", "--dir", "failed"])
        .ends_with(3)
        .says("set it up, failed");
}

#[test]
fn what_a_command_left_is_kept_whole_or_not_at_all() {
    let Some(environment) = environment() else { return };
    let commands = [
        "native sh -c 'mkdir a; head -c 700000 /dev/zero > a/large; echo first > kept'; echo $?",
        "native sh -c 'mv a b; cp b/large again; mv again b/large; rm kept'; echo $?; ls -d a b kept",
        "native sh -c 'echo more > b/small; rm -r b/large; head -c 900000 /dev/zero > 1; cp 1 2'; \
         echo status $?; ls b 1 2",
        "native sh -c 'for i in $(seq 100); do truncate -s 900K \"holes$i\"; done'; native truncate -s 900K \
         b/holes; ls holes1 b",
        "native sh -c 'chmod 0 b; sleep 1; echo changed'; ls b; echo $?",
    ];
    let run = run_of(&environment, &commands).table("[workspace]\nbytes = \"1MiB\"");
    run.rollout(&environment);
    let answers = answers(&environment);
    assert!(answers[0].contains("0\n"), "{}", answers[0]);
    for told in ["0\n", "cannot access 'a'", "cannot access 'kept'", "b\n"] {
        assert!(answers[1].contains(told), "`{told}` in {}", answers[1]);
    }
    for told in ["a limit is reached: disk", "nothing that the command changed was kept", "large\n"]
    {
        assert!(answers[2].contains(told), "`{told}` in {}", answers[2]);
    }
    assert!(!answers[2].contains("small"), "{}", answers[2]);
    for told in ["cannot access 'holes1'", "b:\nlarge\n"] {
        assert!(answers[3].contains(told), "`{told}` in {}", answers[3]);
    }
    assert!(answers[4].contains("changed\nlarge\n0\n"), "{}", answers[4]);
    environment.catena(&["verify", "run"]).succeeds();
}

/// Runs the lines `name: command` of files as tests, and tells of them in `JUnit`'s form.
const SUITE: &str = r#"
report=$1 suite=$2
shift 2
{
    echo "<testsuites><testsuite name=\"$suite\">"
    for file in "$@"; do
        while IFS=': ' read -r name line; do
            [ -n "$name" ] || continue
            sh -c "$line" >/dev/null 2>&1 && not= || not='<failure message="it does not hold"/>'
            [ -n "$not" ] && failed=1
            echo "<testcase classname=\"$file\" name=\"$name\">$not</testcase>"
        done < "$file"
    done
    echo "</testsuite></testsuites>"
} > "$report"
exit ${failed:-0}
"#;

/// A judge that builds submissions and tests them outside the sandbox.
const JUDGE: &str = r#"plugin = "judge-tests"
grant = { workspace = "read-write", programs = ["native"] }

[judge.config]
command = "native sh suite.sh {report} {nonce} {files}"
reserved = ""
test_files = ["checks/"]
run_files = ["*.check"]
runner_files = ["suite.sh"]
canary = "\n{name}: false\n""#;

#[test]
fn judge_builds_and_tests_submissions_outside_the_sandbox() {
    let Some(environment) = environment() else { return };
    environment.write("notes/suite.sh", SUITE);
    commit(&environment, "Test commands");
    environment
        .write("notes/checks/sum.check", "compiles: cc -c sum.c -o /tmp/sum.o\nadds: make test\n");
    environment.write("notes/sum.c", "int sum(int a, int b) {\n    return b - -a;\n}\n");
    commit(&environment, "Add the other way round (#2)");
    environment.write("notes/double.c", "int twice(int a) {\n    return a + a;\n}\n");
    let more = "compiles: cc -c sum.c -o /tmp/sum.o\nadds: make test\ndoubles: cc -c double.c -o /tmp/d.o\n";
    environment.write("notes/checks/sum.check", more);
    commit(&environment, "Double (#3)");
    let lists = json!({"repository": "ada/notes", "license": "MIT", "chains": [[3]]});
    environment.write("lists.json", lists.to_string());
    let resolve = ["chain", "resolve", "--clone", "notes", "--chains", "lists.json"];
    environment.catena(&[&resolve[..], &["--output", "chains.json"]].concat()).succeeds();
    let right = "echo 'int twice(int a) { return 2 * a; }' > double.c";
    let broken = format!("{right}; echo 'int sum(int a, int b) {{ return 6; }}' > sum.c");
    let forged = "printf '#!/bin/sh\nexit 0\n' > suite.sh; echo 'adds: true' > checks/sum.check";
    for (line, accepted) in [(right, true), (&broken, false), (forged, false)] {
        let run = run_of(&environment, &[line]).judge(JUDGE);
        let text = run.text().replace("test = \"make test\"", "image = \"none\"");
        environment.write("run.toml", text);
        environment.catena(&["run", "run.toml", "--dir", "run"]).succeeds();
        let shown = environment.catena(&["show", "run", "--json"]).json();
        let stage = &shown["rollouts"][0]["stages"][0];
        let outcome = &stage["outcome"]["outcome"];
        assert_eq!(outcome == "accepted", accepted, "{line}: {stage:#}");
        environment.catena(&["verify", "run"]).succeeds();
        std::fs::remove_dir_all(environment.path("run")).unwrap();
    }
}

#[test]
fn command_that_is_not_granted_is_not_there() {
    let Some(environment) = environment() else { return };
    let run = run_of(&environment, &["cc --version", "native make test"]);
    let text = run.text().replace("programs = [\"native\"]", "programs = []");
    environment.write("run.toml", text);
    environment.catena(&["run", "run.toml", "--dir", "run"]).succeeds();
    let answers = answers(&environment);
    assert!(answers[0].contains("cc: command not found"), "{}", answers[0]);
    assert!(answers[1].contains("native: command not found"), "{}", answers[1]);
}

#[test]
fn run_that_would_show_its_own_files_to_commands_is_not_begun() {
    let Some(environment) = environment() else { return };
    let run = run_of(&environment, &["ls"]);
    let begin = |replaced: &str, by: &str| {
        environment.write("run.toml", run.text().replace(replaced, by));
        environment.catena(&["run", "run.toml", "--dir", "run"])
    };
    let clone = environment.path("notes");
    let shown = format!("commands = []\nread_only = [\"{}\"]", clone.display());
    begin("commands = [\"make\", \"cc\"]", &shown).ends_with(2).says("could read");
    begin("test = \"make test\"", "test = \" \"").ends_with(2).says("a command line");
    begin("\"cc\"", "\"no-such-compiler\"").ends_with(2).says("there is no command");
    begin("commands = [\"make\", \"cc\"]", "commands = [\"/bin/sh\"]").ends_with(2).says("no name");
    assert!(!environment.path("run").exists());
}

/// Runs `catena` by another program, which gets its command line.
fn catena_by(environment: &TestEnvironment, by: &[&str], arguments: &[&str]) -> Outcome {
    let inner = environment.catena_command(arguments);
    let mut outer = Command::new(by[0]);
    outer.args(&by[1..]).arg(inner.get_program()).args(inner.get_args());
    outer.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer.current_dir(environment.path("")).stdin(Stdio::null());
    run(outer)
}

#[test]
fn run_on_a_machine_that_cannot_confine_commands_is_not_begun() {
    let Some(environment) = environment() else { return };
    environment.write("run.toml", run_of(&environment, &["native true"]).text());
    let stub = environment.path("stub");
    let begin = |script: &str| {
        environment.write("stub", format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(&stub, std::fs::Permissions::from_mode(0o755)).unwrap();
        let stub = stub.to_string_lossy();
        let over = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", &stub, "/usr/bin/bwrap"];
        catena_by(&environment, &over, &["run", "run.toml", "--dir", "run"])
    };
    let version = "test \"$1\" = --version && echo bubblewrap 0.9.0 && exit";
    begin(&format!("{version}; echo 'bwrap: No permissions' >&2; exit 1"))
        .ends_with(1)
        .says("commands can't be confined here: bwrap: No permissions")
        .says("catena doctor");
    begin(&format!("{version}; exit 1")).ends_with(1).says("the backend failed");
    begin("echo bubblewrap 0.7.0").ends_with(2).says("`bwrap` is version 0.7, and 0.8");
    begin("echo who knows").ends_with(1).says("does not tell its version");
    assert!(!environment.path("run").exists());
}

#[test]
fn files_that_the_host_has_open_by_chance_are_closed_in_commands() {
    let Some(environment) = environment() else { return };
    let commands = ["native sh -c 'ls /proc/self/fd/9/ && echo REACHED; echo over'"];
    environment.write("run.toml", run_of(&environment, &commands).text());
    environment.write("open/secret", "not for agents");
    let with_open = ["/bin/sh", "-c", "exec 9<open; exec \"$0\" \"$@\""];
    catena_by(&environment, &with_open, &["run", "run.toml", "--dir", "run"]).succeeds();
    let answers = answers(&environment);
    assert!(answers[0].contains("over") && !answers[0].contains("REACHED"), "{}", answers[0]);
}

#[test]
fn host_that_is_killed_leaves_no_command_behind() {
    let Some(environment) = environment() else { return };
    let run = run_of(&environment, &["native sh -c 'echo begun > begun; sleep 98765.4321'; ls"]);
    environment.write("run.toml", run.text());
    let mut run = environment.start_catena(&["run", "run.toml", "--dir", "run"]);
    let begun = environment.path("run/native/notes.1/workspace/begun");
    wait_for("the command", || begun.exists());
    run.kill().unwrap();
    run.wait().unwrap();
    wait_for("the command's end", || !is_anybody_called("98765.4321"));
    // What it was about to do is not in the journal, so it is begun again.
    let mut again = environment.start_catena(&["resume", "run"]);
    wait_for("the command, again", || is_anybody_called("98765.4321"));
    again.kill().unwrap();
    again.wait().unwrap();
    wait_for("its end", || !is_anybody_called("98765.4321"));
}

/// Whether a process has a word among its arguments, but for those that pass it on.
fn is_anybody_called(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines =
        processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| line == format!("sleep\0{word}\0").into_bytes())
}
