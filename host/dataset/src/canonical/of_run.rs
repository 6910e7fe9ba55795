//! Rollouts of a run in the canonical form, one journal at a time.

use std::collections::HashMap;

use catena_chain::{Chain, ChainFile};
use catena_model::Message;
use catena_rollout::history;
use catena_rollout::run::Planned;
use catena_rollout::run_file::ModelChoice;
use catena_rollout::{RolloutSummary, RunFile, StageSummary};

use super::{
    Agent, Called, Conversation, History, Output, Rollout, Said, Source, Stage, Task, Turn, VERSION,
};

/// A rollout as its journal tells it.
pub(crate) fn rollout(summary: &RolloutSummary, planned: &Planned) -> Rollout {
    let mut messages = Messages::default();
    let conversations = conversations(summary, &mut messages);
    let turns = turns(summary, &mut messages);
    let chain = planned.chains.chains.iter().find(|chain| chain.id == summary.rollout.chain);
    Rollout {
        catena_trajectory: VERSION,
        source: Source {
            format: "catena".to_owned(),
            name: planned.file.name.clone(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        },
        rollout: summary.rollout.clone(),
        repository: Some(repository(&planned.chains)),
        license: planned.chains.repository.license.clone(),
        agent: agent(planned),
        control: summary.control,
        chain: chain.map(tasks).unwrap_or_default(),
        end: summary.end.clone(),
        stages: summary.stages.iter().map(stage).collect(),
        conversations,
        turns,
        tools: summary.histories.tools().clone(),
        usage: summary.usage,
        failed_attempts: summary.failed_attempts,
        refused: summary.refused.clone(),
        extra: None,
        messages: messages.all.into_iter().cloned().collect(),
    }
}

fn repository(chains: &ChainFile) -> String {
    chains.repository.name.as_str().to_owned()
}

fn agent(planned: &Planned) -> Agent {
    let scaffold = planned.scaffold();
    Agent {
        name: scaffold.map_or_else(String::new, |(name, _)| name.to_owned()),
        version: scaffold.map(|(_, plugin)| plugin.component.to_string()),
        model: model_name(&planned.file),
        config: scaffold.map(|(_, plugin)| plugin.config.clone()).unwrap_or_default(),
    }
}

/// The name of the scaffold's model, as far as the run file has one.
fn model_name(file: &RunFile) -> String {
    match (&file.scaffold.model, &file.model) {
        (Some(name), _) | (None, Some(ModelChoice::Named(name))) => name.clone(),
        (None, Some(ModelChoice::Here(model))) => model.info().name,
        (None, None) => String::new(),
    }
}

fn tasks(chain: &Chain) -> Vec<Task> {
    chain.stages.iter().map(task).collect()
}

/// A stage of a chain file as a task.
pub(crate) fn task(stage: &catena_chain::Stage) -> Task {
    Task {
        id: stage.id.clone(),
        pull_request: stage.pull_request.as_ref().map(|request| request.number),
        base: Some(stage.base.commit.to_string()),
        merge: Some(stage.merge.to_string()),
    }
}

fn stage(summary: &StageSummary) -> Stage {
    Stage {
        stage: summary.stage,
        id: summary.id.clone(),
        conversation: summary.conversation,
        carry: Some(summary.carry.clone()),
        rounds: summary.rounds.clone(),
        outcome: summary.outcome.clone(),
        tree: summary.tree,
        usage: summary.usage,
        judging_usage: summary.judging_usage,
        turns: summary.turns,
        tool_calls: summary.tool_calls,
        wall_ms: summary.wall_ms,
    }
}

/// The messages of a rollout, each once.
#[derive(Default)]
struct Messages<'a> {
    all: Vec<&'a Message>,
    known: HashMap<&'a Message, usize>,
}

impl<'a> Messages<'a> {
    fn position(&mut self, message: &'a Message) -> usize {
        *self.known.entry(message).or_insert_with(|| {
            self.all.push(message);
            self.all.len() - 1
        })
    }
}

fn conversations<'a>(
    summary: &'a RolloutSummary,
    messages: &mut Messages<'a>,
) -> Vec<Conversation> {
    let mut conversations = Vec::new();
    for (id, strand) in summary.histories.strands() {
        let mut histories = Vec::new();
        for history in strand.histories() {
            let said = history.said.iter().map(|said| said_of(said, messages)).collect();
            histories.push(History { stage: history.stage, kept: history.kept, said });
        }
        conversations.push(Conversation { id: *id, forked_from: strand.forked_from, histories });
    }
    conversations
}

fn said_of<'a>(said: &'a history::Said, messages: &mut Messages<'a>) -> Said {
    Said {
        message: messages.position(&said.message),
        turn: said.turn,
        stage: said.stage,
        round: said.round,
    }
}

fn turns<'a>(summary: &'a RolloutSummary, messages: &mut Messages<'a>) -> Vec<Turn> {
    let mut turns = Vec::new();
    for turn in summary.histories.turns() {
        let message = messages.position(&turn.reply);
        turns.push(Turn {
            conversation: turn.conversation,
            stage: turn.stage,
            round: turn.round,
            message,
            finish: turn.finish.clone(),
            usage: turn.usage,
            tools: turn.tools,
            details: turn.details.clone(),
            calls: turn.calls.iter().map(|called| called_of(called, messages)).collect(),
            time: None,
        });
    }
    turns
}

fn called_of(called: &history::Called, messages: &Messages<'_>) -> Called {
    let output = called.output.as_ref().map(|output| {
        let (call_id, content) = (called.call_id.clone(), output.clone());
        let shown = messages.known.get(&Message::Tool { call_id, content });
        shown.map_or_else(|| Output::Text(output.clone()), |at| Output::SameAs(*at))
    });
    Called {
        call_id: called.call_id.clone(),
        plugin: Some(called.plugin.clone()),
        outcome: called.outcome.clone(),
        exit_status: called.exit_status,
        output,
        wall_us: Some(called.wall_us),
        tree: Some(called.tree),
    }
}
