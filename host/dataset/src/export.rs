//! Writing data: rollouts come one at a time from their sources, become rows, and
//! go to files, with a manifest that accounts for every one of them.
//!
//! The invariant: a rollout that was read has rows in the manifest or a reason
//! there, and so has every sample of those that were taken.

mod entries;
mod files;
mod pairs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use catena_rollout::RolloutId;

use crate::canonical::Rollout;
use crate::manifest::{
    Counts, Dropped, Manifest, ManifestFile, SampleEntry, SampleId, Selected, VERSION,
};
use crate::output::ExportError;
use crate::profile::{Profile, atif, verl};
use crate::sample::{Sample, samples};
use crate::select::funnel::Funnel;
use crate::select::{Criteria, Reason, Sieve, Split, Take};
use crate::source::{Rollouts, Unreadable};
use crate::tokens::{Counted, Counter, NamedFile};
use entries::{entry_of_rollout, entry_of_sample};
use files::Files;
use pairs::Pairs;

/// What to write.
pub struct Order<'a> {
    /// The runs, and files in the canonical form.
    pub sources: &'a [PathBuf],
    /// The form.
    pub profile: Profile,
    /// The file to write; the directory for [`Profile::MiniSweAgent`].
    pub output: &'a Path,
    /// What is asked of rollouts.
    pub criteria: &'a Criteria,
    /// The lists that `criteria` leave out.
    pub excluded: Vec<NamedFile>,
    /// Into which parts the data goes.
    pub split: Option<&'a Split>,
    /// The split as it was given.
    pub split_text: Option<String>,
    /// Who counts tokens.
    pub counter: Option<&'a Counter>,
    /// The chat template that the data is meant for.
    pub chat_template: Option<NamedFile>,
    /// Name of the judgements whose verdicts count, in the place of the sources' own.
    pub judgements: Option<&'a str>,
}

impl<'a> Order<'a> {
    /// All that meets these criteria, in one part, without a count of tokens.
    pub fn of(
        sources: &'a [PathBuf],
        profile: Profile,
        output: &'a Path,
        criteria: &'a Criteria,
    ) -> Self {
        Self {
            sources,
            profile,
            output,
            criteria,
            excluded: Vec::new(),
            split: None,
            split_text: None,
            counter: None,
            chat_template: None,
            judgements: None,
        }
    }

    /// What is asked for that the form can't do.
    fn unfit(&self) -> Option<&'static str> {
        let criteria = self.criteria;
        let is_pairs = self.profile == Profile::Preference;
        let is_whole =
            matches!(self.profile, Profile::Canonical | Profile::Atif | Profile::MiniSweAgent);
        if (is_pairs || is_whole) && criteria.max_tokens.is_some() {
            return Some("leave out samples by their tokens");
        }
        if (is_pairs || is_whole) && criteria.dedupe {
            return Some("leave out samples that say the same");
        }
        if is_pairs && (criteria.asks_for_more() || criteria.take == Take::Everything) {
            return Some("leave out or take stages by what became of them");
        }
        let is_directory = self.profile == Profile::MiniSweAgent;
        (is_directory && self.split.is_some()).then_some("be split in parts")
    }
}

/// Writes an export. Its files and its manifest are each there whole or not at all.
pub fn export(order: &Order<'_>) -> Result<Manifest, ExportError> {
    if let Some(condition) = order.unfit() {
        return Err(ExportError::Unfit { profile: order.profile, condition });
    }
    let mut export = Export::begin(order)?;
    for (source, path) in order.sources.iter().enumerate() {
        export.source = source;
        for rollout in Rollouts::open_judged(path, order.judgements)? {
            export.counts.rollouts += 1;
            match rollout {
                Ok(rollout) => export.rollout(&rollout)?,
                Err(unreadable) => export.unreadable(unreadable),
            }
        }
        export.end_of_source()?;
    }
    export.finish(order)
}

struct Export<'a> {
    order: &'a Order<'a>,
    /// Position of the source that is read.
    source: usize,
    files: Files,
    manifest: ManifestFile,
    counts: Counts,
    repositories: BTreeMap<String, Option<String>>,
    dropped: Vec<Dropped>,
    funnel: Funnel,
    taken_back: u64,
    cut_off: u64,
    sieve: Sieve,
    /// Repositories that the split names and that nothing was of so far.
    unmatched: Vec<String>,
    pairs: Pairs,
}

impl<'a> Export<'a> {
    fn begin(order: &'a Order<'a>) -> Result<Self, ExportError> {
        Ok(Self {
            order,
            source: 0,
            files: Files::create(order.output, order.profile, order.split)?,
            manifest: ManifestFile::create(order.output)?,
            counts: Counts::default(),
            repositories: BTreeMap::new(),
            dropped: Vec::new(),
            funnel: Funnel::default(),
            taken_back: 0,
            cut_off: 0,
            sieve: Sieve::default(),
            unmatched: order.split.map(Split::named).unwrap_or_default(),
            pairs: Pairs::default(),
        })
    }

    fn unreadable(&mut self, unreadable: Unreadable) {
        let Unreadable { rollout, place, reason } = unreadable;
        self.funnel.fell(Reason::Unreadable);
        let detail = Some(format!("{place}: {reason}"));
        let (source, reason) = (self.source, Reason::Unreadable);
        self.dropped.push(Dropped { source, rollout, sample: None, reason, detail });
    }

    fn rollout(&mut self, rollout: &Rollout) -> Result<(), ExportError> {
        if let Some(repository) = &rollout.repository {
            self.unmatched.retain(|named| !named.eq_ignore_ascii_case(repository));
        }
        match self.try_rollout(rollout)? {
            Ok(true) => self.used(rollout.repository.as_deref(), rollout.license.clone()),
            Ok(false) => {}
            Err(reason) => self.fell(rollout.rollout.clone(), reason),
        }
        Ok(())
    }

    fn fell(&mut self, rollout: RolloutId, reason: Reason) {
        self.funnel.fell(reason);
        let (source, rollout) = (self.source, Some(rollout));
        self.dropped.push(Dropped { source, rollout, sample: None, reason, detail: None });
    }

    fn used(&mut self, repository: Option<&str>, license: Option<String>) {
        self.funnel.used();
        self.counts.rollouts_used += 1;
        if let Some(repository) = repository {
            self.repositories.insert(repository.to_owned(), license);
        }
    }

    /// The part of a split that a rollout goes to.
    fn part(&self, rollout: &Rollout) -> Result<Option<String>, Reason> {
        let Some(split) = self.order.split else { return Ok(None) };
        let repository = rollout.repository.as_deref().unwrap_or_default();
        split.of(repository).map(|part| Some(part.to_owned())).ok_or(Reason::NoSplit)
    }

    /// Whether it has rows; that of a pair is known at the end of its chain.
    fn try_rollout(&mut self, rollout: &Rollout) -> Result<Result<bool, Reason>, ExportError> {
        let part = match self.part(rollout) {
            Ok(part) => part,
            Err(reason) => return Ok(Err(reason)),
        };
        let has_rows = match self.order.profile {
            Profile::Canonical | Profile::Atif | Profile::MiniSweAgent => {
                self.whole(rollout, part)?
            }
            Profile::Preference => return self.tries(rollout, part),
            _ => self.samples(rollout, part.as_deref())?,
        };
        Ok(has_rows.map(|()| true))
    }

    fn tries(
        &mut self,
        rollout: &Rollout,
        part: Option<String>,
    ) -> Result<Result<bool, Reason>, ExportError> {
        if rollout.control {
            return Ok(Err(Reason::Control));
        }
        if self.order.criteria.exclude.names(rollout) {
            return Ok(Err(Reason::Contaminated));
        }
        self.end_of_chain(Some(rollout))?;
        let has_any = self.pairs.add(rollout, part, self.source);
        Ok(if has_any { Ok(false) } else { Err(Reason::NoModelTurns) })
    }

    /// A rollout as one row, whatever became of it; of those that were asked for.
    fn whole(
        &mut self,
        rollout: &Rollout,
        part: Option<String>,
    ) -> Result<Result<(), Reason>, ExportError> {
        // What is looked at, and not learned, has failures in it as well, unless more
        // is asked for.
        if let Err(reason) = self.order.criteria.stages(rollout)
            && (self.order.criteria.asks_for_more()
                || matches!(reason, Reason::Control | Reason::Contaminated))
        {
            return Ok(Err(reason));
        }
        let mut files = Vec::new();
        match self.order.profile {
            Profile::Atif => {
                let Some(line) = atif::line(rollout) else { return Ok(Err(Reason::NoModelTurns)) };
                self.files.line(part.as_deref(), &line)?;
            }
            Profile::MiniSweAgent => match self.files.trajectories(rollout)? {
                Ok(written) => files = written,
                Err(reason) => return Ok(Err(reason)),
            },
            _ => {
                let line = rollout.to_line().map_err(std::io::Error::other);
                let line = line.map_err(ExportError::io(self.order.output))?;
                self.files.line(part.as_deref(), &line)?;
            }
        }
        let entry = SampleEntry { part, files, ..entry_of_rollout(rollout, self.source) };
        self.entry(&entry)?;
        Ok(Ok(()))
    }

    fn samples(
        &mut self,
        rollout: &Rollout,
        part: Option<&str>,
    ) -> Result<Result<(), Reason>, ExportError> {
        let stages = match self.order.criteria.stages(rollout) {
            Ok(stages) => stages,
            Err(reason) => return Ok(Err(reason)),
        };
        let found = samples(rollout, stages);
        self.taken_back += found.taken_back;
        self.cut_off += found.cut_off;
        let mut counted = self.order.counter.map(|counter| Counted::new(counter, rollout));
        let mut refused = None;
        let mut rows = 0;
        for sample in &found.samples {
            match self.sample(sample, part, counted.as_mut())? {
                Ok(of_sample) => rows += of_sample,
                Err(reason) => {
                    let id =
                        SampleId { conversation: sample.conversation, history: sample.history };
                    refused = refused.or(Some(reason));
                    self.dropped.push(Dropped {
                        source: self.source,
                        rollout: Some(rollout.rollout.clone()),
                        sample: Some(id),
                        reason,
                        detail: None,
                    });
                }
            }
        }
        Ok(match (rows, refused) {
            (0, Some(reason)) => Err(reason),
            (0, None) => Err(Reason::NoModelTurns),
            _ => Ok(()),
        })
    }

    /// Writes the rows of a sample and returns their number.
    fn sample(
        &mut self,
        sample: &Sample<'_>,
        part: Option<&str>,
        mut counted: Option<&mut Counted<'_>>,
    ) -> Result<Result<u64, Reason>, ExportError> {
        let mut count = |trained: &[usize], end: usize| {
            counted.as_mut().map(|counted| counted.part(sample, trained, end))
        };
        let whole = count(&sample.trained, sample.said.len());
        if let Some(reason) = self.sieve.refused(self.order.criteria, sample, whole) {
            return Ok(Err(reason));
        }
        let Some(rows) = self.order.profile.rows(sample) else {
            let end = match verl::end_of_row(sample) {
                Ok(end) => end,
                Err(reason) => return Ok(Err(reason)),
            };
            self.files.verl(part, sample, end)?;
            let tokens = count(&sample.trained, end);
            let entry = entry_of_sample(sample, part, &sample.trained, end, tokens);
            self.entry(&SampleEntry { source: self.source, ..entry })?;
            return Ok(Ok(1));
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(reason) => return Ok(Err(reason)),
        };
        for row in &rows {
            self.files.line(part, &row.line)?;
            let tokens = count(&row.trained, row.messages);
            let entry = entry_of_sample(sample, part, &row.trained, row.messages, tokens);
            self.entry(&SampleEntry { source: self.source, ..entry })?;
        }
        Ok(Ok(rows.len() as u64))
    }

    fn entry(&mut self, entry: &SampleEntry) -> Result<(), ExportError> {
        let counts = &mut self.counts;
        counts.rows += 1;
        counts.messages += entry.messages;
        counts.trained_turns += entry.model_turns;
        counts.masked_turns += entry.assistant_turns - entry.model_turns;
        counts.tool_calls += entry.tool_calls;
        counts.usage += entry.usage;
        if let Some(tokens) = entry.tokens {
            counts.tokens.get_or_insert_default().add(tokens);
        }
        self.manifest.push(entry)
    }

    /// Pairs tries of one chain, whose rollouts come one after the other.
    fn end_of_chain(&mut self, next: Option<&Rollout>) -> Result<(), ExportError> {
        if self.pairs.goes_on_with(next) {
            return Ok(());
        }
        let pairs = std::mem::take(&mut self.pairs);
        let mut used = BTreeSet::new();
        for pair in pairs.rows() {
            match pair {
                Ok((line, entry)) => {
                    self.files.line(entry.part.as_deref(), &line)?;
                    self.entry(&entry)?;
                    let tries =
                        entry.pair.into_iter().flat_map(|pair| [pair.chosen, pair.rejected]);
                    used.extend(tries.map(|one| one.rollout));
                }
                Err(dropped) => self.dropped.push(dropped),
            }
        }
        let repository = pairs.repository().map(str::to_owned);
        for (tried, is_used) in pairs.rollouts(&used) {
            if is_used {
                self.used(repository.as_deref(), tried.license);
            } else {
                self.fell(tried.rollout, Reason::NoPair);
            }
        }
        Ok(())
    }

    fn end_of_source(&mut self) -> Result<(), ExportError> {
        self.end_of_chain(None)
    }

    fn finish(self, order: &Order<'_>) -> Result<Manifest, ExportError> {
        let criteria = order.criteria;
        let manifest = Manifest {
            version: VERSION,
            catena: env!("CARGO_PKG_VERSION").to_owned(),
            profile: order.profile,
            sources: order.sources.iter().map(|path| name_of(path)).collect(),
            files: self.files.finish()?,
            repositories: self.repositories,
            counts: self.counts,
            selection: Selected {
                take: criteria.take,
                threshold: criteria.threshold,
                max_rounds: criteria.max_rounds,
                min_stages: criteria.min_stages,
                max_tokens: criteria.max_tokens,
                dedupe: criteria.dedupe,
                excluded: order.excluded.clone(),
                split: order.split_text.clone(),
                judgements: order.judgements.map(str::to_owned),
            },
            tokenizer: order.counter.map(|counter| counter.about().clone()),
            chat_template: order.chat_template.clone(),
            funnel: self.funnel.steps(),
            dropped: self.dropped,
            taken_back: self.taken_back,
            cut_off: self.cut_off,
            unmatched: self.unmatched,
        };
        self.manifest.finish(&manifest)?;
        Ok(manifest)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
