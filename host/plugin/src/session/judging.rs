//! A judge's session: three sealed trees, snapshots of the same names, and, where
//! it is granted, a worktree of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex};

use catena_model::{ConversationId, ModelInfo};
use catena_tree::TreeId;
use serde::{Deserialize, Serialize};

use super::{Session, SessionStart, lock};
use crate::judging::{JudgeBrief, TestResult};
use crate::outside::Outside;

/// What a judge's session begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeStart {
    /// The tree the stage began with, mounted at `/base`.
    pub base: TreeId,
    /// The submission, mounted at `/candidate`.
    pub candidate: TreeId,
    /// The human tree, mounted at `/reference`.
    pub reference: TreeId,
    /// What the human patch was made on.
    pub upstream: TreeId,
    /// What the run file says about judging.
    pub setting: JudgeSetting,
    /// What else it may know.
    pub brief: JudgeBrief,
    /// What this judge kept in an earlier round of the stage.
    pub kept: Option<String>,
    /// The model, where the run gives one.
    pub model: Option<ModelInfo>,
    /// Unix time at which the logical clock starts.
    pub time: i64,
    /// Seed of the judge's random numbers.
    pub seed: u64,
    /// The first id for conversations that the judge opens.
    pub next_conversation: u32,
}

/// What the run file says about judging.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct JudgeSetting {
    /// Score from which a submission is accepted.
    pub threshold: f64,
    /// How a judge runs tests in the repository.
    pub test_command: Option<String>,
}

/// What a judge may ask, and what it keeps.
#[derive(Default)]
pub(crate) struct Judging {
    pub(crate) setting: JudgeSetting,
    pub(crate) brief: JudgeBrief,
    /// What it tells of tests.
    pub(crate) tests: Mutex<Vec<TestResult>>,
    pub(crate) kept: Mutex<Option<String>>,
}

impl JudgeStart {
    /// What it means for a session.
    pub fn as_session_start(&self) -> SessionStart {
        let snapshots = [
            ("base", self.base),
            ("candidate", self.candidate),
            ("reference", self.reference),
            ("upstream", self.upstream),
        ];
        let snapshots = snapshots.map(|(name, tree)| (name.to_owned(), tree));
        SessionStart {
            stage_start: self.base,
            snapshots: BTreeMap::from(snapshots),
            conversation: ConversationId(self.next_conversation),
            next_conversation: self.next_conversation,
            model: self.model.clone(),
            time: self.time,
            seed: self.seed,
            ..SessionStart::on(TreeId::EMPTY)
        }
    }
}

impl Session {
    /// A session for a judge, with an empty file for what is too much for memory.
    pub fn for_judge(outside: Arc<dyn Outside>, start: &JudgeStart, file: Option<File>) -> Self {
        let mut session = Self::with_spill(outside, start.as_session_start(), Vec::new(), file);
        session.sealed = vec![
            ("/base", session.sealed_worktree(start.base)),
            ("/candidate", session.sealed_worktree(start.candidate)),
            ("/reference", session.sealed_worktree(start.reference)),
        ];
        session.judging = Judging {
            setting: start.setting.clone(),
            brief: start.brief.clone(),
            tests: Mutex::default(),
            kept: Mutex::new(start.kept.clone()),
        };
        session
    }

    /// What the judge told of tests.
    pub fn tests(&self) -> Vec<TestResult> {
        lock(&self.judging.tests).clone()
    }

    /// What the judge keeps for the next round of its stage.
    pub fn kept(&self) -> Option<String> {
        lock(&self.judging.kept).clone()
    }
}
