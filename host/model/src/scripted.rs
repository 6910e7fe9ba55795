//! A model that plays replies from a file. It ships in the product: the demo
//! and every hermetic test use it, so that no network and no key is needed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::message::{AssistantMessage, FinishReason, Message, ToolCall};
use crate::model::{AttemptError, Model, ModelError, ModelInfo, Reply, Request};
use crate::price::Price;
use crate::usage::{Usage, estimated_tokens};

/// Why a script can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file can't be read.
    #[error("can't read the script `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a script.
    #[error("`{path}` is not a script of model replies")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The script is of a version this program does not know.
    #[error("`{path}` has script version {found}; this program reads version 1")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
}

/// The file's form.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    version: u32,
    /// Replies per stage id, in the order in which they are given. The stage
    /// `*` serves every stage without replies of its own.
    replies: BTreeMap<String, Vec<ScriptedReply>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptedReply {
    #[serde(default)]
    content: String,
    #[serde(default)]
    reasoning: Option<String>,
    #[serde(default)]
    tool_calls: Vec<ScriptedCall>,
    /// The reply is this error instead.
    #[serde(default)]
    error: Option<ModelError>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptedCall {
    name: String,
    arguments: serde_json::Value,
}

/// Plays the replies of a script.
///
/// It keeps no state: which reply comes next follows from
/// [`Request::turn_of_stage`], so that a resumed rollout gets what the unbroken
/// one would have got.
pub struct ScriptedModel {
    info: ModelInfo,
    price: Price,
    script: Script,
}

impl ScriptedModel {
    /// Reads a script.
    pub fn load(path: &Path, info: ModelInfo, price: Price) -> Result<Self, ScriptError> {
        let text = std::fs::read(path)
            .map_err(|source| ScriptError::Read { path: path.to_owned(), source })?;
        let script: Script = serde_json::from_slice(&text)
            .map_err(|source| ScriptError::Parse { path: path.to_owned(), source })?;
        if script.version != 1 {
            return Err(ScriptError::Version { path: path.to_owned(), found: script.version });
        }
        Ok(Self { info, price, script })
    }

    fn reply_at(&self, stage: &str, turn: usize) -> Result<&ScriptedReply, ModelError> {
        let replies = self
            .script
            .replies
            .get(stage)
            .or_else(|| self.script.replies.get("*"))
            .ok_or_else(|| ModelError::Unavailable(format!("no script for stage `{stage}`")))?;
        replies.get(turn).ok_or_else(|| {
            ModelError::Unavailable(format!(
                "the script of stage `{stage}` has {} replies and was asked for one more",
                replies.len()
            ))
        })
    }

    fn reply(&self, request: &Request<'_>) -> Result<Reply, ModelError> {
        let turn = request.turn_of_stage;
        let scripted = self.reply_at(request.stage, turn)?;
        if let Some(error) = &scripted.error {
            return Err(error.clone());
        }
        let message = AssistantMessage {
            content: scripted.content.clone(),
            reasoning: scripted.reasoning.clone(),
            tool_calls: calls(&scripted.tool_calls, request.stage, turn),
        };
        let finish = if message.tool_calls.is_empty() {
            FinishReason::Stop
        } else {
            FinishReason::ToolCalls
        };
        let usage = self.price.charge(estimate(request.messages, &message));
        Ok(Reply { message, finish, usage, details: None })
    }
}

#[async_trait]
impl Model for ScriptedModel {
    fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    /// Exactly what the reply will take.
    fn bound(&self, request: &Request<'_>) -> Usage {
        self.reply(request).map(|reply| reply.usage).unwrap_or_default()
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<Reply, AttemptError> {
        self.reply(request).map_err(AttemptError::lasting)
    }
}

fn calls(scripted: &[ScriptedCall], stage: &str, turn: usize) -> Vec<ToolCall> {
    let number = |(index, call): (usize, &ScriptedCall)| ToolCall {
        id: format!("call-{stage}-{turn}-{index}"),
        name: call.name.clone(),
        // A string stands for arguments that are not valid JSON.
        arguments: match &call.arguments {
            serde_json::Value::String(raw) => raw.clone(),
            value => value.to_string(),
        },
    };
    scripted.iter().enumerate().map(number).collect()
}

/// Counts as [`estimated_tokens`] does; what the previous turn had already sent
/// counts as cached.
fn estimate(messages: &[Message], reply: &AssistantMessage) -> Usage {
    let total: usize = messages.iter().map(Message::text_len).sum();
    let sent_before = messages.iter().rposition(Message::is_from_model).unwrap_or(0);
    let cached: usize = messages.iter().take(sent_before).map(Message::text_len).sum();
    Usage {
        input_tokens: estimated_tokens(total),
        cached_tokens: estimated_tokens(cached).min(estimated_tokens(total)),
        output_tokens: estimated_tokens(reply.text_len()),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Sampling, ToolChoice};

    async fn reply(text: &str, turn_of_stage: usize) -> Result<Reply, ModelError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let info = ModelInfo { name: "scripted".to_owned(), context_window: 0 };
        let model = ScriptedModel::load(file.path(), info, Price::default()).unwrap();
        let sampling = Sampling {
            tool_choice: ToolChoice::Automatic,
            temperature: None,
            max_output_tokens: None,
            stop: vec![],
        };
        let messages = [Message::User { content: "12345678".to_owned() }];
        let request = Request {
            rollout: "a.1",
            stage: "a",
            turn_of_stage,
            messages: &messages,
            measured: None,
            tools: &[],
            sampling: &sampling,
        };
        model.attempt(&request).await.map_err(|err| err.error)
    }

    const SCRIPT: &str = r#"{"version":1,"replies":{"a":[
        {"content":"look","tool_calls":[{"name":"bash","arguments":{"command":"ls"}}]},
        {"error":{"refused":"no"}}]}}"#;

    #[tokio::test]
    async fn replies_follow_the_turn_of_the_stage() {
        let first = reply(SCRIPT, 0).await.unwrap();
        assert_eq!(first.message.tool_calls[0].arguments, r#"{"command":"ls"}"#);
        assert_eq!(first.finish, FinishReason::ToolCalls);
        assert_eq!(first.usage.input_tokens, 2);
        assert_eq!(reply(SCRIPT, 1).await, Err(ModelError::Refused("no".to_owned())));
        assert!(matches!(reply(SCRIPT, 2).await, Err(ModelError::Unavailable(_))));
    }
}
