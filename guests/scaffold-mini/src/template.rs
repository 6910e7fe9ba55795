//! The texts the model is shown, rendered from the operator's templates, which
//! see what they see in mini-swe-agent and can be taken from there.

use catena_sdk::scaffold::Task;
use catena_sdk::workspace::ROOT;
use serde::Serialize;
use task_templates::{TaskView, TemplateError};

use crate::config::{Config, TemplateTexts};
use crate::observation::{Exception, Observation};
use crate::reply::FormatError;

/// All templates, parsed, and what does not change over a round.
pub(crate) struct Templates<'a> {
    parsed: task_templates::Templates,
    config: &'a Config,
    task: &'a Task,
    model_name: String,
    carry_notice: String,
}

/// How far the round is.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Progress {
    pub(crate) n_model_calls: u32,
    pub(crate) model_cost: f64,
    pub(crate) elapsed_seconds: u64,
}

/// What every template sees.
#[derive(Serialize)]
struct View<'a, T> {
    #[serde(flatten)]
    about: TaskView<'a>,
    /// The query under mini-swe-agent's name for it.
    task: &'a str,
    submit_marker: &'a str,
    mode: &'static str,
    block: &'static str,
    tool: &'a str,
    step_limit: u32,
    cost_limit: f64,
    wall_time_limit_seconds: u64,
    timeout: u64,
    model_name: &'a str,
    cwd: &'static str,
    system: &'static str,
    release: &'static str,
    version: &'static str,
    machine: &'static str,
    #[serde(flatten)]
    progress: Progress,
    #[serde(flatten)]
    more: T,
}

/// A template without variables of its own.
#[derive(Serialize)]
struct NoMore {}

#[derive(Serialize)]
struct OutputView<'a> {
    output: &'a Observation,
}

/// What version 1 shows of a command that ran out of time.
#[derive(Serialize)]
struct TimeoutView<'a> {
    output: &'a str,
    action: ActionView<'a>,
}

#[derive(Serialize)]
struct ActionView<'a> {
    action: &'a str,
    content: &'a str,
}

impl<'a> Templates<'a> {
    /// Parses every template of the configuration.
    pub(crate) fn parse(
        config: &'a Config,
        task: &'a Task,
        model_name: String,
    ) -> Result<Self, TemplateError> {
        let parsed = task_templates::Templates::parse(&named(&config.templates))?;
        let carry_notice = parsed.carry_notice(&task.carry)?;
        Ok(Self { parsed, config, task, model_name, carry_notice })
    }

    /// What the round is about.
    pub(crate) fn task(&self) -> &Task {
        self.task
    }

    /// The system message.
    pub(crate) fn system(&self, progress: Progress) -> Result<String, TemplateError> {
        self.render("system", progress, NoMore {})
    }

    /// The message that opens a conversation.
    pub(crate) fn instance(&self, progress: Progress) -> Result<String, TemplateError> {
        self.render("instance", progress, NoMore {})
    }

    /// The message that opens a further stage of a conversation.
    pub(crate) fn next_stage(&self, progress: Progress) -> Result<String, TemplateError> {
        self.render("next_stage", progress, NoMore {})
    }

    /// The message that opens a further round.
    pub(crate) fn feedback(&self, progress: Progress) -> Result<String, TemplateError> {
        self.render("feedback", progress, NoMore {})
    }

    /// What a command came to.
    pub(crate) fn observation(
        &self,
        progress: Progress,
        output: &Observation,
    ) -> Result<String, TemplateError> {
        self.render("observation", progress, OutputView { output })
    }

    /// Why a command came to no exit status.
    pub(crate) fn exception(
        &self,
        progress: Progress,
        exception: &Exception,
    ) -> Result<String, TemplateError> {
        self.render("exception", progress, exception)
    }

    /// What version 1 says of a command that ran out of time.
    pub(crate) fn timeout(
        &self,
        progress: Progress,
        output: &Observation,
        reply: &str,
    ) -> Result<String, TemplateError> {
        let action = ActionView { action: &output.action, content: reply };
        self.render("timeout", progress, TimeoutView { output: &output.output, action })
    }

    /// What was wrong with a reply.
    pub(crate) fn format_error(
        &self,
        progress: Progress,
        error: &FormatError,
    ) -> Result<String, TemplateError> {
        self.render("format_error", progress, error)
    }

    fn render(
        &self,
        name: &'static str,
        progress: Progress,
        more: impl Serialize,
    ) -> Result<String, TemplateError> {
        let config = self.config;
        let view = View {
            about: TaskView::of(self.task, &self.carry_notice),
            task: &self.task.query,
            submit_marker: &config.submit_marker,
            mode: config.mode.as_str(),
            block: config.mode.block(),
            tool: &config.tool,
            step_limit: config.step_limit,
            cost_limit: config.cost_limit,
            wall_time_limit_seconds: config.wall_time_limit_seconds,
            timeout: config.timeout_seconds,
            model_name: &self.model_name,
            cwd: ROOT,
            system: "Linux",
            release: "sandbox",
            version: "WASI 0.2",
            machine: "wasm32",
            progress,
            more,
        };
        self.parsed.render(name, view)
    }
}

fn named(texts: &TemplateTexts) -> [(&'static str, &str); 9] {
    [
        ("system", &texts.system),
        ("instance", &texts.instance),
        ("observation", &texts.observation),
        ("exception", &texts.exception),
        ("timeout", &texts.timeout),
        ("format_error", &texts.format_error),
        ("feedback", &texts.feedback),
        ("next_stage", &texts.next_stage),
        ("carry_conflict", &texts.carry_conflict),
    ]
}
