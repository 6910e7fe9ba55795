//! `git` of the shell beside git itself, in a repository of one commit with the
//! same content: what is printed, and the exit status.

use std::process::Command;

use serde_json::{Value, json};

use crate::environment::TestEnvironment;

/// What the shell's git says of its first commit.
const SUBJECT: &str = "The state of the code at the start";

const FILES: [(&str, &str); 5] = [
    ("README", "a library\n\nof lists\n"),
    (
        "src/list.py",
        "def head(items):\n    return items[0]\n\n\ndef rest(items):\n    return items[1:]\n",
    ),
    ("src/text.py", "WORD = 'word'\n"),
    ("docs/use.md", "# Use\n\nCall `head`.\n"),
    (".gitignore", "*.log\nbuild/\n"),
];

/// Each is a session of commands in a fresh copy of the repository.
const SESSIONS: [&[&str]; 12] = [
    &[
        "git status",
        "git status -s",
        "git diff",
        "git log --format=%s",
        "git log -1 --format=%s",
        "git ls-files",
        "git ls-files src",
        "git branch",
        "git branch --show-current",
        "git rev-parse --is-inside-work-tree",
        "git rev-parse --abbrev-ref HEAD",
        "git show HEAD:src/text.py",
        "git show HEAD:nothing",
    ],
    &[
        "sed -i 's/head/first/' src/list.py; echo more >> README; git status",
        "git diff",
        "git diff --stat",
        "git diff --name-only",
        "git diff --name-status",
        "git diff --shortstat",
        "git diff -U0 README",
        "git diff -- src",
        "git diff HEAD -- README",
        "cd src && git diff --name-only . && git status -s",
        "git diff --quiet; echo $?",
        "git checkout -- README; git status -s",
        "git checkout src/list.py; git diff",
    ],
    &[
        "echo new > new.py; mkdir -p lib/deep; echo x > lib/deep/x.py; echo y > lib/y.py; git status",
        "git status --porcelain",
        "git status -s -uall",
        "git diff",
        "git ls-files --others --exclude-standard",
        "echo noise > a.log; mkdir build; echo b > build/b; git status -s",
        "git add a.log; echo $?",
        "git add new.py; git status",
        "git diff --cached",
        "git diff --cached --stat",
        "git add .; git status -s",
        "git reset -q; git status -s",
        "git clean -n; git clean -nd",
    ],
    &[
        "echo a >> README; git add README; echo b >> README; git status -s",
        "git diff README",
        "git diff --staged README",
        "git diff HEAD README",
        "git restore README; cat README",
        "git restore --staged README; git status -s",
        "git restore README; git status",
    ],
    &[
        "git rm src/text.py; git status -s",
        "git rm nothing; echo $?",
        "git rm src; echo $?",
        "git mv README READ.md; git status -s",
        "git mv docs/use.md src/; git status",
        "git reset -q --hard; git status -s; ls",
    ],
    &[
        "echo a >> README; git stash list; git stash -q; git status -s; git stash list",
        "cat README",
        "git stash show --stat",
        "git stash pop -q; git status -s; git stash list",
        "git stash pop; echo $?",
    ],
    &[
        "echo a >> README; git commit -m 'Nothing staged'; echo $?",
        "git commit -q -am 'Add a line'; git status -s",
        "git log --format=%s",
        "git show --stat --format=%s HEAD",
        "git diff HEAD~1 --stat",
        "echo b > b.py; git add b.py; git commit -m 'Add b' -m 'It is needed.'",
        "git log --format='%s|%an' | head -1 | cut -d'|' -f1",
        "git diff HEAD~2..HEAD --name-status",
        "git reset -q --soft HEAD~1; git status -s",
    ],
    &[
        "printf 'diff --git a/README b/README\\n--- a/README\\n+++ b/README\\n@@ -1,3 +1,3 @@\\n-a library\\n+the library\\n \\n of lists\\n' > fix.patch; git apply --check fix.patch; echo $?; git diff --stat",
        "git apply fix.patch; git diff",
        "git apply fix.patch 2> /dev/null; echo $?",
        "git apply --stat fix.patch",
    ],
    &[
        "cp src/list.py old.py; sed -i 's/head/first/' src/list.py; git diff --no-index old.py src/list.py; echo $?",
        "git diff --no-index --stat old.py src/list.py",
        "git diff --no-index -U1 old.py src/list.py",
        "git diff --no-index old.py old.py; echo $?",
        "git diff --no-index /dev/null src/text.py",
        "cp -r src lib; echo x > lib/text.py; rm lib/list.py; echo n > lib/new.py; git diff --no-index src lib",
        "git diff src > p; git apply -R p; git status -s src; cat src/list.py",
        "git apply p; git apply --reverse --check p; echo $?; git status -s src",
        "git rm -q docs/use.md; git diff HEAD -- docs > d; git apply -R d; cat docs/use.md",
        "git reflog | wc -l",
        "git log --oneline --graph --all | cut -c1-2",
        "git --no-pager diff --cached --name-only",
        "git branch -d nothing 2> /dev/null; echo $?",
    ],
    &[
        "git grep -n items",
        "git grep -l return",
        "git grep -c items -- src",
        "git grep nowhere; echo $?",
        "git grep -i WORD",
        "cd src; git grep -n head; git ls-files",
    ],
    &[
        "rm README; git status",
        "git ls-files -d",
        "git add -A; git status -s",
        "git checkout HEAD -- README; git status -s; cat README",
        "mv src/text.py src/words.py; git add -A; git status -s; git diff --cached -M --name-status",
        "git reset; git status -s",
    ],
    &[
        "cd /tmp && git status; echo $?",
        "git checkout nothing; echo $?",
        "git add nothing; echo $?",
        "git restore nothing; echo $?",
        "git diff nothing; echo $?",
        "git checkout main; git status -s",
    ],
];

#[test]
fn git_of_the_shell_says_what_git_says() {
    let environment = TestEnvironment::new();
    let mut differing = Vec::new();
    let mut compared = 0;
    for (number, session) in SESSIONS.iter().enumerate() {
        let dir = format!("repository-{number}");
        grow(&environment, &dir);
        let ours = in_sandbox(&environment, &dir, session);
        for (line, ours) in session.iter().zip(ours) {
            let theirs = natively(&environment, &dir, line);
            let content = ours["content"].as_str().unwrap_or_default();
            let status = ours["exit_status"].as_i64();
            let ours = (normal(content, ""), status);
            compared += 1;
            if ours != theirs {
                differing.push(format!("$ {line}\n-- here\n{ours:?}\n-- git\n{theirs:?}\n"));
            }
        }
    }
    assert!(compared >= 60, "{compared} command lines");
    assert!(
        differing.is_empty(),
        "{} of {compared} differ\n{}",
        differing.len(),
        differing.join("\n")
    );
}

fn grow(environment: &TestEnvironment, dir: &str) {
    for (path, content) in FILES {
        environment.write(&format!("{dir}/{path}"), content);
    }
    environment.git(dir, &["init", "--quiet", "--initial-branch=main"]);
    environment.git(dir, &["add", "--all"]);
    environment.git(dir, &["commit", "--quiet", "--message", SUBJECT]);
}

/// A session in the sandbox, over the files as they are now.
fn in_sandbox(environment: &TestEnvironment, dir: &str, session: &[&str]) -> Vec<Value> {
    let calls = session.iter().map(|line| json!({"command": line}).to_string());
    environment.write("calls.jsonl", calls.collect::<Vec<_>>().join("\n"));
    let words = ["--json", "plugin", "try", "tool-bash", "--keep", "--dir", dir];
    let outcome = environment.catena(&[&words[..], &["--calls", "calls.jsonl"]].concat());
    let lines = outcome.stdout.lines();
    let answers: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), session.len(), "{outcome}");
    answers
}

fn natively(environment: &TestEnvironment, dir: &str, line: &str) -> (String, Option<i64>) {
    let place = environment.path(dir);
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; {line}")])
        .current_dir(&place)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", environment.path(""))
        .env("LC_ALL", "C.UTF-8")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_CEILING_DIRECTORIES", "/")
        .env("GIT_AUTHOR_NAME", "agent")
        .env("GIT_AUTHOR_EMAIL", "agent@sandbox")
        .env("GIT_COMMITTER_NAME", "agent")
        .env("GIT_COMMITTER_EMAIL", "agent@sandbox")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let place = place.to_string_lossy();
    (normal(&text, &place), output.status.code().map(i64::from))
}

/// A text without what must differ: ids of commits, and where the repository is.
fn normal(text: &str, place: &str) -> String {
    let text = if place.is_empty() { text.to_owned() } else { text.replace(place, "/workspace") };
    let mut lines = Vec::new();
    for line in text.lines() {
        // Hints differ between versions of git.
        if line.starts_with("hint:") {
            continue;
        }
        let is_id =
            |word: &str| word.len() >= 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let words = line.split(' ').map(|word| {
            let bare = word.trim_matches(['(', ')', '[', ']']);
            if is_id(bare) { word.replace(bare, "ID") } else { word.to_owned() }
        });
        lines.push(words.collect::<Vec<_>>().join(" "));
    }
    lines.join("\n")
}
