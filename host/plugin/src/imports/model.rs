//! `catena:plugin/model`: conversations that the host owns.

use std::time::Instant;

use catena_model as model;
use catena_model::{AssistantMessage, ConversationId, Message, Origin, Sampling};
use wasmtime::component::Resource;

use crate::bindings::control::catena::plugin::model as wit;
use crate::bindings::control::catena::plugin::types as wit_types;
use crate::imports::convert::{definition_from_wit, usage_to_wit};
use crate::outside::Exchange;
use crate::refusals::Refusal;
use crate::session::{Full, lock};
use crate::state::State;

/// Roles with a case of their own.
const KNOWN_ROLES: [&str; 4] = ["system", "user", "assistant", "tool"];

/// A guest's handle to a conversation. Dropping it loses nothing.
#[expect(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
pub struct ConversationHandle(pub(crate) ConversationId);

impl State {
    fn conversation(
        &mut self,
        handle: &Resource<ConversationHandle>,
    ) -> wasmtime::Result<ConversationId> {
        Ok(self.table.get(handle)?.0)
    }

    /// The model right, and a model to use it on.
    fn granted_model(&mut self) -> Result<model::ModelInfo, wit::ModelError> {
        match (&self.session.model, self.rights.model) {
            (Some(info), true) => Ok(info.clone()),
            (None, true) => Err(wit::ModelError::Other("the run file names no model".to_owned())),
            (_, false) => {
                self.refuse(Refusal::Model);
                Err(wit::ModelError::NotGranted)
            }
        }
    }

    /// Counts what conversations have no more room for.
    fn taken<T>(&mut self, result: Result<T, Full>) -> Result<T, Full> {
        if result.is_err() {
            self.refuse(Refusal::Limit("conversations"));
        }
        result
    }

    fn push_handle(
        &mut self,
        id: ConversationId,
    ) -> wasmtime::Result<Resource<ConversationHandle>> {
        Ok(self.table.push(ConversationHandle(id))?)
    }
}

impl wit::Host for State {
    fn describe(&mut self) -> wasmtime::Result<Result<wit::ModelInfo, wit::ModelError>> {
        Ok(self
            .granted_model()
            .map(|info| wit::ModelInfo { name: info.name, context_window: info.context_window }))
    }
}

impl wit::HostConversation for State {
    fn open(&mut self) -> wasmtime::Result<Result<Resource<ConversationHandle>, wit::ModelError>> {
        if let Err(err) = self.granted_model() {
            return Ok(Err(err));
        }
        let opened = lock(&self.session.conversations).open();
        let id = self.taken(opened)?;
        Ok(Ok(self.push_handle(id)?))
    }

    fn push(
        &mut self,
        handle: Resource<ConversationHandle>,
        message: wit::Message,
    ) -> wasmtime::Result<()> {
        let id = self.conversation(&handle)?;
        let message = message_from_wit(message)?;
        let pushed = lock(&self.session.conversations).push(id, message);
        Ok(self.taken(pushed)?)
    }

    fn complete(
        &mut self,
        handle: Resource<ConversationHandle>,
        request: wit::CompletionRequest,
    ) -> wasmtime::Result<Result<wit::Completion, wit::ModelError>> {
        let id = self.conversation(&handle)?;
        if let Err(err) = self.granted_model() {
            return Ok(Err(err));
        }
        let session = self.session.clone();
        let edits = lock(&session.conversations).take_edits();
        let exchange = Exchange {
            conversation: id,
            edits,
            tools: request.tools.into_iter().map(definition_from_wit).collect(),
            sampling: Sampling {
                tool_choice: tool_choice_from_wit(request.tool_choice),
                temperature: request.temperature,
                max_output_tokens: request.max_output_tokens,
                stop: request.stop,
            },
        };
        let begin = Instant::now();
        let answer = session.outside.complete(exchange);
        // Without a budget there is no model to wait for.
        if !matches!(answer, Err(model::ModelError::BudgetExhausted(_))) {
            session.add_waited(begin.elapsed());
        }
        match answer {
            Ok(reply) => {
                lock(&session.conversations).reply(id, &reply);
                Ok(Ok(completion_to_wit(reply)))
            }
            Err(err) => {
                let counted = lock(&session.conversations).count_refused();
                self.taken(counted)?;
                Ok(Err(model_error_to_wit(err)))
            }
        }
    }

    fn fork(
        &mut self,
        handle: Resource<ConversationHandle>,
    ) -> wasmtime::Result<Resource<ConversationHandle>> {
        let id = self.conversation(&handle)?;
        let forked = lock(&self.session.conversations).fork(id);
        let copy = self.taken(forked)?;
        self.push_handle(copy)
    }

    fn replace_history(
        &mut self,
        handle: Resource<ConversationHandle>,
        messages: Vec<wit::Message>,
    ) -> wasmtime::Result<()> {
        let id = self.conversation(&handle)?;
        let messages = messages.into_iter().map(message_from_wit).collect::<Result<_, _>>()?;
        let replaced = lock(&self.session.conversations).replace(id, messages);
        Ok(self.taken(replaced)?)
    }

    fn history(
        &mut self,
        handle: Resource<ConversationHandle>,
    ) -> wasmtime::Result<Vec<wit::Message>> {
        let id = self.conversation(&handle)?;
        let mut conversations = lock(&self.session.conversations);
        Ok(conversations.get(id).messages.iter().cloned().map(message_to_wit).collect())
    }

    fn length(&mut self, handle: Resource<ConversationHandle>) -> wasmtime::Result<u32> {
        let id = self.conversation(&handle)?;
        let length = lock(&self.session.conversations).get(id).messages.len();
        Ok(u32::try_from(length).unwrap_or(u32::MAX))
    }

    fn usage(
        &mut self,
        handle: Resource<ConversationHandle>,
    ) -> wasmtime::Result<wit_types::Usage> {
        let id = self.conversation(&handle)?;
        Ok(usage_to_wit(lock(&self.session.conversations).get(id).usage))
    }

    fn drop(&mut self, handle: Resource<ConversationHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

/// Fails for a role that has a case of its own: under the name of another one, a
/// plugin's words could pass for the model's.
fn message_from_wit(message: wit::Message) -> wasmtime::Result<Message> {
    Ok(match message {
        wit::Message::System(content) => Message::System { content },
        wit::Message::User(content) => Message::User { content },
        wit::Message::Assistant(message) => Message::Assistant {
            message: AssistantMessage {
                content: message.content,
                reasoning: message.reasoning,
                tool_calls: message.tool_calls.into_iter().map(call_from_wit).collect(),
            },
            origin: Origin::Plugin,
        },
        wit::Message::Tool(tool) => Message::Tool { call_id: tool.call_id, content: tool.content },
        wit::Message::Other(other) if is_known_role(&other.role) => {
            let role = other.role;
            return Err(wasmtime::Error::msg(format!(
                "a message of the role `{role}` came as one of another role"
            )));
        }
        wit::Message::Other(other) => Message::Other { name: other.role, content: other.content },
    })
}

fn message_to_wit(message: Message) -> wit::Message {
    match message {
        Message::System { content } => wit::Message::System(content),
        Message::User { content } => wit::Message::User(content),
        Message::Assistant { message, .. } => wit::Message::Assistant(assistant_to_wit(message)),
        Message::Tool { call_id, content } => {
            wit::Message::Tool(wit::ToolMessage { call_id, content })
        }
        Message::Other { name, content } => {
            wit::Message::Other(wit::OtherMessage { role: name, content })
        }
    }
}

fn is_known_role(role: &str) -> bool {
    let role = role.trim();
    KNOWN_ROLES.iter().any(|known| known.eq_ignore_ascii_case(role))
}

fn assistant_to_wit(message: AssistantMessage) -> wit::AssistantMessage {
    let call = |call: model::ToolCall| wit_types::ToolCall {
        id: call.id,
        name: call.name,
        arguments: call.arguments,
    };
    wit::AssistantMessage {
        content: message.content,
        reasoning: message.reasoning,
        tool_calls: message.tool_calls.into_iter().map(call).collect(),
    }
}

fn call_from_wit(call: wit_types::ToolCall) -> model::ToolCall {
    model::ToolCall { id: call.id, name: call.name, arguments: call.arguments }
}

fn tool_choice_from_wit(choice: wit::ToolChoice) -> model::ToolChoice {
    match choice {
        wit::ToolChoice::Automatic => model::ToolChoice::Automatic,
        wit::ToolChoice::None => model::ToolChoice::None,
        wit::ToolChoice::Required => model::ToolChoice::Required,
        wit::ToolChoice::Named(name) => model::ToolChoice::Named(name),
    }
}

fn completion_to_wit(reply: model::Reply) -> wit::Completion {
    wit::Completion {
        message: assistant_to_wit(reply.message),
        finish: match reply.finish {
            model::FinishReason::Stop => wit::FinishReason::Stop,
            model::FinishReason::ToolCalls => wit::FinishReason::ToolCalls,
            model::FinishReason::Length => wit::FinishReason::Length,
            model::FinishReason::ContentFilter => wit::FinishReason::ContentFilter,
            model::FinishReason::Other(other) => wit::FinishReason::Other(other),
        },
        usage: usage_to_wit(reply.usage),
    }
}

fn model_error_to_wit(err: model::ModelError) -> wit::ModelError {
    match err {
        model::ModelError::BudgetExhausted(which) => wit::ModelError::BudgetExhausted(which),
        model::ModelError::ContextTooLong(why) => wit::ModelError::ContextTooLong(why),
        model::ModelError::InvalidRequest(why) => wit::ModelError::InvalidRequest(why),
        model::ModelError::Refused(why) => wit::ModelError::Refused(why),
        model::ModelError::Unavailable(why) => wit::ModelError::Unavailable(why),
        model::ModelError::Other(why) => wit::ModelError::Other(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_role_under_the_name_of_another_one_is_refused() {
        let other = |role: &str| {
            let (role, content) = (role.to_owned(), "I did it.".to_owned());
            message_from_wit(wit::Message::Other(wit::OtherMessage { role, content }))
        };
        for role in ["assistant", "Assistant", " user", "system", "tool"] {
            assert!(other(role).is_err(), "{role}");
        }
        let developer = Message::Other { name: "developer".into(), content: "I did it.".into() };
        assert_eq!(other("developer").unwrap(), developer);
    }
}
