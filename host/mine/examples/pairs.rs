//! Which consecutive pull requests of published chains a catalogue links, by words
//! and by lines, and why it sees nothing between the others.
//!
//! `cargo run --example pairs CATALOGUE LISTS`, with a catalogue of `catena mine`.

#![allow(clippy::print_stdout, reason = "figures are for whoever runs it")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use anyhow::Context as _;
use catena_chain::{EdgeKind, Place};
use catena_mine::catalogue::{Catalogue, MinedPullRequest};
use catena_mine::links::{Link, Links};
use catena_mine::lists::ChainLists;

/// Examples of each sort.
const EXAMPLES: usize = 4;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().context("usage: pairs CATALOGUE LISTS");
    let (catalogue, lists) = (PathBuf::from(argument()?), PathBuf::from(argument()?));
    let catalogue = Catalogue::load(&catalogue)?;
    let lists = ChainLists::load(&lists)?;
    let links = Links::find(&catalogue);
    let mut pairs = Pairs::new(&catalogue, &links);
    for chain in &lists.chains {
        pairs.chain(&chain.numbers());
    }
    pairs.print(lists.chains.len());
    Ok(())
}

struct Pairs<'a> {
    catalogue: &'a Catalogue,
    known: HashMap<u64, (usize, &'a MinedPullRequest)>,
    links: HashMap<(u64, u64), &'a Link>,
    counts: BTreeMap<String, Vec<String>>,
    words: usize,
    lines: usize,
    both: usize,
    all: usize,
    on_branch: usize,
}

impl<'a> Pairs<'a> {
    fn new(catalogue: &'a Catalogue, links: &'a Links) -> Self {
        let known = catalogue.pull_requests.iter().enumerate();
        let links = links.accepted.iter().map(|link| ((link.later, link.earlier), link));
        Self {
            catalogue,
            known: known.map(|(place, mined)| (mined.number, (place, mined))).collect(),
            links: links.collect(),
            counts: BTreeMap::new(),
            words: 0,
            lines: 0,
            both: 0,
            all: 0,
            on_branch: 0,
        }
    }

    /// In the order in which they landed, as far as they did.
    fn chain(&mut self, numbers: &[u64]) {
        let mut numbers = numbers.to_vec();
        numbers.sort_by_key(|number| self.known.get(number).map(|(place, _)| *place));
        for pair in numbers.windows(2) {
            if let [earlier, later] = pair {
                self.pair(*earlier, *later);
            }
        }
    }

    fn pair(&mut self, earlier: u64, later: u64) {
        self.all += 1;
        let (Some((_, first)), Some((_, second))) =
            (self.known.get(&earlier), self.known.get(&later))
        else {
            let missing = if self.known.contains_key(&earlier) { later } else { earlier };
            let reason = match self.catalogue.elsewhere.get(&missing) {
                Some(_) => "one landed on another branch",
                None => "no commit says that it landed one",
            };
            self.note(reason, format!("#{earlier} → #{later}: #{missing}"));
            return;
        };
        let (first, second) = (*first, *second);
        self.on_branch += 1;
        let Some(link) = self.links.get(&(later, earlier)).copied() else {
            let (reason, example) = unseen(first, second);
            self.note(&format!("neither: {reason}"), example);
            return;
        };
        let by_lines = link.lines > 0;
        let by_words = link.evidence.iter().any(|piece| piece.kind != EdgeKind::TouchesLinesOf);
        self.words += usize::from(by_words);
        self.lines += usize::from(by_lines);
        self.both += usize::from(by_words && by_lines);
        if by_words {
            let words = link.evidence.iter().find(|it| !matches!(it.place, Place::Lines { .. }));
            let words = words.map(|it| it.excerpt.clone()).unwrap_or_default();
            self.note("linked by message", format!("#{earlier} → #{later}: {words}"));
        }
    }

    fn note(&mut self, sort: &str, example: String) {
        self.counts.entry(sort.to_owned()).or_default().push(example);
    }

    fn print(&self, chains: usize) {
        let Self { all, on_branch, words, lines, both, .. } = self;
        println!(
            "{chains} chains, {all} consecutive pairs, {on_branch} on `{}`",
            self.catalogue.branch
        );
        println!("linked by message: {words}, by lines: {lines}, by both: {both}");
        println!("linked by neither: {}", on_branch - (words + lines - both));
        for (sort, examples) in &self.counts {
            println!("{sort}: {}", examples.len());
            for example in examples.iter().take(EXAMPLES) {
                println!("    {example}");
            }
        }
    }
}

/// Why nothing is seen between two pull requests.
fn unseen(earlier: &MinedPullRequest, later: &MinedPullRequest) -> (&'static str, String) {
    let before: HashSet<&str> = earlier.files.iter().map(|file| &*file.path).collect();
    let mut shared = later.files.iter().filter(|file| before.contains(&*file.path));
    let told = |more: &str| {
        let (first, second) = (earlier.number, later.number);
        format!("#{first} {} → #{second} {}{more}", earlier.title, later.title)
    };
    let first = shared.next();
    let deletes = later.files.iter().any(|file| before.contains(&*file.path) && file.deleted > 0);
    match first {
        None => ("it goes on in other files, without a word", told("")),
        Some(file) if deletes => {
            ("it changes other lines of the same files", told(&format!(" ({})", file.path)))
        }
        Some(file) => ("it only adds to the same files", told(&format!(" ({})", file.path))),
    }
}
