//! The texts the model is shown, rendered from the operator's templates.
//!
//! A template that does not parse, or that names something unknown, is an
//! error of the configuration: a model is never shown half a text.

use catena_sdk::scaffold::{Carry, Conflict, Task};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::config::{Config, TemplateTexts};
use crate::observation::Excerpt;

/// A template the operator has to mend.
#[derive(Debug, thiserror::Error)]
#[error("`templates.{name}`: {reason}")]
pub(crate) struct TemplateError {
    name: &'static str,
    reason: String,
}

impl TemplateError {
    fn of(name: &'static str, err: &minijinja::Error) -> Self {
        let reason = match err.line() {
            Some(line) => format!("line {line}: {err}"),
            None => err.to_string(),
        };
        Self { name, reason }
    }
}

/// All templates, parsed.
pub(crate) struct Templates {
    environment: Environment<'static>,
    submit_marker: String,
}

/// What a command came to, as its template sees it.
#[derive(Debug, Serialize)]
pub(crate) struct Observation {
    /// Exit status; absent for tools that run no commands.
    pub(crate) returncode: Option<i32>,
    /// Why there is no output of the usual kind.
    pub(crate) exception: Option<String>,
    #[serde(flatten)]
    pub(crate) excerpt: Excerpt,
    /// Bytes the tool itself had left out.
    pub(crate) omitted_bytes: u64,
}

/// What was wrong with a reply.
#[derive(Debug, Serialize)]
pub(crate) struct FormatError<'a> {
    pub(crate) error: &'a str,
    /// The model ran into the bound on its output.
    pub(crate) cut_off: bool,
    pub(crate) tools: Vec<&'a str>,
    pub(crate) submit_marker: &'a str,
}

/// A task as its templates see it.
#[derive(Serialize)]
struct TaskView<'a> {
    stage: u32,
    stages: u32,
    round: u32,
    rounds: u32,
    overview: &'a str,
    query: &'a str,
    interface: &'a [String],
    carry: &'static str,
    score: Option<f64>,
    threshold: Option<f64>,
    feedback: Option<&'a str>,
    carry_notice: String,
    submit_marker: &'a str,
}

/// A path with conflict markers as its template sees it.
#[derive(Serialize)]
struct ConflictView<'a> {
    path: &'a str,
    kind: &'a str,
}

impl Templates {
    /// Parses every template of the configuration.
    pub(crate) fn parse(config: &Config) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(syntax.build().map_err(|err| TemplateError::of("syntax", &err))?);
        for (name, source) in named(&config.templates) {
            environment
                .add_template_owned(name, source.to_owned())
                .map_err(|err| TemplateError::of(name, &err))?;
        }
        Ok(Self { environment, submit_marker: config.submit_marker.clone() })
    }

    /// The system message.
    pub(crate) fn system(&self, task: &Task) -> Result<String, TemplateError> {
        self.task_text("system", task)
    }

    /// The message that opens a conversation.
    pub(crate) fn instance(&self, task: &Task) -> Result<String, TemplateError> {
        self.task_text("instance", task)
    }

    /// The message that opens a further stage of a conversation.
    pub(crate) fn next_stage(&self, task: &Task) -> Result<String, TemplateError> {
        self.task_text("next_stage", task)
    }

    /// The message that opens a further round.
    pub(crate) fn feedback(&self, task: &Task) -> Result<String, TemplateError> {
        self.task_text("feedback", task)
    }

    /// What a command came to.
    pub(crate) fn observation(&self, observation: &Observation) -> Result<String, TemplateError> {
        self.render("observation", observation)
    }

    /// What was wrong with a reply.
    pub(crate) fn format_error(&self, error: &FormatError<'_>) -> Result<String, TemplateError> {
        self.render("format_error", error)
    }

    fn task_text(&self, name: &'static str, task: &Task) -> Result<String, TemplateError> {
        let (carry, conflicts) = describe_carry(&task.carry);
        let carry_notice = if conflicts.is_empty() {
            String::new()
        } else {
            self.render("carry_conflict", Conflicts { conflicts: &conflicts })?
        };
        let feedback = task.feedback.as_ref();
        self.render(
            name,
            TaskView {
                stage: task.stage,
                stages: task.stages,
                round: task.round,
                rounds: task.rounds,
                overview: &task.overview,
                query: &task.query,
                interface: &task.interface,
                carry,
                score: feedback.map(|given| given.score),
                threshold: feedback.map(|given| given.threshold),
                feedback: feedback.map(|given| given.text.as_str()),
                carry_notice,
                submit_marker: &self.submit_marker,
            },
        )
    }

    fn render(&self, name: &'static str, values: impl Serialize) -> Result<String, TemplateError> {
        self.environment
            .get_template(name)
            .and_then(|template| template.render(Serde(values)))
            .map(|text| text.trim_end().to_owned())
            .map_err(|err| TemplateError::of(name, &err))
    }
}

/// What the carry template is given.
#[derive(Serialize)]
struct Conflicts<'a> {
    conflicts: &'a [ConflictView<'a>],
}

fn named(texts: &TemplateTexts) -> [(&'static str, &str); 7] {
    [
        ("system", &texts.system),
        ("instance", &texts.instance),
        ("observation", &texts.observation),
        ("format_error", &texts.format_error),
        ("feedback", &texts.feedback),
        ("next_stage", &texts.next_stage),
        ("carry_conflict", &texts.carry_conflict),
    ]
}

fn describe_carry(carry: &Carry) -> (&'static str, Vec<ConflictView<'_>>) {
    match carry {
        Carry::Fresh => ("fresh", Vec::new()),
        Carry::Clean => ("clean", Vec::new()),
        Carry::Merged => ("merged", Vec::new()),
        Carry::Conflicted(conflicts) => ("conflicted", conflicts.iter().map(view).collect()),
    }
}

fn view(conflict: &Conflict) -> ConflictView<'_> {
    ConflictView { path: &conflict.path, kind: &conflict.kind }
}
