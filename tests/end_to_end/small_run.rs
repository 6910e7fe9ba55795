//! A repository of two pull requests, grown by git itself, and run files over it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::environment::{Outcome, TestEnvironment};
use crate::journal;

/// The only chain of the small repository.
pub(crate) const CHAIN: &str = "notes";

/// Grows the repository `notes.git` and resolves its chain into `chains.json`.
pub(crate) fn grow(environment: &TestEnvironment) {
    grow_repository(environment);
    resolve(environment, &["Count the notes.", "List the notes."]);
}

/// The same with three pull requests more, which have nothing in common.
pub(crate) fn grow_long(environment: &TestEnvironment) {
    const MORE: [(&str, &str, &str); 3] = [
        (
            "store.py",
            "import json\n\n\ndef save(path, what):\n    with open(path, \"w\") as file:\n        json.dump(what, file)\n",
            "Save notes",
        ),
        (
            "dates.py",
            "from datetime import date\n\nEPOCH = date(1970, 1, 1)\n\n\nclass Day:\n    age = EPOCH.toordinal()\n",
            "Know days",
        ),
        (
            "colour.py",
            "RED, GREEN = range(31, 33)\n\n\ndef painted(text, colour=RED):\n    return f\"\\033[{colour}m{text}\"\n",
            "Paint texts",
        ),
    ];
    grow_repository(environment);
    for (number, (file, text, title)) in (3..).zip(MORE) {
        environment.write(&format!("notes/{file}"), text);
        commit(environment, &format!("{title} (#{number})\n\nGoes on from #{}.", number - 1));
    }
    let titles = MORE.map(|(.., title)| title);
    resolve(environment, &[&["Count the notes.", "List the notes."], &titles[..]].concat());
}

/// Resolves the chain of as many pull requests as there are queries.
fn resolve(environment: &TestEnvironment, queries: &[&str]) {
    let stages =
        (1..).zip(queries).map(|(number, query)| json!({"number": number, "query": query}));
    let lists = json!({
        "repository": "ada/notes",
        "license": "MIT",
        "chains": [{
            "id": CHAIN,
            "overview": "Notes that can be counted and listed.",
            "stages": stages.collect::<Vec<Value>>(),
        }],
    });
    environment.write("lists.json", lists.to_string());
    let resolve = ["chain", "resolve", "--clone", "notes", "--chains", "lists.json"];
    let outcome = environment.catena(&[&resolve[..], &["--output", "chains.json"]].concat());
    outcome.succeeds().prints(&format!("1 of 1 chains resolved, {} stages", queries.len()));
}

fn grow_repository(environment: &TestEnvironment) {
    environment.write("notes/README.md", "# Notes\n\nWrites notes down.\n");
    environment.write("notes/notes.py", "NOTES = []\n\n\ndef add(note):\n    NOTES.append(note)\n");
    environment.git("notes", &["init", "--quiet", "--initial-branch=main"]);
    commit(environment, "Write notes down");
    environment.write(
        "notes/count.py",
        "from notes import NOTES\n\n\ndef count():\n    return len(NOTES)\n",
    );
    commit(environment, "Count notes (#1)");
    environment.write("notes/README.md", "# Notes\n\nWrites notes down and counts them.\n");
    commit(environment, "Describe counting");
    environment
        .write("notes/list.py", "from notes import NOTES\n\n\ndef show():\n    print(*NOTES)\n");
    commit(environment, "List notes (#2)\n\nGoes on from #1.");
}

fn commit(environment: &TestEnvironment, message: &str) {
    environment.git("notes", &["add", "--all"]);
    environment.git("notes", &["commit", "--quiet", "--message", message]);
}

/// A run file over the small repository: a scaffold that submits nothing and
/// the judge by differences, until a test says otherwise.
pub(crate) struct RunFile {
    keys: String,
    scaffold: String,
    tools: Vec<String>,
    judges: Vec<String>,
    tables: String,
}

impl RunFile {
    /// A run of the scaffold with this name.
    pub(crate) fn of(scaffold: &str) -> Self {
        Self {
            keys: String::new(),
            scaffold: format!("plugin = \"{scaffold}\""),
            tools: Vec::new(),
            judges: Vec::new(),
            tables: String::new(),
        }
    }

    /// Adds a top-level key.
    pub(crate) fn key(mut self, key: &str) -> Self {
        let _ = writeln!(self.keys, "{key}");
        self
    }

    /// Adds a key to the scaffold.
    pub(crate) fn scaffold(mut self, key: &str) -> Self {
        let _ = write!(self.scaffold, "\n{key}");
        self
    }

    /// Adds a tool: the keys of its table.
    pub(crate) fn tool(mut self, keys: &str) -> Self {
        self.tools.push(keys.to_owned());
        self
    }

    /// Takes another judge: the keys of its table.
    pub(crate) fn judge(mut self, keys: &str) -> Self {
        self.judges = vec![keys.to_owned()];
        self
    }

    /// Takes several judges: the keys of each table.
    pub(crate) fn judges(mut self, tables: &[String]) -> Self {
        self.judges = tables.to_vec();
        self
    }

    /// Adds a table.
    pub(crate) fn table(mut self, table: &str) -> Self {
        let _ = writeln!(self.tables, "{table}");
        self
    }

    /// Adds a model that plays these replies at every stage.
    pub(crate) fn model(self, environment: &TestEnvironment, replies: &Value) -> Self {
        let script = json!({"version": 1, "replies": {"*": replies}});
        environment.write("script.json", script.to_string());
        self.table("[model]\nkind = \"scripted\"\nscript = \"script.json\"")
    }

    /// The file's text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "version = 1\nname = \"small\"\nchains = \"chains.json\"\n{}\n\
             [repositories]\n\"ada/notes\" = \"notes\"\n\n\
             [scaffold]\n{}\n\n{}\n",
            self.keys, self.scaffold, self.tables,
        );
        match self.judges.as_slice() {
            [] => text.push_str("[judge]\nplugin = \"judge-diff\"\n\n"),
            [judge] => {
                let _ = writeln!(text, "[judge]\n{judge}\n");
            }
            judges => {
                for judge in judges {
                    let _ = writeln!(text, "[[judges]]\n{judge}\n");
                }
            }
        }
        for tool in &self.tools {
            let _ = writeln!(text, "[[tools]]\n{tool}\n");
        }
        text
    }

    /// Carries it out in the directory `run`.
    pub(crate) fn run(&self, environment: &TestEnvironment) -> Outcome {
        environment.write("run.toml", self.text());
        // What an earlier run file of the same test was granted is not to be approved here.
        let _ = std::fs::remove_file(environment.path("catena.lock"));
        environment.catena(&["run", "run.toml", "--dir", "run"])
    }

    /// Carries it out, which must end well, and returns its only rollout as
    /// `catena show --json` tells it.
    pub(crate) fn rollout(&self, environment: &TestEnvironment) -> Value {
        self.run(environment).succeeds();
        first_rollout(environment)
    }
}

/// The first rollout of the directory `run`.
pub(crate) fn first_rollout(environment: &TestEnvironment) -> Value {
    journal::shown(environment, "run")["rollouts"][0].take()
}

/// Everything plugins logged in the first rollout of the directory `run`: lines
/// of `plugin level: text`.
pub(crate) fn logs(environment: &TestEnvironment) -> String {
    let id = format!("{CHAIN}.1");
    let shown = environment.catena(&["show", "run", "--rollout", &id]);
    shown.succeeds();
    let lines = shown.stdout.lines().filter_map(|line| line.strip_prefix("log "));
    lines.collect::<Vec<_>>().join("\n")
}
