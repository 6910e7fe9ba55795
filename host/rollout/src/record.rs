//! What a journal holds. Whether two records are of the same is told by `compare`.

mod compare;

use std::collections::BTreeMap;
use std::fmt;

use catena_chain::{ChainId, Leak, StageId};
use catena_model::{ConversationId, Edit, FailedAttempt, ModelError, Reply, Usage};
use catena_plugin::session::SessionEnd;
use catena_plugin::{
    AttemptEnd, CallFailure, Digest, Ending, Event, HttpEnd, Judged, NativeBytes, NativeEnd,
    TestResult, Used,
};
use catena_tree::{RepoPath, TreeId};
use catena_worker::Walls;
use catena_worker::message::ObjectFailure;
use serde::{Deserialize, Serialize};

use crate::carry::CarryRecord;
use crate::run_file::Combine;

/// Version of the journal's form. Earlier ones are read as well: before version 4 they
/// say how often something was refused to plugins and not what, before version 3 it is
/// not put down what judges came to together, and in version 1 tool calls do not say
/// what they left and texts all stand in their lines.
pub const JOURNAL_VERSION: u32 = 4;

/// One agent over one chain, in one repetition: `<chain>.<trial>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RolloutId {
    /// The chain.
    pub chain: ChainId,
    /// The repetition, counted from 1.
    pub trial: u32,
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.chain, self.trial)
    }
}

/// The first record: what the journal is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the journal's form.
    pub journal: u32,
    /// Version of the program that began it.
    pub catena: String,
    /// The engine that ran the guests; version 1 does not say.
    #[serde(default)]
    pub engine: String,
    /// Which rollout.
    pub rollout: RolloutId,
    /// Digest of run file, chain file and plugins: a rollout can only be
    /// resumed under the plan it began with.
    pub plan: Digest,
    /// Digest of what was approved of the plugins, as the run file's lock file has it.
    /// Earlier programs had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Digest>,
    /// The agent was shown the answer; never exported, never ranked.
    pub control: bool,
    /// What stands between workers and the machine; earlier programs had nothing there.
    #[serde(default)]
    pub walls: Walls,
}

/// The program that goes on with a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continued {
    /// Version of the journal's form from here on.
    pub journal: u32,
    /// Version of the program.
    pub catena: String,
    /// The engine that runs the guests.
    pub engine: String,
    /// What stands between workers and the machine.
    #[serde(default)]
    pub walls: Walls,
}

/// What the answer to one model exchange was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExchangeAnswer {
    /// The model's turn.
    Reply(Reply),
    /// There was none.
    Error(ModelError),
}

/// A submission: what the agent hands in at the end of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionRecord {
    /// The tree, without what was left out.
    pub tree: TreeId,
    /// New files that ignore rules or the run's `exclude` kept out. The agent
    /// still has them.
    pub left_out: Vec<RepoPath>,
    /// Files changed since the stage began.
    pub files: u64,
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum StageOutcome {
    /// A submission reached the threshold.
    Accepted {
        /// Its score.
        score: f64,
    },
    /// No submission did.
    Rejected {
        /// The score of the last one; none where nothing was submitted.
        score: Option<f64>,
        /// Why, where it was not the score alone.
        reason: Option<String>,
    },
    /// The carry did not merge and the policy is to stop.
    Conflict,
    /// A limit of the agent was reached.
    OverBudget {
        /// Which.
        which: String,
    },
    /// A plugin failed.
    PluginFailed {
        /// Which plugin.
        plugin: String,
        /// How.
        #[serde(flatten)]
        failure: CallFailure,
    },
    /// The judge came to no verdict, or nothing could be put before it.
    NoVerdict {
        /// Why.
        reason: String,
    },
    /// Not the agent's doing: a worker that died, a model that can't be reached.
    Infrastructure {
        /// What happened.
        reason: String,
    },
}

impl StageOutcome {
    /// One word for tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Conflict => "conflict",
            Self::OverBudget { .. } => "over budget",
            Self::PluginFailed { .. } => "plugin failed",
            Self::NoVerdict { .. } => "no verdict",
            Self::Infrastructure { .. } => "infrastructure",
        }
    }

    /// Why it ended so, where there is more to say than the word.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Accepted { .. } | Self::Conflict => None,
            Self::Rejected { reason, .. } => reason.clone(),
            Self::OverBudget { which } => Some(which.clone()),
            Self::PluginFailed { plugin, failure } => Some(format!("`{plugin}` {failure}")),
            Self::NoVerdict { reason } | Self::Infrastructure { reason } => Some(reason.clone()),
        }
    }
}

/// What the judges of a round came to together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// How their scores became one; none where there is one judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combine: Option<Combine>,
    /// The score; none where they came to no verdict.
    pub score: Option<f64>,
    /// What the agent is told; none where it is not told anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

/// What an agent is told of the judges' feedback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The words.
    pub text: String,
    /// What of the reference was cut from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<Leak>,
    /// Why all of them were kept back, where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}

impl Told {
    /// All of the words.
    pub fn whole(text: &str) -> Self {
        Self { text: text.to_owned(), cut: Vec::new(), withheld: None }
    }
}

/// The limit that a round or a judge ends by when the journal has become too long.
pub(crate) const JOURNAL_LIMIT: &str = "journal";

/// How a rollout ended: as its last stage did, or accepted when all stages were.
/// A rollout that went on past a rejected stage ends as that stage did.
pub type RolloutEnd = StageOutcome;

/// One record of a journal, in the order in which things happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// The first record.
    Header(Header),
    /// A stage began.
    StageStarted {
        /// Counted from 1.
        stage: u32,
        /// Its id in the chain file.
        id: StageId,
        /// Where its tree came from.
        carry: CarryRecord,
        /// The agent's main conversation at this stage.
        conversation: ConversationId,
    },
    /// A round began.
    RoundStarted {
        /// The stage.
        stage: u32,
        /// Counted from 1.
        round: u32,
    },
    /// A model was asked and answered. The answer is here before the guest has it.
    Exchange {
        /// Whose turn it was.
        conversation: ConversationId,
        /// Digest of everything that was asked, to notice a replay that strays.
        request: Digest,
        /// What plugins changed in conversations since the record before.
        edits: Vec<(ConversationId, Edit)>,
        /// Tools offered, by digest; the definitions follow in `Tools` once.
        tools: Digest,
        /// The attempts before it that came to nothing; from version 2 on they are
        /// records of their own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed: Vec<FailedAttempt>,
        /// The answer.
        answer: ExchangeAnswer,
        /// How long it was waited for in milliseconds; version 1 does not say.
        #[serde(default)]
        wall_ms: u64,
    },
    /// An attempt at a model came to nothing. Here before the next one is waited for.
    ModelFailed(FailedAttempt),
    /// The object database did not have what a guest asked for. It is told the
    /// same for the rest of the rollout.
    ObjectFailed {
        /// The id of the object.
        object: String,
        /// What the guest was told.
        failure: ObjectFailure,
    },
    /// The definitions behind a digest of tools, before its first use.
    Tools {
        /// The digest.
        digest: Digest,
        /// The definitions.
        definitions: Vec<catena_model::ToolDefinition>,
    },
    /// Something happened in the sandbox.
    Event(Event),
    /// A command was run outside the sandbox. Its end is here before the guest is
    /// told, and it is not run again.
    Native {
        /// Digest of everything that was asked, to notice a replay that strays.
        request: Digest,
        /// The name under which it is granted.
        program: String,
        /// The command and its arguments.
        command: Vec<String>,
        /// What came of it.
        end: Box<NativeEnd>,
        /// How long it took in milliseconds, the way of its files included.
        wall_ms: u64,
    },
    /// A request was made for a plugin. Its answer is here before the guest has it, and one
    /// whose answer is here is not made again.
    Http {
        /// Digest of everything that was asked, to notice a replay that strays.
        request: Digest,
        /// The plugin or program that made it.
        plugin: String,
        /// The method.
        method: String,
        /// The address.
        address: String,
        /// Headers, with placeholders of secrets.
        headers: Vec<(String, NativeBytes)>,
        /// The body.
        body: NativeBytes,
        /// What came of it.
        end: Box<HttpEnd>,
        /// How long it took in milliseconds.
        wall_ms: u64,
    },
    /// A round of the scaffold ended.
    AttemptEnded {
        /// How.
        end: AttemptEnd,
        /// What it left.
        session: Box<SessionEnd>,
    },
    /// The agent handed in its work.
    Submitted(SubmissionRecord),
    /// A judge was heard.
    Judged {
        /// Which judge.
        judge: String,
        /// What it said.
        judged: Judged,
        /// What it told of tests.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tests: Vec<TestResult>,
        /// What it changed in conversations since its last exchange.
        edits: Vec<(ConversationId, Edit)>,
        /// What it used.
        used: BTreeMap<String, Used>,
        /// What it keeps for the next round of its stage.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<String>,
    },
    /// All judges of a round were heard.
    Settled(Settled),
    /// A stage ended.
    StageEnded {
        /// Counted from 1.
        stage: u32,
        /// How.
        #[serde(flatten)]
        outcome: StageOutcome,
        /// The tree the agent leaves behind.
        tree: TreeId,
    },
    /// The rollout ended.
    Ended(RolloutEnd),
    /// A rollout that had ended by an infrastructure failure is gone on with, as
    /// version 1 puts it down.
    Resumed,
    /// A process goes on with the rollout.
    Continued(Continued),
    /// What follows the first records that count is made again.
    Rewound {
        /// How many these are.
        to: u64,
    },
}

impl Record {
    /// Whether it is the end of a round or a judge for the length of the journal.
    pub(crate) fn tells_journal_full(&self) -> bool {
        match self {
            Self::AttemptEnded { end: AttemptEnd::Ended(Ending::LimitReached(which)), .. }
            | Self::Judged { judged: Judged::Failed(CallFailure::LimitReached(which)), .. } => {
                which == JOURNAL_LIMIT
            }
            _ => false,
        }
    }

    /// What had to be paid for all of them at a model.
    pub fn spent_by(records: &[Self]) -> Usage {
        let mut spent = Usage::default();
        for record in records {
            spent += record.spent();
        }
        spent
    }

    /// What had to be paid for it at a model.
    pub fn spent(&self) -> Usage {
        let mut spent = Usage::default();
        if let Self::ModelFailed(attempt) = self {
            spent += attempt.usage;
        }
        if let Self::Exchange { failed, answer, .. } = self {
            for attempt in failed {
                spent += attempt.usage;
            }
            if let ExchangeAnswer::Reply(reply) = answer {
                spent += reply.usage;
            }
        }
        spent
    }
}
