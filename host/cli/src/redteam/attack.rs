//! What an attack is, and what can come of it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What came of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    /// It was told no.
    Refused,
    /// It was ended for breaking a rule of WebAssembly or of the contract.
    Trapped,
    /// It was ended as its fuel was used up.
    OutOfFuel,
    /// It was ended as it was refused memory.
    OutOfMemory,
    /// It was ended as its wall-clock time was up.
    TimedOut,
    /// What it wrote was cut.
    Cut,
    /// It was judged, and got no more than the same work without it.
    Unpaid,
    /// The model of a judge was shown it as what it is: another's text, between its fences.
    Fenced,
    /// What a judge said is no verdict, and so no score.
    NoVerdict,
    /// It went its way, and nothing came of it.
    Harmless,
    /// It got what it must not have.
    Reached,
    /// What was to attack never ran.
    NotMade,
    /// Its worker process ended with it.
    WorkerDied,
    /// The host failed, or did not end.
    HostFailed,
}

impl End {
    /// The end that a guest tells of by this word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let told = [
            Self::Refused,
            Self::Trapped,
            Self::OutOfFuel,
            Self::OutOfMemory,
            Self::TimedOut,
            Self::Cut,
            Self::Harmless,
            Self::Reached,
            Self::NotMade,
        ];
        told.into_iter().find(|end| end.word() == word)
    }

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Trapped => "trapped",
            Self::OutOfFuel => "out-of-fuel",
            Self::OutOfMemory => "out-of-memory",
            Self::TimedOut => "timed-out",
            Self::Cut => "cut",
            Self::Unpaid => "unpaid",
            Self::Fenced => "fenced",
            Self::NoVerdict => "no-verdict",
            Self::Harmless => "harmless",
            Self::Reached => "reached",
            Self::NotMade => "not-made",
            Self::WorkerDied => "worker-died",
            Self::HostFailed => "host-failed",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Who attacks, and with what.
#[derive(Clone, Copy)]
pub(crate) enum Means {
    /// The scaffold `scaffold-redteam`, by the attack's name.
    Scaffold,
    /// A program that such a scaffold starts, as WebAssembly text.
    Program(fn() -> String),
    /// The same, started where hardly any stack is left.
    DeepProgram(fn() -> String),
    /// A scaffold's component file that is to be taken in.
    Component(fn() -> Vec<u8>),
    /// One that keeps a compiler busy, which has little time and memory for it.
    Bomb(fn() -> Vec<u8>),
    /// The cache of compiled components, in which something else lies.
    Cache(Swap),
    /// A model whose agent has a shell, by these command lines.
    Agent(&'static [&'static str]),
    /// Such an agent that works by halves and deceives the judge of it.
    Deceiver(Deceit),
    /// A tool that such a scaffold calls, twice, as WebAssembly text.
    Tool(&'static str),
    /// The judge `judge-redteam`, by the attack's name.
    Judge,
}

/// How a judge is to be deceived.
#[derive(Clone, Copy)]
pub(crate) struct Deceit {
    /// Which judge.
    pub(crate) bench: Bench,
    /// Command lines that do a part of the work; another rollout does the same and no more.
    pub(crate) work: &'static [&'static str],
    /// Command lines that are to make it look like more.
    pub(crate) lies: &'static [&'static str],
}

/// A judge to be deceived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bench {
    /// `judge-diff`, which compares.
    Diff,
    /// `judge-tests`, which runs tests.
    Tests,
    /// `judge-llm`, which asks a model.
    Model,
}

/// What lies in a cache in place of compiled components.
#[derive(Clone, Copy)]
pub(crate) enum Swap {
    /// What nobody compiled.
    Forged,
    /// The compiled form and the seal of another component.
    Exchanged,
}

impl Means {
    /// The word for who attacks.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Scaffold => "scaffold",
            Self::Program(_) | Self::DeepProgram(_) => "program",
            Self::Component(_) | Self::Bomb(_) => "component",
            Self::Cache(_) => "cache",
            Self::Agent(_) => "agent",
            Self::Deceiver(_) => "deceiver",
            Self::Tool(_) => "tool",
            Self::Judge => "judge",
        }
    }
}

/// The limits under which an attack is made, in the form of a run file, and what of
/// memory they let it have.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Limits of the scaffold, without that of time.
    pub(crate) limits: &'static str,
    /// Its wall-clock time; an agent's tools have it for each call.
    pub(crate) wall: Duration,
    /// Table `[workspace]`.
    pub(crate) workspace: &'static str,
    /// Bytes that these let a worker have beside what it has anyway.
    pub(crate) memory: u64,
    /// Bytes that they let the host hold at a time: what was written on its way into the
    /// object database and to judges, and what conversations have.
    pub(crate) host: u64,
}

/// One attack.
#[derive(Clone, Copy)]
pub(crate) struct Attack {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it tries, in one line.
    pub(crate) tries: &'static str,
    /// Who attacks.
    pub(crate) means: Means,
    /// Under which limits.
    pub(crate) bounds: Bounds,
    /// What may come of it.
    pub(crate) expected: &'static [End],
    /// Words of which one has to be in what is said of it where it was refused, trapped or
    /// unpaid, so that an attack which did not get so far does not count; none where any will do.
    pub(crate) because: &'static [&'static str],
}

impl Attack {
    /// The same, but being refused, trapped or unpaid counts with one of these words alone.
    pub(crate) const fn because(self, because: &'static [&'static str]) -> Self {
        Self { because, ..self }
    }

    /// Whether this may come of it, and for this reason.
    pub(crate) fn expects(&self, end: End, detail: &str) -> bool {
        let needs_reason = [End::Refused, End::Trapped, End::Unpaid].contains(&end);
        self.expected.contains(&end)
            && (!needs_reason
                || self.because.is_empty()
                || self.because.iter().any(|words| detail.contains(words)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redteam::table::all;

    #[test]
    fn being_refused_counts_for_the_reason_alone_that_the_attack_is_about() {
        let attack = all().find(|attack| attack.name == "foreign-import").unwrap();
        assert!(attack.expects(End::Refused, "which this host does not serve: no"));
        assert!(!attack.expects(End::Refused, "it does not export `scaffold`"));
        assert!(!attack.expects(End::WorkerDied, "which this host does not serve: no"));
    }

    #[test]
    fn attack_that_was_never_made_counts_nowhere() {
        assert!(all().all(|attack| !attack.expects(End::NotMade, "")));
    }
}
