//! Measures the leak check on real pull requests: how many plain queries it
//! refuses, and how many planted leaks of each kind it finds.
//!
//! `cargo run --example leaks CLONE CHAINS [STAGES]`. What is planted comes from
//! git itself, not from the check: names and texts of added lines that
//! `git grep` finds nowhere in the base, each written in several ways.

#![allow(clippy::print_stdout, reason = "figures are for whoever runs it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use catena_chain::leak::{Answer, LeakKind, Vocabulary, is_test_path};
use catena_chain::{Chain, ChainFile, Stage};
use catena_mine::template;
use catena_tree::ObjectDatabase;
use regex::Regex;

/// The text that leaks are planted into.
const CLEAN: &str = "Make the code around this place handle the case that users ran into.";

static DEFINITION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\b(?:def|class|fn|func|struct|enum|function|const)\s+([A-Za-z_]\w{3,})").ok()
});
static QUOTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#""([A-Za-z][\w ,.:%{}'-]{10,60}[\w.])""#).ok());

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().context("usage: leaks CLONE CHAINS [STAGES]");
    let (clone, chains) = (PathBuf::from(argument()?), PathBuf::from(argument()?));
    let most = argument().map_or(Ok(200), |most| most.parse())?;
    let database = ObjectDatabase::open(&clone)?;
    let file = ChainFile::load(&chains)?;
    let mut survey = Survey { clone: &clone, counts: Counts::default() };
    let mut vocabulary = Vocabulary::default();
    let begin = Instant::now();
    let stages = |chain: &Chain| chain.stages.len();
    let all = file.chains.iter().flat_map(|chain| (0..stages(chain)).map(move |at| (chain, at)));
    let available = all.filter(|(chain, at)| {
        chain.stages.get(*at).is_some_and(|stage| stage.reference_patch.is_available())
    });
    for (chain, position) in available.take(most) {
        survey.stage(&database, &mut vocabulary, chain, position)?;
    }
    survey.counts.print(begin.elapsed());
    Ok(())
}

#[derive(Default)]
struct Tally {
    planted: usize,
    found: usize,
    missed: Vec<String>,
}

#[derive(Default)]
struct Counts {
    stages: usize,
    refused: usize,
    marked: usize,
    suspicious: usize,
    checking: Duration,
    kinds: BTreeMap<LeakKind, usize>,
    tallies: BTreeMap<(LeakKind, &'static str), Tally>,
}

struct Survey<'a> {
    clone: &'a Path,
    counts: Counts,
}

impl Survey<'_> {
    fn stage(
        &mut self,
        database: &ObjectDatabase,
        vocabulary: &mut Vocabulary,
        chain: &Chain,
        position: usize,
    ) -> anyhow::Result<()> {
        let Some(stage) = chain.stages.get(position) else { return Ok(()) };
        let begin = Instant::now();
        let answer = Answer::of_stage(database, vocabulary, chain, position)?;
        let leaks = stage.pull_request.as_ref().map(template::query);
        let leaks = answer.check(&leaks.unwrap_or_default()).leaks;
        let counts = &mut self.counts;
        counts.checking += begin.elapsed();
        counts.stages += 1;
        counts.refused += usize::from(!leaks.is_empty());
        counts.marked += usize::from(!answer.check(&stage.query).leaks.is_empty());
        counts.suspicious += usize::from(!answer.suspicions().is_empty());
        let mut kinds: Vec<LeakKind> = leaks.iter().map(|leak| leak.kind).collect();
        kinds.dedup();
        for kind in kinds {
            *counts.kinds.entry(kind).or_default() += 1;
        }
        if std::env::var_os("LEAKS_SHOW").is_some() {
            for leak in &leaks {
                println!("{}: {}: {}", stage.id, leak.kind, leak.excerpt);
            }
            for found in answer.suspicions() {
                println!("{}: {} {} {}", stage.id, found.kind, found.excerpt, found.path);
            }
        }
        for Planted { kind, form, text } in self.planted(stage, &answer)? {
            let tally = self.counts.tallies.entry((kind, form)).or_default();
            tally.planted += 1;
            let findings = answer.check(&format!("{CLEAN} {text}"));
            if findings.leaks.iter().any(|leak| leak.kind == kind) {
                tally.found += 1;
            } else {
                tally.missed.push(format!("{}: {text}", stage.id));
            }
        }
        Ok(())
    }

    fn git(&self, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
        // With the characters of other languages, `git grep` is many times slower.
        let mut git = Command::new("git");
        let output = git.env("LC_ALL", "C").arg("-C").arg(self.clone).args(arguments).output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// What a careless writer could have put into the query of a stage.
    fn planted(&self, stage: &Stage, answer: &Answer) -> anyhow::Result<Vec<Planted>> {
        use LeakKind as K;
        let (base, merge) = (stage.base.commit.to_string(), stage.merge.to_string());
        let start = |length| merge.chars().take(length).collect::<String>();
        let mut planted = vec![
            Planted::new(K::CommitId, "10 digits", format!("See {}.", start(10))),
            Planted::new(K::CommitId, "7 digits", format!("See ({}).", start(7))),
        ];
        if let Some(known) = &stage.pull_request {
            let number = known.number;
            let mut plant = |kind, form, text| planted.push(Planted::new(kind, form, text));
            plant(K::PullRequestNumber, "gh-N", format!("It is like gh-{number}."));
            plant(K::PullRequestNumber, "owner/name#N", format!("As in o/n#{number}, it is."));
            plant(K::PullRequestNumber, "in words", format!("See pull request {number}."));
            plant(K::Url, "whole", format!("See https://github.com/o/n/pull/{number}."));
            plant(K::Url, "no scheme", format!("See github.com/o/n/pull/{number}."));
            for name in known.author.iter().filter(|name| name.len() > 3) {
                plant(K::Author, "name", format!("Ask {name} about it."));
            }
        }
        let (_, created) = self.git(&["diff", "--name-only", "--diff-filter=A", &base, &merge])?;
        if let Some(path) = created.lines().next() {
            planted.push(Planted::new(K::FileName, "path", format!("Put it into {path}.")));
        }
        if let Some(path) = created.lines().find_map(|path| path.strip_suffix(".py")) {
            let module = path.replace('/', ".");
            let module = module.trim_end_matches(".__init__");
            let text = format!("Import {module} there.");
            planted.push(Planted::new(K::FileName, "dotted module", text));
        }
        let (_, patch) = self.git(&["diff", "-U0", "--no-renames", &base, &merge])?;
        planted.extend(self.of_patch(&base, &patch, answer)?);
        Ok(planted)
    }

    fn is_absent(&self, base: &str, text: &str, how: &str) -> anyhow::Result<bool> {
        Ok(!self.git(&["grep", "-q", how, "-e", text, base])?.0)
    }

    /// Whether no file of the base has words in this order, over lines too: a passage
    /// that was moved or filled anew says nothing that was not there.
    fn is_new_row(&self, base: &str, words: &str) -> anyhow::Result<bool> {
        let mut longest: Vec<&str> = words.split(' ').collect();
        longest.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let mut arguments = vec!["grep", "-liFI", "--all-match"];
        for word in longest.iter().take(4) {
            arguments.extend(["-e", word]);
        }
        arguments.push(base);
        let wanted = words.to_lowercase();
        for file in self.git(&arguments)?.1.lines() {
            let content = joined(&self.git(&["show", file])?.1).to_lowercase();
            if format!(" {content} ").contains(&format!(" {wanted} ")) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn of_patch(&self, base: &str, patch: &str, answer: &Answer) -> anyhow::Result<Vec<Planted>> {
        let (mut name, mut literal, mut row) = (None, None, None);
        let mut is_source = false;
        for line in patch.lines() {
            if let Some(path) = line.strip_prefix("+++ b/") {
                is_source = !is_test_path(path);
                continue;
            }
            let Some(added) = line.strip_prefix('+').filter(|_| is_source) else { continue };
            if let Some(found) = group(&DEFINITION, added)
                && name.is_none()
                && !answer.interface().contains(&found)
                && self.is_absent(base, &found, "-w")?
            {
                name = Some(found);
            }
            if let Some(text) = group(&QUOTED, added)
                && text.contains(' ')
                && literal.is_none()
                && self.is_absent(base, &text, "-F")?
            {
                literal = Some(text);
            }
            let words = joined(added);
            if words.split(' ').count() >= 10 && row.is_none() && self.is_new_row(base, &words)? {
                row = Some((added.trim().to_owned(), words));
            }
        }
        let mut planted = Vec::new();
        if let Some(name) = name {
            planted.extend(of_name(&name));
            if self.is_new_in_any_spelling(base, &name, answer)? {
                planted.extend(of_spellings(&name));
            }
        }
        planted.extend(literal.map(|text| of_literal(&text)).unwrap_or_default());
        if let Some((line, words)) = row {
            planted.push(Planted::new(LeakKind::PatchText, "words", words.clone()));
            let blanks = line.split_whitespace().collect::<Vec<_>>().join("\n    ");
            planted.push(Planted::new(LeakKind::PatchText, "line, reformatted", blanks));
        }
        Ok(planted)
    }

    /// Whether neither the base nor the interface has a name in another spelling: where
    /// one has `load_all`, neither `LoadAll` nor `--load-all` tells `_load_all`.
    fn is_new_in_any_spelling(
        &self,
        base: &str,
        name: &str,
        answer: &Answer,
    ) -> anyhow::Result<bool> {
        let parts = parts(name);
        let folded = parts.concat();
        if answer.interface().iter().any(|told| self::parts(told).concat() == folded) {
            return Ok(false);
        }
        let pattern = format!("(^|[^A-Za-z0-9])_*{}_*([^A-Za-z0-9]|$)", parts.join("[_-]?"));
        self.is_absent(base, &pattern, "-iE")
    }
}

/// One leak.
struct Planted {
    kind: LeakKind,
    form: &'static str,
    text: String,
}

impl Planted {
    fn new(kind: LeakKind, form: &'static str, text: String) -> Self {
        Self { kind, form, text }
    }
}

/// A name as it is, in the ways in which people mark names.
fn of_name(name: &str) -> Vec<Planted> {
    let plant = |form, text| Planted::new(LeakKind::Identifier, form, text);
    vec![
        plant("in backticks", format!("Call it `{name}`.")),
        plant("behind dots", format!("Have pkg.mod.{name} do it.")),
        plant("called", format!("Let {name}() do it.")),
    ]
}

/// A name of several parts in other spellings.
fn of_spellings(name: &str) -> Vec<Planted> {
    let parts = parts(name);
    if parts.len() < 2 {
        return Vec::new();
    }
    let plant = |form, text| Planted::new(LeakKind::Identifier, form, text);
    if !name.trim_matches('_').contains('_') {
        return vec![plant("camel as snake", format!("Let {} do it.", parts.join("_")))];
    }
    let capital = |part: &String| {
        let mut letters = part.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let camel: String = parts.iter().map(capital).collect();
    vec![
        plant("snake as camel", format!("Let {camel} do it.")),
        plant("snake as an option", format!("Let --{} say it.", parts.join("-"))),
        plant("split, in quotes", format!("Call it \"{}\".", parts.join(" "))),
    ]
}

/// The parts of a name, in small letters.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && was_small) {
            parts.push(String::new());
        }
        was_small = c.is_lowercase();
        if let Some(last) = parts.last_mut().filter(|_| c != '_') {
            last.extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// A text in the ways in which people quote texts.
fn of_literal(text: &str) -> Vec<Planted> {
    let plant = |form, text| Planted::new(LeakKind::StringLiteral, form, text);
    let mut planted = vec![
        plant("quoted", format!("It says \"{text}\".")),
        plant("in prose", format!("It says {text}, then")),
    ];
    if joined(text).split(' ').count() >= 4 && !text.contains(['%', '{']) {
        let lines = text.split_whitespace().collect::<Vec<_>>().join("\n  ");
        planted
            .push(plant("in capitals, over lines", format!("It says {}.", lines.to_uppercase())));
    }
    planted
}

/// The words of a text with one blank between them.
fn joined(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn joined_lines(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn group(pattern: &LazyLock<Option<Regex>>, line: &str) -> Option<String> {
    Some(pattern.as_ref()?.captures(line)?.get(1)?.as_str().to_owned())
}

impl Counts {
    fn print(&self, took: Duration) {
        println!("{} stages in {took:.1?}, of it checking {:.1?}", self.stages, self.checking);
        let (refused, marked) = (self.refused, self.marked);
        println!("plain queries refused: {refused}, and after another try {marked}");
        for (kind, count) in &self.kinds {
            println!("  {kind}: {count}");
        }
        println!("stages with something suspicious in their base: {}", self.suspicious);
        println!("planted leaks found:");
        for ((kind, form), tally) in &self.tallies {
            println!("  {kind}, {form}: {} of {}", tally.found, tally.planted);
            for missed in tally.missed.iter().take(10) {
                println!("    missed in {}", joined_lines(missed));
            }
        }
    }
}
