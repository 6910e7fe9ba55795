//! Finds out what a server can do, by one small exchange with a tool call and a
//! few questions around it. It costs a few hundred tokens.

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use crate::message::{Message, Origin, ToolDefinition};
use crate::model::{Reply, Request, Sampling, ToolChoice};
use crate::openai::{Delivery, OpenAiError, OpenAiModel, OpenAiSettings, SettingsError};
use crate::usage::Usage;

/// Most tokens of a reply; reasoning needs its room.
const MOST_TOKENS: u32 = 2_048;

/// How a question about a server was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It can.
    Yes,
    /// It can't, or does not tell; agents work without.
    No,
    /// It can't, and agents need it.
    Fails,
}

/// One question about a server and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was asked.
    pub question: &'static str,
    /// The answer.
    pub verdict: Verdict,
    /// More about it.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
}

impl Finding {
    fn of(question: &'static str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { question, verdict, detail: detail.into(), hint: None }
    }

    fn failure(question: &'static str, error: &OpenAiError) -> Self {
        Self { hint: error.hint(), ..Self::of(question, Verdict::Fails, error.to_string()) }
    }

    fn hinted(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

/// What was found out about a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// The answers, in the order in which they were found.
    pub findings: Vec<Finding>,
    /// What finding out took.
    pub usage: Usage,
}

impl ProbeReport {
    /// Whether agents can work with the server.
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict != Verdict::Fails)
    }
}

/// Asks a server.
pub async fn probe(settings: &OpenAiSettings) -> Result<ProbeReport, SettingsError> {
    let mut settings = settings.clone();
    settings.max_output_tokens = settings.max_output_tokens.min(MOST_TOKENS);
    let mut probe = Probe {
        model: OpenAiModel::new(settings.clone())?,
        report: ProbeReport { findings: Vec::new(), usage: Usage::default() },
    };
    let Some(first) = probe.tool_call().await else { return Ok(probe.report) };
    probe.tool_answer(&first).await;
    probe.other_delivery(&settings).await?;
    probe
        .field(&settings, "logprobs", "logprobs", |reply| {
            reply.details.as_ref().is_some_and(|details| !details.logprobs.is_empty())
        })
        .await?;
    probe
        .field(&settings, "return_token_ids", "token ids", |reply| {
            reply.details.as_ref().is_some_and(|details| !details.token_ids.is_empty())
        })
        .await?;
    Ok(probe.report)
}

struct Probe {
    model: OpenAiModel,
    report: ProbeReport,
}

impl Probe {
    fn found(&mut self, finding: Finding) {
        self.report.findings.push(finding);
    }

    async fn ask(
        &mut self,
        messages: &[Message],
        tools: &[ToolDefinition],
    ) -> Result<(Reply, Delivery), OpenAiError> {
        let sampling = Sampling {
            tool_choice: ToolChoice::Automatic,
            temperature: None,
            max_output_tokens: None,
            stop: Vec::new(),
        };
        let request = Request {
            rollout: "doctor",
            stage: "doctor",
            turn_of_stage: 0,
            messages,
            measured: None,
            tools,
            sampling: &sampling,
        };
        let answer = self.model.ask(&request).await?;
        self.report.usage += answer.0.usage;
        Ok(answer)
    }

    /// The first exchange, by which most is found out.
    async fn tool_call(&mut self) -> Option<Reply> {
        let begin = Instant::now();
        let (reply, delivery) = match self.ask(&question(), &[add()]).await {
            Ok(answer) => answer,
            Err(error) => {
                self.found(Finding::failure("answers", &error));
                return None;
            }
        };
        let served = reply.details.as_ref().and_then(|details| details.model.clone());
        let served = served.unwrap_or_else(|| "a model it does not name".to_owned());
        let took = begin.elapsed().as_millis();
        self.found(Finding::of("answers", Verdict::Yes, format!("{served}, in {took} ms")));
        self.found(called(&reply));
        self.found(delivered(delivery));
        let usage = reply.usage;
        self.found(if usage.estimated {
            Finding::of("usage", Verdict::No, "not told, so tokens and cost are estimated")
        } else {
            let counts = format!("{} tokens in, {} out", usage.input_tokens, usage.output_tokens);
            Finding::of("usage", Verdict::Yes, counts)
        });
        let reasoning = reply.message.reasoning.as_ref().map_or(0, String::len);
        self.found(match reasoning {
            0 => Finding::of("reasoning", Verdict::No, "none was shown"),
            bytes => Finding::of("reasoning", Verdict::Yes, format!("{bytes} bytes")),
        });
        Some(reply)
    }

    /// Gives the tool's answer and has the model go on.
    async fn tool_answer(&mut self, first: &Reply) {
        let Some(call) = first.message.tool_calls.first() else { return };
        let mut messages = question();
        messages.push(Message::Assistant { message: first.message.clone(), origin: Origin::Model });
        messages.extend(
            first
                .message
                .tool_calls
                .iter()
                .map(|call| Message::Tool { call_id: call.id.clone(), content: "42".to_owned() }),
        );
        let name = call.name.clone();
        match self.ask(&messages, &[add()]).await {
            Ok((reply, _)) => {
                let said = format!("goes on after the answer of `{name}`");
                self.found(Finding::of("tool answers", Verdict::Yes, said));
                let cached = reply.usage.cached_tokens;
                let (verdict, detail) = match cached {
                    0 => (Verdict::No, "none was told".to_owned()),
                    cached => (Verdict::Yes, format!("{cached} of {}", reply.usage.input_tokens)),
                };
                self.found(Finding::of("cached tokens", verdict, detail));
            }
            Err(error) => self.found(Finding::failure("tool answers", &error)),
        }
    }

    /// Asks for the other delivery than the configured one.
    async fn other_delivery(&mut self, settings: &OpenAiSettings) -> Result<(), SettingsError> {
        let other = match settings.delivery {
            Delivery::Streamed => Delivery::Whole,
            Delivery::Whole => Delivery::Streamed,
        };
        let settings = OpenAiSettings { delivery: other, ..settings.clone() };
        self.model = OpenAiModel::new(settings)?;
        let question = match other {
            Delivery::Streamed => "streaming",
            Delivery::Whole => "whole replies",
        };
        let finding = match self.ask(&hello(), &[]).await {
            Ok((_, delivery)) if delivery == other => Finding::of(question, Verdict::Yes, ""),
            Ok(_) => Finding::of(question, Verdict::No, "it answers in the other way"),
            Err(error) => Finding::of(question, Verdict::No, error.to_string()),
        };
        self.found(finding);
        Ok(())
    }

    /// Asks with a further field set, and whether that had an effect.
    async fn field(
        &mut self,
        settings: &OpenAiSettings,
        field: &str,
        question: &'static str,
        is_there: impl Fn(&Reply) -> bool,
    ) -> Result<(), SettingsError> {
        let mut settings = settings.clone();
        settings.extra.insert(field.to_owned(), Value::Bool(true));
        self.model = OpenAiModel::new(settings)?;
        let finding = match self.ask(&hello(), &[]).await {
            Ok((reply, _)) if is_there(&reply) => {
                Finding::of(question, Verdict::Yes, format!("with `extra.{field} = true`"))
            }
            Ok(_) => Finding::of(question, Verdict::No, format!("`{field}` has no effect")),
            Err(error) => Finding::of(question, Verdict::No, error.to_string()),
        };
        self.found(finding);
        Ok(())
    }
}

/// Whether the tool was called, and as its schema wants.
fn called(reply: &Reply) -> Finding {
    let question = "tool calls";
    let Some(call) = reply.message.tool_calls.first() else {
        let finding = Finding::of(question, Verdict::Fails, "the model did not call the tool");
        return finding.hinted(
            "some servers parse tool calls only when told to: vLLM's `--enable-auto-tool-choice`, \
             SGLang's `--tool-call-parser`, llama.cpp's `--jinja`",
        );
    };
    let arguments = serde_json::from_str::<Value>(&call.arguments).unwrap_or_default();
    if call.name == "add" && arguments.is_object() {
        return Finding::of(question, Verdict::Yes, format!("add {}", call.arguments));
    }
    let detail = format!("called `{}` with `{}`", call.name, call.arguments);
    Finding::of(question, Verdict::Fails, detail)
        .hinted("agents will see such calls as errors; another parser or model may do better")
}

fn delivered(delivery: Delivery) -> Finding {
    match delivery {
        Delivery::Streamed => Finding::of("streaming", Verdict::Yes, ""),
        Delivery::Whole => Finding::of("whole replies", Verdict::Yes, ""),
    }
}

fn question() -> Vec<Message> {
    vec![
        Message::System { content: "You calculate with tools, never by yourself.".to_owned() },
        Message::User { content: "What is 19 + 23? Call the tool `add`.".to_owned() },
    ]
}

fn hello() -> Vec<Message> {
    vec![Message::User { content: "Say hello in one word.".to_owned() }]
}

fn add() -> ToolDefinition {
    let parameters = r#"{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}"#;
    ToolDefinition {
        name: "add".to_owned(),
        description: "Adds two integers.".to_owned(),
        parameters: parameters.to_owned(),
    }
}
