//! Measures the leak check on real pull requests: how many plain queries it
//! refuses, and how many planted leaks of each kind it finds.
//!
//! `cargo run --example leaks CLONE CHAINS [STAGES]`. What is planted comes from
//! git itself, not from the check: names and texts of added lines that
//! `git grep` finds nowhere in the base.

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
    let mut vocabulary = Vocabulary::new(&database);
    let begin = Instant::now();
    let stages = |chain: &Chain| chain.stages.len();
    let all = file.chains.iter().flat_map(|chain| (0..stages(chain)).map(move |at| (chain, at)));
    let available = all.filter(|(chain, at)| {
        chain.stages.get(*at).is_some_and(|stage| stage.reference_patch.is_available())
    });
    for (chain, position) in available.take(most) {
        survey.stage(&mut vocabulary, chain, position)?;
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
    tallies: BTreeMap<LeakKind, Tally>,
}

struct Survey<'a> {
    clone: &'a Path,
    counts: Counts,
}

impl Survey<'_> {
    fn stage(
        &mut self,
        vocabulary: &mut Vocabulary<'_>,
        chain: &Chain,
        position: usize,
    ) -> anyhow::Result<()> {
        let Some(stage) = chain.stages.get(position) else { return Ok(()) };
        let begin = Instant::now();
        let answer = Answer::of_stage(vocabulary, chain, position)?;
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
        for (kind, text) in self.planted(stage, &answer)? {
            let tally = self.counts.tallies.entry(kind).or_default();
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
        let output = Command::new("git").arg("-C").arg(self.clone).args(arguments).output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// What a careless writer could have put into the query of a stage.
    fn planted(&self, stage: &Stage, answer: &Answer) -> anyhow::Result<Vec<(LeakKind, String)>> {
        let (base, merge) = (stage.base.commit.to_string(), stage.merge.to_string());
        let start: String = merge.chars().take(10).collect();
        let mut planted = vec![(LeakKind::CommitId, format!("See {start}."))];
        if let Some(known) = &stage.pull_request {
            let number = known.number;
            planted.push((LeakKind::PullRequestNumber, format!("It is like gh-{number}.")));
            planted.push((LeakKind::Url, format!("See https://github.com/o/n/pull/{number}.")));
            let author = known.author.iter().filter(|name| name.len() > 3);
            planted.extend(author.map(|name| (LeakKind::Author, format!("Ask {name} about it."))));
        }
        let (_, created) = self.git(&["diff", "--name-only", "--diff-filter=A", &base, &merge])?;
        if let Some(path) = created.lines().next() {
            planted.push((LeakKind::FileName, format!("Put it into {path}.")));
        }
        let (_, patch) = self.git(&["diff", "-U0", "--no-renames", &base, &merge])?;
        planted.extend(self.of_patch(&base, &patch, answer)?);
        Ok(planted)
    }

    fn of_patch(
        &self,
        base: &str,
        patch: &str,
        answer: &Answer,
    ) -> anyhow::Result<BTreeMap<LeakKind, String>> {
        let is_absent = |text: &str, how: &str| -> anyhow::Result<bool> {
            Ok(!self.git(&["grep", "-q", how, "-e", text, base])?.0)
        };
        let mut found: BTreeMap<LeakKind, String> = BTreeMap::new();
        let mut is_source = false;
        let mut before = String::new();
        for line in patch.lines() {
            if let Some(path) = line.strip_prefix("+++ b/") {
                is_source = !is_test_path(path);
                before = joined(&self.git(&["show", &format!("{base}:{path}")])?.1);
                continue;
            }
            let Some(added) = line.strip_prefix('+').filter(|_| is_source) else { continue };
            if let Some(name) = group(&DEFINITION, added)
                && !found.contains_key(&LeakKind::Identifier)
                && !answer.interface().contains(&name)
                && is_absent(&name, "-w")?
            {
                found.insert(LeakKind::Identifier, format!("Call it `{name}`."));
            }
            if let Some(text) = group(&QUOTED, added)
                && text.contains(' ')
                && !found.contains_key(&LeakKind::StringLiteral)
                && is_absent(&text, "-F")?
            {
                found.insert(LeakKind::StringLiteral, format!("It says \"{text}\"."));
            }
            let words = joined(added);
            if words.split(' ').count() >= 10
                && !found.contains_key(&LeakKind::PatchText)
                && !before.contains(&words)
            {
                found.insert(LeakKind::PatchText, words);
            }
        }
        Ok(found)
    }
}

/// The words of a text with one blank between them.
fn joined(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
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
        for (kind, tally) in &self.tallies {
            println!("  {kind}: {} of {}", tally.found, tally.planted);
            for missed in tally.missed.iter().take(10) {
                println!("    missed in {missed}");
            }
        }
    }
}
