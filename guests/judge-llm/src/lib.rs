#![doc = include_str!("../README.md")]

mod answer;
mod config;
mod fence;
mod material;
mod samples;
mod shown;

use catena_sdk::judge::{Finding, JudgeError, Submission, Verdict};
use catena_sdk::model::{CompletionRequest, Conversation, FinishReason, Message};
use catena_sdk::{Judge, export_judge, judging, log};
use task_templates::{RetryView, Templates};

use crate::answer::Answer;
use crate::config::Config;
use crate::material::TaskView;

struct Llm;

impl Judge for Llm {
    fn evaluate(submission: Submission) -> Result<Verdict, JudgeError> {
        let config: Config = catena_sdk::config::read()?;
        if submission.candidate_patch.is_empty() && !submission.reference_patch.is_empty() {
            return Ok(nothing_changed());
        }
        let templates = config.templates()?;
        let view = TaskView::of(&submission, &judging::interface(), &judging::tests(), &config);
        let opening = Conversation::open()?;
        for (name, message) in
            [("system", Message::System as fn(String) -> Message), ("task", Message::User)]
        {
            let text = templates.render(name, &view)?;
            opening.push(&message(text));
        }
        let asking = Asking { config: &config, templates: &templates, opening };
        let threshold = judging::describe().threshold;
        let first = asking.answer(config.temperature)?.map_err(JudgeError::NoVerdict)?;
        let mut answers = vec![first];
        if samples::is_close(&answers, threshold, config.margin) {
            for _ in 1..config.samples {
                match asking.answer(config.resample_temperature)? {
                    Ok(answer) => answers.push(answer),
                    Err(why) => log::warn!("a further verdict is left out: {why}"),
                }
            }
        }
        samples::verdict(answers).ok_or_else(|| JudgeError::NoVerdict("no verdict".to_owned()))
    }
}

export_judge!(Llm);

/// The model with all that it is to judge.
struct Asking<'a> {
    config: &'a Config,
    templates: &'a Templates,
    opening: Conversation,
}

impl Asking<'_> {
    /// One answer, in a conversation of its own. The inner error says why the model's
    /// replies can't be read.
    fn answer(&self, temperature: Option<f64>) -> Result<Result<Answer, String>, JudgeError> {
        let conversation = self.opening.fork();
        let request = CompletionRequest {
            temperature,
            max_output_tokens: Some(self.config.max_output_tokens).filter(|most| *most > 0),
            ..CompletionRequest::default()
        };
        let mut error = String::new();
        for attempt in 0..self.config.attempts {
            if attempt > 0 {
                let view = RetryView { error: &error };
                let retry = self.templates.render("retry", view)?;
                conversation.push(&Message::User(retry));
            }
            let reply = conversation.complete(&request)?;
            error = match answer::parse(&reply.message.content) {
                Ok(answer) => return Ok(Ok(answer)),
                Err(_) if reply.finish == FinishReason::Length => {
                    "it was cut off at the limit of its length".to_owned()
                }
                Err(error) => error,
            };
        }
        let attempts = self.config.attempts;
        Ok(Err(format!("none of {attempts} replies could be read; of the last one {error}")))
    }
}

fn nothing_changed() -> Verdict {
    Verdict {
        score: 0.0,
        findings: vec![Finding {
            category: "incomplete".to_owned(),
            path: None,
            text: "nothing was changed".to_owned(),
        }],
        feedback: "Nothing was changed.".to_owned(),
        rationale: "the submission is empty; the model was not asked".to_owned(),
    }
}
