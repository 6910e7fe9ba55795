//! Commands and options, by how often they occur.
//!
//! What a command runs in its turn (`xargs`, `timeout`, `find -exec`, `bash -c`)
//! counts as well.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::options;

/// How often each command and each of its options occurs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    commands: BTreeMap<String, (usize, BTreeMap<String, usize>)>,
}

impl Tally {
    /// Adds the commands of a script; false where it does not parse.
    pub(crate) fn add(&mut self, script: &str) -> bool {
        let Ok(analysis) = bashkit::analysis::analyze(script) else { return false };
        for command in &analysis.commands {
            let arguments: Vec<&str> =
                command.args.iter().map(|word| word.as_deref().unwrap_or("$")).collect();
            let own = |name: &String| analysis.functions.contains(name);
            if let Some(name) = command.name.as_ref().filter(|name| !own(name)) {
                self.command(name, &arguments);
            }
        }
        true
    }

    fn command(&mut self, name: &str, arguments: &[&str]) {
        if !is_name(name) {
            return;
        }
        let base = if name.contains('/') { "./PROGRAM" } else { name };
        let subcommand = arguments.iter().find(|word| !word.starts_with('-'));
        let label = match (base, subcommand) {
            ("git", Some(word)) => format!("git {word}"),
            _ => base.to_owned(),
        };
        let (times, options) = self.commands.entry(label).or_default();
        *times += 1;
        let mut given = options::given(base, arguments);
        given.sort();
        given.dedup();
        for option in given {
            *options.entry(option).or_default() += 1;
        }
        self.inner(base, arguments);
    }

    /// Counts what a command runs.
    fn inner(&mut self, name: &str, arguments: &[&str]) {
        match name {
            "find" => {
                let mut rest = arguments.iter();
                while rest.by_ref().any(|word| word.starts_with("-exec")) {
                    let run: Vec<&str> = rest
                        .by_ref()
                        .take_while(|word| !matches!(**word, ";" | "+"))
                        .copied()
                        .collect();
                    if let Some((name, arguments)) = run.split_first() {
                        self.command(name, arguments);
                    }
                }
            }
            "bash" | "sh" => {
                let mut rest = arguments.iter();
                if rest.by_ref().any(|word| word.starts_with('-') && word.ends_with('c')) {
                    rest.next().into_iter().for_each(|script| {
                        self.add(script);
                    });
                }
            }
            _ => {
                if let Some((name, arguments)) = options::run_by(name, arguments) {
                    self.command(name, arguments);
                }
            }
        }
    }

    /// How many commands there were.
    pub(crate) fn runs(&self) -> usize {
        self.commands.values().map(|(times, _)| times).sum()
    }

    /// How many different ones.
    pub(crate) fn names(&self) -> usize {
        self.commands.len()
    }

    /// The commands that occur at least so often, the most frequent first, with
    /// their options as Markdown.
    pub(crate) fn table(&self, least: usize) -> Vec<(&str, usize, String)> {
        let frequent = self.commands.iter().filter(|(_, (times, _))| *times >= least);
        let mut rows: Vec<_> = frequent
            .map(|(name, (times, options))| (name.as_str(), *times, shown(options, least)))
            .collect();
        rows.sort_by_key(|(_, times, _)| Reverse(*times));
        rows
    }
}

/// Whether a word may be a command's name: logs of terminals break lines, and
/// agents write prose.
fn is_name(word: &str) -> bool {
    let fits = |one: char| one.is_ascii_alphanumeric() || "._-+/~[:".contains(one);
    word.chars().all(fits) && !word.starts_with('-') && !(word.len() > 1 && word.ends_with(':'))
}

fn shown(options: &BTreeMap<String, usize>, least: usize) -> String {
    let mut frequent: Vec<_> = options.iter().filter(|(_, times)| **times >= least).collect();
    frequent.sort_by_key(|(_, times)| Reverse(**times));
    let words = frequent.iter().map(|(option, times)| format!("`{option}` {times}"));
    words.collect::<Vec<_>>().join(", ")
}
