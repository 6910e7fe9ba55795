//! The texts the model is shown, rendered from the operator's templates.

use catena_sdk::scaffold::Task;
use catena_sdk::workspace::ROOT;
use serde::Serialize;
use task_templates::{TaskView, TemplateError, Templates};

use crate::config::TemplateTexts;

/// All templates, parsed.
pub(crate) struct Texts(Templates);

/// What the templates of a task see.
#[derive(Serialize)]
struct View<'a, T> {
    #[serde(flatten)]
    task: TaskView<'a>,
    memory: &'a str,
    #[serde(flatten)]
    more: T,
}

#[derive(Serialize)]
struct NoMore {}

#[derive(Serialize)]
struct GreetingView<'a> {
    date: &'a str,
    cwd: &'static str,
    folder: &'a str,
}

#[derive(Serialize)]
struct JobView<'a> {
    prompt: &'a str,
}

#[derive(Serialize)]
struct SummaryView<'a> {
    summary: &'a str,
}

impl Texts {
    /// Parses every template of the configuration.
    pub(crate) fn parse(texts: &TemplateTexts) -> Result<Self, TemplateError> {
        let named = [
            ("system", texts.system.as_str()),
            ("greeting", &texts.greeting),
            ("greeting_reply", &texts.greeting_reply),
            ("instance", &texts.instance),
            ("feedback", &texts.feedback),
            ("next_stage", &texts.next_stage),
            ("carry_conflict", &texts.carry_conflict),
            ("sub_agent", &texts.sub_agent),
            ("resume", &texts.resume),
            ("compression", &texts.compression),
            ("summary", &texts.summary),
            ("summary_reply", &texts.summary_reply),
        ];
        Templates::parse(&named).map(Self)
    }

    /// A text about the task: `system`, `instance`, `feedback` or `next_stage`.
    pub(crate) fn of_task(
        &self,
        name: &'static str,
        task: &Task,
        memory: &str,
    ) -> Result<String, TemplateError> {
        self.about(name, task, memory, NoMore {})
    }

    /// The first message.
    pub(crate) fn greeting(
        &self,
        task: &Task,
        memory: &str,
        date: &str,
        folder: &str,
    ) -> Result<String, TemplateError> {
        self.about("greeting", task, memory, GreetingView { date, cwd: ROOT, folder })
    }

    /// A text without variables: `greeting_reply`, `resume`, `compression` or
    /// `summary_reply`.
    pub(crate) fn fixed(&self, name: &'static str) -> Result<String, TemplateError> {
        self.0.render(name, NoMore {})
    }

    /// What a sub-agent is told.
    pub(crate) fn sub_agent(&self, prompt: &str) -> Result<String, TemplateError> {
        self.0.render("sub_agent", JobView { prompt })
    }

    /// A snapshot as the model sees it.
    pub(crate) fn summary(&self, summary: &str) -> Result<String, TemplateError> {
        self.0.render("summary", SummaryView { summary })
    }

    fn about(
        &self,
        name: &'static str,
        task: &Task,
        memory: &str,
        more: impl Serialize,
    ) -> Result<String, TemplateError> {
        let carry_notice = self.0.carry_notice(&task.carry)?;
        let view = View { task: TaskView::of(task, &carry_notice), memory, more };
        self.0.render(name, view)
    }
}
