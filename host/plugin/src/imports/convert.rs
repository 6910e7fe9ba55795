//! Conversions between the generated types and our own that more than one
//! interface needs.

use catena_model::{ModelError, ToolCall, ToolDefinition, Usage};

use crate::bindings::control::catena::plugin::model as wit_model;
use crate::bindings::control::catena::plugin::types as wit;
use crate::bindings::control::exports::catena::plugin::scaffold as wit_scaffold;
use crate::bindings::judge::exports::catena::plugin::judge as wit_judge;
use crate::bindings::writer::exports::catena::plugin::writer as wit_writer;
use crate::bounded::reason;
use crate::call::{AttemptEnd, CallFailure, Judged, Written};
use crate::task::{Carry, ChainBrief, Ending, Finding, Queries, Submission, Task, Verdict};

pub(crate) fn usage_to_wit(usage: Usage) -> wit::Usage {
    wit::Usage {
        input_tokens: usage.input_tokens,
        cached_tokens: usage.cached_tokens,
        output_tokens: usage.output_tokens,
        cost_microusd: usage.cost_microusd,
    }
}

pub(crate) fn definition_from_wit(definition: wit::ToolDefinition) -> ToolDefinition {
    ToolDefinition {
        name: definition.name,
        description: definition.description,
        parameters: definition.parameters,
    }
}

pub(crate) fn call_to_wit(call: &ToolCall) -> wit::ToolCall {
    wit::ToolCall {
        id: call.id.clone(),
        name: call.name.clone(),
        arguments: call.arguments.clone(),
    }
}

pub(crate) fn task_to_wit(task: &Task) -> wit_scaffold::Task {
    wit_scaffold::Task {
        stage: task.stage,
        stages: task.stages,
        round: task.round,
        rounds: task.rounds,
        overview: task.overview.clone(),
        query: task.query.clone(),
        interface: task.interface.clone(),
        carry: carry_to_wit(&task.carry),
        feedback: task.feedback.as_ref().map(|feedback| wit_scaffold::Feedback {
            score: feedback.score,
            threshold: feedback.threshold,
            text: feedback.text.clone(),
        }),
    }
}

fn carry_to_wit(carry: &Carry) -> wit_scaffold::Carry {
    match carry {
        Carry::Fresh => wit_scaffold::Carry::Fresh,
        Carry::Clean => wit_scaffold::Carry::Clean,
        Carry::Merged => wit_scaffold::Carry::Merged,
        Carry::Conflicted(conflicts) => {
            let conflict = |(path, kind): &(catena_tree::RepoPath, String)| {
                let path = path.as_bstr().to_string();
                wit_scaffold::Conflict { path, kind: kind.clone() }
            };
            wit_scaffold::Carry::Conflicted(conflicts.iter().map(conflict).collect())
        }
    }
}

pub(crate) fn ending_from_wit(
    answer: Result<wit_scaffold::Ending, wit_scaffold::ScaffoldError>,
) -> AttemptEnd {
    match answer {
        Ok(wit_scaffold::Ending::Submitted) => AttemptEnd::Ended(Ending::Submitted),
        Ok(wit_scaffold::Ending::LimitReached(which)) => {
            AttemptEnd::Ended(Ending::LimitReached(reason(which)))
        }
        Ok(wit_scaffold::Ending::GaveUp(why)) => AttemptEnd::Ended(Ending::GaveUp(reason(why))),
        Ok(wit_scaffold::Ending::Other(how)) => AttemptEnd::Ended(Ending::Other(reason(how))),
        Err(wit_scaffold::ScaffoldError::Model(err)) => match model_error_from_wit(err) {
            Some(err) => AttemptEnd::Model(err),
            None => AttemptEnd::Errored("the scaffold has no `model` grant".to_owned()),
        },
        Err(wit_scaffold::ScaffoldError::InvalidConfig(why)) => {
            AttemptEnd::Errored(reason(format!("invalid configuration: {why}")))
        }
        Err(wit_scaffold::ScaffoldError::Other(why)) => AttemptEnd::Errored(reason(why)),
    }
}

/// `None` where the right is missing, which is no error of the model.
fn model_error_from_wit(err: wit_model::ModelError) -> Option<ModelError> {
    Some(match err {
        wit_model::ModelError::NotGranted => return None,
        wit_model::ModelError::BudgetExhausted(which) => ModelError::BudgetExhausted(which),
        wit_model::ModelError::ContextTooLong(why) => ModelError::ContextTooLong(why),
        wit_model::ModelError::InvalidRequest(why) => ModelError::InvalidRequest(why),
        wit_model::ModelError::Refused(why) => ModelError::Refused(why),
        wit_model::ModelError::Unavailable(why) => ModelError::Unavailable(why),
        wit_model::ModelError::Other(why) => ModelError::Other(why),
    })
}

pub(crate) fn submission_to_wit(submission: &Submission) -> wit_judge::Submission {
    wit_judge::Submission {
        stage: submission.stage,
        stages: submission.stages,
        overview: submission.overview.clone(),
        query: submission.query.clone(),
        candidate_patch: submission.candidate_patch.clone(),
        reference_patch: submission.reference_patch.clone(),
    }
}

/// A score outside 0 to 1 says nothing, so it is no verdict.
pub(crate) fn verdict_from_wit(
    answer: Result<wit_judge::Verdict, wit_judge::JudgeError>,
) -> Judged {
    match answer {
        Ok(verdict) if (0.0..=1.0).contains(&verdict.score) => {
            let verdict = Verdict {
                score: verdict.score,
                findings: verdict.findings.into_iter().map(finding_from_wit).collect(),
                feedback: verdict.feedback,
                rationale: verdict.rationale,
            };
            Judged::Verdict(verdict.bounded())
        }
        Ok(verdict) => Judged::NoVerdict(format!(
            "the judge gave the score {}, which is not between 0 and 1",
            verdict.score
        )),
        Err(wit_judge::JudgeError::InvalidConfig(why)) => {
            Judged::Failed(CallFailure::Contract(reason(format!("invalid configuration: {why}"))))
        }
        Err(wit_judge::JudgeError::NoVerdict(why) | wit_judge::JudgeError::Other(why)) => {
            Judged::NoVerdict(reason(why))
        }
    }
}

pub(crate) fn chain_to_wit(chain: &ChainBrief) -> wit_writer::ChainBrief {
    let stages = chain.stages.iter().map(|stage| wit_writer::StageBrief {
        title: stage.title.clone(),
        body: stage.body.clone(),
        commit_messages: stage.commit_messages.clone(),
        reference_patch: stage.reference_patch.clone(),
        interface: stage.interface.clone(),
    });
    let leaks = chain.leaks.iter().map(|leak| wit_writer::Leak {
        stage: leak.stage,
        kind: leak.kind.clone(),
        excerpt: leak.excerpt.clone(),
    });
    wit_writer::ChainBrief {
        repository: chain.repository.clone(),
        stages: stages.collect(),
        leaks: leaks.collect(),
    }
}

/// Another number of queries than of stages is a breach of the contract.
pub(crate) fn queries_from_wit(
    stages: usize,
    answer: Result<wit_writer::Queries, wit_writer::WriterError>,
) -> Written {
    match answer {
        Ok(queries) if queries.stages.len() == stages => {
            Written::Queries(Queries { overview: queries.overview, stages: queries.stages })
        }
        Ok(queries) => Written::Failed(CallFailure::Contract(format!(
            "the writer wrote {} queries for {stages} stages",
            queries.stages.len()
        ))),
        Err(wit_writer::WriterError::InvalidConfig(why)) => {
            Written::Failed(CallFailure::Contract(format!("invalid configuration: {why}")))
        }
        Err(wit_writer::WriterError::NoQueries(why) | wit_writer::WriterError::Other(why)) => {
            Written::NoQueries(why)
        }
    }
}

fn finding_from_wit(finding: wit_judge::Finding) -> Finding {
    Finding { category: finding.category, path: finding.path, text: finding.text }
}
