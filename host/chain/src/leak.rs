//! What of a query gives the answer away, and what of the code before a stage
//! does.
//!
//! [`Answer`] is what a stage's reference patch brings that the code before it
//! has nowhere: [`Answer::check`] looks for it in a text, whoever wrote that.
//! Names that the stage's own tests use are its interface: an agent has to be
//! told them, and they pass. [`Vocabulary`] knows what words a tree has, and can
//! be shared by all chains of one repository.

use catena_tree::{ObjectError, Objects, TreeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod answer;
mod change;
mod check;
mod code;
mod files;
mod marks;
mod said;
mod vocabulary;
mod words;

use crate::chain::{Chain, Stage};
use crate::id::StageId;

pub use answer::{Answer, Suspicion, SuspicionKind, is_test_path};
pub use check::MAX_EXCERPT;
pub use vocabulary::Vocabulary;

/// Words of a query or overview that give something of the answer away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    /// What they are.
    pub kind: LeakKind,
    /// The words as they stand in the text, cut to 80 characters.
    pub excerpt: String,
}

/// What can give an answer away.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum LeakKind {
    /// A name that the patch introduces and no test of the stage uses.
    Identifier,
    /// A text in quotes that the patch introduces.
    StringLiteral,
    /// A file that the patch creates.
    FileName,
    /// A number by which a pull request or an issue is looked up.
    PullRequestNumber,
    /// The id of a commit.
    CommitId,
    /// An address.
    Url,
    /// Who wrote the patch, or somebody else who is named with an `@`.
    Author,
    /// Many words in a row that the patch adds in the same order.
    PatchText,
}

impl LeakKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Identifier,
        Self::StringLiteral,
        Self::FileName,
        Self::PullRequestNumber,
        Self::CommitId,
        Self::Url,
        Self::Author,
        Self::PatchText,
    ];
}

impl std::fmt::Display for LeakKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Identifier => "identifier",
            Self::StringLiteral => "string-literal",
            Self::FileName => "file-name",
            Self::PullRequestNumber => "pull-request-number",
            Self::CommitId => "commit-id",
            Self::Url => "url",
            Self::Author => "author",
            Self::PatchText => "patch-text",
        })
    }
}

/// Files that agents have beside the code, such as the packages of a program.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// What stands before a path of theirs.
    pub place: &'a str,
    /// Where they are kept.
    pub objects: &'a dyn Objects,
    /// Their tree.
    pub tree: TreeId,
}

/// What was found in a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What gives something away, sorted, each once.
    pub leaks: Vec<Leak>,
    /// Names of the stage's interface that the text tells, which is allowed.
    pub told: Vec<String>,
}

/// What was found in the texts of a chain and in the code before its stages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainFindings {
    /// What the overview gives away of any stage.
    pub overview: Vec<Leak>,
    /// One for each stage.
    pub stages: Vec<StageFindings>,
}

/// What was found in the query of a stage and in the code before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageFindings {
    /// The stage.
    pub stage: StageId,
    /// What its query gives away, and what it may tell.
    pub query: Findings,
    /// What was declared, and other names that its tests use.
    pub interface: Vec<String>,
    /// What the code before it should not have yet.
    pub suspicions: Vec<Suspicion>,
}

impl Chain {
    /// What each stage gives away, with the names that its `interface` allows.
    /// `objects` are those of the repository the chain is of, and so is `vocabulary`;
    /// contents that are missing are passed over.
    pub fn answers(
        &self,
        objects: &dyn Objects,
        vocabulary: &mut Vocabulary,
    ) -> Result<Vec<Answer>, ObjectError> {
        let answer = |position| Answer::of_stage(objects, vocabulary, self, position);
        self.each_answer(answer)
    }

    /// Looks through the texts of the chain, as they are now, the code before its
    /// stages, and what agents have beside it. Costs half of what [`Chain::answers`]
    /// does, which can be asked about other texts too.
    pub fn look_through(
        &self,
        objects: &dyn Objects,
        vocabulary: &mut Vocabulary,
        beside: &[Beside<'_>],
    ) -> Result<ChainFindings, ObjectError> {
        let answer = |position| Answer::of_own_texts(objects, vocabulary, self, position, beside);
        Ok(self.find_leaks(&self.each_answer(answer)?))
    }

    fn each_answer(
        &self,
        mut answer: impl FnMut(usize) -> Result<Answer, ObjectError>,
    ) -> Result<Vec<Answer>, ObjectError> {
        let declared = |(position, stage): (usize, &Stage)| {
            let mut answer = answer(position)?;
            answer.declare(&stage.interface);
            Ok(answer)
        };
        self.stages.iter().enumerate().map(declared).collect()
    }

    /// Looks through the texts of the chain and the code before its stages.
    /// `answers` are those of the same chain.
    pub fn find_leaks(&self, answers: &[Answer]) -> ChainFindings {
        let mut overview: Vec<Leak> =
            answers.iter().flat_map(|answer| answer.check(&self.overview).leaks).collect();
        overview.sort();
        overview.dedup();
        let stage = |(stage, answer): (&Stage, &Answer)| StageFindings {
            stage: stage.id.clone(),
            query: answer.check(&stage.query),
            interface: stage.interface.iter().chain(answer.interface()).cloned().collect(),
            suspicions: answer.suspicions().to_vec(),
        };
        ChainFindings { overview, stages: self.stages.iter().zip(answers).map(stage).collect() }
    }

    /// Writes into the chain what its stages' tests use and what its texts still
    /// give away.
    pub fn mark(&mut self, found: &ChainFindings) {
        self.leaks.clone_from(&found.overview);
        for (stage, found) in self.stages.iter_mut().zip(&found.stages) {
            stage.interface.clone_from(&found.interface);
            stage.leaks.clone_from(&found.query.leaks);
        }
    }
}
