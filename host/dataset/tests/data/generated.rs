//! Rollouts that chance makes: compressions, forks, calls that are no JSON, tools
//! that answer twice or never.

use catena_dataset::Rollout;
use catena_dataset::canonical::{Called, Conversation, History, Output, Said, Turn};
use catena_model::{
    AssistantMessage, ConversationId, FinishReason, Message, Origin, ReplyDetails, TokenLogprob,
    ToolCall, Usage,
};
use catena_plugin::Digest;
use catena_rollout::summary::RoundSummary;
use proptest::prelude::*;

use crate::rollouts::Growing;

/// One thing that happens in a conversation.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    System(String),
    User(String),
    Other(String),
    ByPlugin(String, Option<String>),
    Turn(Spoken),
    /// An answer to the call at this position of the last turn, or to another one.
    Tool(usize, String, Told),
    /// Messages of these positions take the place of the history.
    Replace(Vec<bool>, String),
    Round,
    /// Another conversation goes on from this one.
    Fork,
}

/// What a model said and its server told.
#[derive(Debug, Clone)]
pub(crate) struct Spoken {
    text: String,
    reasoning: Option<String>,
    calls: Vec<(String, String)>,
    usage: (u32, u32, u32, u32, bool),
    details: Option<(Vec<u32>, f64)>,
}

/// What of an answer is known beside what the model was shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    Same,
    More,
    Nothing,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zäß<>/ \\n\"\\\\]{0,20}",
        Just("<think>x</think>".to_owned()),
        Just("\u{1F600} \u{2028}\t".to_owned()),
    ]
}

fn arguments() -> impl Strategy<Value = String> {
    prop_oneof![
        text().prop_map(|text| serde_json::json!({ "command": text }).to_string()),
        Just("{ \"b\": 1,\n \"a\": [1, {\"c\": \"}\\n\"}] }".to_owned()),
        Just("{\"b\": 1e400, \"b\": -0.0}".to_owned()),
        Just("[1]".to_owned()),
        text(),
    ]
}

fn spoken() -> impl Strategy<Value = Spoken> {
    let usage = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), any::<bool>());
    let details = prop::option::of((prop::collection::vec(any::<u32>(), 0..3), -20.0..0.0));
    let calls = prop::collection::vec(("c[0-2]", arguments()), 0..3);
    (text(), prop::option::of(text()), calls, usage, details).prop_map(
        |(text, reasoning, calls, usage, details)| Spoken {
            text,
            reasoning,
            calls,
            usage,
            details,
        },
    )
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![Just(Told::Same), Just(Told::More), Just(Told::Nothing)]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        1 => text().prop_map(Happening::System),
        2 => text().prop_map(Happening::User),
        1 => text().prop_map(Happening::Other),
        1 => (text(), prop::option::of(text())).prop_map(|(a, b)| Happening::ByPlugin(a, b)),
        5 => spoken().prop_map(Happening::Turn),
        5 => (0..3_usize, text(), told()).prop_map(|(at, text, told)| Happening::Tool(at, text, told)),
        1 => (prop::collection::vec(any::<bool>(), 0..12), text())
            .prop_map(|(keep, text)| Happening::Replace(keep, text)),
        1 => Just(Happening::Round),
        1 => Just(Happening::Fork),
    ]
}

/// Any rollout.
pub(crate) fn rollout() -> impl Strategy<Value = Rollout> {
    prop::collection::vec(happening(), 1..30).prop_map(|happenings| {
        let mut teller =
            Teller { rollout: Growing::new("made", 1).begin_round().rollout, round: 1 };
        for happening in happenings {
            teller.tell(happening);
        }
        teller.said(Message::User { content: "the end".to_owned() }, None);
        in_order(teller.rollout)
    })
}

struct Teller {
    rollout: Rollout,
    round: u32,
}

impl Teller {
    fn talk(&mut self) -> &mut Conversation {
        self.rollout.conversations.last_mut().unwrap()
    }

    fn history(&mut self) -> &mut History {
        self.talk().histories.last_mut().unwrap()
    }

    fn said(&mut self, message: Message, turn: Option<usize>) -> usize {
        let round = self.round;
        self.rollout.messages.push(message);
        let message = self.rollout.messages.len() - 1;
        self.history().said.push(Said { message, turn, stage: 1, round });
        message
    }

    fn tell(&mut self, happening: Happening) {
        match happening {
            Happening::System(content) => {
                self.said(Message::System { content }, None);
            }
            Happening::User(content) => {
                self.said(Message::User { content }, None);
            }
            Happening::Other(content) => {
                self.said(Message::Other { name: "critic".to_owned(), content }, None);
            }
            Happening::ByPlugin(content, reasoning) => {
                let message = AssistantMessage { content, reasoning, tool_calls: Vec::new() };
                self.said(Message::Assistant { message, origin: Origin::Plugin }, None);
            }
            Happening::Turn(spoken) => self.turn(spoken),
            Happening::Tool(at, content, told) => self.tool(at, &content, told),
            Happening::Replace(keep, summary) => {
                let old = self.history().said.clone();
                let kept = old.into_iter().zip(keep).filter(|(_, keep)| *keep);
                let said: Vec<Said> = kept.map(|(said, _)| said).collect();
                self.talk().histories.push(History { stage: 1, kept: 0, said });
                self.said(Message::User { content: summary }, None);
                let history = self.history();
                history.kept = history.said.len();
            }
            Happening::Round => {
                self.round += 1;
                self.rollout.stages[0].rounds.push(RoundSummary::begun(self.round));
            }
            Happening::Fork => {
                let from = self.talk().id;
                let said = self.history().said.clone();
                let histories = vec![History { stage: 1, kept: said.len(), said }];
                let id = ConversationId(from.0 + 1);
                self.rollout.conversations.push(Conversation {
                    id,
                    forked_from: Some(from),
                    histories,
                });
            }
        }
    }

    fn turn(&mut self, spoken: Spoken) {
        let calls = spoken.calls.into_iter().map(|(id, arguments)| ToolCall {
            id,
            name: "bash".to_owned(),
            arguments,
        });
        let message = AssistantMessage {
            content: spoken.text,
            reasoning: spoken.reasoning,
            tool_calls: calls.collect(),
        };
        let index = self.rollout.turns.len();
        let message = self.said(Message::of_model(message), Some(index));
        let (input, cached, output, cost, estimated) = spoken.usage;
        let details = spoken.details.map(|(ids, logprob)| {
            let logprobs =
                ids.iter().map(|id| TokenLogprob { token: id.to_string(), logprob }).collect();
            Box::new(ReplyDetails {
                id: Some("reply".to_owned()),
                model: Some("a-model-2".to_owned()),
                prompt_token_ids: ids.clone(),
                token_ids: ids,
                logprobs,
                ..ReplyDetails::default()
            })
        });
        let conversation = self.talk().id;
        self.rollout.turns.push(Turn {
            conversation,
            stage: 1,
            round: self.round,
            message,
            finish: FinishReason::Other("odd".to_owned()),
            usage: Usage {
                input_tokens: input.into(),
                cached_tokens: cached.into(),
                output_tokens: output.into(),
                cost_microusd: cost.into(),
                estimated,
            },
            tools: Digest::of(b"tools"),
            details,
            calls: Vec::new(),
            time: None,
        });
    }

    fn tool(&mut self, at: usize, content: &str, told: Told) {
        let Some(turn) = self.rollout.turns.last() else { return };
        let calls = &self.rollout.reply(turn).unwrap().tool_calls;
        let call_id = calls.get(at).map_or_else(|| "stray".to_owned(), |call| call.id.clone());
        let message = Message::Tool { call_id: call_id.clone(), content: content.to_owned() };
        let shown = self.said(message, None);
        let output = match told {
            Told::Same => Some(Output::SameAs(shown)),
            Told::More => Some(Output::Text(format!("{content} and more"))),
            Told::Nothing => None,
        };
        let called = Called {
            call_id,
            plugin: Some("tool-bash".to_owned()),
            outcome: "ok".to_owned(),
            exit_status: Some(1),
            output,
            wall_us: Some(7),
            tree: None,
        };
        self.rollout.turns.last_mut().unwrap().calls.push(called);
    }
}

/// The same rollout with each message once, in the order in which conversations
/// name them, as journals give it.
pub(crate) fn in_order(mut rollout: Rollout) -> Rollout {
    let old = std::mem::take(&mut rollout.messages);
    let mut new: Vec<Message> = Vec::new();
    let mut place = |at: usize| {
        if let Some(known) = new.iter().position(|message| *message == old[at]) {
            return known;
        }
        new.push(old[at].clone());
        new.len() - 1
    };
    for talk in &mut rollout.conversations {
        for said in talk.histories.iter_mut().flat_map(|history| &mut history.said) {
            said.message = place(said.message);
        }
    }
    for turn in &mut rollout.turns {
        turn.message = place(turn.message);
        for called in &mut turn.calls {
            if let Some(Output::SameAs(at)) = &mut called.output {
                *at = place(*at);
            }
        }
    }
    rollout.messages = new;
    rollout
}
