//! Templates of Jinja2 that the operator configures, and what all of them see of
//! a task.
//!
//! A template means here what it means to Jinja2 with Python's defaults. One
//! that does not parse, or that names something unknown, is an error of the
//! configuration: a model is never shown half a text.

use std::fmt::Write as _;

use catena_sdk::judge::JudgeError;
use catena_sdk::scaffold::{Carry, Conflict, ScaffoldError, Task};
use catena_sdk::writer::WriterError;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, UndefinedBehavior, Value, filters};
use serde::{Deserialize, Serialize};

/// A template the operator has to mend.
#[derive(Debug, thiserror::Error)]
#[error("`templates.{name}`: {reason}")]
pub struct TemplateError {
    name: &'static str,
    reason: String,
}

impl TemplateError {
    fn of(name: &'static str, err: &Error) -> Self {
        let reason = match err.line() {
            Some(line) => format!("line {line}: {err}"),
            None => err.to_string(),
        };
        Self { name, reason }
    }
}

impl From<TemplateError> for ScaffoldError {
    fn from(err: TemplateError) -> Self {
        Self::InvalidConfig(err.to_string())
    }
}

impl From<TemplateError> for JudgeError {
    fn from(err: TemplateError) -> Self {
        Self::InvalidConfig(err.to_string())
    }
}

impl From<TemplateError> for WriterError {
    fn from(err: TemplateError) -> Self {
        Self::InvalidConfig(err.to_string())
    }
}

/// The texts by which a plugin asks a model for an answer of some form, and asks again
/// where it had another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questions {
    system: String,
    task: String,
    retry: String,
}

impl Questions {
    /// Parses them under their names.
    pub fn templates(&self) -> Result<Templates, TemplateError> {
        let Self { system, task, retry } = self;
        Templates::parse(&[("system", system), ("task", task), ("retry", retry)])
    }
}

/// What `retry` sees.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RetryView<'a> {
    /// What was wrong with the answer before.
    pub error: &'a str,
}

/// Parsed templates.
pub struct Templates(Environment<'static>);

impl Templates {
    /// Parses templates, which come with their names.
    pub fn parse(texts: &[(&'static str, &str)]) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("tojson", to_json);
        for (name, source) in texts {
            environment
                .add_template_owned(*name, (*source).to_owned())
                .map_err(|err| TemplateError::of(name, &err))?;
        }
        Ok(Self(environment))
    }

    /// Fills a template in.
    pub fn render(
        &self,
        name: &'static str,
        values: impl Serialize,
    ) -> Result<String, TemplateError> {
        self.0
            .get_template(name)
            .and_then(|template| template.render(Serde(values)))
            .map_err(|err| TemplateError::of(name, &err))
    }

    /// What `carry_conflict` says of paths that did not merge; nothing where all did.
    pub fn carry_notice(&self, carry: &Carry) -> Result<String, TemplateError> {
        let Carry::Conflicted(conflicts) = carry else { return Ok(String::new()) };
        let conflicts: Vec<_> = conflicts.iter().map(ConflictView::of).collect();
        if conflicts.is_empty() {
            return Ok(String::new());
        }
        self.render("carry_conflict", ConflictsView { conflicts: &conflicts })
    }
}

/// A task as templates see it.
#[derive(Clone, Copy, Serialize)]
pub struct TaskView<'a> {
    stage: u32,
    stages: u32,
    round: u32,
    rounds: u32,
    overview: &'a str,
    query: &'a str,
    interface: &'a [String],
    carry: &'static str,
    carry_notice: &'a str,
    score: Option<f64>,
    threshold: Option<f64>,
    feedback: Option<&'a str>,
}

impl<'a> TaskView<'a> {
    /// The task, with what [`Templates::carry_notice`] says of its carry.
    pub fn of(task: &'a Task, carry_notice: &'a str) -> Self {
        let feedback = task.feedback.as_ref();
        Self {
            stage: task.stage,
            stages: task.stages,
            round: task.round,
            rounds: task.rounds,
            overview: &task.overview,
            query: &task.query,
            interface: &task.interface,
            carry: match task.carry {
                Carry::Fresh => "fresh",
                Carry::Clean => "clean",
                Carry::Merged => "merged",
                Carry::Conflicted(_) => "conflicted",
            },
            carry_notice,
            score: feedback.map(|given| given.score),
            threshold: feedback.map(|given| given.threshold),
            feedback: feedback.map(|given| given.text.as_str()),
        }
    }
}

#[derive(Serialize)]
struct ConflictsView<'a> {
    conflicts: &'a [ConflictView<'a>],
}

/// A path with conflict markers.
#[derive(Serialize)]
struct ConflictView<'a> {
    path: &'a str,
    kind: &'a str,
}

impl<'a> ConflictView<'a> {
    fn of(conflict: &'a Conflict) -> Self {
        Self { path: &conflict.path, kind: &conflict.kind }
    }
}

/// JSON as Python writes it: ASCII alone.
fn to_json(value: &Value, indent: Option<Value>, args: Kwargs) -> Result<Value, Error> {
    let json = filters::tojson(value, indent, args)?;
    let mut ascii = String::new();
    for character in json.as_str().unwrap_or_default().chars() {
        if character.is_ascii() {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    Ok(Value::from_safe_string(ascii))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Output<'a> {
        output: &'a str,
    }

    fn rendered(template: &str, output: &str) -> String {
        Templates::parse(&[("t", template)]).unwrap().render("t", Output { output }).unwrap()
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        let template = "{% if output | length < 8 -%}\n{{ output }}\n{%- else -%}\n\
                        {{ output[:4] }}|{{ output | length - 8 }}|{{ output[-4:] }}\n{%- endif %}\n";
        assert_eq!(rendered(template, "äöü"), "äöü");
        assert_eq!(rendered(template, "ääääbböööö"), "ääää|2|öööö");
    }

    #[test]
    fn json_is_that_of_python() {
        assert_eq!(rendered("{{ output | tojson }}", "a\"ä\n"), r#""a\"\u00e4\n""#);
        assert_eq!(rendered("{{ output | tojson }}", "🦀"), r#""\ud83e\udd80""#);
        assert_eq!(rendered("{{ output | tojson }}", "<a>&'"), r#""\u003ca\u003e\u0026\u0027""#);
    }

    #[test]
    fn blocks_keep_their_lines_and_the_last_line_end_goes() {
        assert_eq!(rendered("{% if true %}\n  x\n{% endif %}\n", ""), "\n  x\n");
    }

    #[test]
    fn unknown_name_is_an_error_that_names_the_template() {
        let templates = Templates::parse(&[("greeting", "{{ nme }}")]).unwrap();
        let err = templates.render("greeting", Output { output: "" }).unwrap_err();
        assert!(err.to_string().starts_with("`templates.greeting`: line 1:"), "{err}");
        assert!(Templates::parse(&[("t", "{% if %}")]).is_err());
    }
}
