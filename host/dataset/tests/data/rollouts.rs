//! Rollouts as tests need them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use catena_chain::{ChainId, StageId};
use catena_dataset::canonical::{
    Agent, Conversation, History, Rollout, Said, Source, Stage, Task, Turn, VERSION,
};
use catena_dataset::{Criteria, Manifest, Order, Profile, export, manifest_path};
use catena_model::{
    AssistantMessage, ConversationId, FinishReason, Message, ToolCall, ToolDefinition, Usage,
};
use catena_plugin::{Digest, Verdict};
use catena_rollout::summary::RoundSummary;
use catena_rollout::{RolloutEnd, RolloutId, StageOutcome};
use serde_json::Value;

/// The arguments of a call, with their keys in no order and white space in them.
pub(crate) const ARGUMENTS: &str = r#"{"path": "a\nb", "command": "ls </tool_call> 'ä'"}"#;

/// Tools whose arguments have nothing in common.
pub(crate) fn tools() -> Vec<ToolDefinition> {
    let tool = |name: &str, parameters: &str| ToolDefinition {
        name: name.to_owned(),
        description: format!("The tool {name}."),
        parameters: parameters.to_owned(),
    };
    vec![
        tool(
            "bash",
            r#"{"type":"object","properties":{"path":{"type":"string"},"command":{"type":"string"}}}"#,
        ),
        tool("count", r#"{"type":"object","properties":{"numbers":{"type":"array"}}}"#),
    ]
}

/// A rollout of one stage that grows by what is said in it.
pub(crate) struct Growing {
    pub(crate) rollout: Rollout,
}

impl Growing {
    pub(crate) fn new(chain: &str, trial: u32) -> Self {
        let stage = Stage {
            stage: 1,
            id: StageId::new("pr-1").unwrap(),
            conversation: ConversationId(0),
            carry: None,
            rounds: Vec::new(),
            outcome: None,
            tree: None,
            usage: Usage::default(),
            judging_usage: Usage::default(),
            turns: 0,
            tool_calls: 0,
            wall_ms: 0,
        };
        let history = History { stage: 1, kept: 0, said: Vec::new() };
        let conversation =
            Conversation { id: ConversationId(0), forked_from: None, histories: vec![history] };
        let rollout = Rollout {
            catena_trajectory: VERSION,
            source: Source { format: "catena".into(), name: "test".into(), version: None },
            rollout: RolloutId { chain: ChainId::new(chain).unwrap(), trial },
            repository: Some("ada/notes".to_owned()),
            license: Some("MIT".to_owned()),
            agent: Agent {
                name: "scaffold-mini".to_owned(),
                version: None,
                model: "a-model".to_owned(),
                config: Value::Null,
            },
            control: false,
            chain: vec![Task {
                id: StageId::new("pr-1").unwrap(),
                pull_request: Some(1),
                base: Some("0".repeat(40)),
                merge: None,
            }],
            end: None,
            stages: vec![stage],
            conversations: vec![conversation],
            turns: Vec::new(),
            tools: BTreeMap::from([(Digest::of(b"tools"), tools())]),
            usage: Usage::default(),
            failed_attempts: 0,
            refused: BTreeMap::new(),
            extra: None,
            messages: Vec::new(),
        };
        Self { rollout }
    }

    fn round(&self) -> u32 {
        self.rollout.stages[0].rounds.last().map_or(0, |round| round.round)
    }

    fn said(&mut self, message: Message, turn: Option<usize>) {
        let (stage, round) = (1, self.round());
        self.rollout.messages.push(message);
        let message = self.rollout.messages.len() - 1;
        let histories = &mut self.rollout.conversations[0].histories;
        histories.last_mut().unwrap().said.push(Said { message, turn, stage, round });
    }

    pub(crate) fn begin_round(mut self) -> Self {
        let round = RoundSummary::begun(self.round() + 1);
        self.rollout.stages[0].rounds.push(round);
        self
    }

    pub(crate) fn system(mut self, text: &str) -> Self {
        self.said(Message::System { content: text.to_owned() }, None);
        self
    }

    pub(crate) fn user(mut self, text: &str) -> Self {
        self.said(Message::User { content: text.to_owned() }, None);
        self
    }

    pub(crate) fn tool(mut self, call_id: &str, text: &str) -> Self {
        let (call_id, content) = (call_id.to_owned(), text.to_owned());
        self.said(Message::Tool { call_id, content }, None);
        self
    }

    /// A turn of the model with these calls: id, tool and arguments.
    pub(crate) fn turn(
        mut self,
        text: &str,
        reasoning: Option<&str>,
        calls: &[(&str, &str, &str)],
    ) -> Self {
        let call = |(id, name, arguments): &(&str, &str, &str)| ToolCall {
            id: (*id).to_owned(),
            name: (*name).to_owned(),
            arguments: (*arguments).to_owned(),
        };
        let said = AssistantMessage {
            content: text.to_owned(),
            reasoning: reasoning.map(str::to_owned),
            tool_calls: calls.iter().map(call).collect(),
        };
        let index = self.rollout.turns.len();
        self.said(Message::of_model(said), Some(index));
        let usage =
            Usage { input_tokens: 100, cached_tokens: 40, output_tokens: 10, ..Usage::default() };
        self.rollout.usage += usage;
        self.rollout.turns.push(Turn {
            conversation: ConversationId(0),
            stage: 1,
            round: self.round(),
            message: self.rollout.messages.len() - 1,
            finish: FinishReason::Stop,
            usage,
            tools: Digest::of(b"tools"),
            details: None,
            calls: Vec::new(),
            time: None,
        });
        self
    }

    /// The turn that a history before another one took.
    pub(crate) fn replaced(mut self, keep: &[usize]) -> Self {
        let talk = &mut self.rollout.conversations[0];
        let old = &talk.histories.last().unwrap().said;
        let said: Vec<Said> = keep.iter().map(|at| old[*at]).collect();
        talk.histories.push(History { stage: 1, kept: said.len(), said });
        self
    }

    pub(crate) fn judged(mut self, score: f64) -> Self {
        let verdict = Verdict {
            score,
            findings: Vec::new(),
            feedback: "more".to_owned(),
            rationale: String::new(),
        };
        let stage = &mut self.rollout.stages[0];
        stage.rounds.last_mut().unwrap().verdict = Some(verdict);
        let outcome = if score >= 0.8 {
            StageOutcome::Accepted { score }
        } else {
            StageOutcome::Rejected { score: Some(score), reason: None }
        };
        stage.outcome = Some(outcome.clone());
        let end: RolloutEnd = outcome;
        self.rollout.end = Some(end);
        self
    }
}

/// A whole rollout: reasoning, text beside calls, parallel calls, feedback.
pub(crate) fn typical() -> Rollout {
    Growing::new("notes", 1)
        .begin_round()
        .system("You work in a shell.")
        .user("Count the notes.")
        .turn("I look around.", Some("where am I"), &[("c1", "bash", ARGUMENTS)])
        .tool("c1", "notes.py")
        .turn(
            "",
            None,
            &[("c2", "bash", r#"{"command":"cat"}"#), ("c3", "count", r#"{"numbers":[1,2]}"#)],
        )
        .tool("c2", "NOTES = []")
        .tool("c3", "2")
        .turn("done", None, &[])
        .judged(0.3)
        .begin_round()
        .user("The score is 0.3: more")
        .turn("done now", Some("think <again>"), &[])
        .judged(0.9)
        .rollout
}

/// A file of rollouts in the canonical form.
pub(crate) fn write(dir: &Path, rollouts: &[Rollout]) -> PathBuf {
    let path = dir.join("rollouts.jsonl");
    let lines = rollouts.iter().map(|rollout| rollout.to_line().unwrap());
    std::fs::write(&path, lines.collect::<Vec<_>>().join(&b'\n')).unwrap();
    path
}

/// An export of rollouts: the bytes of its file and its manifest, as written.
pub(crate) fn exported(rollouts: &[Rollout], profile: Profile) -> (Vec<u8>, Value) {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    export_to(dir.path(), rollouts, profile, &output, &Criteria::default());
    let manifest = std::fs::read(manifest_path(&output)).unwrap();
    (std::fs::read(&output).unwrap(), serde_json::from_slice(&manifest).unwrap())
}

pub(crate) fn export_to(
    dir: &Path,
    rollouts: &[Rollout],
    profile: Profile,
    output: &Path,
    criteria: &Criteria,
) -> Manifest {
    let sources = [write(dir, rollouts)];
    export(&Order::of(&sources, profile, output, criteria)).unwrap()
}

/// The lines of an export.
pub(crate) fn lines(rollouts: &[Rollout], profile: Profile) -> Vec<Value> {
    let (text, _) = exported(rollouts, profile);
    let text = String::from_utf8(text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
