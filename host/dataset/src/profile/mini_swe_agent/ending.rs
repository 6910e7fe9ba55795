//! How a conversation ended, in mini-swe-agent's words.

use catena_model::ModelError;
use catena_plugin::{AttemptEnd, Ending as ScaffoldEnding};

use super::{Main, with_line_feeds};
use crate::canonical::Rollout;

/// The last thing in a trajectory.
pub(super) struct Ending {
    /// `Submitted`, `LimitsExceeded` and so on.
    pub(super) status: String,
    /// The content of the last message.
    pub(super) content: String,
    /// What the agent printed when it submitted.
    pub(super) submission: String,
}

impl Ending {
    /// Of the last round of the conversation; none where it goes on.
    pub(super) fn of(main: &Main<'_>, rollout: &Rollout) -> Option<Self> {
        let round = main.stages.last()?.rounds.last()?;
        let end = round.end.as_ref()?;
        if let AttemptEnd::Ended(ScaffoldEnding::Submitted) = end {
            let submission = submission(main, rollout).unwrap_or_default();
            let status = "Submitted".to_owned();
            return Some(Self { status, content: submission.clone(), submission });
        }
        let (status, content) = without_submission(end);
        Some(Self { status, content, submission: String::new() })
    }
}

/// The status and the last message. Where mini-swe-agent names an exception it
/// is that of the library it calls models with.
fn without_submission(end: &AttemptEnd) -> (String, String) {
    let named = |status: &str| (status.to_owned(), status.to_owned());
    let exception = |status: &str, why: &str| (status.to_owned(), why.to_owned());
    match end {
        AttemptEnd::Ended(ScaffoldEnding::Submitted) => named("Submitted"),
        AttemptEnd::Ended(ScaffoldEnding::LimitReached(which)) if which == "time" => {
            named("TimeExceeded")
        }
        AttemptEnd::Ended(ScaffoldEnding::LimitReached(_))
        | AttemptEnd::Model(ModelError::BudgetExhausted(_)) => named("LimitsExceeded"),
        AttemptEnd::Ended(ScaffoldEnding::GaveUp(why)) if why == "repeated-format-error" => {
            named("RepeatedFormatError")
        }
        AttemptEnd::Ended(ScaffoldEnding::GaveUp(why)) => exception("GaveUp", why),
        AttemptEnd::Ended(ScaffoldEnding::Other(how)) => exception("Other", how),
        AttemptEnd::Model(err) => exception(exception_of(err), &err.to_string()),
        AttemptEnd::Errored(why) => exception("ScaffoldError", why),
        AttemptEnd::NotSetUp { command, told } => {
            exception("NotSetUp", &format!("`{command}`: {told}"))
        }
        AttemptEnd::Failed { plugin, failure } => {
            exception("PluginFailed", &format!("`{plugin}` {failure}"))
        }
    }
}

fn exception_of(err: &ModelError) -> &'static str {
    match err {
        ModelError::ContextTooLong(_) => "ContextWindowExceededError",
        ModelError::InvalidRequest(_) => "BadRequestError",
        ModelError::Unavailable(_) => "ServiceUnavailableError",
        ModelError::BudgetExhausted(_) => "LimitsExceeded",
        ModelError::Refused(_) | ModelError::Other(_) => "APIError",
    }
}

/// The output of the last command without its first line that is not blank,
/// which is the marker.
fn submission(main: &Main<'_>, rollout: &Rollout) -> Option<String> {
    let history = main.talk.histories.last()?;
    let last = history.said.iter().rev().find_map(|said| said.turn)?;
    let turn = rollout.turns.get(last)?;
    let output = with_line_feeds(rollout.output(turn.calls.last()?)?);
    let after_marker = output.trim_start().split_once('\n').map_or("", |(_, rest)| rest);
    Some(after_marker.to_owned())
}
